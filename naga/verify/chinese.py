"""Numbers written in Chinese: 一百二十三, 三点一四, 负五, 三分之二, 百分之二十.

Ordinals and dates are not read. Whatever is not a whole number by these rules is None.
"""

from fractions import Fraction

DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
}
UNITS = {"十": 10, "百": 100, "千": 1000}
SCALES = {"万": 10**4, "亿": 10**8}
LETTERS = frozenset(DIGITS) | frozenset(UNITS) | frozenset(SCALES) | frozenset("点负分之")
MAX_LETTERS = 40


def chinese_number(text: str) -> Fraction | None:
    if not text or len(text) > MAX_LETTERS or not LETTERS.issuperset(text):
        return None
    if text.startswith("负"):
        value = chinese_number(text[1:]) if not text.startswith("负负") else None
        return None if value is None else -value
    if text.startswith("百分之"):
        value = _decimal(text[3:])
        return None if value is None else value / 100
    if "分之" in text:
        return _fraction(*text.split("分之", 1))
    return _decimal(text)


def _fraction(below: str, above: str) -> Fraction | None:
    numerator, denominator = _whole(above), _whole(below)
    return Fraction(numerator, denominator) if numerator is not None and denominator else None


def _decimal(text: str) -> Fraction | None:
    before, point, after = text.partition("点")
    whole = _whole(before)
    if whole is None or (point and (not after or not set(after) <= set(DIGITS))):
        return None
    places = "".join(str(DIGITS[character]) for character in after)
    return whole + Fraction(int(places or 0), 10 ** len(places))


def _whole(text: str) -> int | None:
    """一百二十三万四千 or, digit by digit, 二〇二六."""
    if not text or "点" in text or "分" in text or "之" in text or "负" in text:
        return None
    if set(text) <= set(DIGITS):
        return int("".join(str(DIGITS[character]) for character in text))
    total = section = digit = 0
    for character in text:
        if character in DIGITS:
            digit = DIGITS[character]
        elif character in UNITS:
            section += (digit or (1 if not section else 0)) * UNITS[character]
            digit = 0
        else:
            total = (total + section + digit) * SCALES[character]
            section = digit = 0
    return total + section + digit
