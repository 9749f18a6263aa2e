"""Quote, word for word, the one sentence of a document that a question asks for, or "not found".

A question gives a fragment of the sentence, one to three words out of it, or a topic. The trace
repeats what is looked for, then reads the document sentence by sentence up to the right one: it
sets a mark behind the words looked for (or names the sentence's topics and marks the one), then
says whether this is the one. The answer is that sentence exactly as it stands in the document.
Documents are made up or, if texts are given, many are passages of those. Some examples ask
a second question about the same document. Does not ask for anything that more than one sentence
fits.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, final

from naga.data.chat import Message
from naga.tasks.chinese import CHINESE
from naga.tasks.documents import Document, Sentence, made_contract, made_story, passage
from naga.tasks.english import ENGLISH
from naga.tasks.example import (
    QUOTE_MARKS,
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    bare,
    conversation,
)
from naga.tasks.material import Material
from naga.tasks.sentences import is_chinese, sentence_runs

MATERIAL: dict[Language, Material] = {"en": ENGLISH, "zh": CHINESE}
SENTENCES: dict[Level, tuple[int, int]] = {"easy": (3, 6), "medium": (8, 15), "hard": (20, 40)}
EASY_CHARACTERS: dict[Language, int] = {"en": 900, "zh": 300}
ABSENT_SHARE = 0.2
REAL_SHARE = 0.4
CONTRACT_SHARE = 0.6
FOLLOW_UP_SHARE = 0.1
# Fragments, single words, topics.
ASK_WEIGHTS = (3, 2, 3)
# Behind the words looked for, at the head of the trace and wherever they are found. To set it is to
# continue what was said before those words, which a model that can copy learns at once.
MARK = "|"


@dataclass(frozen=True, kw_only=True)
class Query:
    question: str
    needles: tuple[str, ...] = ()
    topic: str = ""

    def fits(self, sentence: Sentence) -> bool:
        if self.topic:
            return self.topic in sentence.topics
        text = sentence.text.casefold()
        return all(needle.casefold() in text for needle in self.needles)

    def named(self, gap: str) -> str:
        """What is looked for, as the trace begins: words or a topic, each with its mark."""
        return "".join(f">{gap}{wanted}{MARK}" for wanted in self.needles or (self.topic,))

    def read(self, sentence: Sentence) -> str:
        """The sentence with a mark behind each needle, or with its topics, one of them marked."""
        if self.topic:
            topics = (t + MARK if t == self.topic else t for t in sorted(sentence.topics))
            return f"{sentence.text} ({', '.join(topics) or '-'})"
        pattern = "|".join(re.escape(needle) for needle in self.needles)
        return re.sub(pattern, lambda found: found[0] + MARK, sentence.text, flags=re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Turn:
    question: str
    reasoning: str
    answer: str


@final
class Quoting(Generator):
    name: ClassVar[str] = "quoting"
    straight: ClassVar[bool] = True

    def __init__(self, documents: Sequence[str] = ()) -> None:
        self.runs: dict[Language, list[tuple[str, ...]]] = {"en": [], "zh": []}
        for text in documents:
            self.runs["zh" if is_chinese(text) else "en"] += sentence_runs(text, shortest=3)

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        document, turns = self._turns(random, level, language)
        material = MATERIAL[language]
        gap = random.choice((material.gap,) * 4 + ("\n", "\n\n"))
        text = gap.join(sentence.text for sentence in document)
        opening = random.choice(material.layouts).format(document=text, question=turns[0].question)
        messages = conversation(opening, turns[0].reasoning, turns[0].answer)
        if random.random() < FOLLOW_UP_SHARE:
            past = Message(role="assistant", content=turns[0].answer)
            later = conversation(turns[1].question, turns[1].reasoning, turns[1].answer)
            messages = (messages[0], past, *later)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=" ".join(sentence.text for sentence in document),
            messages=messages,
            answer=messages[-1].content,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """Verbatim but for outer whitespace and quote marks; the full stop belongs to the quote."""
        right = float(bare(reply) == bare(example.answer))
        return Verdict(score=right, parts={"verbatim": right})

    def _turns(
        self, random: Random, level: Level, language: Language
    ) -> tuple[Document, tuple[Turn, Turn]]:
        """A document and two different questions about it."""
        while True:
            document = self._document(random, level, language)
            first = self._turn(random, document, level, language)
            second = self._turn(random, document, level, language)
            if first and second and first.reasoning != second.reasoning:
                return document, (first, second)

    def _document(self, random: Random, level: Level, language: Language) -> Document:
        material = MATERIAL[language]
        num_sentences = random.randint(*SENTENCES[level])
        if self.runs[language] and random.random() < REAL_SHARE:
            longest = EASY_CHARACTERS[language] if level == "easy" else None
            run = random.choice(self.runs[language])
            return passage(random, material, run, num_sentences, longest)
        make = made_contract if random.random() < CONTRACT_SHARE else made_story
        return make(random, material, num_sentences)

    def _turn(
        self, random: Random, document: Document, level: Level, language: Language
    ) -> Turn | None:
        """A question that one sentence fits (or none, if it is to be absent); None: no luck."""
        absent = random.random() < ABSENT_SHARE
        source = self._document(random, level, language) if absent else document
        ask = random.choices((ask_fragment, ask_keywords, ask_topic), ASK_WEIGHTS)[0]
        material = MATERIAL[language]
        query = ask(random, random.choice(source), material)
        if query is None:
            return None
        fitting = [i for i, sentence in enumerate(document) if query.fits(sentence)]
        if len(fitting) != (0 if absent else 1):
            return None
        question = query.question
        if random.random() < 0.25:
            question += random.choice(material.otherwise)
        answer = material.not_found if absent else document[fitting[0]].text
        reasoning = quote_trace(query, document, fitting, material)
        return Turn(question=question, reasoning=reasoning, answer=answer)


def quote_trace(
    query: Query, document: Document, fitting: Sequence[int], material: Material
) -> str:
    """What is looked for; then a line for each sentence up to the fitting one, with yes or no.

    Words and sentences begin as they do within a document, behind the language's gap: a word with a
    space before it is another token than the word alone.
    """
    read = document[: fitting[0] + 1] if fitting else document
    verdicts = [material.fitting if i in fitting else material.other for i in range(len(read))]
    lines = [
        f"{material.gap}{query.read(sentence)} {verdict}"
        for sentence, verdict in zip(read, verdicts, strict=True)
    ]
    return "\n".join([query.named(material.gap), *lines])


def ask_fragment(random: Random, sentence: Sentence, material: Material) -> Query | None:
    """Two to six words (four to ten Chinese characters) in a row, without quote marks."""
    pieces = (_characters if is_chinese(sentence.text) else _words)(random, sentence.text)
    fragment = pieces.strip(QUOTE_MARKS + ".,;:!?()[]")
    if len(fragment) < 4 or set(fragment) & set(QUOTE_MARKS) - {"'", "’"}:
        return None
    return Query(
        question=random.choice(material.by_fragment).format(what=fragment),
        needles=(fragment,),
    )


def _words(random: Random, text: str) -> str:
    words = text.split()
    return " ".join(_window(random, words, random.randint(2, min(6, len(words)))))


def _characters(random: Random, text: str) -> str:
    part = random.choice(re.split(r"[^\w%.-]+", text))
    return "".join(_window(random, part, random.randint(4, 10)))


def _window(random: Random, items: Sequence[str], length: int) -> Sequence[str]:
    """Up to `length` items in a row: at the beginning, anywhere, or at the end."""
    last = max(0, len(items) - length)
    start = random.choice((0, random.randint(0, last), last))
    return items[start : start + length]


def ask_keywords(random: Random, sentence: Sentence, material: Material) -> Query | None:
    """One or two single words, in the order in which they stand."""
    keywords = sentence.keywords
    if not keywords:
        return None
    chosen = sorted(random.sample(range(len(keywords)), random.randint(1, min(2, len(keywords)))))
    needles = tuple(keywords[i] for i in chosen)
    quoted = tuple(material.quoted.format(needle) for needle in needles)
    listed = _enumeration(quoted if random.random() < 0.5 else needles, material)
    return Query(
        question=random.choice(material.by_keywords).format(what=listed),
        needles=needles,
    )


def ask_topic(random: Random, sentence: Sentence, material: Material) -> Query | None:
    topics = [topic for topic in material.topics if topic.label in sentence.topics]
    if not topics:
        return None
    topic = random.choice(topics)
    wording = random.choice(material.by_topic)
    question = wording.format(ask=random.choice(topic.asks), label=topic.label)
    return Query(question=question, topic=topic.label)


def _enumeration(words: Sequence[str], material: Material) -> str:
    if len(words) == 1:
        return words[0]
    return material.comma.join(words[:-1]) + material.last_comma + words[-1]
