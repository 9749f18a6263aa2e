"""Files that are damaged, hostile or merely odd: one clear line, or read as they are meant."""

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from tasks.public.made import SETS, write_rows

from naga.config.base import ConfigError
from naga.tasks.public.rows import read_rows

ROW = '{"question": "2 and 3?", "answer": "#### 5"}'
TASK = SETS["gsm8k"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{not json}\n", ":1: not JSON"),
        (ROW.encode() + b"\n[1]\n", ":2: a list; every record must be an object"),
        (b"7", ":1: a number"),
        (b'"text"', ":1: a text"),
        (b"null", ":1: an object"),
        (b'{"question": "a\\u0000b", "answer": "#### 5"}', ":1: 'question' has a NUL character"),
        (b'{"question": "a\x00b", "answer": "#### 5"}', ":1: not JSON"),
        (b'{"question": "\\ud800", "answer": "#### 5"}', ":1: 'question' has half of a surrogate"),
        (b'{"question": "caf\xe9", "answer": "#### 5"}', ":1: not UTF-8"),
        (ROW.encode("utf-16"), ":1: not UTF-8"),
        (b'{"question": NaN, "answer": "#### 5"}', ":1: not JSON: NaN is no JSON number"),
        (b'{"question": ' + b"[" * 100_000, ":1: is nested too deeply"),
        (b'{"question": ' + b"9" * 5000 + b"}", ":1: not JSON"),
        (b'{"question": "q", "answer": 5}', ":1: 'answer' is a number; it must be a text"),
        (b'{"question": ["q"], "answer": "#### 5"}', ":1: 'question' is a list"),
        (b'{"question": true, "answer": "#### 5"}', ":1: 'question' is a truth value"),
        (b'{"question": "q", "answer": "5"}', ":1: no '#### NUMBER'"),
        (b"", ": has no rows"),
        (b"\n \n", ": has no rows"),
    ],
)
def test_a_bad_row_is_one_line_with_its_place(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        list(TASK.read(path))
    message = str(caught.value)
    assert f"{path}{says}" in message and "\n" not in message and len(message) < 500


def test_a_field_of_ten_megabytes_is_refused_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for row in ({"question": "x" * 10**7}, {"question": "q", "more": [{"in": "x" * 10**7}]}):
        with pytest.raises(ConfigError, match=r"rows.jsonl:1: '\w+' has 10000000 characters"):
            list(TASK.read(write_rows(path, [row])))


def test_a_line_without_end_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as handle:
        for _ in range(12):
            handle.write(b" " * 2**24)
    tracemalloc.start()
    with pytest.raises(ConfigError, match=r":1: longer than"):
        list(TASK.read(path))
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**26
    tracemalloc.stop()


def test_byte_order_mark_windows_line_ends_and_odd_separators_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = '{"question": "a\u2028b\\r\\nc", "answer": "#### 5"}'
    path.write_bytes(b"\xef\xbb\xbf" + f"{row}\r\n\r\n{ROW}".encode())
    first, second = read_rows(path)
    assert (first.place, second.place) == (f"{path}:1", f"{path}:3")
    assert first.text("question") == "a\u2028b\nc"


def test_gzip_arrays_objects_lines_and_folders_are_read_alike(tmp_path: Path) -> None:
    row = json.loads(ROW)
    with gzip.open(tmp_path / "a.jsonl.gz", "wt", encoding="utf-8") as handle:
        handle.write(ROW)
    (tmp_path / "b.json").write_text(json.dumps([row, row], indent=1), encoding="utf-8")
    (tmp_path / "c.json").write_text(f"{ROW}\n{ROW}\n", encoding="utf-8")
    (tmp_path / "d.json").write_text(json.dumps(row, indent=1), encoding="utf-8")
    (tmp_path / ".hidden.json").write_text("{", encoding="utf-8")
    os.mkfifo(tmp_path / "e.jsonl")
    (tmp_path / "notes.txt").write_text("no data", encoding="utf-8")
    examples = list(TASK.read(tmp_path))
    assert len(examples) == 6 and len({example.problem for example in examples}) == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl.gz", b"no gzip", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(ROW.encode())[:-9], "cannot be read"),
        ("a.parquet", b"PAR1", "cannot read this kind of file"),
        ("a.csv", b"one,two\n", "no heading"),
        ("a.csv", b"question,answer\na,b,c\n", ":2: 3 cells; there must be 2"),
        ("a.csv", b'question,answer\n"a,b', "not CSV"),
        ("a.csv", b"question,answer\n" + b"x" * 200_000, "not CSV"),
        ("a.csv", b"question,answer\ncaf\xe9,b\n", "not CSV"),
        ("a.csv", b"question,answer\na\x00,b\n", "NUL"),
        ("a.json", b'[{"question": "q", "answer": "#### 5"}, 3]', ": record 2: a number"),
    ],
)
def test_a_bad_file_is_one_line_with_its_name(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        list(TASK.read(path))
    message = str(caught.value)
    assert message.startswith(str(path)) and says in message and "\n" not in message


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.jsonl: no such file"):
        list(TASK.read(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError, match=r"no .jsonl, .jsonl.gz, .json, .csv files there"):
        list(TASK.read(tmp_path))
