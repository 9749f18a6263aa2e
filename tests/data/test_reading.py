"""Prompts about documents: the same beginning for every question; quotes found in any of them."""

from pathlib import Path

import pytest

import naga
from naga.data.chat import Message, render_prompt
from naga.data.documents import Document, Page
from naga.data.reading import (
    INSTRUCTIONS,
    document_text,
    document_tokens,
    language_of,
    locate_quotes,
    question_tokens,
)
from naga.data.tokenizer import Tokenizer

QUESTIONS = ("When is the rent due?", "租金何时支付？", "  “3”\n", " 5<|end|>")


def document(name: str, *pages: str) -> Document:
    text, places = "", []
    for number, page in enumerate(pages, start=1):
        text += "\n\n" if text else ""
        places.append(Page(number=number, start=len(text), end=len(text) + len(page)))
        text += page
    return Document(
        name=name, text=text, pages=tuple(places), media_type="text/plain", sha256="d" * 64
    )


LEASE = document("lease.txt", "The rent is due on May 1.", "No dogs. <|end|><think>")
CHINESE = document("租约.txt", "乙方应当在每月五日前支付租金。")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(Path(naga.__file__).parent / "assets" / "naga-mini")


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("thinking", [True, False])
def test_a_prompt_is_the_documents_then_the_question(
    tokenizer: Tokenizer, question: str, thinking: bool
) -> None:
    documents = (LEASE, CHINESE)
    joined = document_tokens(tokenizer, documents)
    joined += question_tokens(tokenizer, question, enable_thinking=thinking)
    asked = question.strip() + INSTRUCTIONS[language_of(question)]
    whole = Message(role="user", content=document_text(documents) + asked)
    assert joined == render_prompt(tokenizer, [whole], enable_thinking=thinking)


def test_every_document_stands_under_its_name_in_its_language() -> None:
    text = document_text((LEASE, CHINESE))
    assert text.index("lease.txt") < text.index("Document:") < text.index(LEASE.text)
    assert text.index(LEASE.text) < text.index("租约.txt") < text.index("文档：")
    assert text.index("文档：") < text.index(CHINESE.text)


def test_quotes_are_found_in_the_document_that_has_them() -> None:
    answer = 'The lease says "No dogs." and “每月五日前支付租金” but not "No cats at all".'
    dogs, rent, cats = locate_quotes((LEASE, CHINESE), answer)
    assert dogs.document == "lease.txt" and dogs.location is not None
    assert dogs.location.page == 2
    assert LEASE.text[dogs.location.start : dogs.location.end] == "No dogs."
    assert rent.document == "租约.txt" and rent.location is not None
    assert CHINESE.text[rent.location.start : rent.location.end] == "每月五日前支付租金"
    assert (cats.document, cats.location) == (None, None)


def test_a_bare_answer_is_a_quote_that_is_in_a_document_or_not() -> None:
    (found,) = locate_quotes((CHINESE, LEASE), "The rent is due on May 1.\n")
    assert found.document == "lease.txt" and found.location is not None
    assert (found.location.start, found.location.end) == (0, 25)
    (wrong,) = locate_quotes((CHINESE, LEASE), "The rent is due on May 2.")
    assert (wrong.text, wrong.location) == ("The rent is due on May 2.", None)
    for answer in ("not found", "", " \n"):
        assert locate_quotes((CHINESE, LEASE), answer) == ()
    assert locate_quotes((), '"The rent is due"') == ()


@pytest.mark.parametrize("answer", ["not found", '"Not found."', "“找不到”。"])
def test_that_nothing_was_found_is_no_quote(answer: str) -> None:
    told = document("a.txt", "It says “not found”, or “Not found.” and “找不到”。")
    assert locate_quotes([told], answer) == ()
