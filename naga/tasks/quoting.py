"""Quote, word for word, the one sentence of a document that a question asks for, or "not found".

A question gives a fragment of the sentence, one to three words out of it, or a topic. The trace
repeats what is looked for and names the number of the sentence; the answer is that sentence
exactly as it stands in the document. Documents are made up (clauses.py) or, if texts are given,
half of them are runs of sentences out of those. Some examples ask a second question about the same
document. Does not ask for anything that more than one sentence fits.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, final

from naga.data.chat import Message
from naga.tasks.clauses import PARTIES, SLOTS, STORIES, TOPICS
from naga.tasks.example import (
    QUOTE_MARKS,
    Example,
    Language,
    Level,
    Task,
    Verdict,
    bare,
    conversation,
    pick,
)
from naga.tasks.sentences import is_chinese, sentence_runs

SENTENCES: dict[Level, tuple[int, int]] = {"easy": (3, 6), "medium": (8, 15), "hard": (20, 40)}
EASY_WORDS = 150
ABSENT_SHARE = 0.2
REAL_SHARE = 0.5
CONTRACT_SHARE = 0.6
FOLLOW_UP_SHARE = 0.1
UNASKED_SLOTS = ("number", "hour", "time", "time_start", "mail")
NOT_FOUND: dict[Language, str] = {"en": "not found", "zh": "找不到"}

FRAGMENT_EN = (
    'Quote the sentence that says "{what}".',
    "Quote the sentence that says “{what}”.",
    'Quote the sentence that contains the words "{what}".',
    'Which sentence contains "{what}"? Quote it word for word.',
    'Find the sentence with "{what}" and copy it exactly.',
    "Quote the sentence that says {what}.",
    'Give me the exact sentence in which "{what}" appears.',
)
FRAGMENT_ZH = (
    "请引用包含“{what}”的句子。",
    "哪一句话里有“{what}”？请原文引用。",
    "找出写有“{what}”的那句话，原样抄写。",
    '请逐字引用含有"{what}"的句子。',
    "引用提到“{what}”的原句。",
)
KEYWORDS_EN = (
    "Quote the sentence that mentions {what}.",
    "Quote the sentence about {what}.",
    "Which sentence mentions {what}? Quote it word for word.",
    "Find the sentence about {what} and copy it exactly.",
    "What does the text say about {what}? Quote the sentence.",
)
KEYWORDS_ZH = (
    "请引用提到{what}的句子。",
    "哪一句话讲到{what}？请原文引用。",
    "找出关于{what}的那句话，原样抄写。",
    "文中关于{what}是怎么说的？请引用原句。",
)
TOPIC_EN = (
    "Quote the sentence that says {ask}.",
    "Quote the sentence that says {ask}.",
    "Which sentence says {ask}? Quote it word for word.",
    "Find the sentence that says {ask} and copy it exactly.",
    "Quote the sentence about {label}.",
    "What does the document say about {label}? Quote the sentence.",
)
TOPIC_ZH = (
    "请引用说明{ask}的句子。",
    "{ask}？请引用原文。",
    "{ask}？请逐字引用相关的句子。",
    "哪一句话说明了{ask}？请原文引用。",
    "请引用关于{label}的句子。",
    "文中关于{label}是怎么规定的？请引用原句。",
)
ELSE_EN = (' If there is none, say "not found".', ' Answer "not found" if no sentence does.')
ELSE_ZH = ("如果没有，请回答“找不到”。", "没有的话就说“找不到”。")
LAYOUTS_EN = (
    "{document}\n\n{question}",
    "{question}\n\n{document}",
    "Document:\n{document}\n\n{question}",
    "{question}\n\nDocument:\n{document}",
    "Document: {document}\n\nQuestion: {question}",
    'Text: "{document}"\n\n{question}',
    "“{document}”\n\n{question}",
    "Read this text:\n\n{document}\n\n{question}",
    "Here is a contract.\n\n{document}\n\n{question}",
    "{question}\n\n“{document}”",
)
LAYOUTS_ZH = (
    "{document}\n\n{question}",
    "{question}\n\n{document}",
    "文档：\n{document}\n\n{question}",
    "{question}\n\n文档：\n{document}",
    "阅读下面的文字：\n{document}\n\n{question}",
    "“{document}”\n\n{question}",
    "原文：{document}\n\n问题：{question}",
)
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


@dataclass(frozen=True, kw_only=True)
class Query:
    named: str
    """What is looked for, as the trace names it."""
    question: str
    needles: tuple[str, ...] = ()
    topic: str = ""

    def fits(self, sentence: Sentence) -> bool:
        if self.topic:
            return self.topic in sentence.topics
        text = sentence.text.casefold()
        return all(needle.casefold() in text for needle in self.needles)


Document = Sequence[Sentence]


@final
class Quoting(Task):
    name: ClassVar[str] = "quoting"
    straight: ClassVar[bool] = True

    def __init__(self, documents: Sequence[str] = ()) -> None:
        self.runs: dict[Language, list[tuple[str, ...]]] = {"en": [], "zh": []}
        for text in documents:
            self.runs["zh" if is_chinese(text) else "en"] += sentence_runs(
                text, SENTENCES["easy"][0]
            )

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        while True:
            document = self._document(random, level, language)
            asked = self._ask(random, document, level, language)
            earlier = self._ask(random, document, level, language)
            if asked and earlier and asked[0].named != earlier[0].named:
                break
        query, found = asked
        text = _join(random, document, language)
        first = earlier if random.random() < FOLLOW_UP_SHARE else asked
        layout = pick(random, LAYOUTS_EN, LAYOUTS_ZH, language)
        opening = layout.format(document=text, question=first[0].question)
        answer = _answer(document, found, language)
        messages = conversation(opening, _trace(query, found, language), answer)
        if first is earlier:
            past = Message(role="assistant", content=_answer(document, first[1], language))
            asking = Message(role="user", content=query.question)
            messages = (messages[0], past, asking, messages[1])
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=" ".join(sentence.text for sentence in document),
            messages=messages,
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """Verbatim but for outer whitespace and quote marks; the full stop belongs to the quote."""
        right = float(bare(reply) == bare(example.answer))
        return Verdict(score=right, parts={"verbatim": right})

    def _document(self, random: Random, level: Level, language: Language) -> Document:
        num_sentences = random.randint(*SENTENCES[level])
        if self.runs[language] and random.random() < REAL_SHARE:
            longest = EASY_WORDS if level == "easy" else None
            return _real_document(random, self.runs[language], num_sentences, longest, language)
        if random.random() < CONTRACT_SHARE:
            return made_contract(random, num_sentences, language)
        return made_story(random, num_sentences, language)

    def _ask(
        self, random: Random, document: Document, level: Level, language: Language
    ) -> tuple[Query, int | None] | None:
        """A question and the index of the one sentence that answers it; None: no luck."""
        absent = random.random() < ABSENT_SHARE
        source = self._document(random, level, language) if absent else document
        sentence = random.choice(source)
        query = random.choice((ask_fragment, ask_fragment, ask_keywords, ask_topic))(
            random, sentence, language
        )
        if query is None:
            return None
        fitting = [i for i, candidate in enumerate(document) if query.fits(candidate)]
        if len(fitting) != (0 if absent else 1):
            return None
        return query, fitting[0] if fitting else None


def ask_fragment(random: Random, sentence: Sentence, language: Language) -> Query | None:
    """Two to six words (four to ten Chinese characters) in a row, without quote marks."""
    fragment = _fragment(random, sentence.text, language)
    if fragment is None:
        return None
    wording = pick(random, FRAGMENT_EN, FRAGMENT_ZH, language) + _otherwise(random, language)
    named = f'"{fragment}"' if language == "en" else f"“{fragment}”"
    return Query(named=named, question=wording.format(what=fragment), needles=(fragment,))


def _fragment(random: Random, text: str, language: Language) -> str | None:
    if language == "zh":
        parts = [part for part in re.split(r"[^\w%.-]+", text) if len(part) >= 4]
        if not parts:
            return None
        part = random.choice(parts)
        length = random.randint(4, min(10, len(part)))
        last = len(part) - length
        start = random.choice((0, random.randint(0, last), last))
        return part[start : start + length]
    words = text.split()
    length = random.randint(2, min(6, len(words)))
    last = len(words) - length
    start = random.choice((0, random.randint(0, last), last))
    fragment = " ".join(words[start : start + length]).strip(QUOTE_MARKS + ".,;:!?()[]")
    clean = fragment and " " in fragment and not set(fragment) & set(QUOTE_MARKS) - {"'", "’"}
    return fragment if clean else None


def ask_keywords(random: Random, sentence: Sentence, language: Language) -> Query | None:
    """One to three single words, in the order in which they stand."""
    keywords = sentence.keywords
    if not keywords:
        return None
    chosen = sorted(random.sample(range(len(keywords)), random.randint(1, min(3, len(keywords)))))
    needles = [keywords[i] for i in chosen]
    quoted = [f'"{needle}"' if language == "en" else f"“{needle}”" for needle in needles]
    listed = _and(quoted if random.random() < 0.5 else needles, language)
    wording = pick(random, KEYWORDS_EN, KEYWORDS_ZH, language) + _otherwise(random, language)
    named = (", " if language == "en" else "、").join(quoted)
    return Query(named=named, question=wording.format(what=listed), needles=tuple(needles))


def ask_topic(random: Random, sentence: Sentence, language: Language) -> Query | None:
    topics = [topic for topic in TOPICS[language] if topic.label in sentence.topics]
    if not topics:
        return None
    topic = random.choice(topics)
    wording = pick(random, TOPIC_EN, TOPIC_ZH, language) + _otherwise(random, language)
    question = wording.format(ask=random.choice(topic.asks), label=topic.label)
    return Query(named=topic.label, question=question, topic=topic.label)


def _otherwise(random: Random, language: Language) -> str:
    return pick(random, ELSE_EN, ELSE_ZH, language) if random.random() < 0.25 else ""


def _and(words: Sequence[str], language: Language) -> str:
    last = " and " if language == "en" else "和"
    comma = ", " if language == "en" else "、"
    return last.join((comma.join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _trace(query: Query, found: int | None, language: Language) -> str:
    """`"shall be governed": sentence 3` or `governing law: no sentence`."""
    if language == "zh":
        return f"{query.named}：" + ("没有" if found is None else f"第{found + 1}句")
    return f"{query.named}: " + ("no sentence" if found is None else f"sentence {found + 1}")


def _answer(document: Document, found: int | None, language: Language) -> str:
    return NOT_FOUND[language] if found is None else document[found].text


def _join(random: Random, document: Document, language: Language) -> str:
    gap = " " if language == "en" else ""
    gap = random.choice((gap, gap, gap, gap, "\n", "\n\n"))
    return gap.join(sentence.text for sentence in document)


def made_contract(random: Random, num_sentences: int, language: Language) -> list[Sentence]:
    """Clauses of different topics, as long as there are topics left, between the same parties."""
    topics = random.sample(TOPICS[language], min(num_sentences, len(TOPICS[language])))
    while len(topics) < num_sentences:
        topics.append(random.choice(TOPICS[language]))
    first, second = random.choice(PARTIES[language])
    fill = _filler(random, language, {"a": first, "b": second})
    made = (fill(random.choice(topic.patterns), frozenset({topic.label})) for topic in topics)
    return _distinct(made)


def made_story(random: Random, num_sentences: int, language: Language) -> list[Sentence]:
    patterns = list(STORIES[language])
    random.shuffle(patterns)
    fill = _filler(random, language, {})
    made = (fill(patterns[i % len(patterns)], frozenset()) for i in range(num_sentences))
    return _distinct(made)


def _filler(
    random: Random, language: Language, fixed: dict[str, str]
) -> Callable[[str, frozenset[str]], Sentence]:
    """Makes sentences out of patterns; the values of drawn slots become keywords."""

    def fill(pattern: str, topics: frozenset[str]) -> Sentence:
        keywords: list[str] = []

        def value(slot: re.Match[str]) -> str:
            if slot[1] in fixed:
                return fixed[slot[1]]
            unused = [word for word in SLOTS[language][slot[1]] if word not in keywords]
            chosen = random.choice(unused)
            if slot[1] not in UNASKED_SLOTS:
                keywords.append(chosen)
            return chosen

        text = re.sub(r"\{(\w+)\}", value, pattern)
        text = (text[0].upper() + text[1:]).replace("..", ".")
        return Sentence(text=text, topics=topics, keywords=tuple(keywords))

    return fill


def _distinct(sentences: Iterable[Sentence]) -> list[Sentence]:
    return list({sentence.text: sentence for sentence in sentences}.values())


def _real_document(
    random: Random,
    runs: Sequence[tuple[str, ...]],
    num_sentences: int,
    longest: int | None,
    language: Language,
) -> list[Sentence]:
    """Consecutive sentences of one text, at most `longest` words (or Chinese characters) in all."""
    run = random.choice(runs)
    start = random.randrange(max(1, len(run) - num_sentences + 1))
    texts = list(run[start : start + num_sentences])
    while longest is not None and len(texts) > 2 and _num_words(texts, language) > longest:
        texts.pop()
    return [
        Sentence(
            text=text,
            topics=frozenset(topic.label for topic in TOPICS[language] if topic.is_told_in(text)),
            keywords=_rare_words(text),
        )
        for text in texts
    ]


def _num_words(texts: Sequence[str], language: Language) -> int:
    return sum(len(text.split()) if language == "en" else len(text) for text in texts)


def _rare_words(text: str) -> tuple[str, ...]:
    """Distinct lower-case or capitalised English words of five letters and more."""
    words = dict.fromkeys(re.findall(r"\b[A-Za-z][a-z]{4,}\b", text))
    return tuple(word for word in words if word.lower() not in COMMON_WORDS.split())
