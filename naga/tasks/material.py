"""What the quoting family needs of one language: words, patterns and wordings, in one record.

The records themselves are english.py and chinese.py. Holds no logic but finding a topic.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

NUMBERS = (*(str(number) for number in range(2, 31)), "45", "60", "75", "90", "120", "180")


@dataclass(frozen=True, kw_only=True)
class Topic:
    label: str
    """Its short name, used in the trace."""
    asks: tuple[str, ...]
    """Indirect questions: "which law governs this agreement"."""
    patterns: tuple[str, ...]
    """Clauses about it, with slots."""
    tell: str = ""
    """A regular expression that finds the topic in real text; empty = never looked for there."""

    def is_told_in(self, text: str) -> bool:
        return bool(self.tell) and re.search(self.tell, text, re.IGNORECASE) is not None


@dataclass(frozen=True, kw_only=True)
class Material:
    topics: tuple[Topic, ...]
    stories: tuple[str, ...]
    """Story sentences, with slots."""
    parties: tuple[tuple[str, str], ...]
    """Values of the slots {a} and {b}, which stay the same throughout a contract."""
    slots: Mapping[str, tuple[str, ...]]
    by_fragment: tuple[str, ...]
    """Questions about {what}: a fragment."""
    by_keywords: tuple[str, ...]
    """Questions about {what}: one or more listed words."""
    by_topic: tuple[str, ...]
    """Questions with an indirect question {ask} or the {label} of a topic."""
    otherwise: tuple[str, ...]
    """What may be added about the case that nothing fits."""
    layouts: tuple[str, ...]
    """How {document} and {question} make a prompt."""
    not_found: str
    quoted: str
    """Quote marks around one thing."""
    fitting: str
    """The trace's verdict on the sentence that is looked for."""
    other: str
    """Its verdict on any other."""
    comma: str
    last_comma: str
    gap: str
    """Between two sentences of a paragraph."""
