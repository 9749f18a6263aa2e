"""The remainder of a division: of a number, of a product, of a power.

Easy: two digits by one. Medium: up to five digits, by long division. Hard: a product or a power,
where each factor is reduced before the next is multiplied.
"""

from math import prod
from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_number
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.working import division_steps

ENGLISH = (
    "What is the remainder when {number} is divided by {modulus}?",
    "What is {number} mod {modulus}?",
    "Find the remainder of {number} divided by {modulus}.",
    "{number} mod {modulus} = ?",
    "Divide {number} by {modulus}. What is left over?",
)
CHINESE = (
    "{number} 除以 {modulus} 的余数是多少？",
    "求 {number} 除以 {modulus} 的余数。",
    "{number} mod {modulus} = ？",
    "{number} 被 {modulus} 除，余几？",
)


@final
class Modulo(Generator):
    name: ClassVar[str] = "modulo"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        if level == "hard":
            number, modulus, lines, answer = _product(random)
        else:
            digits = (2, 2) if level == "easy" else (3, 5)
            dividend = random.randint(10 ** (digits[0] - 1), 10 ** random.randint(*digits) - 1)
            modulus = random.randint(3, 9) if level == "easy" else random.randint(3, 25)
            number, answer = str(dividend), dividend % modulus
            lines = [f"{dividend}={dividend // modulus}*{modulus}+{answer}"]
            lines = lines if level == "easy" else [*division_steps(dividend, modulus), str(answer)]
        shown = number.replace("*", " × ") if random.random() < 0.5 else number
        question = pick(random, ENGLISH, CHINESE, language)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{number} mod {modulus}",
            messages=conversation(
                question.format(number=shown, modulus=modulus), "\n".join(lines), str(answer)
            ),
            answer=str(answer),
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


def _product(random: Random) -> tuple[str, int, list[str], int]:
    """Text, modulus, trace and remainder of a product of some numbers, or of a power of one."""
    factors, modulus = _factors(random)
    while prod(factors) % modulus == 0 and random.random() < 0.8:
        factors, modulus = _factors(random)
    base = factors[0]
    if len(set(factors)) == 1:
        text, lines = f"{base}^{len(factors)}", _reduction(base, modulus)
    else:
        text = "*".join(map(str, factors))
        lines = [line for factor in factors for line in _reduction(factor, modulus)]
    rest = factors[0] % modulus
    for factor in factors[1:]:
        product = rest * (factor % modulus)
        lines.append(f"{rest}*{factor % modulus}={product}")
        lines += _reduction(product, modulus)
        rest = product % modulus
    return text, modulus, [*lines, str(rest)], rest


def _factors(random: Random) -> tuple[list[int], int]:
    """Two to four different ones, or three to nine times the same; and a modulus."""
    modulus = random.randint(5, 23)
    if random.random() < 0.5:
        return [random.randint(2, 30)] * random.randint(3, 9), modulus
    return random.sample(range(11, 100), random.randint(2, 4)), modulus


def _reduction(number: int, modulus: int) -> list[str]:
    """`47=4*11+3`, or nothing if the number is smaller than the modulus."""
    if number < modulus:
        return []
    return [f"{number}={number // modulus}*{modulus}+{number % modulus}"]
