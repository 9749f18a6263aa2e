"""`naga eval` as typed: a checkpoint and a folder of results, public sets, grids, mistakes."""

import json
from pathlib import Path

import pytest
from cli.running import Run, refused

QUICK = ("--count", "3", "--max-tokens", "4", "--json")


def test_a_folder_of_results_is_written_and_resumed_from(
    naga: Run, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ("eval", checkpoint, "--tasks", "addition,units", *QUICK, "--out", out)
    first = naga(*command)
    assert first.code == 0, first.err
    kept = (out / "samples.jsonl").read_bytes()
    assert len(kept.splitlines()) == 6
    again = naga(*command)
    assert again.out == first.out and (out / "samples.jsonl").read_bytes() == kept
    report = json.loads(first.out)
    assert [row["task"] for row in report["tasks"]] == ["addition", "units"]
    assert report == json.loads((out / "report.json").read_text())
    assert report["settings"]["max_tokens"] == "4"
    assert {"report.html", "report.md", "accuracy.png"} <= {path.name for path in out.iterdir()}


def test_public_sets_groups_and_grids(naga: Run, checkpoint: Path, tmp_path: Path) -> None:
    data = tmp_path / "gsm8k.jsonl"
    rows = [{"question": f"{n}+1?", "answer": f"So.\n#### {n + 1}"} for n in range(5)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = naga("eval", checkpoint, "--tasks", "gsm8k", "--data", data, *QUICK[2:])
    assert json.loads(found.out)["tasks"][0]["count"] == 5
    shots = ("--data", f"gsm8k={data}", "--shots", f"gsm8k={data}:2")
    found = naga(
        "eval", checkpoint, "--tasks", "gsm8k,instruction", *shots, "--level", "all", *QUICK
    )
    rows = json.loads(found.out)["tasks"]
    assert [row["task"] for row in rows].count("instruction_following") == 3 and rows[-1][
        "task"
    ] == "gsm8k"
    grid = ("--tasks", "key_values", "--grid", "60,90/0,1")
    found = naga("eval", checkpoint, *grid, *QUICK)
    assert [row["cell"]["depth"] for row in json.loads(found.out)["tasks"]] == [0, 1, 0, 1]


def test_several_answers_and_training_files(naga: Run, checkpoint: Path, tmp_path: Path) -> None:
    text = tmp_path / "t.txt"
    text.write_text("nothing of the kind")
    several = ("--n", "2", "--temperature", "0.7", "--contamination", text)
    found = naga("eval", checkpoint, "--tasks", "addition", *several, *QUICK)
    report = json.loads(found.out)
    assert report["samples"] == 2 and set(report["tasks"][0]["pass_at"]) == {"1", "2"}
    assert report["contamination"]["found"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--n 2", "--n: at temperature 0 all answers are the same"),
        ("--tasks gsm8k", "task 'gsm8k': a public set; give its file with --data"),
        ("--data x.jsonl", "--data 'x.jsonl': write NAME=..., NAME being a public set"),
        ("--tasks gsm8k --data x --shots 5", "--shots '5': write PATH:COUNT"),
        ("--tasks gsm8k --data /nowhere/x.jsonl", "/nowhere/x.jsonl: no such file"),
        ("--tasks needles --grid 100", "--grid '100': write LENGTHS/DEPTHS"),
        ("--tasks needles --grid 100/2", "depth 2.0: use a number from 0"),
        ("--tasks addition --grid 100/0", "grid of 'addition': there are grids of needles"),
        ("--tasks addition --model-name m", "--model-name is for servers"),
        ("--perplexity t.txt --out o", "--perplexity runs no tasks"),
        ("--perplexity t.txt --shots t.txt:2", "--perplexity runs no tasks"),
        ("--perplexity t.txt --n 2 --temperature 1", "--perplexity runs no tasks"),
        ("--out /dev/null/o --tasks addition --count 2", "/dev/null/o/samples.jsonl: cannot be"),
    ],
)
def test_mistakes_are_one_line(naga: Run, checkpoint: Path, words: str, message: str) -> None:
    assert message in refused(naga("eval", checkpoint, *words.split()))


def test_a_server_that_is_not_there_is_one_line(naga: Run) -> None:
    found = naga("eval", "http://127.0.0.1:9", "--tasks", "addition", "--count", "1")
    assert "does not say its models" in refused(found)
