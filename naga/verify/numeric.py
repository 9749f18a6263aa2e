"""Numbers as people write them, read exactly, and compared by what kind of number the gold is.

Read: 1234, 1,234, 12 345, -0.5, .5, 3/4, \\frac34, 1 1/2, 1\\frac{1}{2}, 2.5e3, 2.5 × 10^{3},
2^{10}, 0.\\overline{3}, 50%, 3 million, 1.5亿, 一百二十, 三分之二, each with a sign, a currency and
a unit. Not read: anything with work left to do (6·7, a root, a sum). Values are fractions, so
nothing is rounded; digits and exponents are bounded, so nothing is slow.

Equal means: the same value. But a decimal answer may round a fraction that no decimal equals, if
it has MIN_DIGITS significant digits, and an answer may have more places than a decimal gold of
MIN_DIGITS digits or more, if it rounds to it. 50% is 0.5, and as an answer to 50 or for the gold
50% the sign may be there or not. A task that knows better gives its own relative tolerance.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from naga.verify.chinese import chinese_number
from naga.verify.normalise import normalise
from naga.verify.units import unit_of

MAX_LENGTH = 120
MAX_DIGITS = 50
MAX_EXPONENT = 400
MIN_DIGITS = 4

Form = Literal["integer", "fraction", "decimal"]

NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
TIMES_TEN = r"(?:\\times|\\cdot|[*xX]) ?10 ?(?:\^|\*\*)"
BODIES = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("mixed", r"(\d+) ?\\frac ?\{ ?(\d+) ?\} ?\{ ?(\d+) ?\}"),
        ("mixed", r"(\d+)(?: | and |-)(\d+) ?/ ?(\d+)"),
        ("fraction", rf"\\frac ?\{{ ?(-?{NUMBER}) ?\}} ?\{{ ?(-?{NUMBER}) ?\}}"),
        ("fraction", rf"({NUMBER}) ?/ ?({NUMBER})"),
        ("scientific", rf"({NUMBER})[eE]([+-]?\d+)"),
        (
            "scientific",
            rf"({NUMBER}) ?{TIMES_TEN} ?(?:\{{ ?)?([+-]?\d+)(?: ?\}})?",
        ),
        ("power", r"(\d+) ?(?:\^|\*\*) ?(?:\{ ?)?(-?\d+)(?: ?\})?"),
        ("repeating", r"(\d*)\.(\d*) ?\\(?:overline|dot|bar) ?\{ ?(\d+) ?\}"),
        ("grouped", r"(\d{1,3}(?: \d{3})+(?:\.\d+)?)(?![\d.])"),
        ("plain", rf"({NUMBER})"),
    )
)
SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "千": 10**3,
    "万": 10**4,
    "百万": 10**6,
    "千万": 10**7,
    "亿": 10**8,
    "万亿": 10**12,
}
SCALE = re.compile(rf"({'|'.join(sorted(SCALES, key=len, reverse=True))})(?![a-z])")
ABOUT = re.compile(
    r"(?:(?:about|around|approximately|approx\.?|roughly|exactly|only|just|a total of)\s+"
    r"|\\approx\s*|约为?|大约|大概|一共|共|总共|等于|是)+",
    re.IGNORECASE,
)
CURRENCY = re.compile(r"(?:US ?|HK ?)?[$€£¥₹]|(?:US(?=\d)|USD|RMB|EUR|CNY)(?![A-Za-z])")


@dataclass(frozen=True, kw_only=True)
class Quantity:
    value: Fraction
    form: Form
    digits: int
    """Significant digits as written, without leading zeros."""
    places: int
    """Digits after the point."""
    percent: bool
    """The value is what stands before the sign: 50 for 50%."""
    unit: str | None


def read_quantity(text: str) -> Quantity | None:
    """The one number that `text` is, with its unit; None if it is anything else, or too large."""
    text = normalise(text)
    if len(text) > MAX_LENGTH or len(re.findall(r"\d", text)) > MAX_DIGITS:
        return None
    text = _unwrapped(ABOUT.sub("", text, count=1) if ABOUT.match(text) else text)
    sign, text = _signed(text)
    chinese = re.match("[零〇一二两三四五六七八九十百千万亿点负分之]+", text)
    if chinese and (value := chinese_number(chinese[0])) is not None:
        form: Form = "integer" if value.denominator == 1 else "fraction"
        return _with_suffix(sign * value, form, len(chinese[0]), 0, text[chinese.end() :])
    for name, pattern in BODIES:
        if found := pattern.match(text):
            return _read_body(name, found, sign, text[found.end() :])
    return None


def _unwrapped(text: str) -> str:
    inner = re.fullmatch(r"\(([^(),]*)\)|\{([^{},]*)\}", text)
    return (inner[1] or inner[2] or "").strip() if inner else text


def _signed(text: str) -> tuple[int, str]:
    text = CURRENCY.sub("", text, count=1).strip() if CURRENCY.match(text) else text
    found = re.match(r"[+-]\s?(?=[\d.\\$€£¥])", text)
    if not found:
        return 1, text
    text = text[found.end() :]
    return (-1 if "-" in found[0] else 1), CURRENCY.sub("", text, count=1).strip()


def _read_body(name: str, found: re.Match[str], sign: int, suffix: str) -> Quantity | None:
    written = re.sub(r"\D", "", found[0]).lstrip("0")
    places = len(found[0].rpartition(".")[2]) if name in ("plain", "grouped") else 0
    if "." not in found[0]:
        places = 0
    form: Form = "integer"
    value = _value(name, [group or "" for group in found.groups()])
    if value is None:
        return None
    if name in ("mixed", "fraction", "repeating") or (name == "power" and value.denominator > 1):
        form = "fraction"
    elif places or value.denominator > 1:
        form = "decimal"
    return _with_suffix(sign * value, form, len(written) or 1, places, suffix)


def _value(name: str, groups: list[str]) -> Fraction | None:
    if name == "mixed":
        whole, top, bottom = (int(group) for group in groups)
        return Fraction(whole) + Fraction(top, bottom) if bottom else None
    if name == "fraction":
        above, below = (Fraction(group.rstrip(".")) for group in groups)
        return above / below if below else None
    if name == "scientific":
        exponent = int(groups[1])
        if abs(exponent) > MAX_EXPONENT:
            return None
        return Fraction(groups[0].rstrip(".")) * Fraction(Fraction(10) ** exponent)
    if name == "power":
        base, exponent = Fraction(groups[0]), int(groups[1])
        small = abs(exponent) * len(groups[0]) <= MAX_EXPONENT and (base or exponent > 0)
        return Fraction(base**exponent) if small else None
    if name == "repeating":
        before, fixed, period = groups
        tail = Fraction(int(period), 10 ** len(period) - 1) / 10 ** len(fixed)
        return int(before or 0) + Fraction(int(fixed or 0), 10 ** len(fixed)) + tail
    return Fraction(groups[0].replace(" ", "").rstrip("."))


def _with_suffix(
    value: Fraction, form: Form, digits: int, places: int, suffix: str
) -> Quantity | None:
    glued, suffix = not suffix.startswith(" "), suffix.strip().lstrip("-")
    if scale := SCALE.match(suffix):
        value, places = value * SCALES[scale[1]], 0
        form, suffix = "integer" if value.denominator == 1 else form, suffix[scale.end() :].strip()
    unit = unit_of(suffix) if suffix else None
    if suffix and (unit is None or (glued and not scale and _is_product(suffix))):
        return None
    return Quantity(
        value=value,
        form=form,
        digits=digits,
        places=places,
        percent=unit == "percent",
        unit=None if unit == "percent" else unit,
    )


def _is_product(suffix: str) -> bool:
    """5x, 5m and 3abc are products; 5cm, 5个 and 5 m are measures."""
    single = re.match(r"[A-Za-z](?![A-Za-z])", suffix)
    return bool(single) or (suffix.isascii() and suffix.casefold() == unit_of(suffix))


def equal(gold: Quantity, answer: Quantity, tolerance: float | None = None) -> bool:
    """By the rules at the top; with `tolerance`, |answer - gold| <= tolerance · |gold| instead."""
    if gold.unit != answer.unit and gold.unit and answer.unit:
        return False
    readings = [(gold.value, answer.value)]
    if gold.percent != answer.percent:
        readings.append((gold.value / (100 if gold.percent else 1), answer.value))
        readings.append((gold.value, answer.value / (100 if answer.percent else 1)))
    return any(_same(gold, answer, *pair, tolerance) for pair in readings)


def _same(
    gold: Quantity, answer: Quantity, wanted: Fraction, given: Fraction, tolerance: float | None
) -> bool:
    if wanted == given:
        return True
    if tolerance is not None:
        return abs(given - wanted) <= Fraction(tolerance) * abs(wanted)
    if gold.form == "decimal" and gold.digits >= MIN_DIGITS and answer.places != gold.places:
        finer = answer.form == "fraction" or answer.places > gold.places
        return finer and 2 * abs(given - wanted) <= Fraction(1, 10**gold.places)
    if gold.form == "fraction" and answer.form == "decimal" and not _terminates(wanted):
        half = Fraction(1, 2 * 10**answer.places)
        return answer.digits >= MIN_DIGITS and abs(given - wanted) <= half
    return False


def _terminates(value: Fraction) -> bool:
    denominator = value.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator == 1
