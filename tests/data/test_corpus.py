import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.data.corpus import read_conversations, read_documents
from naga.data.messages import Message, ToolCall

CHAT = {
    "messages": [
        {"role": "user", "content": "3 + 4?"},
        {"role": "assistant", "content": "7", "reasoning_content": "3 + 4 = 7"},
    ]
}


def write_rows(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_folder_is_read_in_sorted_order_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.md").write_text("第二", encoding="utf-8")
    (tmp_path / "a.txt").write_text("\ufefffirst\n", encoding="utf-8")
    write_rows(tmp_path / "c.jsonl", {"text": "third", "title": "T"}, {"text": ""})
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(b'\n{"text": "fourth"}'))
    (tmp_path / "notes.csv").write_text("not data")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.txt").write_text("not data")
    assert list(read_documents([tmp_path])) == ["first\n", "第二", "third", "fourth"]


def test_paths_are_read_in_the_order_given(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    assert list(read_documents([tmp_path / "b.txt", tmp_path / "a.txt"])) == ["b", "a"]


def test_lines_are_read_as_they_are_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "good"}\nbroken\n')
    documents = read_documents([path])
    assert next(documents) == "good"
    with pytest.raises(ConfigError, match=r"a\.jsonl:2: not valid JSON"):
        next(documents)


def test_a_conversation_becomes_messages(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", CHAT)
    (conversation,) = read_conversations([path])
    assert conversation.messages == (
        Message(role="user", content="3 + 4?"),
        Message(role="assistant", content="7", reasoning="3 + 4 = 7"),
    )
    assert conversation.tools == () and conversation.place == f"{path}:1"


@pytest.mark.parametrize("arguments", [{"to": "甲"}, '{"to":"甲"}'])
def test_tools_and_their_calls_are_read(tmp_path: Path, arguments: Any) -> None:
    tool = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}
    called = {"id": "1", "type": "function", "function": {"name": "pay", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "Pay."},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "1", "content": "paid"},
        {"role": "assistant", "content": "Done.", "tool_calls": None},
    ]
    path = write_rows(tmp_path / "a.jsonl", {"messages": messages, "tools": [tool]})
    (conversation,) = read_conversations([path])
    assert conversation.messages == (
        Message(role="user", content="Pay."),
        Message(
            role="assistant", content="", calls=(ToolCall(name="pay", arguments='{"to": "甲"}'),)
        ),
        Message(role="tool", content="paid"),
        Message(role="assistant", content="Done."),
    )
    (offered,) = conversation.tools
    assert offered.name == "pay" and offered.function == tool["function"]


def test_a_missing_path_is_told_before_anything_is_read(tmp_path: Path) -> None:
    for read in (read_documents, read_conversations):
        with pytest.raises(ConfigError, match="nowhere: no such file or folder"):
            read([tmp_path / "nowhere"])


def test_a_kind_of_file_that_is_not_read_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"a\.csv: cannot read this kind of file; use \.txt"):
        read_documents([tmp_path / "a.csv"])
    with pytest.raises(ConfigError, match=r"a\.txt: cannot read this kind of file; use \.jsonl"):
        read_conversations([tmp_path / "a.txt"])


def test_no_documents_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \.txt, \.md, \.jsonl, \.jsonl\.gz files there"):
        read_documents([tmp_path])
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ConfigError, match="every file is empty"):
        list(read_documents([tmp_path]))


Read = Callable[[list[Path]], Iterator[Any]]


def message_row(**changes: Any) -> bytes:
    return json.dumps({"messages": [{"role": "assistant", "content": "x"} | changes]}).encode()


def call_row(arguments: str) -> bytes:
    return message_row(tool_calls=[{"function": {"name": "pay", "arguments": arguments}}])


@pytest.mark.parametrize(
    ("read", "line", "message"),
    [
        (read_documents, b"[1]", "expected a JSON object, got a list"),
        (read_documents, b"\xff", "not UTF-8"),
        (read_documents, b'{"text": 1}', '"text" must be a string'),
        (read_documents, b'{"text": "\\ud83d"}', "half a surrogate pair"),
        (read_documents, b'{"body": "x"}', r'has no "text" \(its keys: body\)'),
        (read_documents, b"{}", r'has no "text" \(its keys: none\)'),
        (read_documents, message_row(), "naga sft"),
        (read_conversations, b'{"text": "x"}', "naga pretrain"),
        (read_conversations, b'{"messages": {}}', "must be a list"),
        (read_conversations, b'{"messages": []}', "no assistant message"),
        (read_conversations, b'{"messages": ["hi"]}', "must be an object, not a str"),
        (read_conversations, message_row(role="tool"), "no assistant message"),
        (read_conversations, message_row(role="critic"), "unknown role 'critic'"),
        (read_conversations, message_row(role="user"), "no assistant message"),
        (read_conversations, message_row(content=None), '"content" must be a string'),
        (read_conversations, message_row(weight=0), "unknown key 'weight'"),
        (read_conversations, message_row(tool_calls={}), '"tool_calls" must be a list'),
        (read_conversations, message_row(tool_calls=["pay"]), "a call of a tool must be"),
        (read_conversations, message_row(tool_calls=[{"function": {"name": "p"}}]), "arguments"),
        (read_conversations, call_row("[1]"), "arguments of a call must be an object"),
        (read_conversations, call_row('{"a": NaN}'), "arguments of a call must be an object"),
        (read_conversations, message_row(reasoning_content=1), '"reasoning_content" must be'),
    ],
)
def test_a_bad_line_names_its_file_and_number(
    tmp_path: Path, read: Read, line: bytes, message: str
) -> None:
    good = json.dumps(CHAT | {"text": "good"}).encode()
    (tmp_path / "rows.jsonl").write_bytes(good + b"\n\n" + line + b"\n")
    with pytest.raises(ConfigError, match=message) as caught:
        list(read([tmp_path / "rows.jsonl"]))
    told = str(caught.value)
    assert told.startswith(f"{tmp_path / 'rows.jsonl'}:3: ")
    assert told.count("rows.jsonl") == 1
    assert "\n" not in told


def test_null_reasoning_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(message_row(reasoning_content=None))
    (conversation,) = read_conversations([path])
    assert conversation.messages == (Message(role="assistant", content="x"),)


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("第二".encode("gbk"))
    with pytest.raises(ConfigError, match=r"a\.txt: not UTF-8"):
        list(read_documents([tmp_path]))


CUT_SHORT = gzip.compress(b'{"text": "x"}' * 99)[:-12]


@pytest.mark.parametrize("data", [b"plain", CUT_SHORT], ids=["no gzip", "cut short"])
def test_a_damaged_archive_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(data)
    with pytest.raises(ConfigError, match=r"a\.jsonl\.gz: damaged gzip file"):
        list(read_documents([tmp_path]))
