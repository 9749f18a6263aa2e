"""Drafts of gold replies: a list of sentences, how they stand on the page, and ways to change them.

Each `keep_...` makes a draft keep one constraint, each `draw_...` draws what the constraint asks.
What does not go together is for the caller to find out with the checks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from naga.tasks.example import Language
from naga.tasks.instruction.topics import TOPICS, Topic

Arguments = dict[str, Any]

FURTHER: Mapping[Language, str] = {
    "en": "One word that belongs to {topic} is {word}.",
    "zh": "说到{topic}人们会想到{word}。",
}
FILL_IN: Mapping[Language, tuple[str, ...]] = {
    "en": ("Ask [name] about {topic}.", "Read more of {topic} at [address].", "Call [number]."),
    "zh": ("关于{topic}请问[姓名]。", "更多{topic}的内容见[地址]。", "请拨打[电话]。"),
}
END_PHRASES: Mapping[Language, tuple[str, ...]] = {
    "en": ("That is all.", "Thank you for reading.", "Now you know.", "See for yourself."),
    "zh": ("就是这样。", "谢谢阅读。", "现在你知道了。", "请亲自看看。"),
}
AFTERTHOUGHT: Mapping[Language, str] = {"en": "Write soon.", "zh": "盼回信。"}
MOST_SENTENCES = 6


@dataclass(frozen=True, kw_only=True)
class Draft:
    topic: Topic
    language: Language
    sentences: tuple[str, ...]
    bulleted: bool = False
    title: bool = False
    ending: str = ""
    postscript: str = ""
    quoted: bool = False
    change_case: Callable[[str], str] = str

    def written(self) -> str:
        gap = " " if self.language == "en" else ""
        if self.bulleted:
            body = "\n".join(f"* {sentence}" for sentence in self.sentences)
            body += f"\n{self.ending}" if self.ending else ""
        else:
            body = gap.join([*self.sentences, *([self.ending] if self.ending else [])])
        lines = [f"<<{self.topic.name}>>"] * self.title + [body]
        lines += [f"{self.postscript} {AFTERTHOUGHT[self.language]}"] if self.postscript else []
        text = self.change_case("\n".join(lines))
        return f'"{text}"' if self.quoted else text


def draw_nothing(random: Random, draft: Draft) -> Arguments:
    return {}


def longer(draft: Draft, count: int) -> Draft:
    """So many sentences at least, as far as the topic has them."""
    more = [s for s in draft.topic.sentences if s not in draft.sentences]
    return replace(draft, sentences=(*draft.sentences, *more)[: max(count, len(draft.sentences))])


def keep_words(draft: Draft, arguments: Arguments) -> Draft:
    more = tuple(
        FURTHER[draft.language].format(topic=draft.topic.name, word=word)
        for word in arguments["keywords"]
    )
    return replace(draft, sentences=(*draft.sentences, *more))


def keep_out_words(draft: Draft, arguments: Arguments) -> Draft:
    kept = tuple(
        sentence
        for sentence in draft.sentences
        if not any(word.casefold() in sentence.casefold() for word in arguments["forbidden_words"])
    )
    return replace(draft, sentences=kept or draft.sentences)


def draw_forbidden(random: Random, draft: Draft) -> Arguments:
    others = [word for topic in TOPICS[draft.language] for word in topic.words]
    return {"forbidden_words": sorted(random.sample(others, random.randint(1, 2)))}


def draw_length(random: Random, draft: Draft) -> Arguments:
    relation = random.choice(("at least", "less than"))
    return {"relation": relation, "num_words": 5 * random.randint(2, 8)}


def keep_length(draft: Draft, arguments: Arguments) -> Draft:
    wanted = arguments["num_words"]
    if arguments["relation"] == "less than":
        return replace(draft, sentences=draft.sentences[:1])
    return longer(draft, MOST_SENTENCES if wanted > 20 else 4)


def draw_han(random: Random, draft: Draft) -> Arguments:
    least = 10 * random.randint(1, 6)
    return {"least": least, "most": least + 10 * random.randint(2, 4)}


def keep_han(draft: Draft, arguments: Arguments) -> Draft:
    """The fewest sentences that are enough."""
    while sum(map(len, draft.sentences)) > arguments["least"] and len(draft.sentences) > 1:
        draft = replace(draft, sentences=draft.sentences[:-1])
    return longer(draft, len(draft.sentences) + 1)


def draw_sentences(random: Random, draft: Draft) -> Arguments:
    return {
        "relation": random.choice(("at least", "less than")),
        "num_sentences": random.randint(2, 5),
    }


def keep_sentences(draft: Draft, arguments: Arguments) -> Draft:
    wanted = arguments["num_sentences"]
    if arguments["relation"] == "at least":
        return longer(draft, wanted)
    return replace(draft, sentences=draft.sentences[: wanted - 1])


def keep_placeholders(draft: Draft, arguments: Arguments) -> Draft:
    wanted = arguments["num_placeholders"]
    more = tuple(text.format(topic=draft.topic.name) for text in FILL_IN[draft.language][:wanted])
    return replace(draft, sentences=(*draft.sentences, *more))
