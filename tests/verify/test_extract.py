"""The final answer: boxed, announced, or the whole reply; a list of guesses is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.verify.choice import chosen_letter
from naga.verify.extract import boxed, extract


@pytest.mark.parametrize(
    ("reply", "answer", "found_by"),
    [
        ("42", "42", "whole reply"),
        ("So, 42", "42", "whole reply"),
        ("所以，42", "42", "whole reply"),
        (r"Thus \boxed{\frac{1}{2}}.", r"\frac{1}{2}", "boxed"),
        (r"\boxed{1} and again \boxed{1}", "1", "boxed"),
        (r"Answer: 5, so \boxed{6}", "6", "boxed"),
        ("The answer is 5. So the final answer is 5 dollars.", "5 dollars", "announced"),
        ("Some work.\nThe answer is 42.", "42", "announced"),
        ("Some work.\nAnswer: $x = 5$", "$x = 5$", "announced"),
        ("**Answer:** 3.5 metres", "3.5 metres", "announced"),
        ("计算得出。答案是 4。", "4", "announced"),
        ("计算\n答案：4", "4", "announced"),
        ("答案是36，因为6乘6等于36。", "36", "announced"),
        ("Answer: 36, because 6 times 6 is 36.", "36", "announced"),
        ("work\n#### 72", "72", "announced"),
        ("<think>Answer: 1</think>Answer: 2", "2", "announced"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", "boxed"),
        (r"The answer is $11,\! 111$.", r"$11,\! 111$", "announced"),
    ],
)
def test_found(reply: str, answer: str, found_by: str) -> None:
    found = extract(reply)
    assert (found.answer, found.found_by, found.reason) == (answer, found_by, "")


NO_ANSWER = """
<think>42</think>
<think>42
\\boxed{1} or \\boxed{2}
\\boxed{}
\\boxed{42
Answer:
答案是
"""


@pytest.mark.parametrize(
    "reply",
    [
        *NO_ANSWER.strip().splitlines(),
        "",
        "   ",
        "<think>a</think>\n<think>\\boxed{42}",
        "Answer: 1\nAnswer: 2",
        "No mark here.\nAnd 42 at the end.",
        "42 " * 200,
        "\\boxed{" + "1" * 3000 + "}",
    ],
)
def test_none(reply: str) -> None:
    found = extract(reply)
    assert not found.answer
    assert found.reason


def test_lenient_takes_the_last_line_and_the_last_announcement() -> None:
    assert extract("Work.\n42", "lenient").answer == "42"
    assert extract("Answer: 1\nWait.\nAnswer: 2", "lenient").answer == "2"
    assert not extract(r"\boxed{1}\boxed{2}", "lenient").answer


@given(st.text(alphabet="\\boxed{} answer:is1", max_size=300))
def test_any_text_has_one_answer_or_a_reason(text: str) -> None:
    found = extract(text)
    assert bool(found.answer) != bool(found.reason)
    assert all(isinstance(box, str) for box in boxed(text))


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("B. Paris", "B"),
        ("**B**", "B"),
        ("选B", "B"),
        ("故选 C。", "C"),
        ("选择B选项", "B"),
        ("答案：（D）", "D"),
        ("答案是J", "J"),
        ("The answer is (D).", "D"),
        ("The correct option is J.", "J"),
        (r"\boxed{C}", "C"),
        (r"\boxed{\text{(C)}}", "C"),
        ("Option E", "E"),
        ("The answer is B, because A is wrong.", "B"),
        ("<think>A? No, B.</think>C", "C"),
        ("A, B, C, D", None),
        ("ABCD", None),
        ("A or B", None),
        ("Answer: A B C D", None),
        ("Answer: A\nAnswer: B", None),
        (r"\boxed{A} \boxed{B}", None),
        (r"\boxed{A, B}", None),
        ("答案是 A、B", None),
        ("A. foo B. bar C. baz", None),
        ("A dog", None),
        ("I think so", None),
        ("the answer is a matter of taste", None),
        ("K", None),
        ("", None),
    ],
)
def test_one_letter_or_none(reply: str, letter: str | None) -> None:
    assert chosen_letter(reply) == letter
