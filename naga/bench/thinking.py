"""Adaptive thinking, proved on a small model: does it think where it has to, and what does it save?

    .venv/bin/python -m naga.bench.thinking --seed 0

From the same fresh weights three models are taught with the same steps, tokens and learning rate:
*never* by straight answers, *always* by worked traces, *auto* by what `naga distill` makes with
*never* as its quick model and the gold traces as its slow teacher. All answer the same held-out
problems, greedily. How hard a problem is, is how often *never* fails at it when it samples.
Everything goes to FOLDER/seed-N and a stopped run goes on there. One seed proves little: see
recipes/thinking/run.sh.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.distill import DistillConfig, QuestionsConfig
from naga.config.load import load_config, parse_config
from naga.config.model import ModelConfig
from naga.config.serve import EngineConfig
from naga.config.train import SftConfig
from naga.data.instructions import WORDS
from naga.data.tokenizer import train_tokenizer
from naga.disk import write_atomic
from naga.distill import distill
from naga.distill.rows import conversation_row, line
from naga.engine.chat import open_engine
from naga.engine.request import SamplingParams
from naga.eval.thinking import (
    Mode,
    ModeReport,
    by_difficulty,
    by_family,
    by_level,
    collapse_alarm,
    pareto,
    thinking_table,
)
from naga.eval.thinking_plot import draw_thinking
from naga.eval.thinking_run import ask_mode
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import make_runtime
from naga.tasks import Example, Generator, Level, Mix, make_examples, make_tasks
from naga.train.sft import sft

RECIPES = Path("recipes/thinking")
MODEL = Path("recipes/small/thinking.toml")
FOLDER = Path("runs/thinking")
HELDOUT_SEED = 7
MAX_TOKENS = 128
QUICK_TOKENS = 24
ENGINE = parse_config(
    EngineConfig, {"max_running": 32, "page_size": 16, "snapshot_bytes": 0}, "engine"
)
GREEDY = SamplingParams(temperature=0, max_tokens=MAX_TOKENS)
SAMPLED = SamplingParams(temperature=1, max_tokens=QUICK_TOKENS)


@dataclass(frozen=True, kw_only=True)
class Plan:
    folder: Path
    seed: int
    heldout: int
    """Problems of each family and level."""
    samples: int
    """Answers of *never* to each of them, for the difficulty."""
    overrides: tuple[str, ...] = ()
    """Of the fine-tuning recipe."""

    @property
    def run(self) -> Path:
        return self.folder / f"seed-{self.seed}"


def run(plan: Plan, console: Console) -> list[ModeReport]:
    """All arms; the reports of the modes, which are also written to the folder."""
    config = load_config(
        DistillConfig,
        RECIPES / "distill.toml",
        [f"run_dir={plan.run / 'distill'}", f"seed={plan.seed}",
         f"short.answerer.model={plan.run / 'never' / 'final'}"],
    )  # fmt: skip
    tasks = make_tasks(config.questions.tasks)
    drawn = _questions(config, tasks)
    _begin(plan, drawn)
    straight = (_row(example.without_reasoning()) for example in drawn)
    _teach(plan, "never", _write(plan.run / "never.jsonl", straight))
    worked = map(_row, drawn)
    _teach(plan, "always", _write(plan.run / "always.jsonl", worked))
    _teach(plan, "auto", distill(config, console=console))
    reports = _measure(plan, tasks, config.questions)
    _keep(plan, reports, console)
    return reports


def _questions(config: DistillConfig, tasks: Sequence[Generator]) -> list[Example]:
    """As many as are distilled from, of the same families, levels and split."""
    mix = Mix(levels=config.questions.levels, chinese=config.questions.chinese, straight=0.0)
    count = config.questions.count
    return list(make_examples(tasks, mix=mix, split="train", seed=config.seed, count=count))


def _begin(plan: Plan, drawn: Sequence[Example]) -> None:
    """Fresh weights, and a tokenizer for what is talked about."""
    if (plan.run / "start").exists():
        return
    shape = load_config(ModelConfig, MODEL)
    model = HybridLM(shape)
    initialize(model, plan.seed)
    texts = (part for each in drawn for m in each.messages for part in (m.content, m.reasoning))
    save_model(
        plan.run / "start",
        shape,
        model.state_dict(),
        dtype=torch.float32,
        tokenizer=train_tokenizer([*texts, *WORDS.values()], shape.vocab_size),
    )


def _row(example: Example) -> str:
    return line(conversation_row(example.messages))


def _write(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(lines))
    return path


def _teach(plan: Plan, arm: str, data: Path) -> None:
    """Fine-tune, or resume; nothing if it is done."""
    if (plan.run / arm / "final").exists():
        return
    where = [f"run_dir={plan.run / arm}", f"init_from={plan.run / 'start'}", f"data.paths=[{data}]"]
    overrides = [*where, f"seed={plan.seed}", *plan.overrides]
    config = load_config(SftConfig, RECIPES / "sft.toml", overrides)
    sft(config, make_runtime(config.device, config.dtype))


def _measure(plan: Plan, tasks: Sequence[Generator], asked: QuestionsConfig) -> list[ModeReport]:
    examples = _heldout(plan, tasks, asked.levels, asked.chinese)
    difficulties = _difficulties(plan, tasks, examples)
    named = {task.name: task for task in tasks}

    def ask(arm: str, modes: Mapping[str, Mode]) -> list[ModeReport]:
        with open_engine(plan.run / arm / "final", ENGINE) as engine:
            return [
                ask_mode(
                    engine, named, examples, GREEDY, mode, difficulties=difficulties, name=name
                )
                for name, mode in modes.items()
            ]

    return [
        *ask("never", {"never": "never"}),
        *ask("always", {"always": "always"}),
        *ask("auto", {"auto": "auto", "auto, told on": "always", "auto, told off": "never"}),
    ]


def _heldout(
    plan: Plan, tasks: Sequence[Generator], levels: Sequence[Level], chinese: float
) -> list[Example]:
    """Different problems, the same ones for every seed of the training."""
    found: list[Example] = []
    for task in tasks:
        seen: set[str] = set()
        for level in levels:
            mix = Mix(levels=(level,), chinese=chinese, straight=0.0)
            drawn: dict[str, Example] = {}
            stream = make_examples(
                [task], mix=mix, split="heldout", seed=HELDOUT_SEED, count=50 * plan.heldout
            )
            for example in stream:
                if example.problem not in seen:
                    drawn.setdefault(example.problem, example)
                if len(drawn) == plan.heldout:
                    break
            found += drawn.values()
            seen |= drawn.keys()
    return found


def _difficulties(
    plan: Plan, tasks: Sequence[Generator], examples: Sequence[Example]
) -> list[float | None]:
    """How often *never* fails at each, at temperature 1; None where no answer could be judged."""
    named = {task.name: task for task in tasks}
    with open_engine(plan.run / "never" / "final", ENGINE) as engine:
        rounds = [
            ask_mode(engine, named, examples, replace(SAMPLED, seed=seed), "never").answers
            for seed in range(plan.samples)
        ]
    return [
        _failure_rate([answer.score for answer in answers]) for answers in zip(*rounds, strict=True)
    ]


def _failure_rate(scores: Sequence[float | None]) -> float | None:
    judged = [score for score in scores if score is not None]
    return sum(score < 1 for score in judged) / len(judged) if judged else None


def _keep(plan: Plan, reports: Sequence[ModeReport], console: Console) -> None:
    best = pareto(reports)
    rows = [
        {
            **asdict(report.whole),
            "accuracy": report.whole.score.accuracy if report.whole.score else None,
            "missing": report.missing,
            "auroc_difficulty": report.auroc_difficulty,
            "auroc_level": report.auroc_level,
            "pareto": report.mode in best,
            "by_level": [asdict(each) for each in by_level(report.answers)],
            "by_family": [asdict(each) for each in by_family(report.answers)],
            "by_difficulty": [asdict(each) for each in by_difficulty(report.answers)],
        }
        for report in reports
    ]
    text = json.dumps({"seed": plan.seed, "modes": rows}, ensure_ascii=False, indent=1)
    write_atomic(plan.run / "thinking.json", text + "\n")
    draw_thinking(reports, plan.run / "thinking.png")
    console.print(thinking_table(reports))
    (auto,) = (report for report in reports if report.mode == "auto")
    if alarm := collapse_alarm(auto.whole.think_rate):
        console.print(f"warning: {alarm}")


def summarise(folder: Path) -> Table:
    """Over the seeds that are there: auto against always, seed by seed, with their mean."""
    table = Table("seed", title="auto against always")
    for heading in ("accuracy", "always", "tokens saved", "think-rate", "AUROC"):
        table.add_column(heading, justify="right")
    columns: list[tuple[float, ...]] = []
    for path in sorted(folder.glob("seed-*/thinking.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        modes = {row["name"]: row for row in found["modes"]}
        auto, always = modes["auto"], modes["always"]
        area = auto["auroc_difficulty"]
        columns.append(
            (
                auto["accuracy"],
                always["accuracy"],
                1 - auto["mean_tokens"] / always["mean_tokens"],
                auto["think_rate"],
                0.5 if area is None else area,
            )
        )
        table.add_row(str(found["seed"]), *_shown(columns[-1]))
    if not columns:
        raise ConfigError(f"{folder}: no seed-*/thinking.json there; run a seed first")
    table.add_row("mean", *_shown([sum(each) / len(each) for each in zip(*columns, strict=True)]))
    return table


def _shown(row: Sequence[float]) -> list[str]:
    accuracy, always, saved, rate, area = row
    return [f"{accuracy:.3f}", f"{always:.3f}", f"{saved:.1%}", f"{rate:.1%}", f"{area:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--heldout", type=int, default=100, help="problems per family and level")
    parser.add_argument("--samples", type=int, default=4, help="quick answers to each of them")
    parser.add_argument("--summary", action="store_true", help="only the table over the seeds")
    parser.add_argument("overrides", nargs="*", help="of recipes/thinking/sft.toml, key=value")
    asked = parser.parse_args()
    console = Console(stderr=True)
    if asked.summary:
        console.print(summarise(asked.folder))
        return
    plan = Plan(
        folder=asked.folder,
        seed=asked.seed,
        heldout=asked.heldout,
        samples=asked.samples,
        overrides=tuple(asked.overrides),
    )
    run(plan, console)


if __name__ == "__main__":
    main()
