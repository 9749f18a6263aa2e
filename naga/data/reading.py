"""The prompt of a question about documents: they come first, the question last.

So the tokens of the documents are the same for every question, and their state can be kept. The
two parts are encoded apart: the prompt begins with exactly the tokens of `document_tokens`. What
stands around a document is in its language; how to answer, in the question's. Also the way back:
where the quotes of an answer stand in the documents.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from naga.data.chat import Message, render_prompt
from naga.data.documents import Document, Location, Quoted, locate, mark_quotes
from naga.data.tokenizer import USER, Tokenizer

CHINESE = re.compile("[\u4e00-\u9fff]")
# As naga-mini was taught to see a document.
HEADINGS = {"en": "{name}\n\nDocument:\n{text}\n\n", "zh": "{name}\n\n文档：\n{text}\n\n"}
NOT_FOUND = {"en": "not found", "zh": "找不到"}
INSTRUCTIONS = {
    "en": f' Quote it word for word. If there is none, say "{NOT_FOUND["en"]}".',
    "zh": f"请逐字引用原文。如果没有，请回答“{NOT_FOUND['zh']}”。",
}


@dataclass(frozen=True, kw_only=True)
class FoundQuote:
    """A quote of an answer; `document` and `location` are None where no document has it."""

    text: str
    document: str | None
    location: Location | None


def language_of(text: str) -> str:
    """zh where more than a tenth of the characters are Chinese, else en."""
    return "zh" if 10 * len(CHINESE.findall(text)) > len(text) else "en"


def document_text(documents: Sequence[Document]) -> str:
    """Every document under its name."""
    return "".join(
        HEADINGS[language_of(document.text)].format(name=document.name, text=document.text)
        for document in documents
    )


def document_tokens(tokenizer: Tokenizer, documents: Sequence[Document]) -> list[int]:
    """The beginning that all questions about these documents share."""
    return [tokenizer.control_id(USER), *tokenizer.encode(document_text(documents))]


def question_tokens(tokenizer: Tokenizer, question: str, *, enable_thinking: bool) -> list[int]:
    """What follows document_tokens, up to the opening of the reply."""
    asked = question.strip() + INSTRUCTIONS[language_of(question)]
    message = Message(role="user", content=asked)
    return render_prompt(tokenizer, [message], enable_thinking=enable_thinking)[1:]


def locate_quotes(documents: Sequence[Document], answer: str) -> tuple[FoundQuote, ...]:
    """Each quote of an answer with the first document that has it.

    An answer without quotation marks is one quote as a whole, for it was asked to be; that nothing
    was found never is, though a document may say so too.
    """
    if not documents or answer.strip(' \n"“”.。').lower() in ("", *NOT_FOUND.values()):
        return ()
    # The same quotes for each document, with other places.
    marked = list(zip(*(mark_quotes(document, answer) for document in documents), strict=True))
    if not marked:
        whole = answer.strip()
        places = (Quoted(text=whole, location=locate(document, whole)) for document in documents)
        return (_first(documents, list(places)),)
    return tuple(_first(documents, quotes) for quotes in marked)


def _first(documents: Sequence[Document], quotes: Sequence[Quoted]) -> FoundQuote:
    for document, quote in zip(documents, quotes, strict=True):
        if quote.location is not None:
            return FoundQuote(text=quote.text, document=document.name, location=quote.location)
    return FoundQuote(text=quotes[0].text, document=None, location=None)
