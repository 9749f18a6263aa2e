"""The pictures of a report, as PNG bytes, drawn without a display. Titles are English: Chinese
needs a font that not every machine has; the pages say the same in both languages."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from naga.config.base import ConfigError
from naga.eval.report import Report, TaskReport
from naga.tasks import LANGUAGES, LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 8.0


def require_matplotlib() -> None:
    """Before a run, not after it."""
    if find_spec("matplotlib") is None:
        raise ConfigError("matplotlib, which draws, is missing: pip install 'naga-lm[train]'")


def draw(report: Report) -> Mapping[str, bytes]:
    """By name of the file, those that there is anything for."""
    rows = [row for row in report.tasks if row.cell is None and row.score.count]
    pictures = dict[str, bytes]()
    if rows:
        tall = 0.35 * len(rows) + 1.2
        pictures["accuracy"] = _picture(tall, lambda axes: _accuracy(axes, rows))
        pictures["languages"] = _picture(tall, lambda axes: _languages(axes, rows))
        pictures["tokens"] = _picture(5.0, lambda axes: _tokens(axes, rows))
    if len({row.level for row in rows}) > 1:
        pictures["levels"] = _picture(4.0, lambda axes: _levels(axes, rows))
    for task in grid_tasks(report):
        pictures[f"grid-{task}"] = _picture(4.0, partial(_grid, report, task))
    return pictures


def grid_tasks(report: Report) -> Sequence[str]:
    return list(dict.fromkeys(row.task for row in report.tasks if row.cell is not None))


def _picture(height: float, fill: "Callable[[Axes], None]") -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    fill(figure.subplots())
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=110, metadata={"Software": None})
    return written.getvalue()


def _named(row: TaskReport) -> str:
    return f"{row.task} {row.level}" if row.level else row.task


def _accuracy(axes: "Axes", rows: Sequence[TaskReport]) -> None:
    for place, row in enumerate(rows):
        low, high = row.score.interval
        axes.barh(place, row.score.accuracy, color="#4878a8")
        axes.plot([low, high], [place, place], color="black", linewidth=1.2)
    _ticks(axes, rows)
    axes.set(xlim=(0, 1), xlabel="accuracy, 95 % interval")


def _languages(axes: "Axes", rows: Sequence[TaskReport]) -> None:
    for index, language in enumerate(LANGUAGES):
        points = [
            (place + 0.4 * index - 0.2, row.by_language[language])
            for place, row in enumerate(rows)
            if language in row.by_language
        ]
        for place, score in points:
            axes.plot(score.interval, [place, place], color="black", linewidth=1)
        places, means = [place for place, _ in points], [s.accuracy for _, s in points]
        axes.barh(places, means, height=0.38, label=language)
    _ticks(axes, rows)
    axes.set(xlim=(0, 1), xlabel="accuracy by language")
    axes.legend(loc="lower right")


def _ticks(axes: "Axes", rows: Sequence[TaskReport]) -> None:
    axes.set_yticks(range(len(rows)), [_named(row) for row in rows])
    axes.invert_yaxis()


def _tokens(axes: "Axes", rows: Sequence[TaskReport]) -> None:
    for row in rows:
        if row.mean_tokens is not None:
            axes.plot(row.mean_tokens, row.score.accuracy, "o", color="#c46f2b")
            axes.annotate(_named(row), (row.mean_tokens, row.score.accuracy), fontsize=7)
    axes.set(xlabel="tokens of an answer", ylabel="accuracy", ylim=(-0.02, 1.05))
    axes.grid(alpha=0.3)


def _levels(axes: "Axes", rows: Sequence[TaskReport]) -> None:
    for task in dict.fromkeys(row.task for row in rows):
        mine = {row.level: row.score.accuracy for row in rows if row.task == task and row.level}
        levels = [level for level in LEVELS if level in mine]
        places = [LEVELS.index(level) for level in levels]
        axes.plot(places, [mine[level] for level in levels], marker="o", label=task)
    axes.set_xticks(range(len(LEVELS)), list(LEVELS))
    axes.set(ylabel="accuracy", ylim=(-0.02, 1.05))
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)


def _grid(report: Report, task: str, axes: "Axes") -> None:
    rows = {(r.cell.length, r.cell.depth): r for r in report.tasks if r.task == task and r.cell}
    lengths, depths = sorted({c[0] for c in rows}), sorted({c[1] for c in rows})
    values = [[rows[length, depth].score.accuracy for length in lengths] for depth in depths]
    axes.imshow(values, vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            axes.text(x, y, f"{value:.2f}", ha="center", va="center")
    axes.set_xticks(range(len(lengths)), [f"{length}" for length in lengths])
    axes.set_yticks(range(len(depths)), [f"{depth:g}" for depth in depths])
    axes.set(xlabel="length, characters", ylabel="depth", title=task)
