"""The pipeline: what is short, what is long, what is missing, and how a killed run goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from distill.scripted import Scripted, config, said
from naga.config.base import ConfigError
from naga.data.corpus import read_conversations
from naga.distill import distill, run
from naga.distill.answers import Answered, Ask, Failed
from naga.distill.slow import RETRY, SHORTEN
from naga.tasks import make_tasks


def answers_of(run_dir: Path) -> dict[str, str]:
    """Question as it is asked -> gold answer."""
    rows = map(json.loads, (run_dir / "questions.jsonl").read_text("utf-8").splitlines())
    return {row["example"]["messages"][0]["content"]: row["example"]["answer"] for row in rows}


def knows_sums(run_dir: Path) -> Any:
    """Right wherever the answer has one or two digits, wrong elsewhere."""

    def script(ask: Ask) -> Answered:
        gold = answers_of(run_dir)[ask.messages[0].content]
        return said(gold if len(gold) < 3 else "nonsense")

    return script


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scripted:
    found = Scripted({"quick": knows_sums(tmp_path)})
    monkeypatch.setattr(run, "OnDemand", found)
    return found


def test_right_answers_stay_short_and_wrong_ones_are_worked(
    scripted: Scripted, tmp_path: Path
) -> None:
    path = distill(config(tmp_path))
    gold = answers_of(tmp_path)
    kinds = set()
    for row in rows_of(path):
        asked = row["messages"][-2]["content"].removesuffix(" /think").removesuffix(" /no_think")
        answer, kind = row["messages"][-1], row["kind"]
        kinds.add(kind)
        assert answer["thinking"] == "auto"
        assert answer["content"] == gold[asked]
        assert kind.startswith("short") == (len(gold[asked]) < 3)
        assert ("reasoning_content" in answer) == kind.startswith("long")
        said_ = row["messages"][0]["content"] + row["messages"][-2]["content"]
        word = {"short_instructed": "/no_think", "long_instructed": " /think"}.get(kind)
        assert (word in f" {said_}") if word else ("think" not in said_)
        if kind.startswith("long"):
            first, remark = answer["reasoning_content"].split("\n")[:2]
            assert (first, remark) in {
                ("nonsense", "No, that is wrong."),
                ("nonsense", "不，这不对。"),
            }
    assert kinds == {"short", "short_instructed", "long", "long_instructed"}
    assert len(list(read_conversations([path]))) == 80
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["teacher"] == "the gold trace"
    assert (report["questions"], report["auroc"], report["quick_missing"]) == (40, 1.0, 0)
    assert report["hard"] == report["solved"] == report["rows"]["long"]


def test_a_killed_run_goes_on_and_asks_nothing_twice(scripted: Scripted, tmp_path: Path) -> None:
    whole = distill(config(tmp_path / "whole" / "..")).read_bytes()
    asked = len(scripted.asks)
    broken = tmp_path / "broken"
    calls = 0

    def dies(ask: Ask) -> Answered:
        nonlocal calls
        calls += 1
        if calls == 33:
            raise KeyboardInterrupt
        return said(answers_of(tmp_path)[ask.messages[0].content][:2])

    scripted.scripts["quick"], healthy = dies, scripted.scripts["quick"]
    with pytest.raises(KeyboardInterrupt):
        distill(config(broken))
    partial = broken / "quick.partial.jsonl"
    kept = partial.read_text("utf-8")
    assert 0 < kept.count("\n") < 40
    # A line torn by the kill is made again.
    partial.write_text(kept + '{"key": "addi', "utf-8")
    scripted.scripts["quick"] = healthy
    scripted.asks.clear()
    distill(config(broken))
    assert len(scripted.asks) == asked - 2 * kept.count("\n")
    assert not partial.exists()
    scripted.asks.clear()
    first = (broken / "conversations.jsonl").read_bytes()
    assert distill(config(broken)).read_bytes() == first
    assert not scripted.asks
    assert len(first) > 0 < len(whole)


def test_the_same_run_gives_the_same_rows(scripted: Scripted, tmp_path: Path) -> None:
    first = distill(config(tmp_path)).read_bytes()
    (tmp_path / "quick.jsonl").unlink()
    assert distill(config(tmp_path)).read_bytes() == first


def test_only_the_mix_may_change(scripted: Scripted, tmp_path: Path) -> None:
    before = rows_of(distill(config(tmp_path)))
    scripted.asks.clear()
    shares = {"short": 0.5, "short_instructed": 0.0, "long": 0.25, "long_instructed": 0.25}
    changed = config(tmp_path, mix={"shares": shares, "count": 100, "failed": 0})
    rows = rows_of(distill(changed))
    kinds = [row["kind"] for row in rows]
    assert [kinds.count(k) for k in shares] == [50, 0, 25, 25]
    assert len(before) == 80
    assert not scripted.asks
    assert not any("nonsense" in json.dumps(row) for row in rows)
    with pytest.raises(ConfigError, match=r"short\.samples was 2, now 3"):
        distill(config(tmp_path, short={"answerer": {"model": "quick"}, "samples": 3}))


def test_missing_is_not_wrong(scripted: Scripted, tmp_path: Path) -> None:
    """One of two answers never comes: the other alone decides; without any, nothing is learned."""
    knows = scripted.scripts["quick"]

    def silent(ask: Ask) -> Answered | Failed:
        gold = answers_of(tmp_path)[ask.messages[0].content]
        if ask.choice == 0 or gold.endswith("7"):
            return Failed(reason="too long")
        answer: Answered = knows(ask)
        return answer

    scripted.scripts["quick"] = silent
    rows = rows_of(distill(config(tmp_path)))
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    gold = answers_of(tmp_path)
    unjudged = [answer for answer in gold.values() if answer.endswith("7")]
    assert unjudged
    assert report["unjudged"] == len(unjudged)
    assert report["quick_missing"] == 40 + len(unjudged)
    assert not any(row["messages"][-1]["content"].endswith("7") for row in rows)
    assert len(rows) == 2 * (40 - len(unjudged))


def test_a_server_that_is_away_stops_the_run_with_all_it_had(
    scripted: Scripted, tmp_path: Path
) -> None:
    knows, calls = scripted.scripts["quick"], 0

    def leaves(ask: Ask) -> Answered | Failed:
        nonlocal calls
        calls += 1
        if calls > 24:
            return Failed(reason="cannot be reached", silent=True)
        answer: Answered = knows(ask)
        return answer

    scripted.scripts["quick"] = leaves
    with pytest.raises(ConfigError, match=r"quick: none of 8 answers came \(cannot be reached\)"):
        distill(config(tmp_path))
    scripted.scripts["quick"] = knows
    scripted.asks.clear()
    assert len(rows_of(distill(config(tmp_path)))) == 80
    assert len(scripted.asks) == 80 - 24


def slow_config(tmp_path: Path, **slow: Any) -> Any:
    return config(
        tmp_path,
        slow={"teacher": "model", "answerer": {"model": "slow"}, "rounds": 3, **slow},
        rewriter={"model": "brief"},
        mix={"failed": 9},
    )


def test_the_slow_model_goes_on_until_it_is_right(scripted: Scripted, tmp_path: Path) -> None:
    def slow(ask: Ask) -> Answered:
        """Right in its second round, for whoever tells it that it was wrong."""
        assert ask.thinking
        gold = answers_of(tmp_path)[ask.messages[0].content]
        return said(f"It is {gold}" if ask.choice == 0 else gold, f"thought {ask.choice}")

    def brief(ask: Ask) -> Answered:
        """Spoils every answer that ends with 1."""
        assert not ask.thinking
        gold = answers_of(tmp_path)[ask.messages[0].content]
        assert ask.messages[1].content == gold
        assert ask.messages[2].content in SHORTEN.values()
        return said("wrong" if gold.endswith("1") else gold)

    scripted.scripts |= {"slow": slow, "brief": brief}
    rows = rows_of(distill(slow_config(tmp_path)))
    gold = answers_of(tmp_path)
    long = [row["messages"][-1] for row in rows if row["kind"] == "long"]
    assert long
    for answer in long:
        lines = answer["reasoning_content"].split("\n")
        assert lines[0] == "nonsense"
        assert lines[2] == "thought 0"
        assert lines[3] == f"It is {answer['content']}"
        assert lines[5:] == ["thought 1"]
        assert answer["content"] in gold.values()
    second = [ask for model, ask in scripted.asks if model == "slow" and ask.choice == 1]
    assert len(second) == len(long)
    for ask in second:
        turns = [message.content for message in ask.messages]
        assert turns[1] == "nonsense"
        assert turns[2] == turns[4]
        assert turns[2] in RETRY.values()
    assert not [ask for model, ask in scripted.asks if model == "slow" and ask.choice == 2]
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    spoiled = sum(answer["content"].endswith("1") for answer in long)
    assert report["rewritten"] == len(long) - spoiled
    assert report["slow_attempts"] == 2 * len(long)


def test_a_model_that_knows_one_turn_is_only_asked_again(
    scripted: Scripted, tmp_path: Path
) -> None:
    scripted.scripts |= {"slow": lambda ask: said("never right")}
    with pytest.raises(ConfigError, match="unknown"):
        make_tasks(["subtraction"])
    made = config(
        tmp_path,
        slow={"teacher": "model", "answerer": {"model": "slow"}, "told": False},
    )
    rows = rows_of(distill(made))
    assert {row["kind"] for row in rows} == {"short", "short_instructed"}
    asks = [ask for model, ask in scripted.asks if model == "slow"]
    assert asks
    assert all(len(ask.messages) == 1 for ask in asks)


def test_easy_questions_are_thought_about_only_where_it_is_told(
    scripted: Scripted, tmp_path: Path
) -> None:
    rows = rows_of(distill(config(tmp_path, slow={"teacher": "gold_trace", "easy_share": 1.0})))
    short = {row["question"] for row in rows if row["kind"] == "short"}
    assert short
    assert short <= {row["question"] for row in rows if row["kind"] == "long_instructed"}
    assert not short & {row["question"] for row in rows if row["kind"] == "long"}
