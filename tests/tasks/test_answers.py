"""Graders of short answers: what counts as the same number, and what never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.tasks.answers import grade_named, grade_number, grade_numbers
from naga.tasks.terms import leaves, read_term, value_of


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        *(("1,234", "1234"), ("+7", "7"), ("−7", "-7"), ("７", "7"), ("7.0", "7"), ("x = 7", "7")),
        *(("1.5e3", "1500"), ("1.5×10^3", "1500"), ("1.5 m/s²", "1.5 m/s^2"), ("1.5", "1.5 m/s")),
        *(("1.5m/s", "1.5 m/s"), ("3 米", "3 m"), ("3 meters", "3 m"), ("v=3 m/s", "3 m/s")),
        *(("2.5", "5/2"), ("10/4", "5/2"), ("5 / 2", "5/2"), ("25 ℃", "25 °C"), ("12 %", "12 %")),
    ],
)
def test_the_same_number_in_another_form(reply: str, answer: str) -> None:
    assert grade_number(reply, answer).score == 1.0


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        *(("84/2", "42"), ("42 m", "42"), ("42 km", "42 m"), ("42 43", "42"), ("42, 43", "42")),
        *(
            ("4,2", "42"),
            ("1,23", "123"),
            ("42.", "4.2"),
            ("4.2.", "42"),
            ("42x", "42"),
            ("--42", "42"),
        ),
        *(("5/0", "5"), ("5^2", "25"), ("5²", "52"), ("x", "0"), ("=42", "42"), ("42 = 42", "42")),
        *(("1e99", "1"), ("0.33333", "1/3"), ("x=y=4", "4"), ("42 or so", "42"), ("~42", "42")),
    ],
)
def test_another_answer(reply: str, answer: str) -> None:
    assert grade_number(reply, answer).score == 0.0


def test_rounding_needs_three_digits_and_to_be_correct() -> None:
    for reply in ("12.3", "12.35", "12.346", "1.23e1"):
        assert grade_number(reply, "12.3456 m", rounded=True).score == 1.0
        assert grade_number(reply, "12.3456 m").score == 0.0
    for reply in ("12", "12.4", "12.34", "12.30", "0012", "10", "12.3 s"):
        assert grade_number(reply, "12.3456 m", rounded=True).score == 0.0


def test_lists_keep_their_order_and_names_do_not() -> None:
    for reply in ("1, 5, 3", "1 5 3", "1:5:3", "1，5，3", "1、5、3"):
        assert grade_numbers(reply, "1, 5, 3").score == 1.0
    for reply in ("5, 1, 3", "1, 5", "1, 5, 3, 1", "153", "", "1, 5, three"):
        assert grade_numbers(reply, "1, 5, 3").score == 0.0
    for reply in (
        "x=1, y=-2",
        "y = -2, x = 1",
        "x=1 and y=-2",
        "x=1，y=−2",
        "x=1 y=-2",
        "x=1;y=-2",
    ):
        assert grade_named(reply, "x=1, y=-2").score == 1.0
    for reply in ("x=-2, y=1", "x=1", "x=1, y=-2, x=1", "x=1, y=-2, z=0", "1, -2", "x=1, y=-4/2"):
        assert grade_named(reply, "x=1, y=-2").score == 0.0


@given(st.text(max_size=400))
def test_no_text_raises(text: str) -> None:
    for verdict in (
        grade_number(text, "7 m"),
        grade_numbers(text, "1, 2"),
        grade_named(text, "x=1"),
    ):
        assert verdict.score in (0.0, 1.0)
    read_term(text)


@given(st.text(alphabet="0123456789+-*/() ax", max_size=60))
def test_what_is_read_is_what_python_would_compute(text: str) -> None:
    term = read_term(text)
    if term is None:
        return
    assert all(leaf >= 0 for leaf in leaves(term))
    value = value_of(term)
    try:
        expected = eval(text.strip())
    except ZeroDivisionError:
        assert value is None
    else:
        assert value is None or abs(float(value) - expected) <= 1e-9 * max(1, abs(expected))
