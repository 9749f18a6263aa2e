"""Wrong answers that look right: a near number, swapped digits, another unit, a permuted list.

Each mistake has a name and gives a value that means something else, or None where it cannot. Also
statements that name the right value and yet do not give it as the answer.
"""

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from random import Random

from naga.tasks.example import Language
from naga.tasks.pairs.numerals import decimal
from naga.tasks.pairs.pair import Amount, Day, Letters, Listed, Named, Value
from naga.tasks.unit_names import NAMES, same_unit

FLIPS = {"knight": "knave", "knave": "knight", "骑士": "无赖", "无赖": "骑士", "T": "F", "F": "T"}

Mistake = Callable[[Value, Random], Value | None]


def _near(value: Value, random: Random) -> Value | None:
    match value:
        case Amount():
            step = Fraction(random.choice((1, 1, 1, 2, 3, 10)) * random.choice((1, -1)))
            scale = Fraction(1, 10) if value.number.denominator != 1 else Fraction(1)
            return Amount(number=value.number + step * scale, unit=value.unit)
        case Named():
            name = random.choice(list(value.items))
            return Named(items={**value.items, name: _other_item(value.items[name], random)})
        case Listed():
            place = random.randrange(len(value.items))
            items = list(value.items)
            items[place] = _other_item(items[place], random)
            return Listed(items=tuple(items))
        case Day():
            days = random.choice((1, -1, 2, 7, -30, 31))
            return Day(day=value.day + timedelta(days=days))
        case Letters():
            return _misspelled(value.text, random)


def _other_item(item: str, random: Random) -> str:
    if item in FLIPS:
        return FLIPS[item]
    number = Fraction(item) + random.choice((1, -1, 2, 10))
    return decimal(number) or str(number)


def _misspelled(text: str, random: Random) -> Letters | None:
    place = random.randrange(len(text))
    other = chr(ord("a") + random.randrange(26))
    changes = (
        text[:place] + other + text[place + 1 :],
        text[:place] + text[place + 1 :],
        text[:place] + other + text[place:],
        text[::-1],
    )
    changed = random.choice(changes)
    return Letters(text=changed) if changed else None


def _swapped(value: Value, random: Random) -> Value | None:
    """Neighbours in another order: digits of a number, values of names, items, letters, parts."""
    match value:
        case Amount():
            plain = decimal(value.number)
            if plain is None:
                return Amount(number=1 / value.number, unit=value.unit) if value.number else None
            digits = list(plain)
            places = [i for i in range(len(digits) - 1) if (digits[i] + digits[i + 1]).isdecimal()]
            if not places:
                return None
            place = random.choice(places)
            digits[place], digits[place + 1] = digits[place + 1], digits[place]
            return Amount(number=Fraction("".join(digits)), unit=value.unit)
        case Named():
            values = list(value.items.values())
            return Named(items=dict(zip(value.items, values[1:] + values[:1], strict=True)))
        case Listed():
            items = list(value.items)
            random.shuffle(items)
            return Listed(items=tuple(items))
        case Day():
            if value.day.day > 12:
                return None
            return Day(day=value.day.replace(month=value.day.day, day=value.day.month))
        case Letters():
            letters = list(value.text)
            random.shuffle(letters)
            return Letters(text="".join(letters))


def _digit(value: Value, random: Random) -> Value | None:
    """One digit dropped, doubled or replaced."""
    plain = decimal(value.number) if isinstance(value, Amount) else None
    if not isinstance(value, Amount) or plain is None:
        return None
    place = random.choice([i for i, sign in enumerate(plain) if sign.isdecimal()])
    other = random.choice(("", plain[place] * 2, str(random.randrange(10))))
    changed = plain[:place] + other + plain[place + 1 :]
    if not changed.strip("-.") or changed[0] == "." or changed.startswith("-."):
        return None
    return Amount(number=Fraction(changed), unit=value.unit)


def _sign(value: Value, random: Random) -> Value | None:
    return Amount(number=-value.number, unit=value.unit) if isinstance(value, Amount) else None


def _scale(value: Value, random: Random) -> Value | None:
    if not isinstance(value, Amount):
        return None
    factor = random.choice((Fraction(10), Fraction(1, 10), Fraction(100), Fraction(2)))
    return Amount(number=value.number * factor, unit=value.unit)


def _unit(value: Value, random: Random) -> Value | None:
    if not isinstance(value, Amount) or not value.unit:
        return None
    other = random.choice([unit for unit in NAMES if not same_unit(unit, value.unit)])
    return Amount(number=value.number, unit=other)


MISTAKES: dict[str, Mistake] = {
    "near": _near,
    "swapped": _swapped,
    "digit": _digit,
    "sign": _sign,
    "scale": _scale,
    "unit": _unit,
}

NEGATED: dict[Language, tuple[str, ...]] = {
    "en": ("The answer is not {right}.", "It cannot be {right}.", "{right} is wrong."),
    "zh": ("答案不是{right}。", "不可能是{right}。", "{right}是错的。"),
}
HEDGED: dict[Language, tuple[str, ...]] = {
    "en": ("{one} or {two}", "Either {one} or {two}.", "The answer is {one}, or maybe {two}."),
    "zh": ("{one}或{two}", "要么是{one}，要么是{two}。", "答案是{one}，也可能是{two}。"),
}
CONTRADICTED: dict[Language, tuple[str, ...]] = {
    "en": (
        "The answer is {first}. Wait, no. Final answer: {last}",
        "I first got {first}, but that was wrong: it is {last}.",
        "Not {first} but {last}.",
        "Answer: {first}\nCorrection: the answer is {last}",
    ),
    "zh": (
        "答案是{first}。不对，最终答案：{last}",
        "我先得到{first}，但是错了，应该是{last}。",
        "不是{first}，而是{last}。",
        "答案：{first}\n更正：答案是{last}",
    ),
}
MISPLACED: dict[Language, tuple[str, ...]] = {
    "en": (
        "There are {right} steps, and the result is {wrong}.",
        "Starting from {right}, we get {wrong}.",
        "{right} was given, so the answer is {wrong}.",
    ),
    "zh": (
        "一共有{right}步，结果是{wrong}。",
        "从{right}开始，得到{wrong}。",
        "已知{right}，所以答案是{wrong}。",
    ),
}
