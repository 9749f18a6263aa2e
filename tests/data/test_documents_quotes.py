import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from naga.data.documents import (
    Document,
    Location,
    Page,
    Quoted,
    find_quotes,
    locate,
    locate_all,
    mark_quotes,
)


def document_of(*pages: str) -> Document:
    starts = [sum(len(page) + 2 for page in pages[:index]) for index in range(len(pages))]
    return Document(
        name="a.txt",
        text="\n\n".join(pages),
        pages=tuple(
            Page(number=number, start=start, end=start + len(page))
            for number, (start, page) in enumerate(zip(starts, pages, strict=True), start=1)
        ),
        media_type="text/plain",
        sha256="",
    )


LEASE = document_of(
    "The tenant shall pay the\nrent on the first day of each month, an exam-\nple of a long-\n"
    "term duty.",
    "第一条 甲方应当在合同签订之日起十日内支付\n租金，共计人民币 1,200 元。",
    "",
    "The tenant shall pay the deposit.",
)


def found(quote: str, document: Document = LEASE) -> tuple[int, str, bool] | None:
    place = locate(document, quote)
    return place and (place.page, document.text[place.start : place.end], place.exact)


@pytest.mark.parametrize(
    ("quote", "page", "text"),
    [
        ("The tenant shall pay the", 1, "The tenant shall pay the"),
        ("  the deposit. ", 4, "the deposit."),
        ("人民币 1,200 元", 2, "人民币 1,200 元"),
        ("an exam-\nple", 1, "an exam-\nple"),
    ],
)
def test_a_verbatim_quote_is_exact(quote: str, page: int, text: str) -> None:
    assert found(quote) == (page, text, True)


@pytest.mark.parametrize(
    ("quote", "page", "text"),
    [
        ("pay the rent on", 1, "pay the\nrent on"),
        ("shall  pay\tthe deposit", 4, "shall pay the deposit"),
        ("an example of", 1, "an exam-\nple of"),
        ("an exam- ple of", 1, "an exam-\nple of"),
        ("a long-term duty", 1, "a long-\nterm duty"),
        ("an example of a long-term duty", 1, "an exam-\nple of a long-\nterm duty"),
        ("十日内支付租金，", 2, "十日内支付\n租金，"),
        ("共计 人民币1,200元", 2, "共计人民币 1,200 元"),
        ("term duty. 第一条 甲方", 1, "term duty.\n\n第一条 甲方"),
    ],
)
def test_line_wraps_are_no_difference_but_not_exact(quote: str, page: int, text: str) -> None:
    assert found(quote) == (page, text, False)


@pytest.mark.parametrize(
    "quote",
    [
        "",
        " \n",
        "the tenant shall pay",
        "paythe rent",
        "p ay the rent",
        "The tenant shall pay the rent,",
        "fir-st day",
        "人民币 1200 元",
        "人民币 12-00 元",
        "甲方应当在合同签订之日起十五日内支付",
        "deposit. The",
        "—",
    ],
)
def test_what_the_text_does_not_say_is_not_found(quote: str) -> None:
    assert found(quote) is None


@pytest.mark.parametrize(
    ("text", "quote", "place"),
    [
        ("an ex\u00adample", "an example", "an ex\u00adample"),
        ("an ex\u00ad\n ample", "an example", "an ex\u00ad\n ample"),
        ("no\u00a0break and\u200bzero", "no break and zero", "no\u00a0break and\u200bzero"),
        ("a re-sign b", "a resign b", None),
        ("a resign b", "a re-sign b", None),
        ("in 2019-\n2020", "in 20192020", None),
        ("in 2019-\n2020", "in 2019-2020", "in 2019-\n2020"),
        ("a non\u2010\nbinding", "a nonbinding", "a non\u2010\nbinding"),
        ("서울에서 살다", "서울에서살다", None),
        ("《合同》\n第一条", "《合同》第一条", "《合同》\n第一条"),
    ],
)
def test_hyphens_and_spaces(text: str, quote: str, place: str | None) -> None:
    located = found(quote, document_of(text))
    assert located == (place and (1, place, False))


def test_an_exact_place_comes_before_an_earlier_one_that_is_not() -> None:
    document = document_of("pay\nthe rent", "pay the rent")
    assert found("pay the rent", document) == (2, "pay the rent", True)
    assert locate_all(document, "pay the rent") == (Location(page=2, start=14, end=26, exact=True),)


def test_all_places_are_given_in_order_and_do_not_overlap() -> None:
    assert [place.start for place in locate_all(document_of("aaaaa"), "aa")] == [0, 2]
    loose = locate_all(document_of("a\nb a  b", "a b\tc"), "a\tb")
    assert [(place.page, place.start, place.end) for place in loose] == [
        (1, 0, 3),
        (1, 4, 8),
        (2, 10, 13),
    ]
    assert locate_all(LEASE, "nowhere in it") == ()


TEXT = st.text(alphabet="ab-\n 租金，\u00ad", max_size=60)
LETTERS = "abc租金，。1-"


@given(before=TEXT, quote=st.text(alphabet="xy z租\n-", min_size=1, max_size=20), after=TEXT)
def test_a_planted_quote_is_found_at_its_place(before: str, quote: str, after: str) -> None:
    quote = f"x{quote}z"
    document = document_of(before + quote + after)
    place = locate(document, quote)
    assert place == Location(page=1, start=len(before), end=len(before) + len(quote), exact=True)


