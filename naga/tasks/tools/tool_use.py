"""Questions that need tools: a calculator, and tables that only the tool can read.

Gold is a whole conversation: call, answer of the tool, call, ..., the final answer; its prompt is
the opening (tools and question), from which an agent goes on in the environment. The grader looks
at the final answer: a reply may be that alone, or the whole transcript of an episode. How many
calls there were is a part of the verdict, never of the score. Tables are drawn anew each time.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal, final

from naga.data.chat import Message
from naga.tasks.example import Example, Generator, Language, Level, Verdict, bare, pick
from naga.tasks.tools.calls import (
    CALL,
    ToolCall,
    last_answer,
    make_call,
    write_call,
    write_responses,
)
from naga.tasks.tools.environment import Tables, Tool, Toolbox, ToolEnvironment, declare
from naga.tasks.tools.words import (
    ANSWER_ONLY,
    ASKS,
    DESCRIPTIONS,
    ITEMS,
    PEOPLE,
    SYSTEMS,
    TABLES,
)

Kind = Literal["compute", "price", "bill", "worth", "gap", "boss", "grand_boss"]
KINDS: dict[Level, tuple[Kind, ...]] = {
    "easy": ("compute", "price"),
    "medium": ("compute", "worth", "gap", "boss"),
    "hard": ("compute", "bill", "grand_boss"),
}
OPERANDS: dict[Level, int] = {"easy": 2, "medium": 3, "hard": 4}
LONGEST = 100_000


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked, in things by number; what they are called is a matter of language."""

    kind: Kind
    things: tuple[int, int]
    """Two different items or people."""
    counts: tuple[int, int]
    what: str
    """The expression to compute."""
    numbers: dict[str, list[int]]
    """The tables: of each thing the number; of `manager` the person."""


@final
class ToolUse(Generator):
    name: ClassVar[str] = "tool_use"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        question = draw_question(random, level)
        tables = make_tables(question, language)
        calls, answer = solve(question, tables, language)
        system = Message(role="system", content=_system(random, tables, language))
        user = Message(role="user", content=_asked(random, question, language))
        messages = (system, user, *converse(calls, Toolbox(tables), answer))
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=canonical(question),
            messages=messages,
            answer=json.dumps(
                {"answer": answer, "calls": len(calls), "tables": tables}, ensure_ascii=False
            ),
            opening=2,
        )

    def environment(self, example: Example) -> ToolEnvironment:
        """In which an agent goes on from the example's prompt."""
        tables: Tables = json.loads(example.answer)["tables"]
        return ToolEnvironment(tables, lambda reply: self.grade(example, reply))

    def grade(self, example: Example, reply: str) -> Verdict:
        """The final answer, exactly; of a transcript, what is said after the last response."""
        gold = json.loads(example.answer)
        counts = {"calls": float(reply.count(CALL)), "gold_calls": float(gold["calls"])}
        answer = last_answer(reply) if len(reply) <= LONGEST else ""
        if answer is None:
            parts = {"answer": 0.0, **counts}
            return Verdict(score=0.0, parts=parts, reason="a call, and no answer after it")
        given = bare(answer).removesuffix(".").removesuffix("。").replace(",", "")
        right = float(given == gold["answer"])
        return Verdict(
            score=right,
            parts={"answer": right, **counts},
            matched_by="exact" if right else "",
            reason="" if right else "another answer",
        )


def draw_question(random: Random, level: Level) -> Question:
    kind = random.choice(KINDS[level])
    num_items, num_people = len(ITEMS["en"]), len(PEOPLE["en"])
    people = kind in ("boss", "grand_boss")
    first, second = random.sample(range(num_people if people else num_items), 2)
    order = random.sample(range(num_people), num_people)
    return Question(
        kind=kind,
        things=(first, second),
        counts=(random.randint(2, 99), random.randint(2, 99)),
        what=_expression(random, OPERANDS[level]),
        numbers={
            "price": [random.randint(11, 999) for _ in range(num_items)],
            "stock": [random.randint(11, 999) for _ in range(num_items)],
            # A ring: everybody has a manager, and nobody is their own.
            "manager": [order[(order.index(i) + 1) % num_people] for i in range(num_people)],
            "room": random.sample(range(100, 1000), num_people),
        },
    )


