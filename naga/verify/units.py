"""Units of measure after a number: one name for each, in Chinese and English.

Nothing is converted: 5 m and 500 cm are different answers here, and 5 m and 5 cm must be.
"""

import re
from typing import Final

ALIASES: Final = {
    "percent": ("%", "percent", "per cent", "percentage points", "个百分点"),
    "degree": (r"^\circ", r"\circ", "degrees", "度"),
    "celsius": (r"^\circ C", r"^\circ c", "degrees celsius", "摄氏度"),
    "dollar": ("dollars", "usd", "us dollars", "美元", "bucks"),
    "cent": ("cents", "美分"),
    "yuan": ("yuan", "rmb", "cny", "元", "块", "块钱", "人民币"),
    "euro": ("euros", "eur", "€", "欧元"),
    "pound": ("pounds", "lb", "lbs", "磅"),
    "metre": ("m", "meters", "metres", "米"),
    "kilometre": ("km", "kilometers", "kilometres", "千米", "公里"),
    "centimetre": ("cm", "centimeters", "centimetres", "厘米"),
    "millimetre": ("mm", "millimeters", "millimetres", "毫米"),
    "inch": ("inches", "in", "英寸"),
    "foot": ("feet", "ft", "英尺"),
    "yard": ("yards", "yd", "码"),
    "mile": ("miles", "mi", "英里"),
    "square metre": ("m^2", "sq m", "square meters", "square metres", "平方米"),
    "square centimetre": ("cm^2", "sq cm", "square centimeters", "square centimetres", "平方厘米"),
    "square foot": ("ft^2", "sq ft", "square feet", "平方英尺"),
    "square inch": ("in^2", "sq in", "square inches"),
    "square unit": ("square units", "平方单位"),
    "cubic metre": ("m^3", "cubic meters", "cubic metres", "立方米"),
    "cubic centimetre": ("cm^3", "cubic centimeters", "cubic centimetres", "立方厘米"),
    "cubic inch": ("in^3", "cubic inches"),
    "unit": ("units", "单位"),
    "second": ("s", "sec", "secs", "seconds", "秒", "秒钟"),
    "minute": ("min", "mins", "minutes", "分钟"),
    "hour": ("h", "hr", "hrs", "hours", "小时", "个小时"),
    "day": ("days", "天", "日"),
    "week": ("weeks", "周", "星期"),
    "month": ("months", "个月"),
    "year": ("years", "yr", "yrs", "years old", "年", "岁"),
    "gram": ("g", "grams", "克"),
    "kilogram": ("kg", "kilograms", "千克", "公斤"),
    "milligram": ("mg", "milligrams", "毫克"),
    "tonne": ("t", "tons", "tonnes", "吨"),
    "litre": ("l", "liters", "litres", "升"),
    "millilitre": ("ml", "milliliters", "millilitres", "毫升"),
    "newton": ("n", "newtons", "牛", "牛顿"),
    "joule": ("j", "joules", "焦", "焦耳"),
    "watt": ("w", "watts", "瓦", "瓦特"),
    "mole": ("mol", "moles", "摩尔"),
    "pascal": ("pa", "pascals", "帕"),
    "kelvin": ("k", "kelvins", "开尔文"),
    "metre per second": ("m/s", "meters per second", "metres per second", "米/秒", "米每秒"),
    "metre per second squared": ("m/s^2", "meters per second squared", "米每二次方秒"),
    "kilometre per hour": ("km/h", "kph", "kilometers per hour", "千米/时", "公里/小时"),
    "mile per hour": ("mph", "miles per hour", "miles/hour"),
    "piece": ("pieces", *"个只件条张本头位名人棵辆"),
}
LONGEST = 32
POWERS: Final = {"2": "square", "3": "cubic"}


def _spellings() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, aliases in ALIASES.items():
        for alias in (name, *aliases):
            found.setdefault(alias.casefold(), name)
            if re.fullmatch("[a-z ]{3,}s", alias):
                found.setdefault(alias[:-1], name)
    return found


SPELLINGS: Final = _spellings()
WORDS = re.compile(r"[^\W\d_]+(?:[ \-/][^\W\d_]+){0,4}")


def known_unit(text: str) -> str | None:
    """By the table, or a power of what is in it (`inches^2`)."""
    text = re.sub(r"\s+", " ", text).strip().casefold()
    if len(text) > LONGEST or text in SPELLINGS:
        return SPELLINGS.get(text)
    base, power, exponent = text.partition("^")
    name = SPELLINGS.get(base.strip())
    return f"{POWERS[exponent]} {name}" if power and name and exponent in POWERS else None


def unit_of(text: str) -> str | None:
    """The unit that `text`, all that follows a number, names; None if it is no unit at all.

    Words that the table does not have name themselves, so `5 apples` is not `5 pears`; of a phrase
    (`dollars per day`) a known beginning counts.
    """
    whole = known_unit(text)
    if whole or not (phrase := WORDS.fullmatch(text.strip())):
        return whole
    start = re.split(r"[ \-/]", phrase[0])
    for length in range(len(start) - 1, 0, -1):
        if name := known_unit(" ".join(start[:length])):
            return name
    single = len(start) == 1 and len(start[0]) < 2 and start[0].isascii()
    return None if single else phrase[0].casefold().removesuffix("s")


def without_unit(text: str) -> str:
    r"""`5\sqrt{2} cm` -> `5\sqrt{2}`: a known unit of two letters or more."""
    found = re.search(r"(?<=[\s\d)}])([A-Za-z][A-Za-z ]*(?:\^[23])?|\^\\circ|%)$", text)
    if found and len(found[1]) > 1 and found.start(1) > 0 and known_unit(found[1]):
        return text[: found.start(1)].rstrip()
    return text
