"""Greatest common divisor and least common multiple, by Euclid's divisions.

The trace divides until nothing is left over; a multiple is then one number, divided by the divisor,
times the other. At the hard level there may be three numbers, taken one after another.
"""

from math import gcd, lcm
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
from naga.tasks.working import worked_product, worked_quotient

FACTORS: dict[Level, tuple[int, int]] = {"easy": (1, 9), "medium": (4, 20), "hard": (8, 60)}
COMMON: dict[Level, int] = {"easy": 8, "medium": 16, "hard": 24}

GCD_EN = (
    "What is the greatest common divisor of {list}?",
    "Find the greatest common factor of {list}.",
    "Find the GCD of {list}.",
    "gcd({comma}) = ?",
    "What is the largest number that divides {list} without remainder?",
)
LCM_EN = (
    "What is the least common multiple of {list}?",
    "Find the LCM of {list}.",
    "lcm({comma}) = ?",
    "What is the smallest positive number that is a multiple of {list}?",
)
GCD_ZH = (
    "求{list}的最大公约数。",
    "{list}的最大公因数是多少？",
    "gcd({comma}) = ？",
    "能同时整除{list}的最大的数是多少？",
)
LCM_ZH = (
    "求{list}的最小公倍数。",
    "{list}的最小公倍数是多少？",
    "lcm({comma}) = ？",
    "同时是{list}的倍数的最小正整数是多少？",
)


@final
class Divisors(Generator):
    name: ClassVar[str] = "divisors"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        numbers = _numbers(random, level)
        greatest = random.random() < 0.5
        answer = str(gcd(*numbers) if greatest else lcm(*numbers))
        random.shuffle(numbers)
        english = GCD_EN if greatest else LCM_EN
        chinese = GCD_ZH if greatest else LCM_ZH
        last = " and " if language == "en" else "和"
        comma = ", " if language == "en" else "、"
        listed = comma.join(map(str, numbers[:-1])) + f"{last}{numbers[-1]}"
        question = pick(random, english, chinese, language)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{'gcd' if greatest else 'lcm'} {' '.join(map(str, sorted(numbers)))}",
            messages=conversation(
                question.format(list=listed, comma=", ".join(map(str, numbers))),
                divisor_trace(numbers, greatest),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


def divisor_trace(numbers: list[int], greatest: bool) -> str:
    """`84=1*60+24 / 60=2*24+12 / 24=2*12+0 / gcd 12`; then `60/12=5 / 84*5=420 / lcm 420`."""
    lines, so_far = [], numbers[0]
    for number in numbers[1:]:
        lines += _euclid(so_far, number)
        common = gcd(so_far, number)
        lines.append(f"gcd {common}")
        if greatest:
            so_far = common
            continue
        lines.append(worked_quotient(number, common))
        lines.append(worked_product(so_far, number // common))
        so_far = lcm(so_far, number)
        lines.append(f"lcm {so_far}")
    return "\n".join(lines)


def _euclid(first: int, second: int) -> list[str]:
    large, small = max(first, second), min(first, second)
    lines = []
    while small:
        lines.append(f"{large}={large // small}*{small}+{large % small}")
        large, small = small, large % small
    return lines


def _numbers(random: Random, level: Level) -> list[int]:
    """Different numbers with a common factor more often than not."""
    count = 3 if level == "hard" and random.random() < 0.5 else 2
    fewest, most = FACTORS[level]
    most = most if count == 2 else most // 3
    while True:
        common = random.randint(1, COMMON[level])
        numbers = [common * random.randint(fewest, most) for _ in range(count)]
        if len(set(numbers)) == count and min(numbers) > 3:
            return numbers
