"""report.png: six pairs of curves of a run on one page, drawn without a display."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from naga.rl.record import RlMetrics

# Unit, and the metrics in it.
PANELS = (
    ("score", ("reward", "pass_rate")),
    ("tokens of an answer", ("length", "longest")),
    ("share of answers", ("truncated", "think_rate")),
    ("nats of a token", ("entropy", "kl")),
    ("exp |Δ log p|, sampler and trainer", ("mismatch", "mismatch_max")),
    ("seconds of a step", ("rollout_s", "reward_s", "train_s")),
)


def draw_report(rows: Sequence[RlMetrics], path: Path) -> None:
    """Every step thin, and the running mean over a tenth of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout="constrained")
    figure.suptitle(path.parent.name)
    table = [asdict(row) for row in rows]
    window = max(1, len(rows) // 10)
    for axes, (unit, names) in zip(figure.subplots(3, 2).flat, PANELS, strict=True):
        for name in names:
            points = [(row["step"], row[name]) for row in table if row[name] is not None]
            steps, values = [step for step, _ in points], [value for _, value in points]
            (line,) = axes.plot(steps, _means(values, window), label=name)
            axes.plot(steps, values, color=line.get_color(), linewidth=0.6, alpha=0.35)
        axes.set(xlabel="step", ylabel=unit)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path)


def _means(values: Sequence[float], width: int) -> list[float]:
    parts = [values[max(0, end - width) : end] for end in range(1, len(values) + 1)]
    return [sum(part) / len(part) for part in parts]
