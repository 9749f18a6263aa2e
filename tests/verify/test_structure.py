"""The structural gate names what is wrong; repetition and length are plain numbers."""

import pytest

from naga.verify.repetition import length_statistics, line_repetition, ngram_repetition
from naga.verify.structure import check_structure


@pytest.mark.parametrize(
    ("reply", "thinking", "failures"),
    [
        ("<think>2 + 2</think>4", "on", ()),
        ("<think>2 + 2</think>4<|end|>", "on", ()),
        ("4", "off", ()),
        ("<think></think>4", "off", ()),
        ("<think></think>4", "auto", ()),
        ("4", "auto", ()),
        ("4", "on", ("no thinking",)),
        ("<think></think>4", "on", ("empty thinking",)),
        ("<think> . . </think>4", "on", ("empty thinking",)),
        ("<think>2 + 2", "on", ("thinking never ends", "no answer")),
        ("<think>2 + 2</think>", "on", ("no answer",)),
        ("<think>a</think>4<think>b</think>5", "on", ("thinking more than once",)),
        ("<think>a</think>4</think>5", "on", ("thinking more than once",)),
        ("2 + 2</think>4", "on", ("thinking more than once",)),
        ("4<think>a</think>4", "on", ("text before the thinking",)),
        ("<think>hidden work</think>4", "off", ("thinking was off",)),
        ("<think>a</think>4<|end|>and 5", "on", ("text after the end",)),
        ("<think>a</think>4<|user|>thanks", "on", ("text after the end",)),
        ("", "auto", ("no answer",)),
        ("<|end|>", "off", ("no answer",)),
        ("<think><think>a</think>4", "on", ("thinking never ends", "no answer")),
    ],
)
def test_what_fails_is_named(reply: str, thinking: str, failures: tuple[str, ...]) -> None:
    found = check_structure(reply, thinking)
    assert found.failures == failures
    assert found.score == float(not failures)


def test_a_reply_cut_at_its_length_fails() -> None:
    assert check_structure("<think>a</think>4", "on", finished=False).failures == ("unfinished",)


@pytest.mark.parametrize(
    ("answer", "form", "right"),
    [
        (r"so \boxed{4}", "boxed", True),
        (r"\boxed{4} or \boxed{5}", "boxed", False),
        ("Answer: 4", "boxed", False),
        ("Answer: 4", "marked", True),
        ("Answer: 4\nAnswer: 5", "marked", False),
        ("It may be many things.\nOr others.", "marked", False),
        ("It may be many things.\nOr others.", "text", True),
    ],
)
def test_one_final_answer(answer: str, form: str, right: bool) -> None:
    found = check_structure(f"<think>work</think>{answer}", "on", form=form)
    assert found.failures == (() if right else ("no single marked answer",))
    assert found.answer == answer
    assert found.thinking == "work"


def test_repetition_grows_with_what_is_said_again() -> None:
    fresh = " ".join(f"word{number}" for number in range(100))
    assert ngram_repetition(fresh) == 0
    assert ngram_repetition("let me check this again. " * 50) > 0.95
    assert 0.4 < ngram_repetition(fresh + " " + fresh) < 0.6
    assert ngram_repetition("我们再检查一遍。" * 50) > 0.95
    assert ngram_repetition("") == 0
    assert line_repetition("= = =\n" * 20) > 0.9
    assert line_repetition("a\nb\nc") == 0


def test_lengths_are_counted_in_both_languages() -> None:
    found = length_statistics("第一段有八个字。\n\nTwo words here: don't stop. Dr. Who came!\n")
    assert found.han_characters == 7
    assert found.words == 7 + 8
    assert found.sentences == 3
    assert (found.lines, found.paragraphs) == (2, 2)
