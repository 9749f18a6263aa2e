"""Numbers written out: in Chinese characters and in English words. naga.verify.chinese reads them.

Whole numbers below 10^8 (Chinese) and 10^6 (English), and Chinese decimals; else None.
"""

from fractions import Fraction

CHINESE = "零一二三四五六七八九"
PLACES = ((1000, "千"), (100, "百"), (10, "十"))
SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def decimal(number: Fraction) -> str | None:
    """`2.5`; None where it never ends, or not within twelve places."""
    scaled = number * 10**12
    if scaled.denominator != 1:
        return None
    sign, digits = "-" if scaled < 0 else "", str(abs(scaled.numerator)).rjust(13, "0")
    return f"{sign}{digits[:-12]}.{digits[-12:]}".rstrip("0").rstrip(".")


def chinese(number: Fraction) -> str | None:
    plain = decimal(abs(number))
    if plain is None:
        return None
    before, _, after = plain.partition(".")
    if int(before) >= 10**8:
        return None
    text = _chinese_whole(int(before))
    if after:
        text += "点" + "".join(CHINESE[int(digit)] for digit in after)
    return ("负" if number < 0 else "") + text


def _chinese_whole(number: int) -> str:
    high, low = divmod(number, 10**4)
    if not high:
        return _chinese_section(low)
    gap = "零" if 0 < low < 1000 else ""
    return _chinese_section(high) + "万" + (gap + _chinese_section(low) if low else "")


def _chinese_section(number: int) -> str:
    """Below 10^4."""
    if number < 10:
        return CHINESE[number]
    text, gap = "", False
    for value, name in PLACES:
        digit, number = divmod(number, value)
        if digit:
            text += ("零" if gap else "") + CHINESE[digit] + name
        gap = not digit and bool(text)
    if number:
        text += ("零" if gap else "") + CHINESE[number]
    return text.removeprefix("一") if text.startswith("一十") else text


def english(number: Fraction) -> str | None:
    if number.denominator != 1 or abs(number) >= 10**6:
        return None
    words = _english_whole(abs(number.numerator))
    return f"minus {words}" if number < 0 else words


def _english_whole(number: int) -> str:
    if number < 20:
        return SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens - 2] + (f"-{SMALL[ones]}" if ones else "")
    value, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    high, low = divmod(number, value)
    joint = " and " if 0 < low < 100 else " "
    return f"{_english_whole(high)} {name}" + (joint + _english_whole(low) if low else "")
