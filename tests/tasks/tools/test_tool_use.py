"""Tool use: gold goes through the environment, calls are read safely, answers are judged."""

import json
from random import Random

import pytest

from naga.config.base import ConfigError
from naga.tasks.example import LANGUAGES, LEVELS, Example, Language, Level
from naga.tasks.tools import (
    Toolbox,
    ToolCall,
    ToolEnvironment,
    ToolUse,
    declare_tools,
    read_calls,
    write_call,
    write_responses,
)

CASES = [(level, language) for level in LEVELS for language in LANGUAGES]
TASK = ToolUse()


def examples(level: Level, language: Language, count: int) -> list[Example]:
    return [TASK.generate(Random(f"tools {i}"), level, language) for i in range(count)]


@pytest.mark.parametrize(("level", "language"), CASES)
def test_gold_goes_through_the_environment_turn_by_turn(level: Level, language: Language) -> None:
    for example in examples(level, language, 20):
        environment = TASK.environment(example)
        assert [m.role for m in example.prompt] == ["system", "user"]
        *turns, last = example.messages[2:]
        for said, heard in zip(turns[::2], turns[1::2], strict=True):
            step = environment.step(said.content)
            assert (step.text, step.done, step.reward) == (heard.content, False, None)
            assert said.reasoning and (said.role, heard.role) == ("assistant", "user")
        step = environment.step(last.content)
        assert step.done and step.reward == 1.0
        assert environment.verdict is not None
        parts = environment.verdict.parts
        assert parts["calls"] == parts["gold_calls"] == len(turns) / 2
        assert parts["refused_calls"] == 0.0
        with pytest.raises(RuntimeError, match="reset first"):
            environment.step("1")
        environment.reset()
        assert environment.step("nothing").reward == 0.0


@pytest.mark.parametrize(("level", "language"), CASES)
def test_gold_is_right_and_mutants_are_not(level: Level, language: Language) -> None:
    listed = examples(level, language, 20)
    for i, example in enumerate(listed):
        gold = json.loads(example.answer)["answer"]
        transcript = "\n".join(m.content for m in example.messages[2:])
        for reply in (gold, f"{gold}.", f" “{gold}”", transcript):
            verdict = TASK.grade(example, reply)
            assert verdict.score == 1.0 and verdict.parts["answer"] == 1.0
        assert TASK.grade(example, transcript).parts["calls"] == json.loads(example.answer)["calls"]
        other = json.loads(listed[i - 1].answer)["answer"]
        wrong = ["", "0", gold + "1", f"{gold} {gold}", f"{gold} or 3", f"{gold}\n4", "x" * 10**6]
        wrong += [example.messages[1].content, example.messages[2].content, f"<tool_call>{gold}"]
        wrong += [transcript + write_call(ToolCall(name="lookup", arguments="{}"))]
        wrong += [other] * (other != gold)
        for reply in wrong:
            assert TASK.grade(example, reply).score == 0.0, reply


@pytest.mark.parametrize("level", LEVELS)
def test_answers_stand_in_no_prompt_and_cannot_be_guessed(level: Level) -> None:
    answers = [json.loads(e.answer)["answer"] for e in examples(level, "en", 100)]
    for example, answer in zip(examples(level, "en", 100), answers, strict=True):
        assert answer not in example.messages[1].content.split()
    assert max(answers.count(answer) for answer in answers) <= 3


def test_the_answer_of_each_kind_is_that_of_the_tables() -> None:
    for level, language in CASES:
        for example in examples(level, language, 40):
            kind, _, rest = example.problem.partition(" ")
            tables = json.loads(example.answer)["tables"]
            answer = json.loads(example.answer)["answer"]
            calls = [json.loads(text) for text in rest.rpartition(" = ")[0].split("; ")]
            keys = [call.get("key") for call in calls]
            if kind in ("compute", "bill"):
                assert int(answer) == eval(calls[-1]["expression"])
            if language == "zh" or kind in ("compute", "bill"):
                continue
            assert answer == str(value(kind, keys[0], keys[1 % len(keys)], tables))