def _expression(random: Random, operands: int) -> str:
    text = str(random.randint(101, 9999))
    for _ in range(operands - 1):
        text += random.choice("+-*") + str(random.randint(11, 999))
    return text


def make_tables(question: Question, language: Language) -> dict[str, dict[str, str]]:
    """As the tool has them: all texts, in words of the language."""
    names, people, items = TABLES[language], PEOPLE[language], ITEMS[language]
    managers = {person: people[i] for person, i in _pairs(people, question.numbers["manager"])}
    numbers = {
        names[table]: {key: str(n) for key, n in _pairs(keys, question.numbers[table])}
        for table, keys in (("price", items), ("stock", items), ("room", people))
    }
    return {**numbers, names["manager"]: managers}


def _pairs(keys: Sequence[str], values: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(keys, values, strict=True))


def solve(question: Question, tables: Tables, language: Language) -> tuple[list[ToolCall], str]:
    """The calls one after the other, and the final answer: that of the last call."""
    words = PEOPLE if question.kind in ("boss", "grand_boss") else ITEMS
    first, second = (words[language][i] for i in question.things)
    box = Toolbox(tables)
    calls: list[ToolCall] = []

    def look(table: str, key: str) -> str:
        calls.append(make_call("lookup", {"table": TABLES[language][table], "key": key}))
        return box.answer(calls[-1])

    def compute(expression: str) -> str:
        calls.append(make_call("calculator", {"expression": expression}))
        return box.answer(calls[-1])

    n, m = question.counts
    match question.kind:
        case "compute":
            answer = compute(question.what)
        case "price":
            answer = look("price", first)
        case "worth":
            answer = compute(f"{look('price', first)}*{look('stock', first)}")
        case "gap":
            answer = compute(f"{look('price', first)}-{look('price', second)}")
        case "bill":
            answer = compute(f"{n}*{look('price', first)}+{m}*{look('price', second)}")
        case "boss":
            answer = look("room", look("manager", first))
        case "grand_boss":
            answer = look("room", look("manager", look("manager", first)))
    return calls, answer


def converse(calls: Sequence[ToolCall], box: Toolbox, answer: str) -> list[Message]:
    """The gold turns: each call, what it is answered, and in the end the answer."""
    messages: list[Message] = []
    for call in calls:
        plan = f"{call.name}: {', '.join(map(str, call.values.values()))}"
        messages.append(Message(role="assistant", content=write_call(call), reasoning=plan))
        messages.append(Message(role="user", content=write_responses([box.answer(call)])))
    return [*messages, Message(role="assistant", content=answer, reasoning=answer)]


def canonical(question: Question) -> str:
    """The question with the values that it turns on, in English."""
    calls, answer = solve(question, make_tables(question, "en"), "en")
    return f"{question.kind} {'; '.join(call.arguments for call in calls)} = {answer}"


def _system(random: Random, tables: Tables, language: Language) -> str:
    tools = "\n".join(tool.declared for tool in declare_tools(list(tables), language))
    return pick(random, SYSTEMS["en"], SYSTEMS["zh"], language).format(tools=tools)


def declare_tools(tables: Sequence[str], language: Language) -> tuple[Tool, Tool]:
    """The calculator and the tables' lookup, as a client would declare them."""
    said = DESCRIPTIONS[language]
    listed = said["lookup"].format(tables=", ".join(tables))
    return (
        declare("calculator", said["calculator"], {"expression": said["expression"]}),
        declare("lookup", listed, {"table": said["table"], "key": said["key"]}),
    )


def _asked(random: Random, question: Question, language: Language) -> str:
    words = PEOPLE if question.kind in ("boss", "grand_boss") else ITEMS
    first, second = (words[language][i] for i in question.things)
    text = random.choice(ASKS[language][question.kind]).format(
        what=question.what, a=first, b=second, n=question.counts[0], m=question.counts[1]
    )
    return text + random.choice(ANSWER_ONLY[language])
