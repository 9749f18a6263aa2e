"""Folders in and out: every layout is read, what is written is read back bit for bit."""

import json
from pathlib import Path

import pytest
import torch
from checkpoint import tiny
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlamaConfig

from hf.tiny import pair, saved
from naga.checkpoint.config import read_model_config
from naga.checkpoint.load import load_model
from naga.config.base import ConfigError
from naga.hf import NagaConfig, NagaForCausalLM, NagaModel
from naga.runtime import make_runtime


@pytest.mark.parametrize("name", tiny.EVERY)
def test_every_layout_is_opened_with_the_networks_own_logits(name: str, tmp_path: Path) -> None:
    ours, theirs = pair(name, tmp_path)
    tokens = tiny.random_tokens(ours.config, 21, 0)
    assert theirs(tokens[None]).logits[0].equal(tiny.forward_logits(ours, tokens))
    assert theirs.config.model_config() == read_model_config(tmp_path / "model")


@pytest.mark.parametrize("name", tiny.EVERY)
def test_what_is_saved_is_read_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    ours, theirs = pair(name, tmp_path)
    theirs.save_pretrained(tmp_path / "again")
    assert read_model_config(tmp_path / "again") == read_model_config(tmp_path / "model")
    read = load_model(tmp_path / "again", tiny.RUNTIME)
    assert all(tensor.equal(ours.state_dict()[key]) for key, tensor in read.state_dict().items())
    opened, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "again", output_loading_info=True
    )
    assert isinstance(opened, NagaForCausalLM)
    assert not any(report.values()), report
    for key, tensor in opened.state_dict().items():
        assert tensor.equal(theirs.state_dict()[key])


def test_shards_are_read_back(tmp_path: Path) -> None:
    ours, theirs = pair("naga", tmp_path)
    theirs.save_pretrained(tmp_path / "again", max_shard_size="20KB")
    assert (tmp_path / "again" / "model.safetensors.index.json").is_file()
    read = load_model(tmp_path / "again", tiny.RUNTIME)
    assert all(tensor.equal(ours.state_dict()[key]) for key, tensor in read.state_dict().items())


@pytest.mark.parametrize("name", ["granitemoehybrid-moe", "naga"])
def test_a_bfloat16_folder_is_computed_as_naga_does(name: str, tmp_path: Path) -> None:
    saved(tiny.EVERY[name], tmp_path / "model", torch.bfloat16)
    ours = load_model(tmp_path / "model", make_runtime("cpu", "bfloat16"))
    theirs = NagaForCausalLM.from_pretrained(tmp_path / "model")
    dtypes = {key: tensor.dtype for key, tensor in theirs.named_parameters()}
    assert theirs.dtype == torch.bfloat16
    assert dtypes["model.network.layers.1.mixer.in_proj.weight" if name == "naga" else
                  "model.network.layers.0.mixer.in_proj.weight"] == torch.bfloat16  # fmt: skip
    small = [dtype for key, dtype in dtypes.items() if "norm" in key or key.endswith("A_log")]
    assert set(small) == {torch.float32}
    tokens = tiny.random_tokens(ours.config, 21, 0)
    output = ours(tokens, tiny.pack([21], "cpu"), torch.bfloat16)
    assert theirs(tokens[None]).logits[0].equal(ours.logits(output.hidden))


def test_the_base_model_ends_at_the_last_norm(tmp_path: Path) -> None:
    _, theirs = pair("granitemoehybrid-moe", tmp_path)
    theirs.save_pretrained(tmp_path / "again")
    base = AutoModel.from_pretrained(tmp_path / "again")
    assert isinstance(base, NagaModel)
    tokens = tiny.random_tokens(tiny.BASE, 9, 0)[None]
    last = base(tokens).last_hidden_state
    assert last.equal(theirs.base_model(tokens).last_hidden_state)
    assert last.equal(theirs(tokens, output_hidden_states=True).hidden_states[-1])


