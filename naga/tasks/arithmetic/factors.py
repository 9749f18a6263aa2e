"""The prime factors of a number, by trial division from two on.

Each line of the trace divides what is left by one prime; when the square of the next prime is
greater, what is left is prime itself.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.answers import plain, read_number, unjudged, verdict
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79)
RANGE: dict[Level, tuple[int, int]] = {"easy": (6, 120), "medium": (100, 900), "hard": (900, 6000)}
LARGEST_POWER = 20

ENGLISH = (
    "What is the prime factorization of {number}?",
    "Write {number} as a product of primes.",
    "Factor {number} into primes.",
    "Find the prime factors of {number}, each as often as it divides it.",
)
CHINESE = (
    "把 {number} 分解质因数。",
    "将 {number} 写成质数的乘积。",
    "{number} 的质因数分解是什么？",
    "求 {number} 的素因数分解式。",
)


@final
class Factors(Generator):
    name: ClassVar[str] = "factors"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        number = random.randint(*RANGE[level])
        lines, factors = factor_trace(number)
        answer = "*".join(map(str, factors))
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=str(number),
            messages=conversation(
                pick(random, ENGLISH, CHINESE, language).format(number=number),
                "\n".join([*lines, answer]),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """The same primes in any order; powers may be written with ^."""
        given = _factors((plain(reply) or "").replace(" ", ""))
        gold = _factors(example.answer)
        if gold is None:
            return unjudged("the gold answer is not a product of numbers")
        right = given == gold
        return verdict(right, "factors", reason="" if right else "not these prime factors")


def factor_trace(number: int) -> tuple[list[str], list[int]]:
    """`84=2*42 / 42=2*21 / 21=2*10+1 / 21=3*7 / 7: 3*3=9>7` and 2, 2, 3, 7."""
    lines, factors, rest = [], list[int](), number
    for prime in PRIMES:
        while rest % prime == 0 and rest > prime:
            lines.append(f"{rest}={prime}*{rest // prime}")
            factors.append(prime)
            rest //= prime
        if prime * prime > rest:
            lines.append(f"{rest}: {prime}*{prime}={prime * prime}>{rest}")
            break
        lines.append(f"{rest}={prime}*{rest // prime}+{rest % prime}")
    return lines, [*factors, rest]


def _factors(text: str) -> list[int] | None:
    """`2^2*3` -> 2, 2, 3; None: not a product of whole numbers."""
    factors = []
    for part in text.split("*"):
        base, _, exponent = part.partition("^")
        number, power = read_number(base), read_number(exponent or "1")
        if number is None or power is None or number.rest or power.rest:
            return None
        if number.value.denominator > 1 or not 0 < power.value <= LARGEST_POWER:
            return None
        if power.value.denominator > 1:
            return None
        factors += [int(number.value)] * int(power.value)
    return sorted(factors)
