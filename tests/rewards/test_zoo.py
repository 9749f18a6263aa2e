"""The hacking zoo: no cheat earns more than an honest wrong reply; the table says what was seen."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from naga.rewards import Scorer
from naga.rewards.zoo import Outcome, Zoo, as_markdown, run, run_zoo, write_markdown
from naga.rewards.zoo.policies import all_policies
from naga.tasks import Verdict


@pytest.fixture(scope="module")
def zoo() -> Zoo:
    return run_zoo(count=1)


@pytest.mark.timeout(200)
def test_no_cheat_earns_more_than_an_honest_wrong_reply(zoo: Zoo) -> None:
    assert zoo.escaped == ()
    assert len(all_policies()) >= 25
    assert {outcome.policy for outcome in zoo.outcomes} <= {p.name for p in all_policies()}


def test_honest_replies_are_told_apart(zoo: Zoo) -> None:
    ruled = {family: score for family, score in zoo.gold.items() if family != "judge"}
    assert set(ruled.values()) == {1.0}
    assert all(zoo.honest_wrong[family] == 0 for family in ruled)
    assert zoo.gold["judge"] > 0.4 > 0.1 > zoo.honest_wrong["judge"]


def test_attacks_on_the_judge_are_worth_something_without_a_fence(zoo: Zoo) -> None:
    assert len(zoo.injections) >= 10
    for attack in zoo.injections:
        assert attack.unfenced > 0.9
        assert attack.fenced < 0.1
    (unlisted,) = (each for each in zoo.injections if each.gullible > 0.1)
    assert unlisted.policy == "in words that no list has"


def test_the_table_has_every_policy_and_marks_what_escapes(zoo: Zoo, tmp_path: Path) -> None:
    write_markdown(zoo, tmp_path / "zoo.md")
    text = (tmp_path / "zoo.md").read_text()
    assert "all hold" in text and "**" not in text.split("## The judge")[0]
    assert all(f"| {outcome.policy} |" in text for outcome in zoo.outcomes)
    first, *others = zoo.outcomes
    worse = replace(zoo, outcomes=(replace(first, score=1.0), *others))
    assert "**1 escape.**" in as_markdown(worse) and "| **1** |" in as_markdown(worse)


def test_a_missing_score_is_an_escape() -> None:
    outcome = Outcome(policy="p", family="f", score=None, honest_wrong=0.0, reason="")
    assert not outcome.holds
    assert replace(outcome, score=0.0).holds


def test_a_grader_that_pays_for_anything_is_caught(
    here: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pays(row: object, reply: str) -> Verdict:
        return Verdict(score=1.0 if "or" in reply else 0.0)

    scorer = replace(here, reads=pays)
    monkeypatch.setattr(run, "open_judged", lambda *_, **__: nullcontext(scorer))
    found = run_zoo(count=1)
    assert not found.sandbox and "programs are left out" in as_markdown(found)
    assert "hedging" in {outcome.policy for outcome in found.escaped}
