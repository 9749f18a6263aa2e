"""Calibration: layer by layer it gathers what the whole model gathers, of windows of the text."""

import json
from pathlib import Path

import pytest
import torch

from checkpoint import tiny
from naga.checkpoint import calibrate as module
from naga.checkpoint.calibrate import calibrate, read_calibration
from naga.checkpoint.load import StoredModel, load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.model.lm import is_matrix
from naga.model.moments import Moments
from naga.model.state import pack

TEXT = "The tenant shall pay the rent on the first day of each month. 甲方应当支付租金。"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT], 290)


@pytest.mark.parametrize("name", ["granitemoehybrid-moe", "nemotron_h-moe", "naga"])
def test_layer_by_layer_is_the_whole_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tiny.random_model(tiny.EVERY[name], 3).state_dict()
    save_model(tmp_path / "m", tiny.EVERY[name], state, dtype=torch.bfloat16, tokenizer=None)
    windows = [
        tiny.random_tokens(tiny.EVERY[name], length, length).tolist() for length in (30, 2, 17, 40)
    ]
    monkeypatch.setattr(module, "BATCH_TOKENS", 45)
    done: list[None] = []
    found = calibrate(StoredModel(tmp_path / "m"), windows, done=lambda: done.append(None))
    model = load_model(tmp_path / "m", tiny.RUNTIME)
    matrices = {key: x for key, x in model.state_dict().items() if is_matrix(key)}
    with torch.no_grad(), Moments(matrices) as seen:
        for window in windows:
            model(torch.tensor(window), pack([len(window)], "cpu"), torch.float32)
    expected = seen.importance()
    assert found.keys() == expected.keys() == matrices.keys()
    for key, importance in expected.items():
        torch.testing.assert_close(found[key], importance, rtol=1e-3, atol=1e-4, msg=key)
    assert len(done) == len(model.config.layers)


def test_a_layer_that_gives_nan_is_named(tmp_path: Path) -> None:
    state = tiny.random_model(tiny.NAGA, 0).state_dict()
    # Finite, or it would not load; what it gives is not.
    state["layers.1.mixer.out_proj.weight"][0] = 3e38
    save_model(tmp_path / "m", tiny.NAGA, state, dtype=torch.float32, tokenizer=None)
    with pytest.raises(ConfigError, match=r"layers\.1: gives NaN or infinity"):
        calibrate(StoredModel(tmp_path / "m"), [[1, 2, 3]])


def test_windows_come_from_all_over_a_long_text(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny.vary(tiny.BASE, vocab_size=tokenizer.vocab_size, max_positions=40)
    file = tmp_path / "a.jsonl"
    rows = [{"text": f"{index}: {TEXT}"} for index in range(50)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(module, "MOST_TOKENS", 600)
    windows = read_calibration(file, tokenizer, config)
    assert windows == read_calibration(file, tokenizer, config)
    assert max(map(len, windows)) == 40
    assert 600 <= sum(map(len, windows)) < 640
    found = {tokenizer.decode(window)[:2] for window in windows}
    assert len(found) > 8, "beginnings of many documents"


def test_texts_of_no_use_are_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config = tiny.vary(tiny.BASE, vocab_size=tokenizer.vocab_size)
    file = tmp_path / "a.txt"
    file.write_text("the rent")
    with pytest.raises(ConfigError, match=r"a\.txt: \d+ tokens are too few to calibrate on"):
        read_calibration(file, tokenizer, config)
    file.write_text(TEXT * 40)
    assert read_calibration(file, tokenizer, config)
    with pytest.raises(ConfigError, match="beyond the model's vocabulary of 96"):
        read_calibration(file, tokenizer, tiny.BASE)
    with pytest.raises(ConfigError, match="no such file"):
        read_calibration(tmp_path / "b.txt", tokenizer, config)