def test_embeddings_are_got_set_and_tied(tmp_path: Path) -> None:
    _, tied = pair("naga", tmp_path / "tied")
    assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
    assert tied.config.tie_word_embeddings
    _, untied = pair("nemotron_h-moe", tmp_path / "untied")
    assert untied.get_output_embeddings().weight is not untied.get_input_embeddings().weight


@pytest.mark.parametrize("name", ["naga", "nemotron_h-moe"])
def test_a_resized_vocabulary_is_saved(name: str, tmp_path: Path) -> None:
    ours, theirs = pair(name, tmp_path)
    tokens = tiny.random_tokens(ours.config, 9, 0)
    before = theirs(tokens[None]).logits
    theirs.resize_token_embeddings(ours.config.vocab_size + 3, mean_resizing=False)
    torch.testing.assert_close(theirs(tokens[None]).logits[..., :-3], before)
    theirs.save_pretrained(tmp_path / "again")
    read = load_model(tmp_path / "again", tiny.RUNTIME)
    assert read.config.vocab_size == read.embed.weight.shape[0] == ours.config.vocab_size + 3


def test_a_fresh_model_has_nagas_initial_values() -> None:
    config = NagaConfig(**tiny.NAGA.model_dump(mode="json"))
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(config)
    layer = model.model.network.layers[1]
    assert (layer.mixer.D == 1).all() and (layer.norm.weight == 1).all()
    assert 0.8 < layer.mixer.in_proj.weight.std() / tiny.NAGA.init_std < 1.2
    assert (layer.mixer.A_log >= 0).all() and (layer.mixer.A_log <= 2.8).all()
    torch.manual_seed(5)
    again = AutoModelForCausalLM.from_config(config)
    pairs = zip(model.parameters(), again.parameters(), strict=True)
    assert all(one.equal(other) for one, other in pairs)


def test_a_state_dict_under_stored_names_is_taken(tmp_path: Path) -> None:
    """What a Trainer that resumes reads from its own checkpoint."""
    _, theirs = pair("nemotron_h-moe", tmp_path)
    theirs.save_pretrained(tmp_path / "again")
    fresh = NagaForCausalLM(theirs.config)
    report = fresh.load_state_dict(load_file(tmp_path / "again" / "model.safetensors"), False)
    assert not report.missing_keys and not report.unexpected_keys
    for key, tensor in fresh.state_dict().items():
        assert tensor.equal(theirs.state_dict()[key])


def test_router_biases_are_not_trained(tmp_path: Path) -> None:
    _, theirs = pair("nemotron_h-moe", tmp_path)
    frozen = [key for key, weight in theirs.named_parameters() if not weight.requires_grad]
    assert len(frozen) == tiny.NEMOTRON.count("E")
    assert all(key.endswith("router.bias") for key in frozen)


def test_public_model_types_stay_transformers_own(tmp_path: Path) -> None:
    saved(tiny.GRANITE_DENSE, tmp_path / "model")
    assert AutoConfig.from_pretrained(tmp_path / "model").model_type == "granitemoehybrid"


def test_a_folder_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    saved(tiny.NAGA, tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    tensors = load_file(file)
    del tensors["norm.weight"]
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(ConfigError, match=r"norm\.weight is missing"):
        NagaForCausalLM.from_pretrained(tmp_path / "model")


def test_what_is_no_folder_for_naga_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        NagaForCausalLM.from_pretrained("someone/some-model")
    saved(tiny.NAGA, tmp_path / "model")
    with pytest.raises(ConfigError, match="LlamaConfig"):
        NagaForCausalLM.from_pretrained(tmp_path / "model", config=LlamaConfig())


def test_unknown_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hiden_dim"):
        NagaConfig(**tiny.NAGA.model_dump(mode="json"), hiden_dim=3)
    saved(tiny.NAGA, tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"window": 5}))
    with pytest.raises(ConfigError, match="window"):
        NagaForCausalLM.from_pretrained(tmp_path / "model")
