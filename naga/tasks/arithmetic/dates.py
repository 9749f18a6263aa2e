"""Dates: days between two, the date after some days, the day of the week, the next leap year.

Years are Gregorian, 1900 to 2099. The trace goes month by month; a day of the week is a number from
0 (Sunday) to 6, brought forward by days modulo seven from a given one, or, at the hard level, found
from the date alone: the year's last two digits, a quarter of them, 6 from the year 2000 on, the
month's number, the day, less one before March of a leap year.
"""

import re
from calendar import isleap, monthrange
from datetime import date, timedelta
from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_number, plain, unjudged, verdict
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.working import worked_sum

SPAN: dict[Level, tuple[int, int]] = {"easy": (3, 45), "medium": (46, 200), "hard": (200, 600)}
KINDS: dict[Level, tuple[str, ...]] = {
    "easy": ("between", "after", "later", "leap"),
    "medium": ("between", "after", "later", "leap"),
    "hard": ("between", "after", "weekday"),
}
MONTH_NUMBERS = (0, 3, 3, 6, 1, 4, 6, 2, 5, 0, 3, 5)
DAYS: dict[Language, tuple[str, ...]] = {
    "en": ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    "zh": ("星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六"),
}
DAY_NAMES = {
    name: i
    for i, day in enumerate(DAYS["en"])
    for name in (day.lower(), day[:3].lower(), DAYS["zh"][i], f"周{DAYS['zh'][i][-1]}")
} | {"星期天": 0, "周天": 0}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

WORDINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "between": (
        (
            "How many days are there from {first} to {second}?",
            "How many days lie between {first} and {second}, not counting the first?",
            "How many days after {first} is {second}?",
            "{first} to {second}: how many days?",
        ),
        (
            "从 {first} 到 {second} 相隔多少天？",
            "{first} 之后多少天是 {second}？",
            "{first} 与 {second} 相差几天？",
            "由 {first} 到 {second} 要经过多少天？",
        ),
    ),
    "after": (
        (
            "What date is {days} days after {first}? Answer as YYYY-MM-DD.",
            "Which date comes {days} days after {first}? Write YYYY-MM-DD.",
            "{first} plus {days} days is which date (YYYY-MM-DD)?",
            "It is {first}. What will the date be in {days} days (YYYY-MM-DD)?",
        ),
        (
            "{first} 之后 {days} 天是哪一天？按 YYYY-MM-DD 回答。",
            "从 {first} 起再过 {days} 天是几月几日？写成 YYYY-MM-DD。",
            "{first} 加上 {days} 天是哪一天（YYYY-MM-DD）？",
            "今天是 {first}，{days} 天后的日期是什么（YYYY-MM-DD）？",
        ),
    ),
    "later": (
        (
            "Today is {day}. What day of the week will it be in {days} days?",
            "If today is {day}, which day of the week is it {days} days from now?",
            "It is {day}. Which weekday comes {days} days later?",
            "{days} days after a {day}, what day of the week is it?",
        ),
        (
            "今天是{day}，{days} 天后是星期几？",
            "如果今天是{day}，那么再过 {days} 天是星期几？",
            "{day}之后 {days} 天是星期几？",
            "从{day}起，过了 {days} 天，是星期几？",
        ),
    ),
    "weekday": (
        (
            "What day of the week is {first}?",
            "On which day of the week does {first} fall?",
            "Which weekday is {first}?",
            "Find the day of the week of {first}.",
        ),
        (
            "{first} 是星期几？",
            "求 {first} 是星期几。",
            "{first} 那天是星期几？",
            "请算出 {first} 是一周中的哪一天。",
        ),
    ),
    "leap": (
        (
            "What is the first leap year after {days}?",
            "Which is the next leap year after {days}?",
            "Find the smallest leap year greater than {days}.",
            "After the year {days}, which year is the next leap year?",
        ),
        (
            "{days} 年之后的下一个闰年是哪一年？",
            "求 {days} 年以后的第一个闰年。",
            "大于 {days} 的最小闰年是多少？",
            "{days} 年过后，最近的闰年是哪年？",
        ),
    ),
}


@final
class Dates(Generator):
    name: ClassVar[str] = "dates"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        kind = random.choice(KINDS[level])
        span = random.randint(*SPAN[level])
        first = date(random.randint(1950, 2049), 1, 1) + timedelta(days=random.randrange(365))
        day = random.randrange(7)
        if kind == "later":
            key, (lines, answer) = f"{day} {span}", _later(day, span, language)
        elif kind == "leap":
            span = _year(random, level)
            key, (lines, answer) = str(span), _leap(span)
        elif kind == "weekday":
            key, (lines, answer) = str(first), _weekday(first, language)
        elif kind == "after":
            key, (lines, answer) = f"{first} {span}", _after(first, span)
        else:
            key, (lines, answer) = f"{first} {first + timedelta(days=span)}", _between(first, span)
        question = pick(random, *WORDINGS[kind], language).format(
            first=first, second=first + timedelta(days=span), days=span, day=DAYS[language][day]
        )
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{kind} {key}",
            messages=conversation(question, "\n".join([*lines, answer]), answer),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """A day by its name in either language, a date in one of a few forms, or a number."""
        if example.answer.isdigit():
            return grade_number(reply.replace("年", "").replace("天", ""), example.answer)
        text = (plain(reply) or "").lower()
        read = _read_date if example.answer[:1].isdigit() else DAY_NAMES.get
        given, gold = read(text), read(example.answer.lower())
        if gold is None:
            return unjudged("the gold answer is not a day")
        right = given == gold
        return verdict(right, "date", reason="" if right else "another day, or none")


