"""An answerer that follows a script, and a config and questions to use it with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from naga.config.distill import AnswererConfig, DistillConfig
from naga.config.load import parse_config
from naga.distill.answers import Answered, Ask, Failed
from naga.distill.types import Attempt, Question
from naga.tasks import Example, Mix, make_examples, make_tasks

Script = Callable[[Ask], Answered | Failed]


def config(run_dir: Path, **changes: Any) -> DistillConfig:
    values: dict[str, Any] = {
        "run_dir": str(run_dir),
        "questions": {"tasks": ["addition"], "count": 40, "chinese": 0.5},
        "short": {"answerer": {"model": "quick", "max_running": 2}, "samples": 2},
        "slow": {"teacher": "gold_trace"},
    }
    return parse_config(DistillConfig, values | changes, "test")


def said(text: str, reasoning: str = "", *, truncated: bool = False) -> Answered:
    return Answered(text=text, reasoning=reasoning, tokens=len(text), truncated=truncated)


def attempt(text: str, score: float | None, reasoning: str = "") -> Attempt:
    return Attempt(text=text, reasoning=reasoning, tokens=3, truncated=False, score=score)


class Scripted:
    """Stands in for OnDemand: one script for each model's name, and all that was asked."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        self.scripts = scripts
        self.asks: list[tuple[str, Ask]] = []

    def __call__(self, who: AnswererConfig, device: str) -> "Voice":
        return Voice(self, who.model)


class Voice:
    def __init__(self, all_: Scripted, model: str) -> None:
        self._all, self._model = all_, model

    def answer(self, asks: Sequence[Ask]) -> list[Answered | Failed]:
        self._all.asks += [(self._model, ask) for ask in asks]
        return [self._all.scripts[self._model](ask) for ask in asks]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


def examples(count: int, start: int = 0) -> list[Example]:
    tasks = make_tasks(["addition"])
    return list(make_examples(tasks, mix=Mix(), split="train", seed=1, count=count, start=start))


def question(number: int = 0) -> Question:
    (example,) = examples(1, number)
    return Question(key=f"addition: {example.problem}", example=example)
