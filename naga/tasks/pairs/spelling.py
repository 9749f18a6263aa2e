"""Surface forms: one value in its many spellings, each with a name.

A form that cannot spell a value gives None. HELDOUT_FORMS are never trained on. A unit may be left
out, as the rules of naga.verify allow; converting it (1.404 km for 1404 m) is no spelling.
"""

from collections.abc import Callable
from datetime import date
from fractions import Fraction
from functools import partial
from random import Random

from naga.tasks.pairs.numerals import chinese, decimal, english
from naga.tasks.pairs.pair import Amount, Day, Letters, Listed, Named, Value
from naga.tasks.unit_names import NAMES

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
SYNONYMS = {
    "knight": ("knight", "truth-teller", "honest one"),
    "knave": ("knave", "liar", "deceiver"),
    "骑士": ("骑士", "说真话的人", "诚实者"),
    "无赖": ("无赖", "说谎的人", "骗子"),
    "T": ("T", "true", "True", "真", "是"),
    "F": ("F", "false", "False", "假", "否"),
}

Number = Callable[[Fraction], str | None]


def _thousands(number: Fraction, mark: str = ",") -> str | None:
    plain = decimal(number)
    if plain is None or abs(number) < 1000:
        return None
    before, point, after = plain.partition(".")
    return f"{int(before):,}".replace(",", mark) + point + after


def _zeros(number: Fraction) -> str | None:
    plain = decimal(number)
    return plain and (plain + "0" if "." in plain else plain + ".0")


def _fraction(number: Fraction, template: str = "{sign}{top}/{bottom}") -> str | None:
    if number.denominator == 1 or number.denominator > 1000:
        return None
    sign = "-" if number < 0 else ""
    return template.format(sign=sign, top=abs(number.numerator), bottom=number.denominator)


def _percent(number: Fraction) -> str | None:
    plain = decimal(number * 100)
    return f"{plain}%" if plain and 0 < abs(number) < 1 else None


def _mixed(number: Fraction) -> str | None:
    whole, rest = divmod(number, 1)
    return f"{whole} {rest}" if rest and whole > 0 and rest.denominator < 100 else None


def _scientific(number: Fraction, template: str) -> str | None:
    plain = decimal(abs(number))
    if plain is None or abs(number) < 100:
        return None
    power = len(plain.partition(".")[0]) - 1
    mantissa = decimal(number / 10**power)
    return None if mantissa is None else template.format(mantissa=mantissa, power=power)


def _full_width(number: Fraction) -> str | None:
    plain = decimal(number)
    return plain and "".join(chr(ord(sign) + 0xFEE0) for sign in plain)


def _signed(number: Fraction) -> str | None:
    plain = decimal(number)
    return f"+{plain}" if plain and number > 0 else None


NUMBERS: dict[str, Number] = {
    "plain": decimal,
    "thousands": _thousands,
    "zeros": _zeros,
    "fraction": _fraction,
    "latex fraction": partial(_fraction, template=r"{sign}\frac{{{top}}}{{{bottom}}}"),
    "percent": _percent,
    "mixed": _mixed,
    "chinese numeral": chinese,
    "english words": english,
    "exponent": partial(_scientific, template="{mantissa}e{power}"),
    "scientific": partial(_scientific, template="{mantissa} × 10^{power}"),
    "latex scientific": partial(_scientific, template=r"{mantissa} \times 10^{{{power}}}"),
    "sign": _signed,
    "full width": _full_width,
    "spaced thousands": partial(_thousands, mark=" "),
    "latex thousands": partial(_thousands, mark="{,}"),
    "star scientific": partial(_scientific, template="{mantissa}*10^{power}"),
    "dfrac": partial(_fraction, template=r"{sign}\dfrac{{{top}}}{{{bottom}}}"),
}