def value(kind: str, first: str, second: str, tables: dict[str, dict[str, str]]) -> str | int:
    price, stock, room, manager = tables.values()
    match kind:
        case "price":
            return price[first]
        case "worth":
            return int(price[first]) * int(stock[first])
        case "gap":
            return int(price[first]) - int(price[second])
        case "boss":
            return room[manager[first]]
        case _:
            return room[manager[manager[first]]]


def test_calls_are_read_as_they_are_written() -> None:
    call = ToolCall(name="lookup", arguments='{"table": "价格", "key": "</tool_call"}')
    text = f"I look.\n{write_call(call)}\n{write_call(call)}"
    assert read_calls(text) == [call, call]
    assert read_calls("no call") == []


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "<tool_call>{}</tool_call>",
        "<tool_call>[]</tool_call>",
        '<tool_call>{"name": "lookup"}</tool_call>',
        '<tool_call>{"name": 1, "arguments": {}}</tool_call>',
        '<tool_call>{"name": "lookup", "arguments": "x"}</tool_call>',
        '<tool_call>{"name": "lookup", "arguments": {}, "more": 1}</tool_call>',
        "<tool_call>" + "[" * 10_000 + "</tool_call>",
        "<tool_call>" + "9" * 30_000 + "</tool_call>",
        "<tool_call>" + "9" * 5_000 + "</tool_call>",
        "<tool_call>calculator(1)</tool_call>",
    ],
)
def test_a_call_that_cannot_be_read_is_answered_with_an_error(text: str) -> None:
    assert read_calls(text) == [None]
    environment = TASK.environment(examples("easy", "en", 1)[0])
    step = environment.step(text)
    assert not step.done and "error: write" in step.text
    assert environment.num_refused == 1


def test_a_toolbox_answers_or_says_what_is_wrong() -> None:
    box = Toolbox({"price": {"pen": "12"}})
    asked = {
        '{"table": "price", "key": "pen"}': "12",
        '{"table": "price", "key": "cup"}': "not found",
        '{"table": "stock", "key": "cup"}': "error: no such table; there are price",
        '{"table": "price"}': "error: key is missing or no text",
        '{"table": ["price"], "key": "pen"}': "error: table is missing or no text",
    }
    for arguments, answer in asked.items():
        assert box.answer(ToolCall(name="lookup", arguments=arguments)) == answer
    assert box.answer(ToolCall(name="rm", arguments="{}")).startswith("error: no such tool")
    sum_of = ToolCall(name="calculator", arguments='{"expression": "12*12"}')
    assert box.answer(sum_of) == "144"


def test_an_answer_cannot_end_its_own_block() -> None:
    box = Toolbox({"t": {"k": "1</tool_response>2"}})
    text = write_responses(
        [box.answer(ToolCall(name="lookup", arguments='{"table": "t", "key": "k"}'))]
    )
    assert text.count("</tool_response>") == 1


def test_too_many_calls_end_an_episode() -> None:
    example = examples("easy", "en", 1)[0]
    tables = json.loads(example.answer)["tables"]
    environment = ToolEnvironment(tables, lambda reply: TASK.grade(example, reply), most_calls=3)
    call = write_call(ToolCall(name="calculator", arguments='{"expression": "1"}'))
    assert not environment.step(call * 3).done
    step = environment.step(call)
    assert step.done and step.reward == 0.0
    with pytest.raises(ConfigError, match="at least one call"):
        ToolEnvironment(tables, lambda reply: TASK.grade(example, reply), most_calls=0)


def test_tools_are_declared_as_clients_do() -> None:
    for language in LANGUAGES:
        for tool in declare_tools(["a", "b"], language):
            declared = json.loads(tool.declared)
            assert declared["type"] == "function"
            function = declared["function"]
            assert function["name"] == tool.name
            assert function["parameters"]["required"] == list(function["parameters"]["properties"])


@pytest.mark.parametrize("level", LEVELS)
def test_the_problem_is_the_same_in_both_languages(level: Level) -> None:
    english, chinese = (examples(level, language, 10) for language in LANGUAGES)
    assert [e.problem for e in english] == [e.problem for e in chinese]
    assert english == examples(level, "en", 10)
    assert len({e.problem for e in english}) == 10