@given(
    words=st.lists(st.text(alphabet=LETTERS, min_size=1, max_size=8), min_size=2, max_size=8),
    data=st.data(),
)
def test_a_quote_that_is_wrapped_elsewhere_is_found_but_not_exact(
    words: Sequence[str], data: st.DataObject
) -> None:
    assume(not words[-1].endswith("-"))  # the end of a quote, and the middle of a word in the text
    wrapped = words[0]
    for word in words[1:]:
        wrapped += data.draw(st.sampled_from(["\n", "  ", " \n", "\u00a0"])) + word
    place = locate(document_of(f"Q {wrapped} Q"), " ".join(words))
    assert place == Location(page=1, start=2, end=2 + len(wrapped), exact=False)


@given(
    st.text(alphabet="ab 租金\n-", min_size=4, max_size=40), st.integers(min_value=0), st.booleans()
)
def test_a_changed_quote_is_never_found(text: str, at: int, insert: bool) -> None:
    quote = text.strip()
    assume(quote)
    at %= len(quote)
    changed = quote[:at] + "X" + quote[at + (not insert) :]
    assert locate(document_of(text), changed) is None


@given(st.text(alphabet="ab-\n 租金，\u00ad1", max_size=40), st.data())
def test_what_is_found_differs_in_wraps_only(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    quote = text[start : data.draw(st.integers(start, len(text)))].replace("\n", " ")
    place = locate(document_of(text), quote)
    if place is None:
        assert not quote.strip() or "-" in quote or "\u00ad" in quote
        return
    said = text[place.start : place.end]
    assert place.exact == (said == quote.strip())
    for unsaid in (" ", "\n", "\u00ad", "-"):
        said, quote = said.replace(unsaid, ""), quote.replace(unsaid, "")
    assert said == quote


def test_a_long_text_takes_no_time() -> None:
    """Bounds are generous: what they catch is time that grows with the square of the text."""
    source = random.Random(0)
    words = [f"w{source.randrange(3000)}" for _ in range(200_000)]
    long = document_of("\n".join(words))
    made = [
        (long, " ".join(words[-300:])),
        (document_of("a" * 1_000_000), "a" * 5000 + "b"),
        (document_of("a-" * 500_000), "a" * 5000),
        (document_of("a-\n" * 300_000 + "1-1"), "a" * 5000 + "11"),
        (document_of(" " * 1_000_000), "a b"),
        (document_of("a-" + " " * 1_000_000), "b c"),
    ]
    before = time.process_time()
    assert [locate(document, quote) is not None for document, quote in made] == [True] + [False] * 5
    marks = ["“", '"', '"a ', "「", "『「", "> ", '"a\n \n', "> “—"]
    assert [len(find_quotes(mark * 50_000)) <= 1 for mark in marks] == [True] * len(marks)
    assert time.process_time() - before < 20


@pytest.mark.parametrize(
    ("answer", "quotes"),
    [
        (
            'It says “pay the rent” and "two months\' notice".',
            ["pay the rent", "two months' notice"],
        ),
        ("合同写明「甲方应当支付租金」及『乙方交付房屋』。", ["甲方应当支付租金", "乙方交付房屋"]),
        ("「甲方称『同意支付』一次」", ["甲方称『同意支付』一次"]),
        ('合同第3条"支付租金"规定', ["支付租金"]),
        ("《中华人民共和国合同法》", []),
        ("the “rent” and “甲方” and “” and “ ”", []),
        ("“三十天” “30 days”", ["三十天", "30 days"]),
        ('a 5" pipe and a 6" pipe', []),
        ('"not closed\n\nand "closed here" then', ["closed here"]),
        ('"over a\nline" end', ["over a\nline"]),
        ("> The tenant\n> shall pay.\n\nno quote", ["The tenant\nshall pay."]),
        ("> first part\n>\n> second part", ["first part", "second part"]),
        ("> “whole quote” (page 3)", ["whole quote"]),
        ('> "Term" means the term of this lease.', ['"Term" means the term of this lease.']),
        ("> the quote itself\n> — Lease, page 2", ["the quote itself"]),
        ("See:\n  > 第一条 租金\nand “the rest”", ["第一条 租金", "the rest"]),
        ("", []),
    ],
)
def test_quotes_of_an_answer(answer: str, quotes: list[str]) -> None:
    assert find_quotes(answer) == tuple(quotes)


def test_each_quote_is_marked_with_its_place_or_as_not_there() -> None:
    answer = "“pay the deposit” and “pay the fine”\n> 十日内支付租金，"
    start = LEASE.text.index("pay the deposit")
    chinese = LEASE.text.index("十日内")
    assert mark_quotes(LEASE, answer) == (
        Quoted(text="pay the deposit", location=Location(page=4, start=start, end=start + 15)),
        Quoted(text="pay the fine", location=None),
        Quoted(
            text="十日内支付租金，",
            location=Location(page=2, start=chinese, end=chinese + 9, exact=False),
        ),
    )


def test_a_final_mark_may_be_the_answers_own() -> None:
    (quoted,) = mark_quotes(LEASE, "It says “shall pay the deposit,” which is clear.")
    assert quoted.text == "shall pay the deposit,"
    assert quoted.location is not None
    assert LEASE.text[quoted.location.start : quoted.location.end] == "shall pay the deposit"
    assert not quoted.location.exact
