"""The front door: what it imports, and that a mistake is one line and exit code 2."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.running import RECIPE, Run, refused


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    return done.stdout


@pytest.mark.parametrize("words", [["--help"], ["config", "check", str(RECIPE)]])
def test_help_and_checking_a_config_import_no_torch(words: list[str]) -> None:
    code = """
import sys
from naga import cli
try:
    cli.main()
except SystemExit as ended:
    print(ended.code, "torch" in sys.modules, "numpy" in sys.modules)
"""
    found = python(code, *words).splitlines()
    assert found[-1] == "0 False False"


def test_importing_the_package_is_quick_and_imports_no_torch() -> None:
    code = "import naga, sys; assert not {'torch', 'pydantic', 'typer'} & {*sys.modules}"
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        python(code)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.3, "the whole process, Python's own start included"


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
        ("convert /nowhere/m m", "naga convert: give one of --quantize, --to and --plan"),
        ("convert /nowhere/m --quantize int8", "naga convert: give the folder to write"),
        ("convert /nowhere/m m --quantize int2", "Invalid value for '--quantize'"),
        ("convert /nowhere/m m --quantize int8", "/nowhere/m: no such folder"),
        (
            "convert /nowhere/m m --quantize int8 --group 48",
            "naga convert: group: Input should be 32, 64, 128 or 'channel' (got 48)",
        ),
        (
            "convert /nowhere/m m --quantize int8 --group row",
            "naga convert: group: Input should be 32, 64, 128 or 'channel' (got 'row')",
        ),
        (
            "convert /nowhere/m m --quantize int4 --group channel",
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
