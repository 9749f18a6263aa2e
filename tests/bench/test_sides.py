"""naga.bench.ours and naga.bench.peer: the two sides do the same work, all of it."""

import logging
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from naga.bench import peer
from naga.bench.ours import EngineSide, TrainSide, open_engine_side, pack_rows, plain_tokenizer
from naga.bench.peer import PeerSide, PeerTrainSide, load_peer, peer_version, quiet
from naga.bench.rounds import Case
from naga.bench.slice import OPTIM
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.serve import EngineConfig
from naga.engine.request import Output
from naga.model.state import pack
from naga.ops.loss import cross_entropy
from naga.runtime import make_runtime

TOKENS = np.random.default_rng(1).integers(96, size=(3, 12))
ENGINE = parse_config(EngineConfig, {"kv_tokens": 1024, "prefill_chunk": 16}, source="test")


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
        theirs = load_peer(checkpoints[layout], torch.float32)
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


class Watched:
    """Notes what leaves the engine."""

    def __init__(self, side: EngineSide, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs: list[Output] = []
        submit = side._engine.submit

        def watch(request, sink):  # type: ignore[no-untyped-def]
            def both(output: Output) -> None:
                # Not those of the request that only lets the others in.
                if len(request.prompt) > 1:
                    self.outputs.append(output)
                sink(output)

            submit(request, both)

        monkeypatch.setattr(side._engine, "submit", watch)


@pytest.mark.parametrize("batch", [1, 3])
def test_decode_times_every_sequence_and_leaves_the_engine_idle(
    batch: int, checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(work="decode", batch=batch, context=12, new_tokens=5)
    with open_engine_side(checkpoints["granitemoehybrid"], ENGINE) as side:
        watched = Watched(side, monkeypatch)
        assert side.seconds(case, TOKENS[:batch]) > 0
        assert (side._engine.load.running, side._engine.load.waiting) == (0, 0)
    counts: dict[str, int] = {}
    for output in watched.outputs:
        counts[output.request_id] = counts.get(output.request_id, 0) + (output.token is not None)
    assert len(counts) == batch and min(counts.values()) >= 1 + case.new_tokens


def test_a_request_the_engine_refuses_is_an_error_not_a_wait(checkpoints: dict[str, Path]) -> None:
    too_long = Case(work="decode", batch=2, context=12, new_tokens=500)
    with (
        open_engine_side(checkpoints["nemotron_h"], ENGINE) as side,
        pytest.raises(ConfigError, match="exceeds the model's context"),
    ):
        side.seconds(too_long, TOKENS[:2])


def test_prefill_ends_with_the_first_token(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_engine_side(checkpoints["nemotron_h"], ENGINE) as side:
        watched = Watched(side, monkeypatch)
        assert side.seconds(Case(work="prefill", batch=1, context=12), TOKENS[:1]) > 0
    assert len(watched.outputs) == 1


def test_both_sides_decode_the_same_tokens(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, case = (
        checkpoints["granitemoehybrid"],
        Case(work="decode", batch=1, context=12, new_tokens=5),
    )
    with open_engine_side(path, ENGINE) as side:
        watched = Watched(side, monkeypatch)
        side.seconds(case, TOKENS[:1])
    ours = [output.token for output in watched.outputs][: 1 + case.new_tokens]
    with quiet(), torch.inference_mode():
        theirs = PeerSide(path, torch.float32)
        chosen, cache = theirs._forward(torch.from_numpy(TOKENS[:1]), None)
        expected = [chosen.item()]
        for _ in range(case.new_tokens):
            chosen, cache = theirs._forward(chosen, cache)
            expected.append(chosen.item())
    assert ours == expected


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
        PeerSide(checkpoints["nemotron_h"], torch.float32)
        logging.getLogger("transformers.models").warning("not shown")
    assert transformers_logging.get_verbosity() == before
    assert transformers_logging.is_progress_bar_enabled()
    assert capfd.readouterr() == ("", "")


def test_warnings_of_others_are_not_silenced() -> None:
    with quiet(), pytest.warns(UserWarning, match="ours"):
        warnings.warn("ours", stacklevel=1)


def test_a_missing_or_old_transformers_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "version", lambda name: "4.57.1")
    with pytest.raises(ConfigError, match=r"transformers 4\.57\.1 is too old .* pip install"):
        peer_version()
    monkeypatch.setattr(peer, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"transformers is not installed.*pip install"):
        peer_version()


def test_what_transformers_cannot_compute_is_one_clear_line(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("strides should be multiple of 16 bytes\nat ...")

    with quiet():
        side = PeerSide(checkpoints["nemotron_h"], torch.bfloat16)
    monkeypatch.setattr(side._model, "forward", fail)
    with pytest.raises(ConfigError, match=r"in bfloat16 \(strides .* bytes\); try another --dtype"):
        side.seconds(Case(work="prefill", batch=1, context=12), TOKENS[:1])
