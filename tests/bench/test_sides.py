"""naga.bench.ours, naga.bench.peer and transformers' worker: the two sides do the same work."""

import logging
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from naga.bench.limits import Precision
from naga.bench.ours import (
    EngineSequences,
    TrainSide,
    Turnstile,
    open_sequences,
    pack_rows,
    plain_tokenizer,
)
from naga.bench.peer import PeerTrainSide, quiet
from naga.bench.rounds import Case
from naga.bench.slice import OPTIM
from naga.bench.workers.transformers_sequences import TransformersSequences, load
from naga.config.base import ConfigError
from naga.engine.request import Output
from naga.model.state import pack
from naga.ops.loss import cross_entropy
from naga.runtime import make_runtime

TOKENS = np.random.default_rng(1).integers(96, size=(3, 12))


def test_rows_are_packed_with_the_targets_of_transformers_labels() -> None:
    batch = pack_rows(np.array([[1, 2, 3], [4, 5, 6]]))
    assert batch.tokens.tolist() == [1, 2, 3, 4, 5, 6]
    assert batch.loss_mask.tolist() == [True, True, False, True, True, False]
    assert batch.targets[batch.loss_mask].tolist() == [2, 3, 5, 6]
    assert batch.lengths == (3, 3)


@pytest.mark.parametrize("layout", ["granitemoehybrid", "nemotron_h"])
def test_both_sides_train_on_the_same_loss(layout: str, checkpoints: dict[str, Path]) -> None:
    runtime = make_runtime("cpu", "float32")
    ours = TrainSide(checkpoints[layout], runtime, OPTIM)
    batch = pack_rows(TOKENS)
    model = ours._model
    output = model(torch.from_numpy(batch.tokens), pack(batch.lengths, "cpu"), runtime.dtype)
    loss = cross_entropy(
        output.hidden,
        model.head_weight,
        torch.from_numpy(batch.targets),
        torch.from_numpy(batch.loss_mask),
        denominator=int(batch.loss_mask.sum()),
        logits_divisor=model.config.logits_divisor,
    )
    with quiet():
        theirs = load(str(checkpoints[layout]), torch.float32)
        ids = torch.from_numpy(TOKENS)
        expected = theirs(input_ids=ids, labels=ids, use_cache=False).loss
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_training_moves_the_weights_of_both_sides(dtype: str, checkpoints: dict[str, Path]) -> None:
    case, runtime = Case(work="train", batch=3, context=12), make_runtime("cpu", dtype)
    path = checkpoints["granitemoehybrid"]
    with quiet():
        sides = TrainSide(path, runtime, OPTIM), PeerTrainSide(path, runtime.dtype, OPTIM)
        for side in sides:
            before = [weight.detach().clone() for weight in side._model.parameters()]
            assert side.seconds(case, TOKENS) > 0
            after = list(side._model.parameters())
            assert {weight.dtype for weight in after} == {torch.float32}
            assert any(not a.equal(b) for a, b in zip(before, after, strict=True))


@pytest.fixture
def ours(checkpoints: dict[str, Path]) -> Iterator[EngineSequences]:
    found = open_sequences(
        model=str(checkpoints["granitemoehybrid"]),
        precision="f32",
        kv=None,
        sequences=3,
        tokens=1024,
    )
    yield found
    found.close()


