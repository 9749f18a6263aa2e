"""The prompt of a question about documents: they come first, the question last.

So the tokens of the documents are the same for every question, and their state can be kept. The
two parts are encoded apart: the prompt begins with exactly the tokens of `document_tokens`. The
first line is in the documents' language; what to answer with, in the question's.
"""

import re
from collections.abc import Sequence

from naga.data.chat import Message, render_prompt
from naga.data.documents import Document
from naga.data.tokenizer import USER, Tokenizer

CHINESE = re.compile("[\u4e00-\u9fff]")
HEADINGS = {"en": "Document: {name}\n{text}\n\n", "zh": "文档：{name}\n{text}\n\n"}
INSTRUCTIONS = {
    "en": "\nQuote word for word, in quotation marks; if it is not in there, say: not found",
    "zh": "\n用引号逐字引用原文；文中没有就回答：找不到",
}


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
