"""make-model: a folder that opens everywhere, the same bytes for a seed, one file in memory."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.conftest import CONFIGS
from naga.bench import models
from naga.bench.models import byte_tokenizer, count_tensors, make_model, preset_file, preset_names
from naga.checkpoint.config import choose_layout
from naga.checkpoint.load import load_model
from naga.config.base import ConfigError
from naga.config.load import load_config
from naga.config.model import ModelConfig
from naga.config.serve import EngineConfig
from naga.data.chat import Message
from naga.engine.chat import chat_request, complete, open_engine
from naga.engine.request import SamplingParams
from naga.runtime import make_runtime

WIDE = {
    name: config.model_copy(update={"vocab_size": 300, "max_positions": 400})
    for name, config in CONFIGS.items()
}
ENGINE = EngineConfig(max_running=2, page_size=16, kv_tokens=256)


def made(folder: Path, name: str, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> Path:
    make_model(WIDE[name], folder, seed=seed, dtype=dtype)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("name", WIDE)
def test_a_folder_is_served(name: str, tmp_path: Path) -> None:
    with open_engine(made(tmp_path / "m", name), ENGINE) as engine:
        messages = [Message(role="user", content="租金 12")]
        sampling = SamplingParams(max_tokens=5, temperature=1)
        reply = complete(engine, chat_request(engine.tokenizer, messages, sampling))
    assert reply.error is None and reply.tokens


def test_transformers_opens_it(tmp_path: Path) -> None:
    folder = made(tmp_path / "m", "granitemoehybrid")
    assert AutoModelForCausalLM.from_pretrained(folder).dtype == torch.bfloat16
    assert len(AutoTokenizer.from_pretrained(folder)) == 300


def test_a_seed_is_a_model(tmp_path: Path) -> None:
    first, again, other = (
        contents(made(tmp_path / str(index), "naga", seed)) for index, seed in enumerate((3, 3, 4))
    )
    assert first == again
    assert first["model.safetensors"] != other["model.safetensors"]


def test_tensors_of_one_shape_differ(tmp_path: Path) -> None:
    model = load_model(made(tmp_path / "m", "granitemoehybrid"), make_runtime("cpu", "float32"))
    state = model.state_dict()
    ups = [state[f"layers.{layer}.mixer.experts.up"] for layer in (1, 3)]
    assert not ups[0].equal(ups[1])
    assert not ups[0][0].equal(ups[0][1])


def test_values_do_not_depend_on_how_a_layout_stores_them(tmp_path: Path) -> None:
    """nemotron_h stores every expert by itself; the generator of a weight runs once."""
    moe = {"router": "sigmoid", "activation": "relu2", "balance_loss": 0.0}
    config = WIDE["granitemoehybrid"]
    assert config.moe is not None
    changed = config.model_copy(
        update={"moe": config.moe.model_copy(update=moe), "tie_embeddings": False}
    )
    assert choose_layout(changed) == "nemotron_h"
    calls = []
    make_model(changed, tmp_path / "m", seed=0, dtype=torch.float32, made=lambda: calls.append(1))
    assert len(calls) == count_tensors(changed)
    up = load_model(tmp_path / "m", make_runtime("cpu", "float32")).state_dict()[
        "layers.1.mixer.experts.up"
    ]
    name = "layers.1.mixer.experts.up"
    generator = models.generator_of(0, name)
    assert up.equal(models.initial_value(name, tuple(up.shape), changed, generator))


def test_a_large_model_goes_into_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "FILE_BYTES", 8000)
    folder = made(tmp_path / "m", "naga")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    assert load_model(folder, make_runtime("cpu", "bfloat16")).config.layers == "M*-"


def test_another_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds notes\.txt"):
        made(tmp_path, "naga")
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_checkpoint_is_not_overwritten(tmp_path: Path) -> None:
    folder = made(tmp_path / "m", "naga")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(ConfigError, match="has a checkpoint, which random weights would replace"):
        made(folder, "naga", seed=1)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_vocabulary_without_room_for_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tokenizer has 266 tokens, the model only 96"):
        make_model(CONFIGS["naga"], tmp_path / "m", seed=0, dtype=torch.float32)


def test_every_preset_is_found_by_its_name() -> None:
    names = {"granite-4.0-h-350m", "granite-4.0-h-1b", "granite-4.0-h-tiny", "dense-350m"}
    assert names <= {*preset_names()}
    for name in preset_names():
        load_config(ModelConfig, preset_file(name))
    with pytest.raises(
        ConfigError, match=r"'granite-9': unknown; use a \.toml file or one of: dense"
    ):
        preset_file("granite-9")


def test_the_tokenizer_spells_any_text() -> None:
    tokenizer = byte_tokenizer()
    assert tokenizer.vocab_size == 266 and tokenizer.is_chat()
    text = "rent 租金 \U0001f600\n"
    assert len(tokenizer.encode(text)) == len(text.encode())
    assert tokenizer.decode(tokenizer.encode(text)) == text
    filled = tokenizer.filled(300)
    assert filled.vocab_size == 300 and not filled.merges
    assert filled.encode(text + "<299>") == tokenizer.encode(text + "<299>")
    assert filled.decode([299, *filled.encode("a")]) == "<299>a"
