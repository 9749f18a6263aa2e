"""False negatives and positives on the gold answers of MATH-500, GSM8K and AIME.

Each gold in a dozen honest spellings must match; another problem's gold, and a number that is off
by a little, must not. Skips where the data is not at hand.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from naga.verify import kind_of, match
from naga.verify.normalise import compact

Pair = tuple[str, str]
FULL_WIDTH = {48 + digit: 0xFF10 + digit for digit in range(10)}


def named(gold: str) -> str:
    plain = kind_of(gold) == "number" or (kind_of(gold) == "expression" and "=" not in gold)
    return rf"\boxed{{x = {gold}}}" if plain and r"\in" not in gold else rf"\boxed{{{gold}}}"


def spaced(gold: str) -> str:
    return r"\boxed{ " + re.sub(r"([=+]|,(?!\\|\d{3}))", r" \1 ", gold) + " }"


NOISE: dict[str, Callable[[str], str]] = {
    "bare": lambda gold: gold,
    "boxed": lambda gold: rf"<think>{gold}?</think>We get \boxed{{{gold}}}.",
    "dollar": lambda gold: f"Some work.\nThe answer is ${gold}$.",
    "display": lambda gold: f"Answer: $${gold}$$",
    "round": lambda gold: rf"**Final answer:** \({gold}\)",
    "chinese": lambda gold: f"所以答案是 ${gold}$。",
    "full width": lambda gold: "答案：" + gold.translate(FULL_WIDTH),
    "spaced": spaced,
    "dfrac": lambda gold: rf"\boxed{{{gold}}}".replace(r"\frac", r"\dfrac"),
    "bare brackets": lambda gold: rf"\boxed{{{gold}}}".replace(r"\left", "").replace(r"\right", ""),
    "named": named,
    "thin space": lambda gold: rf"\boxed{{{gold}\,}}",
}


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def pairs(public: Path) -> list[Pair]:
    found = [(row["problem"], row["answer"]) for row in rows(public / "math" / "math500.jsonl")]
    for row in rows(public / "gsm8k" / "test.jsonl")[:200]:
        found.append((row["question"], row["answer"].rpartition("####")[2].strip()))
    for name in ("aime24", "aime25"):
        lines = rows(public / "aime" / f"{name}.jsonl")
        found += [(row["prompt"], str(row["answer"])) for row in lines]
    return found


@pytest.mark.parametrize("noise", NOISE)
def test_honest_spellings_match(pairs: list[Pair], noise: str) -> None:
    missed = [
        (gold, found.reason)
        for problem, gold in pairs
        if (found := match(NOISE[noise](gold), gold, problem=problem)).score != 1.0
    ]
    assert not missed


def assert_apart(golds: list[str], kind: str, step: int) -> None:
    """Each of some golds of a kind against six others that are not spelled the same."""
    random = Random(1)
    alike = [gold for gold in golds if kind_of(gold) == kind]
    for gold in alike[::step]:
        for other in random.sample(alike, 6):
            score = match(rf"\boxed{{{other}}}", gold).score
            assert score == 0.0 or compact(other) == compact(gold), (gold, other)


def test_numbers_of_other_problems_do_not(pairs: list[Pair]) -> None:
    assert_apart([gold for _, gold in pairs], "number", step=5)


@pytest.mark.slow
def test_expressions_of_other_problems_do_not(pairs: list[Pair]) -> None:
    assert_apart([gold for _, gold in pairs], "expression", step=1)


def test_a_number_off_by_a_little_does_not(pairs: list[Pair]) -> None:
    whole = [gold for _, gold in pairs if re.fullmatch(r"[1-9]\d{0,5}", gold)]
    for gold in whole:
        for off in (f"{int(gold) + 1}", f"-{gold}x", f"{gold}.01", f"{gold}0", f"1/{gold}1"):
            assert match(off, gold).score == 0.0, (gold, off)