NAMED: dict[str, tuple[str, str]] = {
    "equal signs": ("{name}={value}", ", "),
    "spaced": ("{name} = {value}", " and "),
    "colons": ("{name}: {value}", "; "),
    "is": ("{name} is {value}", ", "),
    "bullets": ("- {name}: {value}", "\n"),
    "chinese is": ("{name}是{value}", "，"),
    "chinese colons": ("{name}：{value}", "，"),
    "json": ('"{name}": "{value}"', ", "),
    "arrows": ("{name} -> {value}", ", "),
}
LISTED: dict[str, tuple[str, str, str]] = {
    "commas": ("", ", ", ""),
    "spaces": ("", " ", ""),
    "parentheses": ("(", ", ", ")"),
    "brackets": ("[", ", ", "]"),
    "chinese commas": ("", "、", ""),
    "lines": ("", "\n", ""),
    "semicolons": ("", "; ", ""),
    "braces": (r"\{", ", ", r"\}"),
}
DAYS: dict[str, Callable[[date], str]] = {
    "iso": date.isoformat,
    "american": lambda day: f"{MONTHS[day.month - 1]} {day.day}, {day.year}",
    "british": lambda day: f"{day.day} {MONTHS[day.month - 1]} {day.year}",
    "short month": lambda day: f"{MONTHS[day.month - 1][:3]} {day.day}, {day.year}",
    "slashes": lambda day: f"{day.year}/{day.month:02}/{day.day:02}",
    "chinese": lambda day: f"{day.year}年{day.month}月{day.day}日",
    "glued": lambda day: f"{day.year}{day.month:02}{day.day:02}",
    "the of": lambda day: f"the {day.day} of {MONTHS[day.month - 1]}, {day.year}",
}
LETTERS = {
    "as it is": "{}",
    "quotes": '"{}"',
    "backticks": "`{}`",
    "chinese quotes": "“{}”",
    "latex text": r"\text{{{}}}",
    "corner quotes": "「{}」",
}
HELDOUT_FORMS = frozenset(
    {"full width", "spaced thousands", "latex thousands", "star scientific", "dfrac"}
    | {"json", "arrows", "semicolons", "braces", "glued", "the of", "latex text", "corner quotes"}
)
PLAIN_SHARE = 0.3
UNIT_LEFT_OUT = 0.15


def spell(value: Value, random: Random, *, heldout: bool, whole: bool) -> tuple[str, str]:
    """A spelling and the name of its form; with `heldout` one never trained on where there is one.

    `whole`: a unit is never left out. Plain spellings come more often than others, as in life.
    """
    known = forms_of(value)
    fresh = [form for form in known if form in HELDOUT_FORMS]
    trained = [form for form in known if form not in HELDOUT_FORMS]
    if heldout and fresh:
        form = random.choice(fresh)
    else:
        form = trained[0] if random.random() < PLAIN_SHARE else random.choice(trained)
    return _written(value, form, random, whole), form


def forms_of(value: Value) -> list[str]:
    """The names of the forms that can spell it, the plainest first."""
    match value:
        case Amount():
            found = [name for name, write in NUMBERS.items() if write(value.number)]
            return [name for name in found if name != "percent" or not value.unit]
        case Named():
            return list(NAMED)
        case Listed():
            return list(LISTED)
        case Day():
            return list(DAYS)
        case Letters():
            return list(LETTERS)


def _written(value: Value, form: str, random: Random, whole: bool) -> str:
    match value:
        case Amount():
            number = NUMBERS[form](value.number)
            assert number is not None, form
            left_out = not whole and random.random() < UNIT_LEFT_OUT
            return number if left_out else _with_unit(number, value.unit, random)
        case Named():
            return _named(value, form, random)
        case Listed():
            before, between, after = LISTED[form]
            variant = random.randrange(5)
            items = (_synonym(item, variant) for item in value.items)
            return before + between.join(items) + after
        case Day():
            return DAYS[form](value.day)
        case Letters():
            return LETTERS[form].format(value.text)


def _with_unit(number: str, unit: str, random: Random) -> str:
    if not unit:
        return number
    words = [name for name in NAMES.get(unit, ()) if len(name) > 1]
    latex = rf"{number} \text{{ {unit}}}"
    spellings = [f"{number} {unit}", f"{number}{unit}", latex]
    spellings += [f"{number} {name}" if name.isascii() else f"{number}{name}" for name in words]
    return spellings[0] if random.random() < PLAIN_SHARE else random.choice(spellings)


def _named(value: Named, form: str, random: Random) -> str:
    template, between = NAMED[form]
    names = list(value.items)
    random.shuffle(names)
    variant = random.randrange(3) if random.random() < 0.5 else 0
    parts = (
        template.format(name=name, value=_synonym(value.items[name], variant)) for name in names
    )
    return between.join(parts)


def _synonym(word: str, variant: int) -> str:
    words = SYNONYMS.get(word, (word,))
    return words[variant % len(words)]
