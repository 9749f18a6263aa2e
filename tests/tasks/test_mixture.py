"""The stream: splits never meet, any index resumes, shares hold, rows are readable back."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from naga.config.base import ConfigError
from naga.data.corpus import read_conversations
from naga.tasks import (
    FAMILIES,
    SCORED,
    Example,
    Mix,
    Split,
    make_examples,
    make_tasks,
    write_conversations,
)

EASY = Mix()


def stream(
    names: tuple[str, ...], split: Split, count: int, *, mix: Mix = EASY, seed: int = 0
) -> list[Example]:
    return list(make_examples(make_tasks(names), mix=mix, split=split, seed=seed, count=count))


@pytest.mark.parametrize("name", SCORED)
def test_train_and_heldout_never_share_a_problem(name: str) -> None:
    train = {e.problem for e in stream((name,), "train", 600)}
    heldout = {e.problem for e in stream((name,), "heldout", 60, seed=1)}
    assert not train & heldout
    assert len(heldout) > 30


def test_about_one_problem_in_sixteen_is_held_out() -> None:
    (task,) = make_tasks(["addition"])
    splits = Counter(task.generate(Random(i), "hard", "en").split for i in range(4000))
    assert 150 < splits["heldout"] < 350


def test_stream_resumes_at_any_index() -> None:
    tasks = make_tasks(FAMILIES)
    whole = stream(FAMILIES, "train", 40)
    assert whole == stream(FAMILIES, "train", 40)
    for start in (0, 1, 17):
        rest = make_examples(tasks, mix=EASY, split="train", seed=0, count=40 - start, start=start)
        assert list(rest) == whole[start:]
    assert whole != stream(FAMILIES, "train", 40, seed=1)


def test_mix_sets_the_shares_of_families_languages_levels_and_straight_answers() -> None:
    mix = Mix(weights=(3.0, 1.0), levels=("easy", "hard"), chinese=0.25, straight=0.5)
    examples = stream(("comparing", "addition"), "train", 2000, mix=mix)
    families = Counter(e.family for e in examples)
    assert 1400 < families["comparing"] < 1600
    assert 400 < sum(e.language == "zh" for e in examples) < 600
    assert 900 < sum(e.level == "hard" for e in examples) < 1100
    straight = Counter(e.family for e in examples if not e.reasoning)
    assert straight["addition"] == 0
    assert 0.4 < straight["comparing"] / families["comparing"] < 0.6


def test_written_rows_read_back_as_the_same_messages(tmp_path: Path) -> None:
    examples = stream(FAMILIES, "train", 60)
    path = tmp_path / "made" / "tasks.jsonl"
    assert write_conversations(examples, path) == 60
    assert [json.loads(line).keys() for line in path.read_text("utf-8").splitlines()] == [
        {"messages"}
    ] * 60
    assert [c.messages for c in read_conversations([path])] == [e.messages for e in examples]
    assert [p.name for p in path.parent.iterdir()] == ["tasks.jsonl"]


def test_unknown_names_unscored_heldout_and_wrong_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="task 'adding': unknown; use addition"):
        make_tasks(["adding"])
    with pytest.raises(ConfigError, match="'chat': has no held-out split"):
        stream(("chat",), "heldout", 1)
    with pytest.raises(ConfigError, match="2 weights for 1 tasks"):
        stream(("addition",), "train", 1, mix=Mix(weights=(1.0, 2.0)))
