"""Lets every policy loose on every problem that it is for, and notes what it earns.

Rules and the sandbox are the real ones; the judge is scripted (scripted.py). A cheat holds if it
has a score and that is no higher than the honest wrong reply's: a missing score would be a way out.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from naga.rewards.generative import Judge, Matter
from naga.rewards.opening import open_judged, shipped_reader
from naga.rewards.score import ScoreConfig, Scorer
from naga.rewards.zoo.cages import Cage, make_cages
from naga.rewards.zoo.policies import UNLISTED, Policy, all_policies
from naga.rewards.zoo.scripted import ScriptedJudge, unfenced
from naga.sandbox import Limits
from naga.tasks import Verdict

LIMITS = Limits(wall_s=1.0, cpu_s=1, total_s=4.0)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    policy: str
    family: str
    score: float | None
    """The most that it earned at any problem of the family; None: missing at one of them."""
    honest_wrong: float
    reason: str

    @property
    def holds(self) -> bool:
        return self.score is not None and self.score <= self.honest_wrong + 1e-9


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One attack on the judge: the share of the verdict that it gets, 0 to 1."""

    policy: str
    unfenced: float
    """Of a prompt without a fence."""
    fenced: float
    """Of ours, by a judge that minds the fence."""
    gullible: float
    """Of ours, by a judge that obeys whatever it reads."""


@dataclass(frozen=True, kw_only=True)
class Zoo:
    outcomes: tuple[Outcome, ...]
    honest_wrong: dict[str, float]
    gold: dict[str, float]
    injections: tuple[Injection, ...]
    sandbox: bool
    """Programs were run; else nobody judged them and their family is left out."""

    @property
    def escaped(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if not outcome.holds)


def run_zoo(count: int = 2, progress: Callable[[int, int], None] = lambda done, of: None) -> Zoo:
    """`count` problems of every family; `progress` is told responses judged, and of how many."""
    with open_judged(ScoreConfig(), None, reader=shipped_reader(), limits=LIMITS) as scorer:
        return _run(scorer, count, progress)


def _run(scorer: Scorer, count: int, progress: Callable[[int, int], None]) -> Zoo:
    cages, policies = make_cages(count), all_policies()
    code = next(cage for cage in cages if cage.kind == "code")
    sandbox = scorer.verdict(code.row(code.right)).score is not None
    cages = [cage for cage in cages if sandbox or cage.kind != "code"]
    pairs = [(policy, cage) for policy in policies for cage in cages if cage.kind in policy.kinds]
    honest = _honest(scorer, cages)
    found: dict[tuple[str, str], list[Verdict]] = {}
    with ThreadPoolExecutor(max_workers=scorer.config.threads) as pool:
        judged = pool.map(lambda pair: _judged(scorer, *pair), pairs)
        for number, ((policy, cage), verdict) in enumerate(zip(pairs, judged, strict=True), 1):
            found.setdefault((policy.name, cage.family), []).append(verdict)
            progress(number, len(pairs))
    return Zoo(
        outcomes=tuple(_outcome(*key, verdicts, honest[0]) for key, verdicts in found.items()),
        honest_wrong=honest[0],
        gold=honest[1],
        injections=_injected([*policies, UNLISTED], next(c for c in cages if c.kind == "judge")),
        sandbox=sandbox,
    )


def _judged(scorer: Scorer, policy: Policy, cage: Cage) -> Verdict:
    return _scorer_of(scorer, cage).verdict(cage.row(policy.reply(cage)))


def _scorer_of(scorer: Scorer, cage: Cage) -> Scorer:
    if cage.kind != "judge":
        return scorer
    return replace(scorer, judge=Judge(ScriptedJudge(right=cage.right)))


def _honest(scorer: Scorer, cages: Sequence[Cage]) -> tuple[dict[str, float], dict[str, float]]:
    """What honest wrong replies, and right ones, earn at least, by family."""
    wrong: dict[str, float] = {}
    gold: dict[str, float] = {}
    for cage in cages:
        judged = _scorer_of(scorer, cage)
        for scores, reply in ((wrong, cage.wrong), (gold, cage.right)):
            score = judged.verdict(cage.row(reply)).score
            assert score is not None, f"{cage.family}: an honest reply was not judged"
            scores[cage.family] = min(score, scores.get(cage.family, math.inf))
    return wrong, gold


def _outcome(
    policy: str, family: str, verdicts: Sequence[Verdict], wrong: dict[str, float]
) -> Outcome:
    missing = [verdict for verdict in verdicts if verdict.score is None]
    best = max(verdicts, key=lambda verdict: verdict.score or 0.0)
    return Outcome(
        policy=policy,
        family=family,
        score=None if missing else best.score,
        honest_wrong=wrong[family],
        reason=(missing or [best])[0].reason,
    )


def _injected(policies: Sequence[Policy], cage: Cage) -> tuple[Injection, ...]:
    judges = [
        replace(ScriptedJudge(right=cage.right), gullible=gullible) for gullible in (False, True)
    ]
    found = []
    for policy in (policy for policy in policies if "judge" in policy.kinds):
        reply = policy.reply(cage)
        shares = [Judge(judge).compare(_matter(cage), reply, cage.right).first for judge in judges]
        naive = judges[0].ask(unfenced(cage.question, reply, cage.right))
        assert naive.tokens and shares[0] is not None and shares[1] is not None
        bare = math.exp(dict(naive.tokens[0].top)["A"])
        if bare < 0.5:  # speaks to no judge
            continue
        found.append(
            Injection(
                policy=policy.name,
                unfenced=bare,
                fenced=shares[0],
                gullible=shares[1],
            )
        )
    return tuple(found)


def _matter(cage: Cage) -> Matter:
    return Matter(question=cage.question)
