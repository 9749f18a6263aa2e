"""`naga reward`: untrusted programs in the sandbox, by themselves or against tests."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from naga.cli.options import AsJson
from naga.sandbox import RunResult, Sandbox, TestReport, as_json, run_file

app = typer.Typer(no_args_is_help=True, help="Rewards of answers, and the sandbox. 奖励与沙箱")


@app.command("run-code")
def run_code(
    file: Annotated[Path, typer.Argument(help="Program; its ending tells the language. 程序")],
    tests: Annotated[
        str | None, typer.Option(help="JSON list of tests, or a file with one. 测试")
    ] = None,
    tier: Annotated[
        Literal["cgroup", "namespace", "landlock"] | None,
        typer.Option(help="How it is isolated; default: the strongest here. 隔离级别"),
    ] = None,
    print_json: AsJson = False,
) -> None:
    """Run a program that nobody trusts, and test it. 在沙箱中运行代码."""
    with Sandbox(tier=tier, workers=1) as sandbox:
        result = run_file(sandbox, file, tests)
    if print_json:
        print(json.dumps(as_json(result), ensure_ascii=False))
    else:
        _show(result)


def _show(result: RunResult | TestReport) -> None:
    """Its output as it was, and below it how it went."""
    console = Console(stderr=True, highlight=False)
    print(result.stdout, end="")
    console.print(result.stderr, end="", markup=False)
    if isinstance(result, TestReport):
        console.print(_outcomes(result))
    seconds, memory = f"{result.wall_s:.3f} s", f"{result.max_rss / 1e6:.1f} MB"
    told = [f"{result.status}", f"tier {result.tier}", seconds, memory, result.reason]
    console.print(" · ".join(part for part in told if part), markup=False)


def _outcomes(report: TestReport) -> Table:
    table = Table("test 测试", "passed 通过", "status 状态", "reason 原因", box=None)
    for number, outcome in enumerate(report.outcomes):
        told = "yes 是" if outcome.passed else "no 否"
        table.add_row(f"{number}", told, outcome.status, outcome.reason)
    passed = "-" if report.passed is None else f"{report.passed}"
    table.caption = f"{passed} of {report.total} passed"
    return table
