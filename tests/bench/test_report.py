"""naga.bench.report: from comparisons to rows and pages."""

import json
from dataclasses import replace
from io import StringIO

from rich.console import Console

from naga.bench.machine import Machine
from naga.bench.report import Report, Subject
from naga.bench.rounds import Case, Comparison

REPORT = Report(
    command="naga bench slice runs/x --rounds 3",
    subject=Subject(
        model="runs/x",
        layout="nemotron_h",
        parameters=1_234_567,
        active_parameters=890_123,
        dtype="bfloat16",
        decode_tokens=4,
        prefill_chunk=512,
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
    peer_version="5.23.0",
    peer_kernels=(),
    comparisons=(
        Comparison(
            case=Case(work="decode", batch=8, context=16, new_tokens=4),
            ours=(1000.0, 3000.0, 1500.0),
            theirs=(500.0, 1000.0, 3000.0),
        ),
    ),
)
LINE = "| decode | 8 | 16 | 1,500 | 1,000 | 2.00 | 0.50–3.00 |"


def test_rows_hold_medians_and_the_median_of_paired_ratios() -> None:
    ours, theirs = REPORT.rows
    assert (ours.engine, ours.version, theirs.engine, theirs.version) == (
        *("naga", "0.1.0"),
        *("transformers", "5.23.0"),
    )
    assert (ours.tokens_per_s, theirs.tokens_per_s) == (1500, 1000)
    # Of 2, 3 and 0.5: not the ratio of the medians, which is 1.5.
    assert (ours.ratio, ours.ratio_min, ours.ratio_max) == (2, 0.5, 3)
    assert (theirs.ratio, theirs.ratio_min, theirs.ratio_max) == (1, 1, 1)


def test_json_has_the_rows_and_what_they_depend_on() -> None:
    data = json.loads(REPORT.to_json())
    row = data["rows"][0]
    expected = {"work": "decode", "engine": "naga", "version": "0.1.0", "dtype": "bfloat16"}
    expected |= {"threads": 1, "batch": 8, "context": 16, "tokens_per_s": 1500, "ratio": 2}
    assert {key: row[key] for key in expected} == expected
    assert row["rounds"] == [1000, 3000, 1500]
    assert data["machine"]["cpu"] == "Some CPU"
    assert (data["command"], data["rounds"], data["decode_tokens"]) == (REPORT.command, 3, 4)


def test_the_page_has_the_table_the_machine_and_the_command() -> None:
    page = REPORT.to_markdown()
    assert page.startswith("# ") and page.endswith("```\n")
    lines = page.splitlines()
    table = lines[lines.index(LINE) - 2 : lines.index(LINE) + 1]
    assert {line.count("|") for line in table} == {8}
    model = ("1,234,567 parameters", "bfloat16", "1 CPU thread.", "under autocast")
    run = ("3 rounds", "4 greedy tokens", "Some CPU", "2 cores")
    versions = ("naga 0.1.0 at commit abc+, torch 2.13.0", "transformers 5.23.0")
    for told in (*model, *run, *versions):
        assert told in page
    assert f"\n```\n{REPORT.command}\n```\n" in page


def test_the_page_says_if_the_machine_was_busy() -> None:
    assert "something else" not in REPORT.to_markdown()
    busy = replace(REPORT, machine=replace(REPORT.machine, load_at_start=1.5))
    assert "something else" in busy.to_markdown()


def test_the_terminal_shows_the_same_numbers() -> None:
    console = Console(file=StringIO(), width=120)
    console.print(REPORT.table())
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert [cell for cell in LINE.split(" | ")[3:5] if cell in shown] == ["1,500", "1,000"]
