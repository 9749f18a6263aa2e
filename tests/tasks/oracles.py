"""Answers of procedural problems, found from `problem` alone by other ways than the generators'.

Each oracle takes the canonical problem and returns what is compared with the gold answer read the
same way; brute force wherever the numbers allow it.
"""

import re
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations

WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def arithmetic(problem: str) -> str:
    """Python's own precedence, with every number a fraction."""
    text = re.sub(r"\d+(?:\.\d+)?", lambda n: f"Fraction('{n[0]}')", problem)
    return str(eval(text, {"Fraction": Fraction}))


def equation(problem: str) -> str:
    """The line through the difference of both sides at 0 and 1."""
    left, right = problem.split("=")

    def difference(x: int) -> Fraction:
        def side(text: str) -> Fraction:
            text = re.sub(r"(\d)([x(])", r"\1*\2", text).replace("x", f"({x})")
            return Fraction(arithmetic(text))

        return side(left) - side(right)

    at_zero, at_one = difference(0), difference(1)
    return str(at_zero / (at_zero - at_one))


def system(problem: str) -> str:
    """Every x with the y that the first line gives it, until the second line holds."""
    (a, b, c), (d, e, f) = (_row(text) for text in problem.split(", "))
    for x in range(-60, 61):
        y = -(a * x + c) / b
        if d * x + e * y + f == 0:
            return f"x={x}, y={y}"
    raise AssertionError(problem)


def _row(text: str) -> tuple[Fraction, Fraction, Fraction]:
    """a, b and c of ax+by+c=0, from the difference of both sides at three points."""
    left, right = (re.sub(r"(\d)([xy])", r"\1*\2", side) for side in text.split("="))

    def difference(x: int, y: int) -> Fraction:
        sides = (side.replace("x", f"({x})").replace("y", f"({y})") for side in (left, right))
        first, second = (Fraction(arithmetic(side)) for side in sides)
        return first - second

    at_zero = difference(0, 0)
    return difference(1, 0) - at_zero, difference(0, 1) - at_zero, at_zero


def divisors(problem: str) -> str:
    kind, *numbers = problem.split()
    values = [int(number) for number in numbers]
    if kind == "gcd":
        return str(max(d for d in range(1, min(values) + 1) if all(v % d == 0 for v in values)))
    top = max(values)
    return str(next(m for m in range(top, 10**9, top) if all(m % v == 0 for v in values)))


def modulo(problem: str) -> str:
    number, modulus = problem.split(" mod ")
    return str(Fraction(arithmetic(number.replace("^", "**"))) % int(modulus))


def factors(problem: str) -> str:
    number, found = int(problem), []
    while number > 1:
        found.append(next(d for d in range(2, number + 1) if number % d == 0))
        number //= found[-1]
    return "*".join(map(str, found))


def primes(problem: str) -> str:
    direction, number = problem.split()
    step = 1 if direction == "after" else -1
    candidate = int(number) + step
    while any(candidate % d == 0 for d in range(2, candidate)):
        candidate += step
    return str(candidate)


def digits(problem: str) -> str:
    kind, number, base = problem.split()
    if kind == "sum":
        return str(sum(map(int, number)))
    if kind == "root":
        return str((int(number) - 1) % 9 + 1)
    if kind == "from":
        return str(int(number, int(base)))
    written = next(
        text
        for length in range(1, 12)
        for text in [_padded(int(number), int(base), length)]
        if int(text, int(base)) == int(number)
    )
    return written


def _padded(value: int, base: int, length: int) -> str:
    return "".join(str(value // base**i % base) for i in reversed(range(length)))


def dates(problem: str) -> str:
    kind, *rest = problem.split()
    if kind == "leap":
        year = int(rest[0]) + 1
        while year % 4 or (year % 100 == 0 and year % 400):
            year += 1
        return str(year)
    if kind == "later":
        return WEEK[(int(rest[0]) - 1 + int(rest[1])) % 7]
    first = date.fromisoformat(rest[0])
    if kind == "weekday":
        return WEEK[first.weekday()]
    if kind == "after":
        return str(first + timedelta(days=int(rest[1])))
    return str((date.fromisoformat(rest[1]) - first).days)


def reachable(problem: str) -> bool:
    """Whether the target of a countdown can be made at all: every pair, every operation."""
    target, numbers = problem.split(" from ")
    return _reaches(int(target), tuple(Fraction(number) for number in numbers.split()))


def _reaches(target: int, numbers: tuple[Fraction, ...]) -> bool:
    if target in numbers:
        return True
    if len(numbers) == 1:
        return False
    for a, b, *rest in permutations(numbers, len(numbers)):
        results = [a + b, a - b, a * b] + ([a / b] if b else [])
        if any(_reaches(target, (result, *rest)) for result in results):
            return True
    return False


def reversing(problem: str) -> str:
    answer = ""
    for letter in problem:
        answer = letter + answer
    return answer


def replacing(problem: str) -> str:
    text, *rules = problem.split()
    return text.translate(str.maketrans({rule[0]: rule[-1] for rule in rules}))


def inserting(problem: str) -> str:
    text, letter, *places = problem.split()
    items = list(text)
    for place in sorted(map(int, places), reverse=True):
        if letter == "-":
            del items[place - 1]
        else:
            items.insert(place, letter)
    return "".join(items)


def caesar(problem: str) -> str:
    text, shift = problem.split()
    return "".join(chr((ord(c) - ord("a") + int(shift)) % 26 + ord("a")) for c in text)


def letters(problem: str) -> str:
    wanted, text = problem.split(" in ")
    return str(sum(Counter(text)[letter] for letter in wanted))


ORACLES: dict[str, Callable[[str], str]] = {
    "expressions": arithmetic,
    "chain_sum": arithmetic,
    "equation": equation,
    "system": system,
    "divisors": divisors,
    "modulo": modulo,
    "factors": factors,
    "primes": primes,
    "digits": digits,
    "dates": dates,
    "reversing": reversing,
    "replacing": replacing,
    "inserting": inserting,
    "caesar": caesar,
    "letters": letters,
}
