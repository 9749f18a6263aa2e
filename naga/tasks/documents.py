"""Documents to quote from: made-up contracts and stories, and passages of real text.

A sentence carries its topics and the words that a question may ask for. Made-up sentences know both
from their pattern; in real text topics are recognised by rules and the words are its longer ones.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from naga.tasks.material import Material

UNASKED_SLOTS = ("number", "hour", "time", "time_start", "mail")
COMMON_WORDS = (
    "about above after agreement another because been before being between could during either "
    "every first have herein hereof hereto hereunder including into more most must other over "
    "party parties pursuant section shall should such than that their them then there these they "
    "this those through under unless until upon were what when where whether which while will "
    "with within without would"
)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    text: str
    topics: frozenset[str] = frozenset()
    keywords: tuple[str, ...] = ()


Document = Sequence[Sentence]


def made_contract(random: Random, material: Material, num_sentences: int) -> Document:
    """Clauses of different topics, as long as there are topics left, between the same parties."""
    topics = random.sample(material.topics, min(num_sentences, len(material.topics)))
    while len(topics) < num_sentences:
        topics.append(random.choice(material.topics))
    first, second = random.choice(material.parties)
    fill = _filler(random, material, {"a": first, "b": second})
    return _distinct(
        fill(random.choice(topic.patterns), frozenset({topic.label})) for topic in topics
    )


def made_story(random: Random, material: Material, num_sentences: int) -> Document:
    patterns = random.sample(material.stories, len(material.stories))
    fill = _filler(random, material, {})
    return _distinct(fill(patterns[i % len(patterns)], frozenset()) for i in range(num_sentences))


def passage(
    random: Random, material: Material, run: Sequence[str], num_sentences: int, longest: int | None
) -> Document:
    """Consecutive sentences of a run of real ones, at most `longest` characters in all."""
    start = random.randrange(max(1, len(run) - num_sentences + 1))
    texts = list(run[start : start + num_sentences])
    while longest is not None and len(texts) > 2 and sum(map(len, texts)) > longest:
        texts.pop()
    return [
        Sentence(
            text=text,
            topics=frozenset(topic.label for topic in material.topics if topic.is_told_in(text)),
            keywords=_rare_words(text),
        )
        for text in texts
    ]


def _filler(
    random: Random, material: Material, fixed: dict[str, str]
) -> Callable[[str, frozenset[str]], Sentence]:
    """Makes sentences out of patterns; the values of drawn slots become keywords."""

    def fill(pattern: str, topics: frozenset[str]) -> Sentence:
        drawn: list[str] = []
        keywords: list[str] = []

        def value(slot: re.Match[str]) -> str:
            if slot[1] in fixed:
                return fixed[slot[1]]
            drawn.append(random.choice([w for w in material.slots[slot[1]] if w not in drawn]))
            if slot[1] not in UNASKED_SLOTS:
                keywords.append(drawn[-1])
            return drawn[-1]

        text = re.sub(r"\{(\w+)\}", value, pattern)
        text = (text[0].upper() + text[1:]).replace("..", ".")
        return Sentence(text=text, topics=topics, keywords=tuple(keywords))

    return fill


def _distinct(sentences: Iterable[Sentence]) -> Document:
    return list({sentence.text: sentence for sentence in sentences}.values())


def _rare_words(text: str) -> tuple[str, ...]:
    """Distinct lower-case or capitalised English words of five letters and more."""
    words = dict.fromkeys(re.findall(r"\b[A-Za-z][a-z]{4,}\b", text))
    return tuple(word for word in words if word.lower() not in COMMON_WORDS.split())