class Watched:
    """Notes the tokens that leave the engine, by request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tokens: dict[str, list[int]] = {}
        take = Turnstile.take

        def note(turnstile: Turnstile, output: Output) -> None:
            if output.token is not None:
                self.tokens.setdefault(output.request_id, []).append(output.token)
            take(turnstile, output)

        monkeypatch.setattr(Turnstile, "take", note)

    @property
    def counts(self) -> list[int]:
        return [len(tokens) for tokens in self.tokens.values()]


@pytest.mark.parametrize("batch", [1, 3])
def test_the_engine_stands_still_between_two_windows(
    batch: int, ours: EngineSequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    assert ours.start(TOKENS[:batch].tolist(), 8) > 0
    # Prompts of 12 tokens fit one chunk: all start in one step.
    assert watched.counts == [1] * batch
    for count in (4, 9):
        assert ours.advance(count - watched.counts[0]) > 0
        assert watched.counts == [count] * batch
    ours.stop()
    assert watched.counts == [9] * batch
    assert (ours._engine.load.running, ours._engine.load.waiting) == (0, 0)


def test_sequences_whose_prompts_take_several_steps_start_together(
    ours: EngineSequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours._engine._scheduler._pace, "_chunk", 12)
    watched = Watched(monkeypatch)
    ours.start(TOKENS.tolist(), 4)
    assert watched.counts == [1, 1, 1]
    ours.advance(2)
    assert watched.counts == [3, 3, 3]
    ours.stop()


def test_other_sequences_follow(ours: EngineSequences) -> None:
    for _ in range(2):
        ours.start(TOKENS.tolist(), 1)
        ours.stop()
    ours.stop()
    ours.start(TOKENS[:1].tolist(), 1)
    ours.advance(1)
    ours.stop()


def test_a_request_the_engine_refuses_is_an_error_not_a_wait(ours: EngineSequences) -> None:
    with pytest.raises(ConfigError, match="exceeds the model's context"):
        ours.start(TOKENS.tolist(), 500)
    ours.stop()
    assert ours.start(TOKENS.tolist(), 1) > 0


def test_a_sequence_that_ends_while_it_is_timed_is_an_error(ours: EngineSequences) -> None:
    ours.start(TOKENS[:1].tolist(), 1)
    with pytest.raises(ConfigError, match="ended while it was timed"):
        ours.advance(40)


def test_both_sides_decode_the_same_tokens(
    ours: EngineSequences, checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    ours.start(TOKENS[:1].tolist(), 5)
    ours.advance(5)
    with quiet():
        theirs = TransformersSequences(
            model=str(checkpoints["granitemoehybrid"]), precision="f32", threads=1
        )
    assert theirs.start(TOKENS[:1].tolist(), 5) > 0
    expected = [theirs._chosen.item()]
    for _ in range(5):
        assert theirs.advance(1) > 0
        expected.append(theirs._chosen.item())
    theirs.stop()
    assert list(watched.tokens.values()) == [expected]


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_the_engine_opens_in_every_precision(
    precision: Precision, checkpoints: dict[str, Path]
) -> None:
    found = open_sequences(
        model=str(checkpoints["nemotron_h"]),
        precision=precision,
        kv="int8",
        sequences=1,
        tokens=64,
    )
    assert found._model.quantisation is None or found._model.quantisation.format == precision
    assert (found._model.quantisation is None) == (precision == "bf16")
    assert found._engine._runner.pool.keys.dtype == torch.int8
    assert found.start(TOKENS[:1].tolist(), 1) > 0 and found.advance(1) > 0
    found.close()


def test_the_engine_tells_the_machines_limits(ours: EngineSequences) -> None:
    ours.start(TOKENS[:1].tolist(), 1)
    assert 1e6 < ours.read_weights() < 1e13, "while it is held, too"
    ours.stop()
    peaks = ours.product_peaks(["f32", "bf16", "int8"])
    assert set(peaks) == {"f32", "bf16", "int8"} and min(peaks.values()) > 1e6


def test_the_plain_tokenizer_names_every_id_and_ends_nothing() -> None:
    tokenizer = plain_tokenizer(300)
    assert tokenizer.vocab_size == 300
    assert [tokenizer.token_bytes(index) for index in (0, 7, 299)] == [b"w0", b"w7", b"w299"]
    assert not tokenizer.is_chat()


def test_transformers_is_quiet_for_as_long_as_asked(
    checkpoints: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    transformers_logging = import_module("transformers.utils.logging")
    before = transformers_logging.get_verbosity()
    with quiet():
        load(str(checkpoints["nemotron_h"]), torch.float32)
        logging.getLogger("transformers.models").warning("not shown")
    assert transformers_logging.get_verbosity() == before
    assert transformers_logging.is_progress_bar_enabled()
    assert capfd.readouterr() == ("", "")


def test_warnings_of_others_are_not_silenced() -> None:
    with quiet(), pytest.warns(UserWarning, match="ours"):
        warnings.warn("ours", stacklevel=1)


def test_what_transformers_cannot_compute_is_one_clear_line(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("strides should be multiple of 16 bytes\nat ...")

    with quiet():
        side = PeerTrainSide(checkpoints["nemotron_h"], torch.bfloat16, OPTIM)
    monkeypatch.setattr(side._model, "forward", fail)
    with pytest.raises(ConfigError, match=r"in bfloat16 \(strides .* bytes\); try another --dtype"):
        side.seconds(Case(work="train", batch=1, context=12), TOKENS[:1])
