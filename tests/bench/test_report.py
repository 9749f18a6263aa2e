"""naga.bench.report: from comparisons to rows and pages."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from naga.bench.machine import Machine
from naga.bench.plot import plot
from naga.bench.report import Report, Subject, make_room
from naga.bench.rounds import Case, Comparison, Name, Times
from naga.config.base import ConfigError

NAGA = Name(engine="naga", version="0.1.0", precision="int8")
PEER = Name(engine="llama.cpp", version="0.3.36", precision="int8")
SHORT = Name(engine="naga", version="0.1.0", precision="int4", kv="int8")
OTHER = Name(engine="transformers", version="5.23.0", precision="bf16")
DECODE = Case(work="decode", batch=8, context=16, new_tokens=4)
PREFILL = Case(work="prefill", batch=1, context=500)


def times(name: Name, *seconds: float, limits: tuple[float, ...] = ()) -> Times:
    return Times(name=name, seconds=seconds, limits=limits)


REPORT = Report(
    title="Decode of x",
    notes=("**decode**: how it was measured.",),
    command="naga bench decode --model runs/x --rounds 3",
    subject=Subject(
        model="runs/x", layout="nemotron_h", parameters=1_234_567, active_parameters=890_123
    ),
    machine=Machine(
        cpu="Some CPU",
        cores=2,
        threads=1,
        python="3.11.7",
        torch="2.13.0",
        naga="0.1.0",
        commit="abc+",
        load_at_start=0.1,
    ),
    comparisons=(
        Comparison(
            case=DECODE,
            # 32 tokens.
            ours=times(NAGA, 0.032, 0.016, 0.008, limits=(0.024, 0.008, 0.006)),
            theirs=times(PEER, 0.064, 0.008, 0.024, limits=(0.016, 0.006, 0.012)),
        ),
        Comparison(
            case=DECODE,
            ours=times(NAGA, 0.004, 0.004, 0.004, limits=(0.004, 0.004, 0.004)),
            theirs=times(OTHER, 0.32, 0.32, 0.32),
        ),
        Comparison(case=PREFILL, ours=times(NAGA, 1, 1, 1), theirs=times(PEER, 2, 2, 2)),
    ),
)
LINE = "| decode | 8 | 16 | int8 | 2,000 | 75% | llama.cpp int8 | 1,333 | 50% | 2.00 | 0.50–3.00 |"


def test_rows_pool_what_a_contender_did_in_all_its_pairs() -> None:
    rows = [(row.work, row.engine, row.precision, len(row.rounds)) for row in REPORT.rows]
    assert rows == [
        *(("decode", "naga", "int8", 6), ("decode", "llama.cpp", "int8", 3)),
        *(("decode", "transformers", "bf16", 3), ("prefill", "naga", "int8", 3)),
        ("prefill", "llama.cpp", "int8", 3),
    ]
    ours, theirs, other = REPORT.rows[:3]
    assert (ours.version, ours.batch, ours.context, ours.threads) == ("0.1.0", 8, 16, 1)
    # Of 1000, 2000, 4000, 8000, 8000 and 8000; of .75, .5, .75, 1, 1 and 1.
    assert ours.tokens_per_s == pytest.approx(6000) and ours.of_limit == pytest.approx(0.875)
    assert theirs.of_limit == pytest.approx(0.5) and other.of_limit is None


def test_a_ratio_is_the_median_of_paired_ratios() -> None:
    first, second, third = REPORT.ratios
    # Of 2, 0.5 and 3.
    assert (first.ratio, first.ratio_min, first.ratio_max) == (2, 0.5, 3)
    assert (first.over, first.over_precision, first.precision) == ("llama.cpp", "int8", "int8")
    assert (second.over, second.ratio) == ("transformers", pytest.approx(80))
    assert (third.work, third.ratio) == ("prefill", 2)


def test_json_has_the_rows_and_what_they_depend_on() -> None:
    data = json.loads(REPORT.to_json())
    row = data["rows"][3]
    expected = {"work": "prefill", "model": "runs/x", "engine": "naga", "version": "0.1.0"}
    expected |= {"precision": "int8", "kv": None, "threads": 1, "batch": 1, "context": 500}
    assert row == expected | {"tokens_per_s": 500, "of_limit": None, "rounds": [500] * 3}
    assert data["ratios"][0]["ratio"] == 2
    assert data["machine"]["cpu"] == "Some CPU"
    assert (data["command"], data["num_rounds"]) == (REPORT.command, 3)
    assert data["schema"] == "naga.bench.1"


def test_int8_keys_and_values_are_told() -> None:
    assert (str(SHORT), str(NAGA)) == ("naga int4 kv8", "naga int8")
    found = replace(REPORT.comparisons[1], ours=times(SHORT, 1, 1, 1))
    report = replace(REPORT, comparisons=(found,))
    assert report.rows[0].kv == "int8" and "| int4 kv8 |" in report.to_markdown()


def test_the_page_has_the_table_the_machine_and_the_command() -> None:
    page = REPORT.to_markdown()
    assert page.startswith("# Decode of x\n") and page.endswith("```\n")
    lines = page.splitlines()
    table = lines[lines.index(LINE) - 2 : lines.index(LINE) + 3]
    assert {line.count("|") for line in table} == {12}
    assert "| 8,000 | 100% | transformers bf16 | 100 | – | 80.00 |" in table[3]
    model = ("1,234,567 parameters", "1 CPU thread.", "- **decode**: how it was measured.")
    run = ("3 rounds", "Some CPU", "2 cores")
    versions = ("naga 0.1.0 at commit abc+, torch 2.13.0", "- llama.cpp 0.3.36\n")
    for told in (*model, *run, *versions):
        assert told in page
    assert page.count("llama.cpp 0.3.36") == 1
    assert f"\n```\n{REPORT.command}\n```\n" in page


def test_the_page_says_if_the_machine_was_busy() -> None:
    assert "something else" not in REPORT.to_markdown()
    busy = replace(REPORT, machine=replace(REPORT.machine, load_at_start=1.5))
    assert "something else" in busy.to_markdown()


def test_the_terminal_shows_the_same_numbers() -> None:
    console = Console(file=StringIO(), width=80)
    console.print(REPORT.table())
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert all(cell in shown for cell in LINE.strip("| ").split(" | ")[:-1])
    assert "transformers bf16" in shown


def test_bars_are_drawn(tmp_path: Path) -> None:
    file = tmp_path / "bars.png"
    plot(REPORT, file)
    assert file.read_bytes().startswith(b"\x89PNG")
    assert file.stat().st_size > 10_000


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    make_room(None)
    make_room(tmp_path / "new" / "page.md")
    assert (tmp_path / "new").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a folder; give a file"):
        make_room(tmp_path)
    with pytest.raises(ConfigError, match="cannot be written"):
        make_room(tmp_path / "file" / "page.md")


def test_page_and_rows_agree_on_the_speed_of_two_rounds() -> None:
    found = Comparison(
        case=DECODE, ours=times(NAGA, 0.032, 0.008), theirs=times(PEER, 0.064, 0.016)
    )
    report = replace(REPORT, comparisons=(found,))
    # 1,000 and 4,000 tokens/s, 500 and 2,000.
    assert [row.tokens_per_s for row in report.rows] == [2500, 1250]
    (line,) = (line for line in report.to_markdown().splitlines() if line.startswith("| decode"))
    assert "| 2,500 |" in line and "| 1,250 |" in line
