"""Dates: several ways to write a day count, wrong ones do not, the trace counts real days."""

import re
from datetime import date, timedelta
from itertools import pairwise
from random import Random

import pytest

from naga.tasks import LANGUAGES, Example, Language
from naga.tasks.arithmetic import Dates

TASK = Dates()


def of_kind(kind: str, language: Language = "en") -> Example:
    made = (
        TASK.generate(Random(i), level, language) for i in range(100) for level in ("easy", "hard")
    )
    return next(example for example in made if example.problem.startswith(kind))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["later", "weekday"])
def test_a_weekday_counts_by_any_of_its_names(kind: str, language: Language) -> None:
    example = of_kind(kind, language)
    names = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
    chinese = ("星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六")
    i = (names if language == "en" else chinese).index(example.answer)
    replies = (
        names[i],
        names[i].lower(),
        names[i][:3],
        chinese[i],
        chinese[i].replace("星期", "周"),
    )
    for reply in (*replies, f"{names[i]}."):
        assert TASK.grade(example, reply).score == 1.0
    for wrong in (names[i - 1], chinese[i - 2], " ".join(names), str(i), "day", "星期"):
        assert TASK.grade(example, wrong).score == 0.0


def test_a_date_may_be_written_in_several_ways() -> None:
    example = of_kind("after")
    day = date.fromisoformat(example.answer)
    for form in ("%Y/%m/%d", "%Y年%m月%d日", "%B %d, %Y", "%d %b %Y", "%Y.%m.%d"):
        assert TASK.grade(example, day.strftime(form)).score == 1.0
    assert TASK.grade(example, f"{day.year}年{day.month}月{day.day}日").score == 1.0
    other = day + timedelta(days=1)
    for reply in (
        str(other),
        f"{day} {other}",
        day.strftime("%d/%m/%Y"),
        "0000-00-00",
        "2024-02-30",
    ):
        assert TASK.grade(example, reply).score == 0.0


def test_days_and_years_are_numbers_with_or_without_their_word() -> None:
    for kind, word in (("between", "天"), ("leap", "年")):
        example = of_kind(kind, "zh")
        assert TASK.grade(example, f"{example.answer}{word}").score == 1.0
        assert TASK.grade(example, f"{int(example.answer) + 1}{word}").score == 0.0


def test_leap_years_are_asked_around_centuries() -> None:
    made = [TASK.generate(Random(i), "medium", "en") for i in range(400)]
    years = {int(e.problem.split()[1]) for e in made if e.problem.startswith("leap")}
    assert any(1896 <= year < 1900 or 2096 <= year < 2100 for year in years)
    assert any(year % 400 >= 396 for year in years)


def test_months_of_a_trace_follow_each_other() -> None:
    for i in range(200):
        example = TASK.generate(Random(i), "hard", "en")
        if example.problem.startswith("between"):
            months = re.findall(r"^(\d+)(?: \(\d+\))?:", example.reasoning, re.MULTILINE)
            steps = {int(b) - int(a) for a, b in pairwise(months)}
            assert steps <= {1, -11}
