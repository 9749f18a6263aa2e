"""A question to the classifier: reference and marked response as two messages of a chat.

Control tokens stand between them, and no text can become a control token (data/tokenizer.py), so
a response cannot pretend to be a reference, an end or a verdict. What is too long keeps its head
and its tail. The reply is one letter (VERDICTS), whose probabilities are the judgement.
"""

from naga.data.messages import Message
from naga.tasks.pairs.marking import marked
from naga.tasks.pairs.pair import Label

VERDICTS: dict[Label, str] = {"match": "A", "no match": "B", "invalid": "C"}
MAX_REFERENCE, MAX_RESPONSE = 60, 320
"""Characters; a response is cut when it is marked."""
MAX_READ = 20_000
"""Characters of a response that are looked at."""
TAIL_SHARE = 0.75
CUT = " [...] "
WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def pair_messages(problem: str, reference: str, response: str) -> tuple[Message, ...]:
    reference, response = reference.translate(WIDE), shorten(response.translate(WIDE), MAX_READ)
    return (
        Message(role="system", content=shorten(reference, MAX_REFERENCE)),
        Message(role="user", content=shorten(marked(problem, reference, response), MAX_RESPONSE)),
    )


def shorten(text: str, longest: int) -> str:
    """Blanks at the ends dropped; too long: head, CUT and tail."""
    text = text.strip()
    if len(text) <= longest:
        return text
    tail = int(TAIL_SHARE * longest)
    return text[: longest - tail] + CUT + text[-tail:]


def is_cut(messages: tuple[Message, ...]) -> bool:
    """Whether the classifier does not see all of the response."""
    return CUT in messages[-1].content
