"""Countdown: any right expression counts, every number at most once, and nothing is executed."""

import json
from random import Random

import pytest
from tasks.oracles import reachable

from naga.tasks import LEVELS, Example
from naga.tasks.arithmetic import Countdown
from naga.tasks.example import conversation

TASK = Countdown()


def asked(numbers: list[int], target: int) -> Example:
    return Example(
        family="countdown",
        level="easy",
        language="en",
        problem="",
        messages=conversation("?", "", ""),
        answer=json.dumps({"numbers": numbers, "target": target}),
    )


@pytest.mark.parametrize(
    "reply",
    [
        *("(6-2)*8", "8*(6-2)", "8 × (6 − 2)", "（6-2）×8", "(6-2)*8=32", "(6 - 2) * 8 = 32."),
        *("8*(6-2)/1", "((((6-2)))*8)"),
    ],
)
def test_any_right_expression_counts(reply: str) -> None:
    assert TASK.grade(asked([1, 2, 6, 8], 32), reply).score == 1.0


@pytest.mark.parametrize(
    "reply",
    [
        *(
            "32",
            "8*4",
            "8*2*2",
            "2*6*8",
            "(6-2)*8=31",
            "8*(6-2)=8*4",
            "8*4=32",
            "=32",
            "(6-2)*8 or 32",
        ),
        *("8*(6-2)+0", "2**6/2", "8//(6-2)", "8*+(6-2)", "-(2-6)*8", "8*(6-2)%8", "8(6-2)", "6<<2"),
        *("int('32')", "8*(6-2) if 1 else 0", "[8*(6-2)][1]", "8*(6-2)#", "8*(6-2),1", "8/(6-6)"),
        *("8*(6-2.0)", "8*(6-0b10)", "8*(6-02)", "x", "8*(6-2)\n8*(6-2)", "1_6*2"),
    ],
)
def test_anything_else_does_not(reply: str) -> None:
    assert TASK.grade(asked([1, 2, 6, 8], 32), reply).score == 0.0


def test_a_number_given_twice_may_be_used_twice() -> None:
    assert TASK.grade(asked([4, 4, 2], 32), "4*4*2").score == 1.0
    assert TASK.grade(asked([4, 3, 2], 32), "4*4*2").score == 0.0


def test_division_is_exact() -> None:
    assert TASK.grade(asked([3, 3, 7, 7], 24), "7*(3+3/7)").score == 1.0
    assert TASK.grade(asked([7, 2, 8], 24), "7/2*8").score == 0.0


def test_every_target_can_be_reached_and_gold_is_inside_its_trace() -> None:
    for level in LEVELS[:2]:
        for i in range(40):
            example = TASK.generate(Random(i), level, "en")
            assert reachable(example.problem)
            target = example.problem.partition(" ")[0]
            assert example.reasoning.endswith(f"\n{target}={example.messages[-1].content}")