def _between(first: date, span: int) -> tuple[list[str], str]:
    """`3: 31-15=16 / 4: 16+30=46 / 5: 46+1=47`: month, days so far."""
    last = first + timedelta(days=span)
    if (first.year, first.month) == (last.year, last.month):
        return [f"{last.day}-{first.day}={span}"], str(span)
    days = _length(first)
    lines, total = [f"{_month(first)}: {days}-{first.day}={days - first.day}"], days - first.day
    month = _next_month(first)
    while (month.year, month.month) != (last.year, last.month):
        lines.append(f"{_month(month)}: {worked_sum(total, _length(month))}")
        total += _length(month)
        month = _next_month(month)
    return [*lines, f"{month.month}: {worked_sum(total, last.day)}"], str(span)


def _after(first: date, span: int) -> tuple[list[str], str]:
    """`15+47=62 / 3: 62-31=31 / 4: 31-30=1 / 5: 1`: month, days left."""
    total, month = first.day + span, first.replace(day=1)
    lines = [worked_sum(first.day, span)]
    while total > _length(month):
        lines.append(f"{_month(month)}: {worked_sum(total, -_length(month))}")
        total -= _length(month)
        month = _next_month(month)
    lines.append(f"{month.month}: {total}")
    return lines, month.replace(day=total).isoformat()


def _later(day: int, span: int, language: Language) -> tuple[list[str], str]:
    lines = [f"{DAYS[language][day]} {day}"]
    rest = span % 7
    lines += [f"{span}={span // 7}*7+{rest}"] if span >= 7 else []
    lines.append(f"{day}+{rest}={day + rest}")
    lines += [f"{day + rest}-7={day + rest - 7}"] if day + rest >= 7 else []
    return lines, DAYS[language][(day + rest) % 7]


def _weekday(day: date, language: Language) -> tuple[list[str], str]:
    year = day.year % 100
    total, lines = year, [f"{year}={year // 4}*4+{year % 4}"]
    parts = [year // 4, 6 if day.year >= 2000 else 0, MONTH_NUMBERS[day.month - 1], day.day]
    parts += [-1] if isleap(day.year) and day.month <= 2 else []
    for part in parts:
        lines.append(worked_sum(total, part))
        total += part
    lines.append(f"{total}={total // 7}*7+{total % 7}")
    return lines, DAYS[language][total % 7]


def _leap(year: int) -> tuple[list[str], str]:
    """`1897=4*474+1` and so on; a century is divided by four hundred."""
    lines = []
    while True:
        year += 1
        divisor = 400 if year % 100 == 0 else 4
        lines.append(f"{year}={divisor}*{year // divisor}+{year % divisor}")
        if isleap(year):
            return lines, str(year)


def _year(random: Random, level: Level) -> int:
    """Above the easy level often shortly before a century."""
    if level == "easy" or random.random() < 0.4:
        return random.randint(1600, 2400)
    return random.randint(12, 35) * 100 - random.randint(1, 4)


def _length(month: date) -> int:
    return monthrange(month.year, month.month)[1]


def _month(day: date) -> str:
    """Its number; February with its days, which depend on the year."""
    return f"2 ({_length(day)})" if day.month == 2 else str(day.month)


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _read_date(text: str) -> date | None:
    """2024-03-05, 2024/3/5, 2024.3.5, 2024年3月5日, March 5, 2024 or 5 March 2024."""
    numbers = re.fullmatch(r"([0-9]{4})[-/.年] ?([0-9]{1,2})[-/.月] ?([0-9]{1,2})日?", text)
    if numbers:
        year, month, day = (int(number) for number in numbers.groups())
    else:
        first = re.fullmatch(r"([a-z]{3,9})\.? ([0-9]{1,2}),? ([0-9]{4})", text)
        second = re.fullmatch(r"([0-9]{1,2}) ([a-z]{3,9})\.?,? ([0-9]{4})", text)
        found = first or second
        if not found:
            return None
        name, number = found[1 if first else 2], found[2 if first else 1]
        if name[:3] not in MONTHS:
            return None
        year, month, day = int(found[3]), MONTHS.index(name[:3]) + 1, int(number)
    if not (year and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]):
        return None
    return date(year, month, day)
