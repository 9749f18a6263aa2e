"""thinking.png: accuracy over tokens in each mode, and how often is thought by difficulty.

Drawn without a display; needs matplotlib. Computes nothing (thinking.py).
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from naga.eval.thinking import (
    COLLAPSE_HIGH,
    COLLAPSE_LOW,
    ModeReport,
    Rate,
    by_difficulty,
    by_level,
)


def draw_thinking(reports: Sequence[ModeReport], path: Path) -> None:
    """Three panels: the modes as points, think-rate by level, think-rate by failure rate."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    points, levels, difficulties = figure.subplots(1, 3)
    _draw_points(points, reports)
    for axes, unit in ((levels, "level"), (difficulties, "failure rate without a thought")):
        axes.set(xlabel=unit, ylabel="think-rate", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.3)
        for border in (COLLAPSE_LOW, COLLAPSE_HIGH):
            axes.axhline(border, color="0.6", linewidth=0.8, linestyle=":")
    for report in reports:
        _draw_rates(levels, report.mode, by_level(report.answers))
        _draw_rates(difficulties, report.mode, by_difficulty(report.answers))
    figure.savefig(path)


def _draw_points(axes: Axes, reports: Sequence[ModeReport]) -> None:
    axes.set(xlabel="tokens of an answer", ylabel="accuracy, with its 95 % interval")
    axes.grid(alpha=0.3)
    for report in reports:
        whole = report.whole
        if whole.score is None:
            continue
        accuracy, (low, high) = whole.score.accuracy, whole.score.interval
        # At an accuracy of 0 or 1 rounding can put a bound on the wrong side.
        errors = [[max(0.0, accuracy - low)], [max(0.0, high - accuracy)]]
        axes.errorbar(whole.mean_tokens, accuracy, errors, fmt="o", capsize=3, label=report.mode)
    axes.legend()


def _draw_rates(axes: Axes, mode: str, rates: Sequence[Rate]) -> None:
    if rates:
        names = [each.name for each in rates]
        axes.plot(names, [each.think_rate for each in rates], marker="o", label=mode)
        axes.legend()
