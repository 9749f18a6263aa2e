"""Write about a topic under one to three constraints that a rule can check.

The gold reply is put together from the topic's sentences so that every constraint holds; the trace
lists topic and constraints. A reply is right if it keeps them all and is a reply at all: some
different words, on the topic, and not the prompt over again, for an empty reply keeps many
constraints. Which constraints hold is in the parts of the verdict.
"""

import json
from random import Random
from typing import Any, ClassVar, final

from naga.tasks.example import Example, Generator, Language, Level, Verdict, conversation
from naga.tasks.instruction.checks import (
    ChecksConstraint,
    check_constraint,
    count_of,
    words_of,
)
from naga.tasks.instruction.constraints import CONSTRAINTS, Constraint
from naga.tasks.instruction.drafts import Draft
from naga.tasks.instruction.topics import TOPICS, Topic

NUM_CONSTRAINTS: dict[Level, int] = {"easy": 1, "medium": 2, "hard": 3}
LONGEST = 20_000
FEWEST_WORDS = 4
WORDINGS: dict[Language, tuple[str, ...]] = {
    "en": (
        "Write a short text about {topic}. {constraints}",
        "Tell me something about {topic}. {constraints}",
        "{constraints} The text is to be about {topic}.",
        "I need a few lines on {topic}. {constraints}",
    ),
    "zh": (
        "写一段关于{topic}的短文。{constraints}",
        "请谈谈{topic}。{constraints}",
        "{constraints}内容要关于{topic}。",
        "我需要几句关于{topic}的话。{constraints}",
    ),
}


@final
class InstructionFollowing(Generator):
    name: ClassVar[str] = "instruction_following"
    straight: ClassVar[bool] = True

    def __init__(self, check: ChecksConstraint = check_constraint) -> None:
        """`check` judges one constraint, by IFEval's names."""
        self.check = check

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        topic, chosen, gold = draw_task(random, NUM_CONSTRAINTS[level], language)
        asked = [c.asked(random, arguments, language) for c, arguments in chosen]
        random.shuffle(asked)
        gap = " " if language == "en" else ""
        question = random.choice(WORDINGS[language]).format(
            topic=topic.name, constraints=gap.join(asked)
        )
        identifiers = [c.identifier for c, _ in chosen]
        kwargs = [arguments for _, arguments in chosen]
        said = json.dumps(dict(zip(identifiers, kwargs, strict=True)), ensure_ascii=False)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{topic.name}: {said}",
            messages=conversation(question, _plan(topic, identifiers, kwargs), gold),
            answer=json.dumps(
                {"topic": topic.name, "instruction_id_list": identifiers, "kwargs": kwargs},
                ensure_ascii=False,
            ),
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        gold = json.loads(example.answer)
        question = example.prompt[-1].content
        refused = refusal(reply, gold["topic"], question)
        pairs = list(zip(gold["instruction_id_list"], gold["kwargs"], strict=True))
        if refused:
            parts = {"reply": 0.0, **{identifier: 0.0 for identifier, _ in pairs}}
            return Verdict(score=0.0, parts=parts, reason=refused)
        kept = {identifier: self.check(identifier, kwargs, reply) for identifier, kwargs in pairs}
        unknown = [identifier for identifier, held in kept.items() if held is None]
        if unknown:
            return Verdict(score=None, reason=f"no check of {', '.join(unknown)}")
        broken = [identifier for identifier, held in kept.items() if not held]
        return Verdict(
            score=float(not broken),
            parts={"reply": 1.0, **{name: float(bool(held)) for name, held in kept.items()}},
            matched_by="" if broken else "constraints",
            reason=f"not kept: {', '.join(broken)}" if broken else "",
        )


def refusal(reply: str, topic: str, question: str) -> str:
    """Why this is no text about the topic; empty if it is one."""
    if len(reply) > LONGEST:
        return "too long"
    words = words_of(reply)
    asked = " ".join(words_of(question))
    if len(set(words)) < FEWEST_WORDS or len(set(words)) < 0.3 * min(len(words), 50):
        return "hardly a word"
    if not count_of(topic, reply):
        return f"nothing about {topic}"
    said = " ".join(words)
    return "the prompt over again" if asked in said or said in asked else ""


def draw_task(
    random: Random, count: int, language: Language
) -> tuple[Topic, list[tuple[Constraint, dict[str, Any]]], str]:
    """A topic, constraints with their arguments, and a reply that keeps them all."""
    while True:
        topic = random.choice(TOPICS[language])
        sentences = random.sample(topic.sentences, random.randint(2, 4))
        draft = Draft(topic=topic, language=language, sentences=tuple(sentences))
        chosen: list[tuple[Constraint, dict[str, Any]]] = []
        for constraint in draw_constraints(random, count, language):
            arguments = constraint.draw(random, draft)
            draft = constraint.keep(draft, arguments)
            chosen.append((constraint, arguments))
        gold = draft.written()
        if all(check_constraint(c.identifier, arguments, gold) for c, arguments in chosen):
            return topic, chosen, gold


def draw_constraints(random: Random, count: int, language: Language) -> list[Constraint]:
    """Of different groups, in the order in which a draft has to keep them."""
    known = [c for c in CONSTRAINTS if (c.english if language == "en" else c.chinese)]
    groups = random.sample(sorted({c.group for c in known}), count)
    chosen = [random.choice([c for c in known if c.group == group]) for group in groups]
    # What takes sentences away comes last. Whether "P.S." ends a sentence is not asked.
    if {"number_sentences", "postscript"} <= {c.identifier.partition(":")[2] for c in chosen}:
        return draw_constraints(random, count, language)
    return sorted(chosen, key=lambda c: (c.group == "length", c.identifier))


def _plan(topic: Topic, identifiers: list[str], kwargs: list[dict[str, Any]]) -> str:
    """`cats`, then a line for each constraint: `num_bullets 3`, `no_comma`."""
    lines = [topic.name]
    for identifier, arguments in zip(identifiers, kwargs, strict=True):
        values = [
            " ".join(value) if isinstance(value, list) else str(value)
            for value in arguments.values()
        ]
        lines.append(" ".join([identifier.partition(":")[2], *values]))
    return "\n".join(lines)
