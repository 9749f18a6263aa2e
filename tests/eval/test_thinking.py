"""Think-rates by difficulty, AUROC against brute force, the Pareto front, the alarm, pictures."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from naga.eval.estimators import Score
from naga.eval.thinking import (
    ModeReport,
    Thought,
    auroc,
    by_difficulty,
    by_family,
    by_level,
    collapse_alarm,
    pareto,
    rate,
    thinking_table,
)
from naga.eval.thinking_plot import draw_thinking
from naga.tasks import Level


def answer(
    *,
    thought: bool = False,
    score: float | None = 1.0,
    tokens: int = 5,
    level: Level | None = "easy",
    difficulty: float | None = None,
    family: str = "addition",
) -> Thought:
    return Thought(
        family=family,
        level=level,
        difficulty=difficulty,
        thought=thought,
        tokens=tokens,
        score=score,
    )


def report(mode: str, *answers: Thought) -> ModeReport:
    return ModeReport(mode=mode, answers=answers)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=30))
def test_auroc_is_the_chance_that_the_one_with_a_thought_is_harder(
    pairs: list[tuple[int, bool]],
) -> None:
    positive = [value for value, kind in pairs if kind]
    negative = [value for value, kind in pairs if not kind]
    found = auroc([float(value) for value, _ in pairs], [kind for _, kind in pairs])
    if not positive or not negative:
        assert found is None
        return
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    assert found == pytest.approx(wins / (len(positive) * len(negative)))


def test_auroc_at_its_ends() -> None:
    assert auroc([0, 0, 1, 1], [False, False, True, True]) == 1
    assert auroc([1, 1, 0, 0], [False, False, True, True]) == 0
    assert auroc([1, 1, 1, 1], [False, True, False, True]) == 0.5


def test_what_could_not_be_judged_is_no_wrong_answer() -> None:
    found = rate("x", [answer(), answer(score=None, thought=True, tokens=15), answer(score=0.0)])
    assert (found.count, found.score) == (3, Score(values=(1.0, 0.0)))
    assert (found.think_rate, found.mean_tokens) == (pytest.approx(1 / 3), pytest.approx(25 / 3))
    assert rate("x", [answer(score=None)]).score is None
    assert report("auto", answer(), answer(score=None)).missing == 1


def test_rates_by_level_family_and_difficulty() -> None:
    answers = [
        answer(difficulty=0.0),
        answer(difficulty=0.1, family="sorting"),
        answer(level="hard", difficulty=1.0, thought=True),
        answer(level="hard", difficulty=0.95, thought=True),
        answer(level=None, thought=True),
    ]
    assert [(r.name, r.count, r.think_rate) for r in by_level(answers)] == [
        ("easy", 2, 0.0),
        ("hard", 2, 1.0),
    ]
    assert [(r.name, r.count) for r in by_family(answers)] == [("addition", 4), ("sorting", 1)]
    assert [(r.name, r.count, r.think_rate) for r in by_difficulty(answers)] == [
        ("0.0–0.2", 2, 0.0),
        ("0.8–1.0", 2, 1.0),
    ]
    whole = report("auto", *answers)
    assert whole.auroc_level == whole.auroc_difficulty == 1.0


def test_the_alarm_rings_below_two_and_above_98_percent() -> None:
    assert collapse_alarm(0.02) is collapse_alarm(0.5) is collapse_alarm(0.98) is None
    assert "below 2%: no answer thinks" in str(collapse_alarm(0.019))
    assert "above 98%: every answer thinks" in str(collapse_alarm(0.981))
    assert collapse_alarm(0.3, low=0.4) is not None


def test_pareto_leaves_out_what_another_mode_beats() -> None:
    right, wrong = answer(tokens=40), answer(tokens=40, score=0.0)
    always = report("always", right, right, right, wrong)
    never = report("never", answer(tokens=2), answer(tokens=2, score=0.0))
    auto = report("auto", answer(tokens=20), right, right, wrong)
    assert pareto([always, never, auto]) == ("never", "auto")
    assert pareto([always]) == ("always",)
    assert pareto([always, report("same", *always.answers)]) == ("always", "same")


def test_table_and_picture_of_every_kind_of_mode(tmp_path: Path) -> None:
    reports = [
        report("always", answer(thought=True, difficulty=0.5), answer(thought=True, score=0.0)),
        report("never", answer(score=None)),
        report("auto", answer(), answer(level="hard", thought=True, difficulty=1.0)),
    ]
    text = io.StringIO()
    Console(file=text, width=140).print(thinking_table(reports))
    for word in ("always", "never", "auto", "50.0%", "1.000", "Pareto", "0.8–1.0"):
        assert word in text.getvalue()
    draw_thinking(reports, tmp_path / "thinking.png")
    assert (tmp_path / "thinking.png").read_bytes()[:4] == b"\x89PNG"
