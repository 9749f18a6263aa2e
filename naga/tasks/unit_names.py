"""Units by their symbols, and the words that mean the same in English and Chinese.

A unit this table does not know equals only itself. Does not convert.
"""

NAMES: dict[str, tuple[str, ...]] = {
    "mm": ("millimeter", "millimeters", "millimetres", "毫米"),
    "cm": ("centimeter", "centimeters", "centimetres", "厘米"),
    "m": ("meter", "meters", "metre", "metres", "米"),
    "km": ("kilometer", "kilometers", "kilometres", "千米", "公里"),
    "mg": ("milligram", "milligrams", "毫克"),
    "g": ("gram", "grams", "克"),
    "kg": ("kilogram", "kilograms", "千克", "公斤"),
    "t": ("ton", "tons", "tonne", "tonnes", "吨"),
    "s": ("sec", "second", "seconds", "秒"),
    "min": ("minute", "minutes", "分钟", "分"),
    "h": ("hour", "hours", "hr", "小时"),
    "d": ("day", "days", "天", "日"),
    "mL": ("ml", "milliliter", "milliliters", "毫升"),
    "L": ("l", "liter", "liters", "litres", "升"),
    "cm^2": ("cm2", "平方厘米", "square centimeters"),
    "m^2": ("m2", "平方米", "square meters"),
    "km^2": ("km2", "平方千米", "平方公里", "square kilometers"),
    "ha": ("hectare", "hectares", "公顷"),
    "cm^3": ("cm3", "cc", "立方厘米", "cubic centimeters"),
    "m^3": ("m3", "立方米", "cubic meters"),
    "m/s": ("m*s^-1", "米/秒", "米每秒", "meters per second"),
    "km/h": ("kmh", "kph", "千米/小时", "公里/小时", "千米每小时", "kilometers per hour"),
    "m/s^2": ("m/s2", "m/s/s", "米/秒^2", "米每二次方秒", "meters per second squared"),
    "g/cm^3": ("g/cm3", "克/立方厘米"),
    "kg/m^3": ("kg/m3", "千克/立方米"),
    "N": ("newton", "newtons", "牛", "牛顿"),
    "N/m": ("牛/米", "newtons per meter"),
    "N*m": ("Nm", "N m", "牛*米", "牛米", "newton meters"),
    "kg*m/s": ("kg m/s", "kgm/s", "N*s", "千克*米/秒"),
    "J": ("joule", "joules", "焦", "焦耳"),
    "kJ": ("kilojoule", "kilojoules", "千焦"),
    "kWh": ("kilowatt hours", "千瓦时", "度"),
    "W": ("watt", "watts", "瓦", "瓦特"),
    "Pa": ("pascal", "pascals", "帕", "帕斯卡"),
    "kPa": ("kilopascals", "千帕"),
    "mol": ("mole", "moles", "摩尔", "摩"),
    "g/mol": ("g*mol^-1", "克/摩尔", "克每摩尔", "grams per mole"),
    "K": ("kelvin", "开", "开尔文"),
    "°C": ("℃", "C", "摄氏度", "degrees Celsius"),
    "°F": ("℉", "F", "华氏度", "degrees Fahrenheit"),
    "%": ("percent", "per cent"),
}
SYMBOLS = {name: unit for unit, names in NAMES.items() for name in (unit, *names)}


def same_unit(given: str, unit: str) -> bool:
    """Both in plain signs: `m/s^2`, not `m/s²`."""
    return given == unit or SYMBOLS.get(given, given) == SYMBOLS.get(unit, unit)
