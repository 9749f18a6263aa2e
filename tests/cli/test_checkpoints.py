"""`naga inspect` and `naga convert`: the account of a model; copies with quantised weights."""

import json
from pathlib import Path

import pytest
from cli.running import MODEL, NAGA_MINI, PRESET, RECIPE, ROOT, Run, refused

from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.model.account import account


@pytest.mark.parametrize("source", ["checkpoint", "preset", "recipe"])
def test_inspect_prints_the_account(naga: Run, checkpoint: Path, source: str) -> None:
    path = {"checkpoint": checkpoint, "preset": PRESET, "recipe": RECIPE}[source]
    result = naga("inspect", path, "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert {"parameters", "active_parameters", "flops_per_token"} <= found.keys()
    assert {"kv_bytes_per_token", "state_bytes", "pattern", "layers"} <= found.keys()
    assert [layer["kind"] for layer in found["layers"]] == list(found["pattern"])
    if source == "checkpoint":
        total = account(parse_config(ModelConfig, MODEL, "test"))
        for key in ("parameters", "active_parameters", "flops_per_token", "state_bytes"):
            assert found[key] == getattr(total, key)
    assert f"{found['parameters']:,}" in naga("inspect", path).out


def test_inspect_of_a_fine_tuning_recipe_names_what_to_inspect(naga: Run) -> None:
    recipe = ROOT / "recipes" / "naga-mini" / "sft.toml"
    assert "inspect the checkpoint in its init_from" in refused(naga("inspect", recipe))


def test_a_converted_checkpoint_answers_as_one_quantised_at_load(
    naga: Run, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "int4"
    result = naga("convert", checkpoint, out, "--quantize", "int4", "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert (found["path"], found["format"], found["group"]) == (str(out), "int4", 32)
    assert found["calibrated_on"] is None
    for key, folder in (("num_bytes", out), ("source_bytes", checkpoint)):
        assert found[key] == (folder / "model.safetensors").stat().st_size
    flags = ("the rent", "--raw", "--max-tokens=9", "--temperature=1")
    answers = [
        naga("generate", path, *flags, *more).out
        for path, more in ((out, []), (out, ["--weights=int4"]), (checkpoint, ["--weights=int4"]))
    ]
    assert answers[0] and len({*answers}) == 1
    assert naga("inspect", out, "--json").out == naga("inspect", checkpoint, "--json").out
    for more, message in (
        (["--weights=int8"], "weights are int4 already, not int8"),
        (["--backend=reference"], "weights are quantised (int4g32), for the native backend"),
    ):
        assert message in refused(naga("generate", out, "p", *more))
    again = (tmp_path / "again", "--quantize", "int8")
    assert "is quantised already (int4g32)" in refused(naga("convert", out, *again))
    assert "exists already" in refused(naga("convert", checkpoint, out, *again[1:]))


def test_convert_calibrates_on_a_text(naga: Run, checkpoint: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("The tenant shall pay the rent. 甲方应当支付租金。\n" * 30, encoding="utf-8")
    flags = ("--quantize=int8", "--group=64", "--calibrate", text)
    result = naga("convert", checkpoint, tmp_path / "a", *flags)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{tmp_path / 'a'}: int8g64, 0.1 MB -> 0.1 MB")
    flags = ("--quantize=int8", "--group=channel", "--calibrate", text)
    result = naga("convert", checkpoint, tmp_path / "row", *flags)
    assert result.out.startswith(f"{tmp_path / 'row'}: int8c, 0.1 MB -> 0.0 MB")
    assert naga("generate", tmp_path / "row", "the rent", "--raw", "--max-tokens=3").code == 0
    found = json.loads(naga("convert", checkpoint, tmp_path / "b", *flags, "--json").out)
    assert found["group"] == "channel"
    assert found["calibrated_on"] == "notes.txt" and found["calibration_tokens"] >= 256
    text.write_text("short")
    message = refused(naga("convert", checkpoint, tmp_path / "c", *flags))
    assert "too few to calibrate on" in message
    assert not (tmp_path / "c").exists()


def test_convert_writes_another_layout_and_back(
    naga: Run, checkpoint: Path, tmp_path: Path
) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    result = naga("convert", checkpoint, there, "--to", "naga")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{there}: granitemoehybrid -> naga, ")
    found = json.loads(naga("convert", there, back, "--to", "granitemoehybrid", "--json").out)
    assert (found["source_layout"], found["layout"]) == ("naga", "granitemoehybrid")
    for name in ("config.json", "tokenizer.json", "generation_config.json"):
        assert json.loads((back / name).read_text()) == json.loads((checkpoint / name).read_text())
    asked = ("the rent", "--raw", "--max-tokens=5", "--temperature=0")
    answers = [naga("generate", path, *asked).out for path in (checkpoint, there, back)]
    assert len({*answers}) == 1
    message = refused(naga("convert", checkpoint, tmp_path / "x", "--to", "nemotron_h"))
    assert "nemotron_h has no tied embeddings" in message


def test_convert_prints_the_plan_of_an_engine(naga: Run) -> None:
    result = naga("convert", NAGA_MINI, "--plan", "llama.cpp", "--memory", "2")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("naga bench convert-gguf ")
    found = json.loads(naga("convert", NAGA_MINI, "--plan", "transformers", "--json").out)
    assert found["shell"][0].startswith("transformers serve ")
    assert found["numbers"]["context"] == 2048
    assert "--widen" in refused(naga("convert", NAGA_MINI, "--plan", "vllm"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give one of --quantize, --to and --plan"),
        (("--to", "naga", "--plan", "vllm"), "give one of --quantize, --to and --plan"),
        (("--to", "naga"), "give the folder to write"),
        (("a", "--to", "naga", "--memory", "2"), "--memory is for --plan"),
        (("a", "--to", "naga", "--group", "32"), "--group and --calibrate are for --quantize"),
        (("a", "--quantize", "int8", "--widen"), "--widen is for --to"),
        (("a", "--plan", "vllm"), "--plan writes nothing"),
    ],
)
def test_convert_refuses_what_does_not_go_together(
    naga: Run, arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused(naga("convert", NAGA_MINI, *arguments))
