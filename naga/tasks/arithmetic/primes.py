"""The next prime after a number, or the last before it; never a yes or no, which could be guessed.

The trace tests each candidate: the smallest factor of what is not prime; for the prime a remainder
with every prime whose square is not greater.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_number
from naga.tasks.arithmetic.factors import PRIMES
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)

RANGE: dict[Level, tuple[int, int]] = {"easy": (4, 100), "medium": (100, 600), "hard": (600, 4000)}

NEXT_EN = (
    "What is the smallest prime greater than {number}?",
    "Find the next prime after {number}.",
    "Which prime number comes right after {number}?",
    "What is the first prime above {number}?",
)
LAST_EN = (
    "What is the largest prime smaller than {number}?",
    "Find the last prime before {number}.",
    "Which prime number comes right before {number}?",
    "What is the first prime below {number}?",
)
NEXT_ZH = (
    "大于 {number} 的最小质数是多少？",
    "求 {number} 之后的下一个质数。",
    "比 {number} 大的第一个素数是什么？",
    "{number} 后面紧接着的质数是几？",
)
LAST_ZH = (
    "小于 {number} 的最大质数是多少？",
    "求 {number} 之前的最后一个质数。",
    "比 {number} 小的第一个素数是什么？",
    "{number} 前面最近的质数是几？",
)


@final
class Primes(Generator):
    name: ClassVar[str] = "primes"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        number = random.randint(*RANGE[level])
        upwards = random.random() < 0.5
        wordings = (NEXT_EN, NEXT_ZH) if upwards else (LAST_EN, LAST_ZH)
        lines, answer = prime_trace(number, 1 if upwards else -1)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{'after' if upwards else 'before'} {number}",
            messages=conversation(
                pick(random, *wordings, language).format(number=number),
                "\n".join([*lines, str(answer)]),
                str(answer),
            ),
            answer=str(answer),
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


def prime_trace(number: int, step: int) -> tuple[list[str], int]:
    """`8=2*4 / 9=3*3 / 10=2*5 / 11=2*5+1, 11=3*3+2, 5*5=25>11` and 11."""
    lines, candidate = list[str](), number
    while True:
        candidate += step
        tests = []
        for prime in PRIMES:
            if prime * prime > candidate:
                tests.append(f"{prime}*{prime}={prime * prime}>{candidate}")
                return [*lines, ", ".join(tests)], candidate
            if candidate % prime == 0:
                lines.append(f"{candidate}={prime}*{candidate // prime}")
                break
            tests.append(f"{candidate}={prime}*{candidate // prime}+{candidate % prime}")
