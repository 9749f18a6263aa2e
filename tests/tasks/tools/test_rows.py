"""Episodes of tools and instructions as conversations to learn from, in text and with roles."""

import json
from pathlib import Path
from random import Random

import pytest

from naga.data.chat import render
from naga.data.conversations import read_conversation
from naga.data.corpus import read_conversations
from naga.data.messages import read_object
from naga.data.tokenizer import train_tokenizer
from naga.tasks.example import LANGUAGES, LEVELS, Generator, Language, Level
from naga.tasks.instruction import InstructionFollowing
from naga.tasks.mixture import write_conversations
from naga.tasks.tools import ToolUse
from naga.tasks.tools.calls import ToolCall
from naga.tasks.tools.environment import Toolbox
from naga.tasks.tools.rows import tool_row, write_tool_conversations


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("level", LEVELS)
def test_an_episode_keeps_its_calls_answers_and_thoughts(level: Level, language: Language) -> None:
    example = ToolUse().generate(Random(f"{level} {language}"), level, language)
    said = read_conversation(tool_row(example), "row")
    gold = json.loads(example.answer)
    assert [tool.name for tool in said.tools] == ["calculator", "lookup"]
    assert "tool_call" not in "".join(message.content for message in said.messages)
    roles = [message.role for message in said.messages]
    assert roles == ["user", *("assistant", "tool") * gold["calls"], "assistant"]
    assert said.messages[-1].content == gold["answer"]
    thoughts = [m.reasoning for m in example.messages if m.role == "assistant"]
    assert [m.reasoning for m in said.messages if m.role == "assistant"] == thoughts
    box = Toolbox(gold["tables"])
    for call_turn, answer in zip(said.messages[1:-1:2], said.messages[2:-1:2], strict=True):
        (call,) = call_turn.calls
        assert read_object(call.arguments)
        assert answer.content == box.answer(ToolCall(name=call.name, arguments=call.arguments))


@pytest.mark.parametrize("task", [ToolUse(), InstructionFollowing()], ids=lambda task: task.name)
def test_both_are_written_as_text_and_learned_in_our_format(
    task: Generator, tmp_path: Path
) -> None:
    examples = [task.generate(Random(n), LEVELS[n % 3], LANGUAGES[n % 2]) for n in range(6)]
    assert write_conversations(examples, tmp_path / "a.jsonl") == 6
    tokenizer = train_tokenizer(["What is 12 + 30? It is 42."] * 4, 280)
    for example, said in zip(examples, read_conversations([tmp_path / "a.jsonl"]), strict=True):
        assert said.messages == example.messages
        rendered = render(tokenizer, said.messages)
        learned = [t for t, m in zip(rendered.tokens, rendered.loss_mask, strict=True) if m]
        assert example.messages[-1].content in tokenizer.decode(learned)


def test_rows_with_roles_are_read_back(tmp_path: Path) -> None:
    examples = [ToolUse().generate(Random(n), "hard", "en") for n in range(3)]
    assert write_tool_conversations(examples, tmp_path / "b.jsonl") == 3
    assert all(len(said.tools) == 2 for said in read_conversations([tmp_path / "b.jsonl"]))
