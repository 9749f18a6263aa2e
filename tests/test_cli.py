"""The command line: what each verb prints, and that a mistake is one line and exit code 2."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from naga import cli
from naga.checkpoint.load import load_model
from naga.checkpoint.save import save_model
from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.model.account import account
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import make_runtime

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "mini.toml"
PRESET = ROOT / "recipes" / "models" / "granite-4.0-h-350m.toml"
MODEL = {
    "pattern": "ME*E",
    "vocab_size": 300,
    "hidden_dim": 32,
    "max_positions": 200,
    "mamba": {"num_heads": 4, "head_dim": 8, "state_dim": 16, "chunk_size": 16},
    "attention": {"num_heads": 4, "num_kv_heads": 2, "head_dim": 8},
    "moe": {"num_experts": 4, "top_k": 2, "expert_dim": 16, "shared_dim": 16},
}


@dataclass(frozen=True, kw_only=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def naga(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command line in this process."""

    def run(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["naga", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Result(code=ended.value.code, out=printed.out, err=printed.err)  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    texts = ["The tenant shall pay the rent on the first day of each month.", "甲方应当支付租金。"]
    return train_tokenizer(texts * 4, 300)


@pytest.fixture(scope="session")
def checkpoint(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = parse_config(ModelConfig, MODEL, "test")
    model = HybridLM(config)
    initialize(model, seed=0)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_model(path, config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer)
    return path


def refused(result: Result) -> str:
    """The one line of a refusal, without its mark."""
    assert (result.code, result.out) == (2, "")
    line, rest = result.err.split("\n", 1)
    assert rest == "" and line.startswith("naga: error: "), result.err
    return line.removeprefix("naga: error: ")


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    return done.stdout


def test_checking_a_config_imports_no_torch() -> None:
    code = """
import sys
from naga import cli
try:
    cli.main()
except SystemExit as ended:
    print(ended.code, "torch" in sys.modules, "numpy" in sys.modules)
"""
    found = python(code, "config", "check", str(RECIPE)).splitlines()
    assert found[-1] == "0 False False"


def test_importing_the_package_is_quick_and_imports_no_torch() -> None:
    code = "import naga, sys; assert not {'torch', 'pydantic', 'typer'} & {*sys.modules}"
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        python(code)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.3, "the whole process, Python's own start included"


@pytest.mark.parametrize(("file", "kind"), [(RECIPE, "PretrainConfig"), (PRESET, "ModelConfig")])
def test_a_good_config_is_told_by_its_keys(naga: Run, file: Path, kind: str) -> None:
    result = naga("config", "check", file)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{file}: valid {kind} 有效\n"


def test_every_recipe_is_valid(naga: Run) -> None:
    recipes = sorted((ROOT / "recipes").rglob("*.toml"))
    assert len(recipes) > 8
    for recipe in recipes:
        assert naga("config", "check", recipe).code == 0, recipe


def test_overrides_are_checked_too(naga: Run) -> None:
    assert naga("config", "check", RECIPE, "optim.lr=0.1", "data.paths=[a,b]").code == 0
    message = refused(naga("config", "check", RECIPE, "optim.lr=fast"))
    assert message == f"{RECIPE}: optim.lr: Input should be a valid number (got 'fast')"


def test_a_config_of_no_kind_is_refused(naga: Run, tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text("x = 1\n", encoding="utf-8")
    assert refused(naga("config", "check", path)).startswith(f"{path}: neither a model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--nope", "No such option: --nope"),
        ("nope", "No such command 'nope'."),
        ("generate", "Missing argument 'model'."),
        ("generate m p q", "Got unexpected extra argument(s) (q)"),
        ("generate m p --max-tokens many", "Invalid value for '--max-tokens'"),
        ("generate m p --dtype int8", "Invalid value for '--dtype'"),
        ("generate m p --weights int3", "Invalid value for '--weights'"),
        ("convert /nowhere/m --out m", "Missing option '--quantize'"),
        ("convert /nowhere/m --quantize int8", "Missing option '--out'"),
        ("convert /nowhere/m --out m --quantize int2", "Invalid value for '--quantize'"),
        ("convert /nowhere/m --out m --quantize int8", "/nowhere/m: no such folder"),
        (
            "convert /nowhere/m --out m --quantize int8 --group 48",
            "naga convert: group: Input should be 32, 64, 128 or 'channel' (got 48)",
        ),
        (
            "convert /nowhere/m --out m --quantize int8 --group row",
            "naga convert: group: Input should be 32, 64, 128 or 'channel' (got 'row')",
        ),
        (
            "convert /nowhere/m --out m --quantize int4 --group channel",
            "naga convert: group: int4 needs groups: use 32, 64 or 128 (got 'channel')",
        ),
        ("generate m p --max-tokens 0", "max_tokens must be at least 1, not 0"),
        ("generate m p --top-p 0", "top_p must be above 0 and at most 1, not 0.0"),
        ("generate m p --temperature nan", "temperature must be finite"),
        ("generate /nowhere/m p", "/nowhere/m: no such folder; give a checkpoint folder"),
        ("chat /nowhere/m", "/nowhere/m: no such folder; give a checkpoint folder"),
        ("serve /nowhere/m --port 0", "/nowhere/m: no such folder; give a checkpoint folder"),
        ("eval /nowhere/m --perplexity t.txt", "/nowhere/m: no such folder"),
        ("eval /nowhere/m --samples /dev/null/s", "/dev/null/s: cannot be written"),
        ("bench prefill --model m --peers ,", "naga bench prefill: peers: name one at least"),
        ("serve --port 65536", "naga serve: port: Input should be less than or equal to 65535"),
        ("pretrain /nowhere/r.toml", "/nowhere/r.toml: no such file"),
        ("sft /nowhere/r.toml x=1", "/nowhere/r.toml: no such file"),
        ("inspect /nowhere/m", "/nowhere/m: no such folder"),
        ("inspect /nowhere/m.toml", "/nowhere/m.toml: no such file"),
        ("eval /nowhere/m --tasks magic", "task 'magic': unknown; use addition"),
        ("eval /nowhere/m --level cruel", "Invalid value for '--level'"),
        ("doctor granite-9", "model 'granite-9': unknown; use a .toml file or one of: dense"),
        ("bench make-model granite-9 --out m", "model 'granite-9': unknown; use a .toml"),
        ("bench make-model dense-350m --out /dev/null", "/dev/null: is a file; give a folder"),
        ("bench make-model dense-350m", "Missing option '--out'"),
        ("tokenizer train /nowhere/t /nowhere/a.txt", "/nowhere/a.txt: no such file or folder"),
        ("tokenizer train /nowhere/t a --vocab-size 9", "Invalid value for '--vocab-size'"),
        ("tasks write /dev/null/t.jsonl --count 1", "/dev/null: File exists"),
        ("tasks write t.jsonl --shares addition", "--shares 'addition': write NAME=NUMBER"),
        ("tasks write t.jsonl --shares addition=-1", "--shares 'addition=-1': the number must"),
        ("tasks write t.jsonl --shares magic=1", "task 'magic': unknown; use addition"),
        ("tasks write t.jsonl --levels easy,cruel", "--levels 'easy,cruel': use some of easy"),
    ],
)
def test_a_mistake_is_one_line_exit_code_2_and_no_file(
    naga: Run, arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(naga(*arguments.split(" "))).startswith(message)
    assert not list(tmp_path.iterdir())


def test_no_verb_prints_the_help(naga: Run) -> None:
    for arguments in ([], ["config"], ["tokenizer"]):
        result = naga(*arguments)
        assert (result.code, result.err) == (2, "")
        assert "Usage: naga" in result.out


def test_version(naga: Run) -> None:
    assert naga("--version").out == "naga 0.1.0\n"


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


def test_generate_prints_json(naga: Run, checkpoint: Path) -> None:
    result = naga("generate", checkpoint, "the rent", "--max-tokens", "5", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found.keys() == {"text", "reasoning", "finish_reason", "usage", "timings"}
    assert isinstance(found["text"], str) and isinstance(found["reasoning"], str)
    usage = found["usage"]
    assert 1 <= usage["completion_tokens"] <= 5 and usage["prompt_tokens"] > 0
    assert found["finish_reason"] == ("length" if usage["completion_tokens"] == 5 else "stop")
    assert found["timings"]["first_token_s"] > 0


def test_generate_raw_skips_the_template(naga: Run, checkpoint: Path, tokenizer: Tokenizer) -> None:
    answers = [
        json.loads(naga("generate", checkpoint, "the rent", *flags, "--json").out)
        for flags in (["--max-tokens=4", "--raw"], ["--max-tokens=4"])
    ]
    raw, chat = (answer["usage"]["prompt_tokens"] for answer in answers)
    assert raw == len(tokenizer.encode("the rent"))
    assert chat == raw + 4, "<|user|> … <|end|> <|assistant|> <think>"
    assert answers[0]["reasoning"] == ""


def test_generate_holds_to_a_schema_or_a_regex(naga: Run, checkpoint: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "array", "items": {"enum": ["甲", "乙"]}, "maxItems": 2}')
    flags = ("--no-thinking", "--max-tokens=40")
    held = naga("generate", checkpoint, "rent", "--json-schema", schema, *flags)
    assert held.code == 0 and json.loads(held.out) in (
        [],
        ["甲"],
        ["乙"],
        *([a, b] for a in "甲乙" for b in "甲乙"),
    )
    matched = naga("generate", checkpoint, "rent", "--regex", "(yes|no)!", *flags)
    assert matched.out.strip() in ("yes!", "no!")
    schema.write_text('{"not": {}}')
    assert "not" in refused(naga("generate", checkpoint, "rent", "--json-schema", schema, *flags))
    both = ("--json-schema", schema, "--regex", "a", *flags)
    assert "only one" in refused(naga("generate", checkpoint, "rent", *both))


def test_generate_closes_a_thought_at_its_budget(naga: Run, checkpoint: Path) -> None:
    flags = ("--max-tokens=4", "--thinking-budget=0", "--json")
    usage = json.loads(naga("generate", checkpoint, "the rent", *flags).out)["usage"]
    assert usage["reasoning_tokens"] == 1
    raw = naga("generate", checkpoint, "the rent", "--raw", "--thinking-budget=3")
    assert "thinking_budget" in refused(raw)


def test_generate_reads_standard_input(
    naga: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--max-tokens=4", "--raw", "--seed=3", "--temperature=1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("租金".encode())))
    piped = naga("generate", checkpoint, "-", *flags)
    assert piped.code == 0 and piped.out == naga("generate", checkpoint, "租金", *flags).out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    message = refused(naga("generate", checkpoint, "-", *flags))
    assert message == "standard input: not UTF-8 text"


def test_an_answer_depends_on_its_seed_alone(naga: Run, checkpoint: Path) -> None:
    def answer(seed: int) -> str:
        flags = ("--max-tokens=12", "--temperature=1", "--raw", f"--seed={seed}")
        return naga("generate", checkpoint, "the", *flags).out

    assert answer(1) == answer(1) != answer(2)


def test_a_prompt_too_long_is_refused_with_the_counts(naga: Run, checkpoint: Path) -> None:
    prompt = "7" * 190
    message = refused(naga("generate", checkpoint, prompt, "--raw", "--max-tokens", "20"))
    assert message.startswith(
        "190 prompt tokens + 20 max_tokens = 210 exceeds the model's context of 200 tokens"
    )
    assert refused(naga("generate", checkpoint, "", "--raw")).startswith("the prompt is empty")


def test_tasks_write_makes_conversations(naga: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "tasks.jsonl"
    result = naga("tasks", "write", out, "--count", "12", "--shares", "addition=1,counting=2")
    assert (result.code, result.out) == (0, f"{out}: 12 conversations\n")
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 12
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)
    naga("tasks", "write", tmp_path / "again.jsonl", "--count=12", "--shares=addition=1,counting=2")
    assert (tmp_path / "again.jsonl").read_bytes() == out.read_bytes()


def test_a_converted_checkpoint_answers_as_one_quantised_at_load(
    naga: Run, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "int4"
    result = naga("convert", checkpoint, "--out", out, "--quantize", "int4", "--json")
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
    again = ("--out", tmp_path / "again", "--quantize", "int8")
    assert "is quantised already (int4g32)" in refused(naga("convert", out, *again))
    assert "exists already" in refused(naga("convert", checkpoint, "--out", out, *again[2:]))


def test_convert_calibrates_on_a_text(naga: Run, checkpoint: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("The tenant shall pay the rent. 甲方应当支付租金。\n" * 30, encoding="utf-8")
    flags = ("--quantize=int8", "--group=64", "--calibrate", text)
    result = naga("convert", checkpoint, "--out", tmp_path / "a", *flags)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{tmp_path / 'a'}: int8g64, 0.1 MB -> 0.1 MB")
    flags = ("--quantize=int8", "--group=channel", "--calibrate", text)
    result = naga("convert", checkpoint, "--out", tmp_path / "row", *flags)
    assert result.out.startswith(f"{tmp_path / 'row'}: int8c, 0.1 MB -> 0.0 MB")
    assert naga("generate", tmp_path / "row", "the rent", "--raw", "--max-tokens=3").code == 0
    found = json.loads(naga("convert", checkpoint, "--out", tmp_path / "b", *flags, "--json").out)
    assert found["group"] == "channel"
    assert found["calibrated_on"] == "notes.txt" and found["calibration_tokens"] >= 256
    text.write_text("short")
    message = refused(naga("convert", checkpoint, "--out", tmp_path / "c", *flags))
    assert "too few to calibrate on" in message
    assert not (tmp_path / "c").exists()


def test_tokenizer_train_writes_a_tokenizer(naga: Run, tmp_path: Path) -> None:
    text, out = tmp_path / "a.txt", tmp_path / "tokenizer"
    text.write_text("the rent of the tenant 租金 12\n" * 9, encoding="utf-8")
    result = naga("tokenizer", "train", out, text, "--vocab-size", "270")
    tokenizer = Tokenizer.load(out)
    assert (result.code, result.out) == (0, f"{out}: {tokenizer.vocab_size} tokens\n")
    assert tokenizer.is_chat() and 263 < tokenizer.vocab_size <= 270


def test_the_whole_life_of_a_checkpoint(naga: Run, tmp_path: Path) -> None:
    """tokenizer train -> pretrain -> tasks write -> sft -> inspect -> generate."""
    (tmp_path / "text").mkdir()
    text = "The tenant pays 12 coins on the first day. 承租人应当按月支付租金。\n" * 30
    (tmp_path / "text" / "a.txt").write_text(text, encoding="utf-8")
    assert naga("tokenizer", "train", tmp_path / "t", tmp_path / "text").code == 0
    common = [
        "schedule.warmup_steps=0",
        "schedule.decay_steps=1",
        "schedule.steps=3",
        "dtype=float32",
    ]
    small = [
        "data.tokens_per_batch=256",
        "model.vocab_size=512",
        "model.hidden_dim=32",
        "model.max_positions=2048",
        "model.mamba.head_dim=8",
    ]
    first = tmp_path / "pretrain"
    places = [
        f"run_dir={first}",
        f"tokenizer={tmp_path / 't'}",
        f"data.paths=[{tmp_path / 'text'}]",
    ]
    result = naga("pretrain", RECIPE, *places, *small, *common)
    assert (result.code, result.out) == (0, ""), result.err
    assert "done: 3 steps" in result.err
    rows = (first / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3]
    chats, second = tmp_path / "chats.jsonl", tmp_path / "sft"
    assert naga("tasks", "write", chats, "--count=20", "--shares=comparing=1,chat=1").code == 0
    recipe = ROOT / "recipes" / "naga-mini" / "sft.toml"
    places = [f"run_dir={second}", f"init_from={first / 'final'}", f"data.paths=[{chats}]"]
    result = naga("sft", recipe, *places, *common)
    assert result.code == 0, result.err
    before, after = (
        load_model(run / "final", make_runtime("cpu", "float32")).state_dict()
        for run in (first, second)
    )
    assert not before["embed.weight"].equal(after["embed.weight"])
    assert naga("inspect", second / "final").code == 0
    result = naga("generate", second / "final", "3 > 2?", "--max-tokens=6", "--json")
    assert result.code == 0 and json.loads(result.out)["usage"]["completion_tokens"] > 0
    again = naga("pretrain", RECIPE, *[f"run_dir={first}"], *small, "optim.lr=1.0")
    assert again.code == 2 and again.err.count("\n") == 1


SHIPPED = ROOT / "naga" / "assets" / "naga-mini"


@pytest.mark.skipif(not (SHIPPED / "config.json").is_file(), reason="naga-mini is not in this tree")
def test_the_shipped_model_adds_up(naga: Run) -> None:
    result = naga("generate", SHIPPED, "What is 12 + 30?", "--json")
    assert result.code == 0, result.err
    assert "42" in json.loads(result.out)["text"]


def test_settings_of_the_server_are_named_or_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from naga.server import process as module

    taken: list[tuple[object, ...]] = []
    monkeypatch.setattr(module, "serve", lambda *given: taken.append(given))
    words = ["naga", "serve", "folder", "--weights", "int8", "--set", "kv_tokens=128"]
    monkeypatch.setattr(sys, "argv", [*words, "--set", "state_bytes=0"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    ((path, engine, server),) = taken
    assert (str(path), engine.kv_tokens, engine.weights) == ("folder", 128, "int8")
    assert (server.state_bytes, server.port) == (0, 8000)
    for wrong, message in (
        ("kv_token=128", "--set kv_token: there is max_running"),
        ("kv_tokens", "override 'kv_tokens': write it as key.path=value"),
        ("kv_tokens=many", "kv_tokens: Input should be a valid integer (got 'many')"),
        ("dtype=float32", "--set dtype: there is"),
    ):
        monkeypatch.setattr(sys, "argv", ["naga", "serve", "--set", wrong])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
