"""Repositories of a hub where a folder could stand: every verb that takes a model takes one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoint.loopback import Hub, files_of, point_at, serving
from cli.running import Run, refused


@pytest.fixture
def hub(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as served:
        point_at(served, tmp_path / "cache", monkeypatch)
        served.publish("own/tiny", files_of(checkpoint))
        yield served


VERBS = {
    "generate": "generate MODEL rent --raw --max-tokens 5",
    "inspect": "inspect MODEL --json",
    "eval": "eval MODEL --tasks addition --count 1 --max-tokens 4 --json",
    "perplexity": "eval MODEL --perplexity TEXT --json",
    "make-model": "bench make-model MODEL --out OUT",
    "convert": "convert MODEL OUT --quantize int8 --json",
    "read": "read TEXT --model MODEL --out OUT.state --json",
    "determinism": "bench determinism MODEL --schedules 1 --json",
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_takes_a_repository(verb: str, naga: Run, hub: Hub, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The tenant shall pay the rent on the first day of each month.")
    words = {"MODEL": "own/tiny", "TEXT": str(text), "OUT": str(tmp_path / "out")}
    line = [words.get(word, word) for word in VERBS[verb].split()]
    result = naga(*(word.replace("OUT", words["OUT"]) for word in line))
    assert result.code == 0, result.err
    weights = any(line.endswith("model.safetensors") for line in hub.asked)
    assert weights == (verb not in ("inspect", "make-model"))


def test_an_answer_is_that_of_the_folder(naga: Run, hub: Hub, checkpoint: Path) -> None:
    flags = ("the rent", "--raw", "--max-tokens=9", "--json")
    found, expected = (
        json.loads(naga("generate", model, *flags).out)["text"]
        for model in ("own/tiny@main", checkpoint)
    )
    assert found == expected != ""


@pytest.mark.parametrize(
    "verb", ["generate MODEL p", "inspect MODEL", "serve MODEL --port 0", "bench gaps MODEL"]
)
def test_what_is_not_there_is_one_line(verb: str, naga: Run, hub: Hub) -> None:
    message = refused(naga(*verb.replace("MODEL", "own/gone").split()))
    assert message.startswith("own/gone: no such folder, and no such repository at http://127.")
