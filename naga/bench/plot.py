"""A report as bars: one panel for each case, one bar for each contender. Measures nothing."""

from importlib.util import find_spec
from pathlib import Path

from naga.bench.report import Report, Row
from naga.config.base import ConfigError

COLOURS = {"naga": "#1b7f5c", "llama.cpp": "#c46f2b", "transformers": "#8a6fb0", "vllm": "#4878a8"}


def require_matplotlib() -> None:
    """Before a run, not after it."""
    if find_spec("matplotlib") is None:
        raise ConfigError("matplotlib, which draws, is missing: pip install 'naga-lm[bench]'")


def plot(report: Report, file: Path) -> None:
    """Write a PNG: median tokens/s, with the range over the rounds and the share of the limit."""
    from matplotlib.figure import Figure

    cases: dict[str, list[Row]] = {}
    for row in report.rows:
        title = f"{row.work}, batch {row.batch}, context {row.context:,}"
        cases.setdefault(title, []).append(row)
    heights = [len(rows) + 1 for rows in cases.values()]
    figure = Figure(figsize=(8, 0.4 * sum(heights) + 0.8), layout="constrained")
    figure.suptitle(f"{report.subject.model} on {report.machine.threads} threads")
    panels = figure.subplots(len(cases), squeeze=False, height_ratios=heights)
    for (title, rows), axes in zip(cases.items(), panels[:, 0], strict=True):
        axes.set_title(title, loc="left", fontsize="medium")
        speeds = [row.tokens_per_s for row in rows]
        ranges = (
            [row.tokens_per_s - min(row.rounds) for row in rows],
            [max(row.rounds) - row.tokens_per_s for row in rows],
        )
        bars = axes.barh(
            [f"{row.engine} {row.precision}{' kv8' if row.kv else ''}" for row in rows],
            speeds,
            xerr=ranges,
            color=[COLOURS[row.engine] for row in rows],
            error_kw={"elinewidth": 0.8, "ecolor": "0.3"},
        )
        axes.bar_label(bars, [_label(row) for row in rows], padding=4, fontsize="small")
        axes.invert_yaxis()
        axes.margins(x=0.25)
        axes.set_xlabel("tokens/s")
    figure.savefig(file)


def _label(row: Row) -> str:
    speed = f"{row.tokens_per_s:,.0f}" if row.tokens_per_s >= 100 else f"{row.tokens_per_s:.1f}"
    return speed if row.of_limit is None else f"{speed} ({row.of_limit:.0%} of limit)"
