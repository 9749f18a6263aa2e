"""Every task by its name, with its judges; those that run programs apart from those that read.

What only reads is graded in a child that can be killed (worker.py); what runs programs stays in
this process, where the sandbox is, and is bounded by the sandbox.
"""

from collections.abc import Sequence

from naga.rewards.code import FamilyRunner, PublicRunner
from naga.sandbox import Sandbox
from naga.tasks import (
    FAMILIES,
    Task,
    Verdict,
    arithmetic,
    instruction,
    logic,
    make_tasks,
    retrieval,
    science,
    text,
    tools,
)
from naga.tasks.code import ProgramTracing, ProgramWriting
from naga.tasks.public import Constraint, Judges, public_sets
from naga.verify import Match, match
from naga.verify.constraints.check import follow_all

READERS: tuple[type[Task], ...] = (
    *(arithmetic.ChainSum, arithmetic.Countdown, arithmetic.Dates, arithmetic.Digits),
    *(arithmetic.Divisors, arithmetic.Equation, arithmetic.Expressions, arithmetic.Factors),
    *(arithmetic.Modulo, arithmetic.Primes, arithmetic.System),
    *(logic.Knights, logic.Propositional, logic.Zebra),
    *(science.Balancing, science.Energy, science.Forces, science.Genetics, science.Kinematics),
    *(science.MolarMass, science.Stoichiometry, science.Units),
    *(text.Caesar, text.Inserting, text.Letters, text.Replacing, text.Reversing),
    *(retrieval.Hops, retrieval.KeyValues, retrieval.Needles),
    *(instruction.InstructionFollowing, tools.ToolUse, ProgramTracing),
)
RUNNERS = (ProgramWriting.name, "humaneval", "mbpp", "cruxeval_input")
"""Tasks whose graders run programs."""
ABSTAINED = "rules_abstain"
"""A part of verdicts that say no more than that words differ, or that no rule fits."""


def reading_tasks() -> dict[str, Task]:
    """All whose graders only read the reply."""
    own: Sequence[Task] = (*make_tasks(FAMILIES), *(kind() for kind in READERS))
    judges = Judges(match=by_match, pick=by_letter, check=by_constraints)
    known = {task.name: task for task in own} | dict(public_sets(judges))
    return {name: task for name, task in known.items() if name not in RUNNERS}


def running_tasks(sandbox: Sandbox | None) -> dict[str, Task]:
    """Those that run programs; without a sandbox they say that they cannot judge."""
    family = ProgramWriting(FamilyRunner(sandbox) if sandbox else None)
    sets = public_sets(Judges(run=PublicRunner(sandbox) if sandbox else None))
    known: dict[str, Task] = {family.name: family, **sets}
    return {name: known[name] for name in RUNNERS}


def by_match(reply: str, gold: str, problem: str) -> Verdict:
    return as_verdict(match(reply, gold, problem=problem))


def by_letter(reply: str, gold: str, choices: Sequence[str]) -> Verdict:
    return as_verdict(match(reply, gold, "choice"))


def by_constraints(reply: str, constraints: Sequence[Constraint], prompt: str) -> Verdict:
    """All kept, strictly; ConfigError for one that nobody knows."""
    names = [constraint.name for constraint in constraints]
    kept = follow_all(reply, names, [constraint.arguments for constraint in constraints])
    broken = [name for name, held in zip(names, kept.instructions, strict=True) if not held]
    return Verdict(
        score=float(kept.all),
        parts={"constraints": kept.share},
        matched_by="constraints" if kept.all else "",
        reason=f"not kept: {', '.join(broken)}" if broken else "",
    )


def as_verdict(found: Match) -> Verdict:
    unsure = found.score is None or (found.kind == "text" and found.score == 0)
    abstains = unsure and bool(found.extracted)
    parts = {} if found.score is None else {"match": found.score}
    return Verdict(
        score=found.score,
        parts=parts | ({ABSTAINED: 1.0} if abstains else {}),
        matched_by=found.matched_by,
        reason=found.reason,
    )
