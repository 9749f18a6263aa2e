"""The splitter: abbreviations, enumerators, quotes, Chinese; nothing lost; runs are quotable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.tasks.sentences import sentence_runs, split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["Acme Inc. shall pay Blue Corp. ten dollars.", "Payment is due at once."],
        ["See Section 5.1 and No. 7 of Exh. B for details.", "Nothing else applies."],
        ["The U.S. Government and the U.K. agree.", "They sign in Washington, D.C. today."],
        ["The goods were made by Acme Inc.", "The price is fixed."],
        ["Dr. Lee met Mr. J. R. Brown at 5 p.m. on Monday.", "They talked, e.g. about pumps."],
        ["It costs $1.5 million, i.e. 3.2 percent of sales.", "Is that much?", "Yes!"],
        ["He said: “Stop at once.”", "She did not (or would not.)", '"Why?" was all he heard.'],
        ["1. The Seller owns the goods.", "2.1 The Buyer pays.", "(a) The price is low."],
        ["Sections 4 and 5. apply to St. Louis.", "§ 7 does not."],
        ["本合同自签署之日起生效。", "“请把书带来。”小明说。", "是吗？", "是！"],
    ],
)
def test_sentences_are_cut_where_a_reader_would(sentences: list[str]) -> None:
    gap = "" if sentences[0].endswith("。") else " "
    assert split_sentences(gap.join(sentences)) == sentences


def test_line_breaks_inside_a_paragraph_are_spaces_and_blank_lines_end_sentences() -> None:
    text = "The price\nis  fixed. It may\n not change.\n\nTERM\n\nThe term is long."
    assert split_sentences(text) == [
        "The price is fixed.",
        "It may not change.",
        "TERM",
        "The term is long.",
    ]


@given(st.text(alphabet='aB1 .?!\n"“”()。§Inc,', max_size=200))
def test_no_character_is_lost_or_invented(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_runs_leave_out_headings_and_break_at_what_cannot_be_quoted() -> None:
    text = (
        "The first sentence is here. Second Heading. The second one is here too. "
        "And this one is\x07 not printable at all. The third sentence comes after it. "
        "This fragment has no end"
    )
    assert sentence_runs(text, 1) == [
        ("The first sentence is here.", "The second one is here too."),
        ("The third sentence comes after it.",),
    ]
    assert sentence_runs(text, 2) == [
        ("The first sentence is here.", "The second one is here too.")
    ]
