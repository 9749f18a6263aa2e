"""Shared n-grams are found wherever they stand, and nothing else; files are streamed."""

import gzip
import json
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.config.base import ConfigError
from naga.data.chat import Message
from naga.tasks.contamination import (
    BLOCK,
    CHARACTERS,
    OVERLAP,
    WORDS,
    _windows,
    find_contamination,
    prompt_hash,
)
from naga.tasks.example import Example, Language

WORD_LIST = [f"word{number}" for number in range(3000)]
CHINESE_LIST = [chr(0x4E00 + number) for number in range(3000)]


def example(problem: str, language: Language = "en") -> Example:
    messages = (Message(role="user", content=problem), Message(role="assistant", content=""))
    return Example(
        family="made", level=None, language=language, problem=problem, messages=messages, answer=""
    )


def words(seed: int, count: int) -> list[str]:
    return random.Random(seed).sample(WORD_LIST, count)


def found(problem: str, text: str, tmp_path: Path, language: Language = "en") -> tuple[int, int]:
    path = tmp_path / "train.txt"
    path.write_text(text, encoding="utf-8")
    (overlap,) = find_contamination([example(problem, language)], [path]).overlaps
    return overlap.num_found, overlap.num_grams


def test_thirteen_words_are_found_and_twelve_are_not(tmp_path: Path) -> None:
    problem, noise = words(1, 40), " ".join(words(2, 300))
    for length, expected in ((WORDS - 1, 0), (WORDS, 1), (WORDS + 4, 5), (40, 28)):
        text = f"{noise} {' '.join(problem[:length])} {noise}"
        assert found(" ".join(problem), text, tmp_path) == (expected, 28)


def test_thirty_chinese_characters_are_found_and_twenty_nine_are_not(tmp_path: Path) -> None:
    problem = random.Random(1).sample(CHINESE_LIST, 60)
    noise = "".join(random.Random(2).sample(CHINESE_LIST, 900))
    for length, expected in ((CHARACTERS - 1, 0), (CHARACTERS, 1), (60, 31)):
        text = f"{noise}，{''.join(problem[:length])}。{noise}"
        assert found("".join(problem), text, tmp_path, "zh") == (expected, 31)


def test_case_spaces_punctuation_and_width_make_no_difference(tmp_path: Path) -> None:
    problem = "How many of the twenty-one apples did Ann give to Bob on Monday at 5?"
    other = "how many\nof the TWENTY one apples, did Ann: give to (Bob) on monday, at ５"
    assert found(problem, other, tmp_path) == (4, 4)


def test_a_short_problem_is_one_gram_and_a_shorter_one_is_none(tmp_path: Path) -> None:
    text = " ".join(words(3, 500))
    assert found(" ".join(text.split()[100:110]), text, tmp_path) == (1, 1)
    assert found(" ".join(text.split()[100:107]), text, tmp_path) == (0, 0)
    assert found(" ".join(words(4, 10)), text, tmp_path) == (0, 1)


def test_wording_that_the_set_shares_does_not_count(tmp_path: Path) -> None:
    wording = " ".join(words(5, 20))
    problems = [example(f"{wording} {' '.join(words(100 + i, 15))}") for i in range(12)]
    path = tmp_path / "train.txt"
    path.write_text(wording, encoding="utf-8")
    assert find_contamination(problems, [path]).num_found == 0
    assert find_contamination(problems[:5], [path]).num_found == 5


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("offset", [-300, -3, 0, 3, OVERLAP - 9])
def test_nothing_is_lost_where_a_long_text_is_cut(
    language: Language, offset: int, tmp_path: Path
) -> None:
    zh = language == "zh"
    problem = "".join(random.Random(1).sample(CHINESE_LIST, 30)) if zh else " ".join(words(6, 13))
    noise = "噪音" * BLOCK if zh else "noise " * (BLOCK // 2)
    start = BLOCK - len(problem) // 2 + offset
    text = f"{noise[:start]} {problem} {noise[start : 2 * BLOCK]}"
    assert found(problem, text, tmp_path, language) == (1, 1)
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"text": text}), encoding="utf-8")
    assert find_contamination([example(problem, language)], [path]).num_found == 1


