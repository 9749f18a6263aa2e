"""The Berkeley function calling leaderboard, single turns graded by the syntax tree of the call.

Questions: {id, question: [[messages]], function: [...]}; the answers, {id, ground_truth}, lie in a
folder possible_answer beside the file, under the same name, or are given. Categories, by the id:
simple, multiple, parallel, parallel_multiple (in Python; live_ ones too), irrelevance and
relevance; others are refused. A call is right if function and parameters are there, no others are,
and every value is of the declared type and among the allowed ones ("" allows to leave it out);
text is compared without case, spaces and most punctuation; calls may come in any order. Where no
function fits, an answer without a call is right.

Patil et al. 2025; categories and comparison as published for version 4.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, final

from pydantic import Field, JsonValue

from naga.config.base import Config, ConfigError
from naga.data.chat import Message
from naga.tasks.example import Example, Verdict
from naga.tasks.public.base import PublicSet, even, unpacked
from naga.tasks.public.call_match import count_matches
from naga.tasks.public.calls import find_calls
from naga.tasks.public.rows import Row, read_some_rows

GRADED = ("simple", "simple_python", "multiple", "parallel", "parallel_multiple")
UNGRADED = ("irrelevance", "relevance")
INSTRUCTION = (
    "You can call the functions below. Answer with nothing but the calls, as "
    "[name(parameter=value, ...), ...] in Python; if none of them fits the question, say so in "
    "words instead.\n\n{functions}"
)
NO_CALL = "None of these functions fits the question."


Allowed = dict[str, dict[str, list[JsonValue]]]


class CallsAnswer(Config):
    category: str
    functions: tuple[dict[str, JsonValue], ...]
    calls: tuple[Annotated[Allowed, Field(min_length=1, max_length=1)], ...]
    """{name: {parameter: [values]}} each."""


@final
class Bfcl(PublicSet):
    name: ClassVar[str] = "bfcl"

    def __init__(self, answers: Path | None = None) -> None:
        """`answers`: the file of possible answers, if it does not lie where it is published."""
        self._answers = answers

    def read(self, path: Path) -> Iterator[Example]:
        for file in sorted(path.glob("BFCL_*.json")) if path.is_dir() else [path]:
            answers: Mapping[str, list[object]] | None = None
            for row in read_some_rows(file):
                category = _category(row)
                if category in GRADED and answers is None:
                    answers = _read_answers(self._answers or _beside(file))
                yield _example(self.name, row, category, answers or {})

    def grade(self, example: Example, reply: str) -> Verdict:
        answer = unpacked(example, CallsAnswer)
        calls, truth = find_calls(reply), answer.calls
        if answer.category in UNGRADED:
            wanted = answer.category == "relevance"
            right = bool(calls) == wanted and bool(reply.strip())
            return _verdict(right, float(right), f"{len(calls)} calls")
        found = count_matches(calls, truth, answer.functions)
        right = found == len(truth) == len(calls)
        share = found / max(len(truth), len(calls))
        return _verdict(right, share, f"{found} of {len(calls)} calls are right")


def _verdict(right: bool, share: float, reason: str) -> Verdict:
    score = float(right)
    return Verdict(
        score=score,
        parts={"exact": score, "calls": share},
        matched_by="calls" if right else "",
        reason="" if right else reason,
    )


def _category(row: Row) -> str:
    identity = row.text("id")
    found = re.fullmatch(r"(?:live_)?([a-z_]+?)_\d[\w-]*", identity)
    if found is None or found[1] not in GRADED + UNGRADED:
        known = ", ".join(GRADED + UNGRADED)
        row.fail(f"id {identity[:60]!r} is of no category that is graded here; these are: {known}")
    return found[1]


def _beside(file: Path) -> Path:
    answers = file.parent / "possible_answer" / file.name
    if not answers.is_file():
        raise ConfigError(f"{file}: no {answers} with its possible answers; put it there")
    return answers


def _read_answers(path: Path) -> dict[str, list[object]]:
    return {row.text("id"): _calls_of(row) for row in read_some_rows(path)}


def _calls_of(row: Row) -> list[object]:
    calls = row.objects("ground_truth")
    for call in calls:
        allowed = list(call.values())
        if len(call) != 1 or not isinstance(allowed[0], dict):
            row.fail("every call of 'ground_truth' must be {name: {parameter: [values]}}")
        for parameter, values in allowed[0].items():
            if not isinstance(values, list) or not values:
                row.fail(f"parameter {parameter!r} must have a list of the values that are right")
    return list(calls)


def _example(family: str, row: Row, category: str, answers: Mapping[str, list[object]]) -> Example:
    functions = _functions(row)
    identity = row.text("id")
    if category in GRADED and identity not in answers:
        row.fail(f"no possible answer has the id {identity!r}")
    calls = answers[identity] if category in GRADED else []
    asked = _messages(row)
    listed = "\n".join(json.dumps(function, ensure_ascii=False) for function in functions)
    systems = [message.content for message in asked if message.role == "system"]
    system = "\n\n".join([INSTRUCTION.format(functions=listed), *systems])
    gold = Message(role="assistant", content=_gold(category, calls))
    fields = {"category": category, "functions": tuple(functions), "calls": tuple(calls)}
    answer = CallsAnswer.model_validate(fields)
    return Example(
        family=family,
        level=None,
        language="en",
        problem=even("\n".join(message.content for message in asked)),
        messages=(
            Message(role="system", content=system),
            *(message for message in asked if message.role != "system"),
            gold,
        ),
        answer=answer.model_dump_json(),
    )


def _functions(row: Row) -> Sequence[Mapping[str, object]]:
    value = row.value("function")
    functions = [value] if isinstance(value, dict) else row.objects("function")
    for function in functions:
        parameters = function.get("parameters")
        if not isinstance(function.get("name"), str) or not isinstance(parameters, dict):
            row.fail("every 'function' must have a name and parameters")
        properties, required = parameters.get("properties"), parameters.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            row.fail(f"function {function['name']!r}: no properties, or required is no list")
        if not all(isinstance(each, dict) for each in properties.values()):
            row.fail(f"function {function['name']!r}: a property is no object")
    return functions


def _messages(row: Row) -> Sequence[Message]:
    turns = row.value("question")
    if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], list):
        row.fail("'question' must be one turn: a list of one list of messages")
    messages = []
    for message in turns[0]:
        content = message.get("content") if isinstance(message, dict) else None
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("system", "user") or not isinstance(content, str):
            row.fail("every message of 'question' must have role system or user, and a content")
        messages.append(Message(role=role, content=content))
    if not any(message.role == "user" for message in messages):
        row.fail("'question' has no user message")
    return messages


def _gold(category: str, calls: Sequence[object]) -> str:
    """Calls with the first value of each that is allowed; relevance has no published gold."""
    if category in UNGRADED:
        return NO_CALL if category == "irrelevance" else ""
    written = [_written(call) for call in calls if isinstance(call, dict)]
    return f"[{', '.join(written)}]"


def _written(call: Mapping[str, Mapping[str, list[object]]]) -> str:
    ((name, parameters),) = call.items()
    chosen = {key: values[0] for key, values in parameters.items() if "" not in values}
    return f"{name}({', '.join(f'{key}={_first(value)!r}' for key, value in chosen.items())})"


def _first(value: object) -> object:
    """An allowed value, of whose own keys each again has a list of what is allowed."""
    if isinstance(value, dict):
        return {k: _first(v[0]) for k, v in value.items() if isinstance(v, list) and "" not in v}
    if isinstance(value, list):
        return [_first(item) for item in value]
    return value
