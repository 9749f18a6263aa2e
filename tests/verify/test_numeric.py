"""Numbers are read exactly and compared by the kind of the gold; arithmetic is bounded."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.verify.arithmetic import ArithmeticRefused, evaluate, numbers_in
from naga.verify.numeric import equal, read_quantity


def same(gold: str, answer: str, tolerance: float | None = None) -> bool:
    wanted, given = read_quantity(gold), read_quantity(answer)
    assert wanted is not None
    return given is not None and equal(wanted, given, tolerance)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-42", -42),
        ("+7", 7),
        ("1,234,567", 1234567),
        ("12 345", 12345),
        (".5", Fraction(1, 2)),
        ("3/4", Fraction(3, 4)),
        (r"\frac34", Fraction(3, 4)),
        (r"-\frac{3}{4}", Fraction(-3, 4)),
        ("1 1/2", Fraction(3, 2)),
        ("1½", Fraction(3, 2)),
        (r"1\frac{1}{2}", Fraction(3, 2)),
        ("2.5e3", 2500),
        (r"2.5\times10^{3}", 2500),
        ("2.5 × 10³", 2500),
        ("2^{10}", 1024),
        ("10^{-3}", Fraction(1, 1000)),
        (r"0.\overline{3}", Fraction(1, 3)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        ("50%", 50),
        ("$18", 18),
        ("-$3.50", Fraction(-7, 2)),
        ("US$5", 5),
        ("18 dollars per day", 18),
        ("about 18", 18),
        ("约18个", 18),
        ("3 million", 3_000_000),
        ("1.5亿", 150_000_000),
        ("一百二十", 120),
        ("三分之二", Fraction(2, 3)),
        ("(5)", 5),
        (r"45^\circ", 45),
        ("864 \\mbox{ inches}^2", 864),
    ],
)
def test_one_number_in_many_spellings(text: str, value: Fraction | int) -> None:
    found = read_quantity(text)
    assert found is not None
    assert found.value == value


NO_NUMBER = r"""
x;5x;5m;6*7;6\cdot7;\sqrt{16};5!;1,2;18 or 19;5 6;3:4;1/0;\frac{1}{0};1e400000;2^{100000};0^{-1}
not 5;5 } 6;--5;2516_8;1.2.3;5 + 1;twelve;∞;nan;1e;٣٤ x
"""


@pytest.mark.parametrize(
    "text", ["", "9" * 60, "5" + " a" * 100, *NO_NUMBER.strip().replace("\n", ";").split(";")]
)
def test_what_is_not_one_number(text: str) -> None:
    assert read_quantity(text) is None


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("42", "42.0", True),
        ("42", "41.9999", False),
        ("1/2", "0.5", True),
        ("1/2", "0.4999", False),
        ("1/3", "0.3333", True),
        ("1/3", "0.333", False),
        ("1/3", "0.3334", False),
        ("2/3", "0.66667", True),
        ("0.5", "1/2", True),
        ("3.1416", "3.14159265", True),
        ("3.1416", "3.14", False),
        ("3.1416", "3.1417", False),
        ("2.5", "2.46", False),
        ("2.5", "2.50", True),
        ("50%", "50", True),
        ("50%", "0.5", True),
        ("50", "50%", True),
        ("50%", "5", False),
        ("0.5", "50%", True),
        ("0.5", "50", False),
        ("5 cm", "5", True),
        ("5", "5 cm", True),
        ("5 cm", "5 centimeters", True),
        ("5 cm", "5 metres", False),
        ("5 m", "5 cm", False),
        ("5 apples", "5 pears", False),
        ("18 dollars", "$18", True),
        ("20 小时", "20 hours", True),
    ],
)
def test_equal_goes_by_the_kind_of_the_gold(gold: str, answer: str, right: bool) -> None:
    assert same(gold, answer) is right


def test_a_tolerance_replaces_the_rules() -> None:
    assert same("9.81", "9.80665", 0.01)
    assert not same("9.81", "9.0", 0.01)
    assert not same("0", "0.001", 0.5)


SPELLINGS = [
    str,
    "{:,}".format,
    "{}.0".format,
    "${}$".format,
    " {} ".format,
    "{}.".format,
    r"\text{{{}}}".format,
    r"\frac{{{}}}{{1}}".format,
    "{} dollars".format,
    lambda n: str(n).translate({48 + digit: 0xFF10 + digit for digit in range(10)}),
    lambda n: f"{n:,}".replace(",", "{,}"),
    lambda n: f"{n:,}".replace(",", r"\,"),
]


@given(
    st.integers(-(10**9), 10**9),
    st.sampled_from(SPELLINGS),
    st.sampled_from(SPELLINGS),
    st.integers(-3, 3),
)
def test_equal_numbers_are_equal_whatever_the_spelling(
    number: int, one: object, other: object, off: int
) -> None:
    assert same(one(number), other(number + off)) is (off == 0)
    assert same(other(number + off), one(number)) is (off == 0)


@given(st.fractions(max_denominator=1000), st.integers(2, 9))
def test_a_fraction_need_not_be_in_lowest_terms(value: Fraction, factor: int) -> None:
    written = f"{value.numerator * factor}/{value.denominator * factor}"
    assert same(f"{value.numerator}/{value.denominator}", written)


@given(st.text(max_size=150))
def test_reading_anything_ends(text: str) -> None:
    found = read_quantity(text)
    assert found is None or abs(found.value) < 10**500


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6 * 7", 42),
        ("(3 + 5) × 4 ÷ 2", 16),
        ("2^10", 1024),
        ("-7 // 2", -4),
        ("7 % 4", 3),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("1/3", Fraction(1, 3)),
    ],
)
def test_arithmetic_is_exact(text: str, value: Fraction | int) -> None:
    assert evaluate(text) == value


REFUSED = """
1/0;1 % 0;0 ** -1;9**9**9**9;2**2000;__import__('os');x;1,;[1];1 if 1 else 2;1e9;(1;1 2;2**0.5;()
lambda: 1;True;'a'*9;0x10;1_000;1j;٣
"""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1" * 301,
        "1\n2",
        "(" * 200 + "1" + ")" * 200,
        "-" * 150 + "1",
        *REFUSED.strip().replace("\n", ";").split(";"),
    ],
)
def test_arithmetic_refuses_the_rest(text: str) -> None:
    with pytest.raises(ArithmeticRefused):
        evaluate(text)


@given(st.text(alphabet="0123456789.+-*/%()^ ", max_size=80))
def test_arithmetic_ends_on_anything(text: str) -> None:
    with contextlib.suppress(ArithmeticRefused):
        assert isinstance(evaluate(text), Fraction)


def test_numbers_are_counted_as_written() -> None:
    assert numbers_in("(3 + 3) * 8 / -2") == {3: 2, 8: 1, 2: 1}
