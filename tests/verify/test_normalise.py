"""One spelling for many; nothing changes the second time."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.verify.chinese import chinese_number
from naga.verify.normalise import MAX_INPUT, compact, normalise, words

LATEX = st.text(alphabet="\\{}^_$fractex dleih ogm,.!;:()[]0123½²√。，％", max_size=60)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("１２３％", "123%"),
        (r"$\dfrac{1}{2}$", r"\frac{1}{2}"),
        (r"\frac12", r"\frac{1}{2}"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"( 3, \frac{\pi}{2} )"),
        (r"12\,345", "12345"),
        (r"10{,}080", "10080"),
        (r"11,\! 111,\! 111", "11111111"),
        ("1,234,567.", "1234567"),
        ("(1,234)", "(1,234)"),
        (r"5\,\text{cm}", "5 cm"),
        ("x²", "x^2"),
        ("10⁻³", "10^{-3}"),
        ("2½", "2 1/2"),
        ("√3", r"\sqrt{3}"),
        ("90°", r"90^\circ"),
        (r"90^{\circ}", r"90^\circ"),
        ("“yes”。", "yes"),
        ("**42**", "42"),
        ("2**3", "2**3"),
        ("−5", "-5"),
        (".5", ".5"),
        (r"\begin{bmatrix}1 \\ 2\end{bmatrix}", r"\begin{pmatrix}1 \\ 2\end{pmatrix}"),
        (r"x^{2}", "x^2"),
        ("f'", "f'"),
    ],
)
def test_spellings(written: str, normal: str) -> None:
    assert normalise(written) == normal


@given(st.one_of(st.text(max_size=200), LATEX))
def test_a_second_time_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert compact(once) == compact(text)
    assert words(once) == words(text)


def test_long_text_is_cut() -> None:
    assert len(normalise("\ufdfa" * 100_000)) <= MAX_INPUT


def test_words_ignore_case_articles_and_points() -> None:
    assert words("The Treaty of Paris.") == words("treaty of paris")
    assert words("甲方。") == words("甲方")
    assert words("Paris") != words("London")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("十", 10),
        ("十五", 15),
        ("二十", 20),
        ("一百零三", 103),
        ("两千三百", 2300),
        ("一百二十三万四千", 1_234_000),
        ("三亿", 300_000_000),
        ("二〇二六", 2026),
        ("负五", -5),
        ("三点一四", Fraction(314, 100)),
        ("三分之二", Fraction(2, 3)),
        ("百分之二十", Fraction(1, 5)),
        ("分之", None),
        ("负负五", None),
        ("三点", None),
        ("五人", None),
        ("", None),
        ("零分之一", None),
    ],
)
def test_chinese_numbers(text: str, value: Fraction | int | None) -> None:
    assert chinese_number(text) == value


@given(st.text(alphabet="零一二两九十百千万亿点负分之", max_size=45))
def test_any_chinese_numeral_ends(text: str) -> None:
    value = chinese_number(text)
    assert value is None or isinstance(value, int | Fraction)
