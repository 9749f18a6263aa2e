"""JSONL in, JSONL out: order, counts, malformed lines, nothing lost."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from naga.rewards import Counts, Row, ScoreConfig, Scorer, score_file, score_lines
from naga.tasks import Verdict


def row(number: int) -> str:
    return json.dumps({"id": number, "prompt": "?", "answer": f"{number}", "response": "7"})


LINES = [row(7), "{", "", "[]", row(8), '{"response": NaN}', '{"response": "\\ud800"}', "3"]


def test_every_line_comes_out_in_order(here: Scorer) -> None:
    told: list[Counts] = []
    found = [json.loads(line) for line in score_lines(here, LINES, told.append)]
    assert [each["score"] for each in found] == [1.0, None, None, 0.0, None, None, None]
    assert [each.get("malformed") for each in found] == [
        None, "{", "[]", None, '{"response": NaN}', None, "3",
    ]  # fmt: skip
    assert "line 2" in found[1]["reason"]
    assert found[3]["id"] == 8
    assert told[-1] == Counts(rows=7, missing=5, total=1.0) and told[-1].mean == 0.5


def test_order_is_kept_whoever_is_slow(here: Scorer) -> None:
    def reads(row: Row, reply: str) -> Verdict:
        time.sleep(0.03 if int(row.answer) % 3 == 0 else 0)
        return Verdict(score=1.0)

    scorer = replace(here, reads=reads, config=ScoreConfig(threads=4))
    found = [json.loads(line)["id"] for line in score_lines(scorer, map(row, range(40)))]
    assert found == list(range(40))


def test_rows_are_taken_as_they_are_needed(here: Scorer) -> None:
    taken: list[int] = []

    def lines():  # type: ignore[no-untyped-def]
        for number in range(1000):
            taken.append(number)
            yield row(number)

    found = score_lines(here, lines())
    next(found)
    assert len(taken) < 50
    found.close()


def test_a_file_is_whole_or_not_there(here: Scorer, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    assert score_file(here, LINES, target).rows == 7
    assert len(target.read_text().splitlines()) == 7
    with pytest.raises(FileNotFoundError, match="none"):
        score_file(here, LINES, tmp_path / "none" / "out.jsonl")

    def stops(counts: Counts) -> None:
        raise KeyboardInterrupt

    before = target.read_text()
    with pytest.raises(KeyboardInterrupt):
        score_file(here, LINES, target, stops)
    assert target.read_text() == before


def test_scoring_again_gives_the_same(here: Scorer) -> None:
    once = list(score_lines(here, [row(7), row(8)]))
    assert list(score_lines(here, once)) == once
