"""The same weights in another layout, bit by bit; what has no place there is named."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from checkpoint import tiny
from naga.checkpoint.config import LAYOUTS, read_layout, read_model_config
from naga.checkpoint.convert import convert
from naga.checkpoint.load import StoredModel, load_model
from naga.checkpoint.save import save_model
from naga.checkpoint.transcode import transcode
from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MambaConfig, ModelConfig
from naga.config.quantisation import Quantisation
from naga.data.tokenizer import train_tokenizer
from naga.model.lm import HybridLM
from naga.model.state import pack

# A layout, and a config that it and naga's both express.
PUBLIC = {name: config for name, config in tiny.EVERY.items() if name != "naga"}


def saved(path: Path, config: ModelConfig, dtype: torch.dtype = torch.bfloat16) -> Path:
    model = tiny.random_model(config, seed=3)
    save_model(path, config, model.state_dict(), dtype=dtype, tokenizer=None)
    return path


def tensors(folder: Path) -> dict[str, Tensor]:
    files = sorted(folder.glob("*.safetensors"))
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def assert_same_bits(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype, name
        assert tensor.shape == theirs[name].shape, name
        assert torch.equal(tensor.view(torch.uint8), theirs[name].view(torch.uint8)), name


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_there_and_back_again_is_the_same(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    layout = name.split("-")[0]
    first = saved(tmp_path / "first", PUBLIC[name], dtype)
    transcode(first, tmp_path / "naga", "naga")
    found = transcode(tmp_path / "naga", tmp_path / "back", layout)
    assert read_layout(tmp_path / "naga")[0].model_type == "naga"
    assert_same_bits(tensors(first), tensors(tmp_path / "back"))
    for file in ("config.json", "generation_config.json"):
        assert json.loads((first / file).read_text()) == json.loads(
            (tmp_path / "back" / file).read_text()
        )
    assert (found.source_layout, found.layout) == ("naga", layout)
    assert found.tensors == len(tensors(first))
    assert found.num_bytes == sum(x.numel() * x.element_size() for x in tensors(first).values())


# What each family cannot be said in, and the fault that is named; it goes to all others.
REFUSED = {
    ("bamba", "granitemoehybrid"): "layer 2 (attention): granitemoehybrid has no rope of 4 of 8",
    ("bamba", "nemotron_h"): "nemotron_h has no tied embeddings",
    ("mamba2", "granitemoehybrid"): "layer 1: granitemoehybrid has no M here",
    ("mamba2", "nemotron_h"): "nemotron_h has no tied embeddings",
    ("llama", "nemotron_h"): "nemotron_h has no tied embeddings",
    ("qwen3", "granitemoehybrid"): "layer 0 (attention): granitemoehybrid has no qk_norm",
    ("qwen3", "nemotron_h"): "nemotron_h has no tied embeddings",
    ("qwen3_moe", "granitemoehybrid"): "layer 3: granitemoehybrid has no mix of - and E",
    ("qwen3_moe", "nemotron_h"): "layer 0 (attention): nemotron_h has no rope",
    ("jamba", "granitemoehybrid"): "layer 0: granitemoehybrid has no S here",
    ("jamba", "nemotron_h"): "layer 0 (Mamba-1): nemotron_h has no such layer",
    ("mamba", "granitemoehybrid"): "layer 0: granitemoehybrid has no S here",
    ("mamba", "nemotron_h"): "layer 0 (Mamba-1): nemotron_h has no such layer",
    ("falcon_h1", "granitemoehybrid"): "layer 0: granitemoehybrid has no H here",
    ("falcon_h1", "nemotron_h"): "layer 0 (parallel attention and Mamba-2): nemotron_h has no such",
    ("granitemoehybrid", "nemotron_h"): "nemotron_h has no tied embeddings",
    ("nemotron_h", "granitemoehybrid"): "layer 3: granitemoehybrid has no * here",
}
ALONE = PUBLIC | {"granitemoehybrid": tiny.GRANITE_DENSE, "nemotron_h": tiny.NEMOTRON_DENSE}
ALONE |= {"jamba": tiny.JAMBA_DENSE}
FAMILIES = {name: config for name, config in ALONE.items() if "-" not in name}


@pytest.mark.parametrize("layout", ["granitemoehybrid", "nemotron_h", "naga"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_goes_to_another_bit_by_bit_or_is_refused(
    name: str, layout: str, tmp_path: Path
) -> None:
    first = saved(tmp_path / "first", FAMILIES[name])
    assert read_layout(first)[0].model_type == name
    if (name, layout) in REFUSED:
        with pytest.raises(ConfigError) as caught:
            transcode(first, tmp_path / "other", layout)
        assert str(caught.value).startswith(REFUSED[name, layout])
        assert [path.name for path in tmp_path.iterdir()] == ["first"]
        return
    transcode(first, tmp_path / "other", layout)
    assert read_layout(tmp_path / "other")[0].model_type == layout
    assert read_model_config(tmp_path / "other") == read_model_config(first)
    ours = dict(StoredModel(first).tensors())
    assert_same_bits(ours, dict(StoredModel(tmp_path / "other").tensors()))
    transcode(tmp_path / "other", tmp_path / "back", name)
    assert_same_bits(tensors(first), tensors(tmp_path / "back"))


def test_every_family_is_here() -> None:
    assert FAMILIES.keys() == {layout.model_type for layout in LAYOUTS} - {"naga"}


def test_mamba_2_with_a_head_of_its_own_goes_to_nemotron_h(tmp_path: Path) -> None:
    config = tiny.vary(tiny.MAMBA2, tie_embeddings=False)
    first = saved(tmp_path / "first", config)
    transcode(first, tmp_path / "other", "nemotron_h")
    transcode(tmp_path / "other", tmp_path / "back", read_layout(first)[0].model_type)
    assert_same_bits(tensors(first), tensors(tmp_path / "back"))
    ours, theirs = (load_model(tmp_path / x, tiny.RUNTIME) for x in ("first", "other"))
    assert torch.equal(logits(ours), logits(theirs))


@pytest.mark.parametrize("name", PUBLIC)
def test_naga_s_layout_has_every_bit(name: str, tmp_path: Path) -> None:
    first = saved(tmp_path / "first", PUBLIC[name])
    transcode(first, tmp_path / "naga", "naga")
    ours = dict(StoredModel(first).tensors())
    assert_same_bits(ours, dict(StoredModel(tmp_path / "naga").tensors()))


def test_each_tensor_keeps_its_own_dtype(tmp_path: Path) -> None:
    """As of the hub's checkpoints: one dtype for all, norms too; or half precision."""
    first = saved(tmp_path / "first", tiny.GRANITE_MOE)
    mixed = {
        name: tensor.half() if "norm" in name else tensor.bfloat16()
        for name, tensor in tensors(first).items()
    }
    save_file(mixed, first / "model.safetensors", {"format": "pt"})
    transcode(first, tmp_path / "naga", "naga")
    transcode(tmp_path / "naga", tmp_path / "back", "granitemoehybrid")
    assert_same_bits(mixed, tensors(tmp_path / "back"))


