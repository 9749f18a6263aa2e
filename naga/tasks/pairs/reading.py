"""Numbers, dates, units and synonyms inside a running text, wherever they stand.

naga.verify reads a text that *is* a number; here one is found in a sentence, in digits, LaTeX,
Chinese characters or English words. What is not surely a number is left alone. Marks nothing.
"""

import re
from datetime import date
from fractions import Fraction

from naga.tasks.pairs.numerals import SMALL, TENS
from naga.tasks.unit_names import SYMBOLS
from naga.verify.chinese import chinese_number

MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
MEANINGS = {
    "knight": ("knight", "truth-teller", "honest one"),
    "knave": ("knave", "liar", "deceiver"),
    "骑士": ("骑士", "说真话的人", "诚实者"),
    "无赖": ("无赖", "说谎的人", "骗子"),
    "T": ("T", "true", "True", "真"),
    "F": ("F", "false", "False", "假"),
}
WORD_OF = {spelling: word for word, spellings in MEANINGS.items() for spelling in spellings}

_MEANT = "|".join(re.escape(word) for word in sorted(WORD_OF, key=len, reverse=True))
REFERENCE_WORD = re.compile(
    rf"(?<![A-Za-z])(?:{_MEANT})(?![A-Za-z])|[A-Za-z]+(?:-[A-Za-z]+)*|[^\W\d_A-Za-z]+"
)
COPULA = re.compile("[是为]")
STOP_WORDS = frozenset({"is", "are", "the", "an", "and", "of", "text", "frac", "times"})
IDLE = frozenset("一两十百千万亿")

_MONTH = "(?:" + "|".join(f"{name[:3]}(?:{name[3:]})?" for name in MONTHS) + r")\.?"
DATE = (
    r"(?<!\d)\d{4}[-/]\d{1,2}[-/]\d{1,2}(?!\d)|\d{4}年\d{1,2}月\d{1,2}日"
    rf"|(?i:{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|\d{{1,2}}(?:st|nd|rd|th)? (?:of )?"
    rf"{_MONTH},? \d{{4}})"
)
_PLAIN = r"\d+(?:\.\d+)?"
_VALUES = {word: value for value, word in enumerate(SMALL)} | {
    word: 10 * value for value, word in enumerate(TENS, 2)
}
_WORD = "(?:" + "|".join(sorted(_VALUES, key=len, reverse=True)) + "|hundred|thousand)"
_CHINESE = "[零〇一二两三四五六七八九十百千万亿]"
NUMBER = (
    r"(?:(?<![A-Za-z0-9.)}\]])[-−+])?(?:"
    r"\\[dt]?frac\{\d+\}\{\d+\}"
    rf"|(?:{_PLAIN}) ?(?:×|\*|\\times|\\cdot) ?10 ?\^ ?(?:\{{-?\d+\}}|-?\d+)"
    rf"|{_PLAIN}[eE][+-]?\d+"
    r"|\d{1,3}(?:(?:,|\{,\}| )\d{3})+(?![\d])(?:\.\d+)?"
    r"|\d+ \d+/\d+(?!\d)"
    rf"|\d+/\d+(?![\d/])|{_PLAIN})"
    rf"|负?{_CHINESE}+(?:分之{_CHINESE}+|点[零一二三四五六七八九]+)?"
    rf"|(?<![A-Za-z])(?:minus )?{_WORD}(?:(?:-| and | ){_WORD})*(?![A-Za-z])"
)
_UNITS = "|".join(re.escape(name) for name in sorted(SYMBOLS, key=len, reverse=True))
UNIT = re.compile(rf" ?(?:\\(?:text|mathrm)\{{ ?)?(?P<name>(?:{_UNITS}))(?![A-Za-z^²³])\}}?")


def read_date(text: str) -> date | None:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if names := [index for index, name in enumerate(MONTHS, 1) if name[:3] in text.casefold()]:
        numbers = [numbers[1], names[0], numbers[0]]
    try:
        return date(*numbers) if len(numbers) == 3 else None
    except ValueError:
        return None


def read_number(text: str) -> Fraction | None:
    """None for what only looks like one: 84/2, which is a problem, or a Chinese word."""
    text = text.replace("−", "-")
    sign = -1 if text.startswith(("-", "负", "minus ")) else 1
    body = re.sub(r"^(?:[-+负]|minus )", "", text)
    if re.match(_CHINESE, body):
        value = chinese_number(body)
    elif body[0].isalpha():
        value = _english(body)
    else:
        value = _digits(body)
    return None if value is None else sign * value


def _digits(body: str) -> Fraction | None:
    if found := re.fullmatch(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", body):
        return _ratio(int(found[1]), int(found[2]))
    if found := re.fullmatch(rf"({_PLAIN}) ?(?:×|\*|\\times|\\cdot) ?10.*?(-?\d+)\}}?", body):
        return _scaled(found[1], int(found[2]))
    if found := re.fullmatch(rf"({_PLAIN})[eE]([+-]?\d+)", body):
        return _scaled(found[1], int(found[2]))
    if found := re.fullmatch(r"(\d+) (\d+)/(\d+)", body):
        part = _ratio(int(found[2]), int(found[3]))
        return None if part is None else int(found[1]) + part
    if found := re.fullmatch(r"(\d+)/(\d+)", body):
        return _ratio(int(found[1]), int(found[2]))
    digits = re.sub(r"[{}, ]", "", body)
    return Fraction(digits) if len(digits) <= 40 else None


def _ratio(top: int, bottom: int) -> Fraction | None:
    """In lowest terms only."""
    value = Fraction(top, bottom) if bottom else None
    return value if value is not None and value.denominator == bottom > 1 else None


def _scaled(mantissa: str, power: int) -> Fraction | None:
    return Fraction(mantissa) * Fraction(10) ** power if abs(power) <= 30 else None


def _english(text: str) -> Fraction | None:
    total = section = 0
    for word in re.split(r"[- ]", text):
        if word == "hundred":
            section = max(section, 1) * 100
        elif word == "thousand":
            total, section = total + max(section, 1) * 1000, 0
        elif word != "and":
            section += _VALUES[word]
    return Fraction(total + section)


def read_unit(text: str) -> str:
    return SYMBOLS[text]


def idle(text: str, following: str) -> bool:
    """Whether a single Chinese numeral is part of a word, as in 一步 or 十分."""
    return text in IDLE and re.match("[\u3400-\u9fff]", following) is not None


def reference_words(text: str) -> list[str]:
    """Words of a reference without its numbers, each in its plainest synonym."""
    found = []
    for spelled in REFERENCE_WORD.findall(text):
        parts = [spelled] if spelled.isascii() or spelled in WORD_OF else COPULA.split(spelled)
        found += [WORD_OF.get(part, part) for part in parts if part and part not in STOP_WORDS]
    return found


def spellings_of(word: str) -> tuple[str, ...]:
    return MEANINGS.get(word, (word,))
