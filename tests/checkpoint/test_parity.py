"""Every family against transformers, on checkpoints that transformers wrote.

Stated bounds, of logits of tiny random models: 1e-4 each in float32; in bfloat16, of the median
token, 0.03 of the norm from transformers' float32 logits, and no further than 1.5 times as far as
transformers' own bfloat16 ones are.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from checkpoint import tiny
from checkpoint.parity import THEIRS, UNCACHED, greedy, prefill, rows_of, saved_random
from naga.checkpoint.load import load_model
from naga.checkpoint.save import save_model
from naga.model.lm import HybridLM
from naga.model.native import NativeModel, best_isa
from naga.model.state import pack
from naga.runtime import make_runtime

TOLERANCE = 1e-4
BFLOAT16 = make_runtime("cpu", "bfloat16")
names = pytest.mark.parametrize("name", THEIRS)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """No progress bars; a warning of transformers' own logger would still be seen."""
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.enable_progress_bar()


def native(model: HybridLM, dtype: torch.dtype) -> NativeModel:
    return NativeModel.of(model, dtype, 1, best_isa())


@names
def test_logits_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    theirs = saved_random(name, tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 45, seed=1)
    expected = prefill(theirs, tokens)
    for found in (
        tiny.forward_logits(ours, tokens),
        tiny.step_logits(ours, tokens),
        rows_of(native(ours, torch.float32), tokens, tiny.RUNTIME),
    ):
        torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@names
def test_packed_texts_are_those_of_transformers_alone(name: str, tmp_path: Path) -> None:
    theirs = saved_random(name, tmp_path, seed=2)
    ours, lengths = load_model(tmp_path, tiny.RUNTIME), [7, 1, 21]
    texts = [tiny.random_tokens(ours.config, count, count) for count in lengths]
    hidden = ours(torch.cat(texts), pack(lengths, "cpu"), torch.float32).hidden
    for text, found in zip(texts, ours.logits(hidden).split(lengths), strict=True):
        torch.testing.assert_close(found, prefill(theirs, text), atol=TOLERANCE, rtol=0)


@names
def test_sixty_four_greedy_tokens_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    theirs = saved_random(name, tmp_path, seed=3)
    ours = load_model(tmp_path, tiny.RUNTIME)
    prompt = tiny.random_tokens(ours.config, 9, seed=3)
    generated = theirs.generate(
        prompt[None],
        # It would hide the token that it pads with.
        attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
        max_new_tokens=64,
        do_sample=False,
        use_cache=name not in UNCACHED,
    )[0]
    assert len(generated) == 9 + 64
    assert greedy(ours, prompt, 64, tiny.RUNTIME).equal(generated)
    assert greedy(native(ours, torch.float32), prompt, 64, tiny.RUNTIME).equal(generated)


def distance(found: Tensor, expected: Tensor) -> float:
    """Of the median token: rounding tips a router's choice now and then."""
    return ((found - expected).norm(dim=1) / expected.norm(dim=1)).median().item()


@names
def test_bfloat16_is_as_near_as_stated(name: str, tmp_path: Path) -> None:
    theirs = saved_random(name, tmp_path, seed=4)
    tokens = tiny.random_tokens(load_model(tmp_path, BFLOAT16).config, 45, seed=4)
    expected = prefill(theirs, tokens)
    rounded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    own = distance(prefill(rounded, tokens).float(), expected)
    ours = load_model(tmp_path, BFLOAT16)
    for model in (ours, native(ours, torch.bfloat16)):
        found = distance(rows_of(model, tokens, BFLOAT16), expected)
        assert 0 < found < min(0.03, 1.5 * own), (found, own)


@names
def test_what_is_saved_again_is_the_same_to_the_byte(name: str, tmp_path: Path) -> None:
    saved_random(name, tmp_path / "theirs")
    ours, family = load_model(tmp_path / "theirs", tiny.RUNTIME), name.split("-")[0]
    save_model(
        tmp_path / "ours",
        ours.config,
        ours.state_dict(),
        dtype=torch.float32,
        tokenizer=None,
        layout=family,
    )
    files = [load_file(tmp_path / who / "model.safetensors") for who in ("theirs", "ours")]
    assert files[0].keys() == files[1].keys()
    assert all(tensor.equal(files[1][key]) for key, tensor in files[0].items())
    again, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(report.values()), report
    tokens = tiny.random_tokens(ours.config, 20, seed=5)
    expected = tiny.forward_logits(ours, tokens)
    torch.testing.assert_close(prefill(again, tokens), expected, atol=TOLERANCE, rtol=0)
