"""Perplexity: what the training form's float64 log-softmax says, by every backend; and the verb."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from model.tiny import CONFIGS, RUNTIMES, random_tokens, served_model, trained_model

from naga import cli
from naga.checkpoint.convert import convert
from naga.checkpoint.load import load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MambaConfig, MlpConfig, ModelConfig
from naga.config.quantisation import Quantisation, Weights
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.data.windows import read_windows
from naga.engine.backend import make_backend
from naga.eval import Perplexity, measure_perplexity
from naga.eval.perplexity import PIECE, token_nats, window_size
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.model.state import pack
from naga.tasks import Mix, make_examples, make_tasks, write_conversations

NAGA_MINI = Path(cli.__file__).parents[1] / "assets" / "naga-mini"
TEXT = "The tenant shall pay the rent 123 on the first day.\n甲方应当支付租金。😀\n" * 4
BACKENDS = ("native", "reference")


def direct(model: HybridLM, windows: list[list[int]]) -> list[float]:
    found: list[float] = []
    for window in windows:
        hidden = model(torch.tensor(window), pack([len(window)], "cpu"), torch.float32).hidden
        logprobs = model.logits(hidden).double().log_softmax(-1)
        rows = range(len(window) - 1)
        found += [-logprobs[row, window[row + 1]].item() for row in rows]
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["M, limited dt, odd sizes", "pairs", "everything"])
def test_it_is_the_training_forms_log_softmax(name: str, backend: str) -> None:
    """Windows of two tokens, of whole and of broken pieces; each from zero state."""
    lengths = [2, 40, PIECE, PIECE + 1, PIECE + 2, 2 * PIECE + 9, 3]
    windows = [random_tokens(n, seed).tolist() for seed, n in enumerate(lengths)]
    runtime = RUNTIMES["float32"]
    config = EngineConfig(backend=backend)
    served = make_backend(served_model(name, runtime), config, runtime).model
    found = list(token_nats(served, runtime, windows))
    expected = direct(trained_model(name), windows)
    assert len(found) == sum(lengths) - len(lengths)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    alone = [nats for window in windows for nats in token_nats(served, runtime, [window])]
    assert found == alone


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT], 300)


@pytest.fixture(scope="module")
def checkpoint(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tokenizer, tmp_path_factory.mktemp("checkpoint"), tokenizer.vocab_size)


def save(tokenizer: Tokenizer, path: Path, vocab_size: int) -> Path:
    config = ModelConfig(
        pattern="M*-",
        vocab_size=vocab_size,
        hidden_dim=32,
        max_positions=100,
        attention=AttentionConfig(num_heads=2, num_kv_heads=1, head_dim=16),
        mamba=MambaConfig(num_heads=2, head_dim=16, state_dim=16),
        mlp=MlpConfig(inner_dim=32),
    )
    model = HybridLM(config)
    initialize(model, seed=0)
    save_model(path, config, model.state_dict(), dtype=torch.float32, tokenizer=None)
    tokenizer.save(path)
    return path


def write(path: Path, *texts: str) -> Path:
    """A file of several documents."""
    rows = [{"text": text} for text in texts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("backend", BACKENDS)
def test_measure_adds_up_what_each_window_says(
    checkpoint: Path, tokenizer: Tokenizer, tmp_path: Path, backend: str
) -> None:
    file = write(tmp_path / "a.jsonl", TEXT, "7", "the rent")
    windows = read_windows(file, tokenizer, 30)
    nats = direct(load_model(checkpoint, RUNTIMES["float32"]), windows)
    watched: list[int] = []
    found = measure_perplexity(
        checkpoint,
        file,
        EngineConfig(backend=backend),
        window=30,
        watch=lambda scored, total: (watched.append(total), scored)[1],
    )
    assert watched == [len(nats)] and found.tokens == len(nats) > 60
    assert found.nats == pytest.approx(sum(nats), rel=1e-6)
    # Of a random model: about uniform over the vocabulary.
    assert found.perplexity == pytest.approx(tokenizer.vocab_size, rel=0.1)
    whole = measure_perplexity(checkpoint, file, EngineConfig(backend=backend))
    assert whole.tokens > found.tokens and whole.num_bytes > found.num_bytes
    assert len(f"{TEXT}the rent".encode()) > whole.num_bytes


def test_bfloat16_is_measured_as_served(checkpoint: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", TEXT)
    wide = measure_perplexity(checkpoint, file, EngineConfig())
    narrow = measure_perplexity(checkpoint, file, EngineConfig(dtype="bfloat16"))
    assert narrow.nats != wide.nats and narrow.nats == pytest.approx(wide.nats, rel=1e-2)


@pytest.mark.parametrize(("weights", "most"), [("int8", 1.003), ("int4", 1.06)])
def test_quantised_weights_cost_a_trained_model_little(
    weights: Weights, most: float, tmp_path: Path
) -> None:
    """naga-mini on conversations it was not trained on, at load and converted: the same bits."""
    tasks = make_tasks(["addition", "sorting", "comparing", "counting"])
    mix = Mix(weights=None, levels=("easy",), chinese=0.4)
    examples = make_examples(tasks, mix=mix, split="heldout", seed=5, count=30)
    file = tmp_path / "heldout.jsonl"
    write_conversations(examples, file)
    plain = measure_perplexity(NAGA_MINI, file, EngineConfig())
    at_load = measure_perplexity(NAGA_MINI, file, EngineConfig(weights=weights))
    assert at_load.nats != plain.nats
    assert at_load.perplexity < most * plain.perplexity
    convert(NAGA_MINI, tmp_path / "nearest", Quantisation(format=weights))
    nearest = measure_perplexity(tmp_path / "nearest", file, EngineConfig())
    assert nearest.nats == at_load.nats


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4), st.integers(2, 50))
def test_windows_hold_the_documents_in_order(
    tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int
) -> None:
    file = write(tmp_path_factory.mktemp("texts") / "a.jsonl", "start", *texts)
    left = read_windows(file, tokenizer, size)
    for text in ("start", *texts):
        tokens = tokenizer.encode(text)
        for first in range(0, len(tokens) - 1, size):
            assert left.pop(0) == tokens[first : first + size]
    assert not left


def test_numbers_are_those_of_their_definitions() -> None:
    found = Perplexity(file="a.txt", tokens=8, num_bytes=16, nats=8 * math.log(4))
    assert found.perplexity == pytest.approx(4)
    assert found.bits_per_byte == pytest.approx(1)
    assert Perplexity(file="a", tokens=1, num_bytes=1, nats=1e4).perplexity == math.inf


def test_a_window_is_at_most_what_the_model_is_meant_for() -> None:
    config = CONFIGS["M"]
    assert window_size(None, config) == window_size(256, config) == 256
    assert window_size(None, config.model_copy(update={"max_positions": 9999})) == 2048
    for size in (1, 257):
        with pytest.raises(ConfigError, match=f"window {size}: must be at least 2 and at most"):
            window_size(size, config)


def test_too_short_and_too_many_tokens_are_refused(
    checkpoint: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    for text, message in (("7", "too short to score"), ("", "no documents there")):
        (tmp_path / "a.txt").write_text(text)
        with pytest.raises(ConfigError, match=rf"a\.txt: {message}"):
            measure_perplexity(checkpoint, tmp_path / "a.txt", EngineConfig())
    small = save(tokenizer, tmp_path / "small", 100)
    with pytest.raises(ConfigError, match=r"its tokenizer has token .* beyond the model's"):
        measure_perplexity(small, write(tmp_path / "a.jsonl", TEXT), EngineConfig())


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[object, str, str]:
    monkeypatch.setattr(sys, "argv", ["naga", "eval", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, *capsys.readouterr()


def test_the_verb_prints_json_and_a_table(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write(tmp_path / "a.jsonl", TEXT)
    flags = (checkpoint, "--perplexity", file, "--window", "20")
    code, out, err = run(monkeypatch, capsys, *flags, "--json")
    measured = measure_perplexity(checkpoint, file, EngineConfig(), window=20)
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "file": str(file),
        "tokens": measured.tokens,
        "nats_per_token": measured.nats_per_token,
        "perplexity": measured.perplexity,
        "bits_per_byte": measured.bits_per_byte,
    }
    code, out, err = run(monkeypatch, capsys, *flags)
    assert (code, err) == (0, "")
    assert "perplexity" in out and f"{measured.bits_per_byte:.5f}" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--perplexity nowhere.txt", "nowhere.txt: no such file or folder"),
        ("--perplexity a.txt --window 101", "window 101: must be at least 2 and at most the"),
        ("--perplexity a.txt --window 1", "Invalid value for '--window'"),
        ("--perplexity a.txt --tasks addition", "--perplexity runs no tasks"),
        ("--window 20", "--window is for --perplexity"),
    ],
)
def test_a_mistake_is_one_line(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(TEXT)
    code, out, err = run(monkeypatch, capsys, checkpoint, *flags.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"naga: error: {message}") and err.count("\n") == 1