def test_a_model_in_several_files_comes_back_in_several(tmp_path: Path) -> None:
    first = saved(tmp_path / "first", tiny.NEMOTRON)
    transcode(first, tmp_path / "naga", "naga", shard_bytes=10_000)
    transcode(tmp_path / "naga", tmp_path / "back", "nemotron_h", shard_bytes=10_000)
    assert len(list((tmp_path / "back").glob("*.safetensors"))) > 3
    assert_same_bits(tensors(first), tensors(tmp_path / "back"))
    assert load_model(tmp_path / "back", tiny.RUNTIME).config.layers == tiny.NEMOTRON.layers


def test_the_tokenizer_and_what_ends_a_text_come_along(tmp_path: Path) -> None:
    config = tiny.vary(tiny.GRANITE_DENSE, vocab_size=300)
    model = tiny.random_model(config, seed=1)
    tokenizer = train_tokenizer(["rent and rent"], 270)
    save_model(tmp_path / "a", config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer)
    transcode(tmp_path / "a", tmp_path / "b", "naga")
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    ends = [json.loads((tmp_path / x / "config.json").read_text())["eos_token_id"] for x in "ab"]
    assert ends[0] == ends[1] and ends[0] is not None


def test_progress_is_told_of_every_tensor_once(tmp_path: Path) -> None:
    first = saved(tmp_path / "first", tiny.NEMOTRON)
    totals, steps = list[int](), list[int]()

    def progress(total: int) -> nullcontext[Callable[[], None]]:
        totals.append(total)
        return nullcontext(lambda: steps.append(1))

    transcode(first, tmp_path / "naga", "naga", progress=progress)
    assert totals == [len(StoredModel(first).shapes)] == [len(steps)]


