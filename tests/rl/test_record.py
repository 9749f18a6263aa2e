"""naga.rl.record, report and dashboard: what a run leaves behind and what is seen of it."""

from dataclasses import fields
from io import StringIO
from pathlib import Path

from rich.console import Console

from naga.rl.dashboard import Dashboard, sparkline, summary
from naga.rl.record import RlMetrics, RlRun, mean
from naga.rl.report import PANELS, draw_report
from rl.tiny import answer, group


def row(step: int, **changes: float | None) -> RlMetrics:
    values = {field.name: 0 for field in fields(RlMetrics)}
    return RlMetrics(**values | {"step": step, "reward": 0.25} | changes)  # type: ignore[arg-type]


def test_rows_come_back_and_are_cut_off_after_a_step(tmp_path: Path) -> None:
    run = RlRun(path=tmp_path)
    rows = [row(1, kl=None), row(2), row(3)]
    for each in rows:
        run.append(each)
        run.keep_group(each.step, group(answer(1), answer(0)))
    assert run.read() == rows
    run.truncate(2)
    assert run.read() == rows[:2]
    assert [sample["step"] for sample in run.samples()] == [1, 1, 2, 2]
    assert run.samples()[0]["score"] == 1


def test_nothing_has_no_mean() -> None:
    assert (mean([]), mean([1.0, 2.0])) == (None, 1.5)


def test_the_report_draws_metrics_that_exist(tmp_path: Path) -> None:
    assert {name for _, names in PANELS for name in names} <= set(vars(row(1)))
    draw_report([row(1, entropy=None), row(2, entropy=None)], tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_plain_lines_where_there_is_no_terminal() -> None:
    console = Console(file=StringIO(), width=200)
    with Dashboard(console, total=4, done=0, log_every=2) as dashboard:
        for step in range(1, 5):
            dashboard.step(row(step, kl=None), None)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[1] for line in lines] == ["2/4", "4/4"]
    assert "reward 0.250" in lines[0] and "kl" not in lines[0]


def test_a_terminal_shows_rewards_and_an_answer() -> None:
    console = Console(file=StringIO(), width=100, force_terminal=True)
    shown = group(answer(1.0), answer(0.0))
    with Dashboard(console, total=4, done=0, log_every=2) as dashboard:
        dashboard.step(row(1), shown)
        dashboard.step(row(2, reward=0.9), shown)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "▁█" in text and "step 2/4" in text
    assert shown.prompt.example.prompt[-1].content in text


def test_a_sparkline_goes_from_the_lowest_to_the_highest() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▄█"
    assert sparkline([2.0]) == "▁" and sparkline([]) == ""
    assert "groups 0+0" in summary(row(1))
