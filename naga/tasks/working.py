"""One arithmetic operation as a line of small facts, for the traces of many families.

A line begins with the operation and ends with its result. Known are: sums of two digits and two,
of one digit and any number, of a number and enough zeros (300+45), and products within the table of
twelve, whatever zeros follow. Beyond, sums go column by column as in addition.py, products by their
parts (46*7 is 40*7 and 6*7), divisions digit by digit (32=4*7+4). Decimals are worked without their
point, which the result gets back. Fractions and negative factors are taken as one fact.
"""

from fractions import Fraction

from naga.tasks.addition import add_trace, subtract_trace

KNOWN_SUM = 100
KNOWN_FACTOR = 12


def written(number: Fraction | int) -> str:
    """As a whole number, a decimal where it ends within four places, or a fraction."""
    exact = Fraction(number)
    if exact.denominator == 1:
        return str(exact.numerator)
    scaled = exact * 10**4
    if scaled.denominator != 1:
        return f"{exact.numerator}/{exact.denominator}"
    sign, digits = "-" if exact < 0 else "", f"{abs(scaled.numerator):05}"
    return f"{sign}{digits[:-4]}.{digits[-4:]}".rstrip("0")


def ends(number: Fraction) -> bool:
    """It is written as a whole number or a decimal, not as a fraction."""
    return (number * 10**4).denominator == 1


def worked(first: Fraction | int, operator: str, second: Fraction | int) -> str:
    """`first operator second`, worked; the operator is one of + - * /."""
    left, right = Fraction(first), Fraction(second)
    if operator in "*/" and min(left, right) < 0:
        return _fact(left, operator, right)
    if left.denominator > 1 or right.denominator > 1 or (operator == "/" and left % right):
        return _worked_decimal(left, operator, right)
    if operator in "+-":
        return worked_sum(int(left), int(right) if operator == "+" else -int(right))
    if operator == "*":
        return worked_product(int(left), int(right))
    return worked_quotient(int(left), int(right))


def _worked_decimal(left: Fraction, operator: str, right: Fraction) -> str:
    """`2.5*14: 25*14: ..., 350, 35`: the fact, with the work on whole numbers before its result."""
    fact = _fact(left, operator, right)
    operation, _, result = fact.partition("=")
    if not (ends(left) and ends(right)) or "/" in result:
        return fact
    scale = 10 ** max(_places(left), _places(right))
    if operator == "*":
        top, bottom = int(left * 10 ** _places(left)), int(right * 10 ** _places(right))
        work = worked_product(top, bottom)
    elif operator == "/":
        top, bottom = int(left * scale), int(right * scale)
        more = 10 ** _places(left / right)
        work = f"{', '.join(division_steps(top * more, bottom))}"
        if _bare(bottom) == 1 or (_bare(top) <= KNOWN_FACTOR and bottom <= KNOWN_FACTOR):
            return fact
    else:
        top, bottom = int(left * scale), int(right * scale)
        work = worked_sum(top, bottom if operator == "+" else -bottom)
    return fact if _is_fact(work) else f"{operation}: {work}, {result}"


def _places(number: Fraction) -> int:
    """After the decimal point."""
    return len(written(number).partition(".")[2])


def _is_fact(work: str) -> bool:
    """One operation and its result: nothing that had to be worked."""
    return "," not in work and ":" not in work


def worked_sum(first: int, second: int) -> str:
    """Of two numbers of any sign: `46+7=53`, `12-30=-18`, or by columns."""
    sum_ = f"{first}{second:+}"
    if _known_sum(abs(first), abs(second)):
        return f"{sum_}={first + second}"
    if first < 0 and second < 0:
        return f"{sum_}, {worked_sum(-first, -second)}, {first + second}"
    if first < 0:
        return f"{sum_}={second}{first}, {worked_sum(second, first)}"
    trace = add_trace(first, second) if second >= 0 else subtract_trace(first, -second)
    line = trace.replace("\n", ", ")
    end = str(first + second)
    return line if line.endswith(f" {end}") else f"{line}, {end}"


def _known_sum(first: int, second: int) -> bool:
    if min(first, second) < 10:
        return True
    if max(first, second) % 10 ** len(str(min(first, second))) == 0:
        return True
    if max(first, second) % 10 ** len(str(min(first, second))) == 0:
        return True
    while first % 10 == second % 10 == 0:
        first, second = first // 10, second // 10
    return max(first, second) < KNOWN_SUM


def worked_product(first: int, second: int) -> str:
    """`6*7=42`, `46*7: 40*7=280, 6*7=42, 280+42, ...: 322`; neither is negative."""
    product = f"{first}*{second}"
    rows, columns = _parts(first), _parts(second)
    if max(len(rows), len(columns)) <= 1 or min(_bare(first), _bare(second)) <= 1:
        return f"{product}={first * second}"
    if first % 10 == 0 or second % 10 == 0:
        return f"{product}: {worked_product(_bare(first), _bare(second))}, {first * second}"
    facts, total = [], 0
    partial = [(row, column) for row in rows for column in columns]
    for row, column in partial:
        facts.append(f"{row}*{column}={row * column}")
        if total:
            facts.append(worked_sum(total, row * column))
        total += row * column
    return f"{product}: {', '.join(facts)}"


def worked_quotient(first: int, second: int) -> str:
    """Of an exact division: `42/7=6`, `322/7: 32=4*7+4, 42=6*7+0: 46`."""
    quotient = f"{first}/{second}"
    if _bare(second) == 1 or max(second, first // second) <= KNOWN_FACTOR:
        return f"{quotient}={first // second}"
    return f"{quotient}: {', '.join(division_steps(first, second))}: {first // second}"


def division_steps(first: int, second: int) -> list[str]:
    """Long division: one `dividend=digit*second+rest` for each digit of the quotient."""
    steps, rest = list[str](), 0
    for i, digit in enumerate(str(first)):
        rest = 10 * rest + int(digit)
        if rest >= second or steps or i + 1 == len(str(first)):
            steps.append(f"{rest}={rest // second}*{second}+{rest % second}")
            rest %= second
    return steps


def _parts(number: int) -> list[int]:
    """4060 -> 4000, 60; what the table has stays whole."""
    if number <= KNOWN_FACTOR:
        return [number]
    digits = str(number)
    return [int(d) * 10 ** (len(digits) - 1 - i) for i, d in enumerate(digits) if d != "0"]


def _bare(number: int) -> int:
    """Without the zeros at its end."""
    return int(str(number).rstrip("0") or 0)


def _fact(left: Fraction, operator: str, right: Fraction) -> str:
    results = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left / right,
    }
    second = f"({written(right)})" if right < 0 else written(right)
    return f"{written(left)}{operator}{second}={written(results[operator]())}"
