"""Quoting: answers stand in the prompt, exactly one sentence fits, real texts are used as given."""

import re
from random import Random

import pytest

from naga.tasks import LANGUAGES, LEVELS, Example, Language, Level, make_tasks
from naga.tasks.english import ENGLISH
from naga.tasks.quoting import MATERIAL

CONTRACT = """1. PAYMENT.

The Buyer shall pay Acme Inc. the sum of $5,000 within ten days. Any late payment bears interest
at two percent per month, as set out in Section 5.1 of this Agreement.  The Buyer may not withhold
any part of the price. Acme Inc. may suspend deliveries until the price is paid in full.

2. This Agreement shall be governed by the laws of the State of New York. The courts of New York
have exclusive jurisdiction over every dispute. Neither party may assign this Agreement to others.
"""


def made(
    level: Level, language: Language, count: int, documents: tuple[str, ...] = ()
) -> list[Example]:
    (task,) = make_tasks(["quoting"], documents)
    return [task.generate(Random(f"test {i}"), level, language) for i in range(count)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_answer_is_a_piece_of_the_document_or_not_found(level: Level, language: Language) -> None:
    found = 0
    for example in made(level, language, 150):
        if example.answer == MATERIAL[language].not_found:
            assert example.answer not in example.problem
            continue
        found += 1
        assert example.answer in example.messages[0].content
    assert 0.65 * 150 < found < 0.95 * 150


@pytest.mark.parametrize("language", LANGUAGES)
def test_trace_reads_the_document_up_to_the_sentence_that_is_the_answer(language: Language) -> None:
    material = MATERIAL[language]
    for example in made("easy", language, 200):
        _, *lines = example.reasoning.split("\n")
        marked, verdicts = zip(*(line.rsplit(" ", 1) for line in lines), strict=True)
        read = [unmarked(text).removeprefix(material.gap) for text in marked]
        assert example.problem.startswith(" ".join(read))
        if example.answer == material.not_found:
            assert " ".join(read) == example.problem
            assert set(verdicts) == {material.other}
        else:
            assert read[-1] == example.answer
            assert verdicts == (*[material.other] * (len(read) - 1), material.fitting)


@pytest.mark.parametrize("language", LANGUAGES)
def test_marks_stand_behind_the_words_looked_for_and_nowhere_else(language: Language) -> None:
    marks = 0
    for example in made("easy", language, 200):
        words = [word.casefold() for word in looked_for(example)]
        for line in example.reasoning.split("\n")[1:] if words else ():
            before = line.casefold().split("|")[:-1]
            assert all(any(part.endswith(word) for word in words) for part in before)
            assert len(before) == sum(unmarked(line).casefold().count(word) for word in words)
            marks += len(before)
    assert marks > 80


def looked_for(example: Example) -> list[str]:
    """The words a question asks for; none if it asks for a topic."""
    head, *lines = example.reasoning.split("\n")
    by_topic = all(re.search(r" \([^()]+\) \w+$", line) for line in lines)
    return [] if by_topic else re.findall(r"> ?([^|]+)\|", head)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_topic_is_marked_in_the_bracket_behind_its_sentence(language: Language) -> None:
    topics = 0
    for example in made("easy", language, 200):
        head, *lines = example.reasoning.split("\n")
        if looked_for(example):
            continue
        topic = head.removeprefix(">").strip()
        fitting = [topic in line.rsplit("(", 1)[1] for line in lines]
        assert fitting[:-1] == [False] * (len(lines) - 1)
        assert fitting[-1] == (example.answer != MATERIAL[language].not_found)
        topics += 1
    assert topics > 10


def unmarked(line: str) -> str:
    """Without marks, and without the bracket that names a sentence's topics."""
    return re.sub(r" \([^()]*\)$", "", line.replace("|", ""))


@pytest.mark.parametrize("language", LANGUAGES)
def test_quoted_words_stand_in_the_answer_and_nowhere_else(language: Language) -> None:
    for example in made("easy", language, 200):
        words = looked_for(example)
        if words and example.answer != MATERIAL[language].not_found:
            rest = example.problem.replace(example.answer, "").casefold()
            assert all(word.casefold() in example.answer.casefold() for word in words)
            assert not all(word.casefold() in rest for word in words) or len(words) > 1
        elif words:
            assert not all(word.casefold() in example.problem.casefold() for word in words) or (
                len(words) > 1
            )


def test_real_documents_are_quoted_verbatim_with_whitespace_normalised() -> None:
    flat = " ".join(CONTRACT.split())
    real = [e for e in made("easy", "en", 200, (CONTRACT,)) if e.problem in flat]
    assert len(real) > 40
    quoted = {e.answer for e in real if e.answer != "not found"}
    assert "Acme Inc. may suspend deliveries until the price is paid in full." in quoted
    assert all(answer in flat for answer in quoted)


def test_topics_of_real_sentences_are_recognised() -> None:
    real = made("easy", "en", 400, (CONTRACT,))
    governed = {e.answer for e in real if e.reasoning.startswith("> governing law|\n")}
    assert "2. This Agreement shall be governed by the laws of the State of New York." in governed


def test_no_topic_tells_itself_in_a_clause_of_another() -> None:
    related = {("late payment", "payment"), ("insurance", "force majeure")}
    for topic in ENGLISH.topics:
        for other in ENGLISH.topics:
            if topic is not other and (topic.label, other.label) not in related:
                assert not any(topic.is_told_in(pattern) for pattern in other.patterns), (
                    topic.label,
                    other.label,
                )


def test_some_examples_ask_again_about_the_same_document() -> None:
    again = [e for e in made("easy", "en", 200) if len(e.messages) == 4]
    assert 5 < len(again) < 50
    assert all(e.messages[2].content not in e.messages[0].content for e in again)