@pytest.mark.parametrize(
    ("config", "layout", "message"),
    [
        (tiny.NAGA, "nemotron_h", "nemotron_h has no tied embeddings"),
        (tiny.NAGA, "granitemoehybrid", "layer 3: granitemoehybrid has no mix"),
        (tiny.GRANITE_DENSE, "nemotron_h", "nemotron_h has no tied embeddings"),
        (
            tiny.vary(tiny.GRANITE_DENSE, tie_embeddings=False),
            "nemotron_h",
            "layer 1 (MLP): nemotron_h has no swiglu activation",
        ),
        (tiny.NEMOTRON, "jamba_", "layout 'jamba_': unknown"),
    ],
)
def test_what_the_target_cannot_express_is_named(
    config: ModelConfig, layout: str, message: str, tmp_path: Path
) -> None:
    first = saved(tmp_path / "first", config)
    with pytest.raises(ConfigError) as caught:
        transcode(first, tmp_path / "out", layout)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_quantised_source_is_refused(tmp_path: Path) -> None:
    first = saved(tmp_path / "first", tiny.GRANITE_DENSE)
    convert(first, tmp_path / "int8", Quantisation(format="int8", group=64))
    with pytest.raises(ConfigError, match=r"quantised .*name the checkpoint that it was converted"):
        transcode(tmp_path / "int8", tmp_path / "out", "granitemoehybrid")
    assert not (tmp_path / "out").exists()


def test_a_target_that_exists_is_left_alone(tmp_path: Path) -> None:
    first = saved(tmp_path / "first", tiny.GRANITE_DENSE)
    with pytest.raises(ConfigError, match="exists already; give a new folder"):
        transcode(first, first, "naga")


def test_damaged_numbers_are_not_copied(tmp_path: Path) -> None:
    first = saved(tmp_path / "first", tiny.GRANITE_DENSE)
    damaged = tensors(first)
    damaged["model.norm.weight"][3] = torch.inf
    save_file(damaged, first / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"tensor model\.norm\.weight has NaN or infinity"):
        transcode(first, tmp_path / "out", "naga")
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


WIDE_HEADS = tiny.vary(
    tiny.GRANITE_MOE,
    attention=AttentionConfig(num_heads=8, num_kv_heads=4, head_dim=8),
    mamba=MambaConfig(num_heads=8, head_dim=8, state_dim=16, chunk_size=8),
)


def logits(model: HybridLM) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    tokens = torch.randint(0, 96, (40,), generator=generator)
    batch = pack([25, 15], torch.device("cpu"))
    return model.logits(model(tokens, batch, torch.float32).hidden)


@torch.no_grad()
@pytest.mark.parametrize("heads", [8, 16])
def test_a_widened_model_computes_the_same(heads: int, tmp_path: Path) -> None:
    mamba = MambaConfig(num_heads=16, head_dim=8, state_dim=16, num_groups=2, chunk_size=8)
    attention = AttentionConfig(num_heads=heads, num_kv_heads=4, head_dim=8)
    config = tiny.vary(WIDE_HEADS, attention=attention, mamba=mamba)
    first = saved(tmp_path / "first", config, torch.float32)
    transcode(first, tmp_path / "wide", "granitemoehybrid", widen=True)
    wide = load_model(tmp_path / "wide", tiny.RUNTIME)
    assert wide.config.hidden_dim == 8 * heads
    ours = logits(load_model(first, tiny.RUNTIME))
    torch.testing.assert_close(logits(wide), ours, atol=2e-4, rtol=1e-4)
    assert ours.abs().max() > 1


def test_widening_keeps_bits_of_all_but_norms(tmp_path: Path) -> None:
    first = saved(tmp_path / "first", WIDE_HEADS)
    transcode(first, tmp_path / "wide", "granitemoehybrid", widen=True)
    wide = dict(StoredModel(tmp_path / "wide").tensors())
    for name, tensor in StoredModel(first).tensors():
        if tensor.shape == (32,) and name.endswith("norm.weight") and ".mixer." not in name:
            continue
        corner = wide[name][tuple(slice(0, size) for size in tensor.shape)]
        assert torch.equal(corner, tensor), name
        assert wide[name].count_nonzero() == tensor.count_nonzero(), name


def test_a_model_that_fills_its_width_is_not_widened(tmp_path: Path) -> None:
    first = saved(tmp_path / "first", tiny.GRANITE_MOE)
    with pytest.raises(ConfigError, match="there is nothing to widen"):
        transcode(first, tmp_path / "out", "granitemoehybrid", widen=True)


def test_a_widened_config_has_heads_that_fill_it(tmp_path: Path) -> None:
    first = saved(tmp_path / "first", WIDE_HEADS)
    transcode(first, tmp_path / "wide", "granitemoehybrid", widen=True)
    config = read_model_config(tmp_path / "wide")
    assert config.attention is not None
    assert config.hidden_dim == config.attention.num_heads * config.attention.head_dim
    assert "head_dim" not in json.loads((tmp_path / "wide" / "config.json").read_text())