def test_every_text_of_a_row_is_searched_but_none_across_rows(tmp_path: Path) -> None:
    problem = words(7, 13)
    nested = {"id": 1, "messages": [{"role": "user", "content": " ".join(problem)}, None, 2.5]}
    parts = [{"text": " ".join(problem[:6])}, {"text": " ".join(problem[6:])}]
    for rows, expected in (([nested], 1), (parts, 0)):
        path = tmp_path / "train.jsonl.gz"
        with gzip.open(path, "wt", encoding="utf-8-sig") as handle:
            handle.write("\r\n\n".join(map(json.dumps, rows)))
        assert find_contamination([example(" ".join(problem))], [path]).num_found == expected


def test_the_report_names_the_first_file_and_keeps_the_order(tmp_path: Path) -> None:
    problems = [words(seed, 20) for seed in (8, 9, 10)]
    for name, used in (("a", 1), ("b", 0), ("c", 1)):
        (tmp_path / f"{name}.txt").write_text(" ".join(problems[used]), encoding="utf-8")
    files = [tmp_path / f"{name}.txt" for name in "abc"]
    calls: list[tuple[int, int]] = []
    report = find_contamination(
        [example(" ".join(problem)) for problem in problems],
        files,
        lambda done, total: calls.append((done, total)),
    )
    assert [overlap.file for overlap in report.overlaps] == [files[1], files[0], None]
    assert [overlap.share for overlap in report.overlaps] == [1.0, 1.0, 0.0]
    assert (report.num_found, report.num_unknown) == (2, 0)
    total = sum(file.stat().st_size for file in files)
    assert calls == sorted(calls) and calls[-1] == (total, total) and report.num_bytes == total


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 6))
def test_equal_runs_have_equal_hashes_and_others_do_not(units: list[int], length: int) -> None:
    hashed = np.array([hash((unit, "x")) % 2**63 for unit in units], dtype=np.uint64)
    runs = [tuple(units[i : i + length]) for i in range(len(units) - length + 1)]
    ((shorter, _), (_, hashes)) = _windows(hashed, [length - 1, length])
    assert shorter == length - 1 and len(hashes) == len(runs)
    assert len(set(hashes.tolist())) == len(set(runs))
    assert all(
        (hashes[i] == hashes[j]) == (runs[i] == runs[j])
        for i in range(len(runs))
        for j in range(len(runs))
    )


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    peaks = []
    for blocks in (2, 6):
        path = tmp_path / "train.jsonl"
        with path.open("w", encoding="utf-8") as handle:
            for index in range(blocks * 64):
                handle.write(json.dumps({"text": f"some words of row {index} " * 512}) + "\n")
        tracemalloc.start()
        find_contamination([example(" ".join(words(11, 20)))], [path])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"text": "x"}\n{', ":2: not JSON"),
        ("a.jsonl", b"caf\xe9", ":1: not UTF-8"),
        ("a.txt", b"caf\xe9", ": not UTF-8"),
        ("a.jsonl.gz", b"x", ": cannot be read"),
        ("a.parquet", b"x", ": cannot read this kind of file"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        find_contamination([example("x")], [path])
    assert f"{path}{says}" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="no such file"):
        find_contamination([example("x")], [tmp_path / "none.txt"])


def test_no_examples_and_hostile_problems_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("a\0b " * 10_000, encoding="utf-8")
    assert find_contamination([], [path]).overlaps == ()
    odd = [example(text) for text in ("", "\0", "?" * 1000, "a" * 10**6, "，")]
    report = find_contamination([*odd, example("", "zh")], [path])
    assert report.num_unknown == len(odd) + 1 and report.num_found == 0


def test_the_hash_of_prompts_sees_every_character_and_no_answer() -> None:
    first, second = example("one"), example("two")
    assert prompt_hash([first]) == prompt_hash([example("one", "zh")])
    hashes = [prompt_hash(each) for each in ([first], [second], [first, second], [second, first])]
    assert len(set(hashes)) == 4 and all(len(each) == 16 for each in hashes)
