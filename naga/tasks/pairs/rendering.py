"""A question to the classifier: problem, reference and response as three messages of a chat.

Control tokens stand between them, and no text can become a control token (data/tokenizer.py), so
a response cannot pretend to be a reference, an end or a verdict. What is too long keeps its head
and its tail. The reply is one letter (VERDICTS), whose probabilities are the judgement.
"""

from naga.data.messages import Message
from naga.tasks.pairs.pair import Label

VERDICTS: dict[Label, str] = {"match": "A", "no match": "B", "invalid": "C"}
MAX_PROBLEM, MAX_REFERENCE, MAX_RESPONSE = 80, 120, 320
"""Characters."""
TAIL_SHARE = 0.75
CUT = " [...] "
WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def pair_messages(problem: str, reference: str, response: str) -> tuple[Message, ...]:
    return (
        Message(role="system", content=shorten(problem, MAX_PROBLEM)),
        Message(role="user", content=shorten(reference, MAX_REFERENCE)),
        Message(role="user", content=shorten(response, MAX_RESPONSE)),
    )


def shorten(text: str, longest: int) -> str:
    """Full-width ASCII made plain, blanks at the ends dropped; too long: head, CUT and tail."""
    text = text.translate(WIDE).strip()
    if len(text) <= longest:
        return text
    tail = int(TAIL_SHARE * longest)
    return text[: longest - tail] + CUT + text[-tail:]


def is_cut(response: str) -> bool:
    """Whether the classifier does not see all of this response."""
    return len(response.strip()) > MAX_RESPONSE
