"""`naga reward`: rows scored, scores served, the hacking zoo, and programs in the sandbox."""

import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from naga.cli.options import AsJson
from naga.config.base import ConfigError
from naga.sandbox import RunResult, Sandbox, TestReport, as_json, run_file

if TYPE_CHECKING:
    from naga.rewards import Counts, Scorer

app = typer.Typer(no_args_is_help=True, help="Rewards of answers, and the sandbox. 奖励与沙箱")

JudgeUrl = Annotated[
    str | None,
    typer.Option(
        "--judge",
        help="An OpenAI-compatible endpoint, with /v1; its key: NAGA_JUDGE_KEY. 评审模型的地址",
    ),
]
JudgeModel = Annotated[str | None, typer.Option(help="The model that judges there. 评审模型")]
HasToThink = Annotated[
    Literal["on", "off", "auto"],
    typer.Option("--thinking", help="Responses must think, must not, or may. 是否必须先思考"),
]
OfTests = Annotated[
    Literal["all", "fraction"],
    typer.Option("--tests", help="A program earns 1 for all, or what share passes. 测试计分方式"),
]

Reader = Annotated[
    bool,
    typer.Option(help="Where rules abstain, naga-verdict reads. 一致性模型"),
]


@app.command()
def score(
    rows: Annotated[
        Path | None, typer.Argument(help="JSONL; default: standard input. 待评分的行")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="JSONL; default: standard output. 输出文件")
    ] = None,
    judge: JudgeUrl = None,
    judge_model: JudgeModel = None,
    thinking: HasToThink = "auto",
    tests: OfTests = "all",
    reader: Reader = True,
) -> None:
    """Score responses: rows in, the same rows with their scores out. 给回答评分."""
    from naga.rewards import open_rows, score_file, write_scores
    from naga.train.progress import counter, say

    # Without a file there may be no end to count to, and none is read twice.
    total = None
    if rows is not None and rows.is_file():
        with open_rows(rows) as lines:
            total = sum(1 for line in lines if line.strip())
    console = Console(stderr=True)
    with (
        open_rows(rows) as lines,
        _scorer(judge, judge_model, thinking, tests, reader=reader) as scorer,
        counter("rows", console, verb="scoring", total=total) as advance,
    ):

        def told(counts: "Counts") -> None:
            advance()

        if out is None:
            counts = write_scores(scorer, lines, sys.stdout, told)
        else:
            counts = score_file(scorer, lines, out, told)
    mean = "-" if counts.mean is None else f"{counts.mean:.4f}"
    say(console, f"{counts.rows} rows 行 · {counts.missing} missing 缺失 · mean 平均 {mean}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on. 监听地址")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free port. 端口")] = 8100,
    judge: JudgeUrl = None,
    judge_model: JudgeModel = None,
    thinking: HasToThink = "auto",
    tests: OfTests = "all",
    reader: Reader = True,
) -> None:
    """Score responses over HTTP: POST /score. 启动评分服务."""
    from naga.rewards import serving

    with _scorer(judge, judge_model, thinking, tests, reader=reader) as scorer:
        serving.serve(scorer, host, port)


@app.command()
def zoo(
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table here. 写成 Markdown")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Problems of each family. 每类题数")] = 2,
    print_json: AsJson = False,
) -> None:
    """What scripted cheats earn; exit code 1 if one earns too much. 奖励作弊测试."""
    from naga.rewards.zoo import as_table, run_zoo, to_json, write_markdown
    from naga.train.progress import counter

    console = Console(stderr=True)
    with counter("replies", console, verb="judging", total=None) as advance:
        found = run_zoo(count, lambda done, of: advance())
    if markdown is not None:
        write_markdown(found, markdown)
    if print_json:
        print(to_json(found))
    else:
        Console().print(as_table(found))
    if found.escaped:
        raise typer.Exit(1)


def _scorer(
    url: str | None, model: str | None, thinking: str, tests: str, *, reader: bool
) -> AbstractContextManager["Scorer"]:
    """Of the options that `score` and `serve` share."""
    from naga.config.load import parse_config
    from naga.rewards import EndpointConfig, ScoreConfig, open_judged, shipped_reader

    if (url is None) != (model is None):
        raise ConfigError("--judge and --judge-model: give both, or none")
    given = {"thinking": thinking, "aggregate": {"tests": tests}}
    config = parse_config(ScoreConfig, given, source="naga reward")
    judge = None
    if url is not None:
        judge = parse_config(EndpointConfig, {"url": url, "model": model}, source="naga reward")
    return open_judged(config, judge, reader=shipped_reader() if reader else None)


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
