"""Every family and every public set by its name, in groups, made with the judges that they need.

A family is listed here once; `naga tasks`, `naga eval`, RL runs and the test of all families then
know it. SCORED and FAMILIES are the few that a first model is trained on, and the default of those
commands: later families do not change what they do. Makes examples of nothing (mixture.py).
"""

from collections.abc import Callable, Sequence

from naga.config.base import ConfigError
from naga.tasks.addition import Addition
from naga.tasks.arithmetic import (
    ChainSum,
    Countdown,
    Dates,
    Digits,
    Divisors,
    Equation,
    Expressions,
    Factors,
    Modulo,
    Primes,
    System,
)
from naga.tasks.code import ProgramTracing, ProgramWriting
from naga.tasks.comparing import Comparing
from naga.tasks.counting import Counting
from naga.tasks.example import Generator
from naga.tasks.greeting import Greeting
from naga.tasks.instruction import InstructionFollowing
from naga.tasks.judging import Judging, check_constraint
from naga.tasks.logic import Knights, Propositional, Zebra
from naga.tasks.public import (
    CEval,
    Cmmlu,
    Gsm8k,
    Judges,
    Math,
    Mmlu,
    MmluPro,
    PublicSet,
    Shots,
    public_sets,
)
from naga.tasks.quoting import Quoting
from naga.tasks.retrieval import Hops, KeyValues, Needles
from naga.tasks.science import (
    Balancing,
    Energy,
    Forces,
    Genetics,
    Kinematics,
    MolarMass,
    Stoichiometry,
    Units,
)
from naga.tasks.sorting import Sorting
from naga.tasks.text import Caesar, Inserting, Letters, Replacing, Reversing
from naga.tasks.tools import ToolUse

Kinds = tuple[type[Generator], ...]

SCORED = ("addition", "comparing", "sorting", "counting", "quoting")
FAMILIES = (*SCORED, "chat")

ARITHMETIC: Kinds = (
    *(Addition, Comparing, Sorting, Counting),
    *(ChainSum, Countdown, Dates, Digits, Divisors, Equation, Expressions),
    *(Factors, Modulo, Primes, System),
)
SCIENCE: Kinds = (
    *(Balancing, Energy, Forces, Genetics, Kinematics, MolarMass, Stoichiometry, Units),
)
MEMBERS: dict[str, Kinds] = {
    "arithmetic": ARITHMETIC,
    "science": SCIENCE,
    "logic": (Knights, Propositional, Zebra),
    "code": (ProgramTracing, ProgramWriting),
    "text": (Caesar, Inserting, Letters, Replacing, Reversing),
    "retrieval": (Quoting, Hops, KeyValues, Needles),
    "tools": (ToolUse,),
    "instruction": (InstructionFollowing,),
}
GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(kind.name for kind in kinds) for group, kinds in MEMBERS.items()
}
EVERY_SCORED = tuple(name for names in GROUPS.values() for name in names)
KINDS = {kind.name: kind for kinds in MEMBERS.values() for kind in kinds} | {"chat": Greeting}
PUBLIC = tuple(public_sets(Judges()))


def task_names(named: Sequence[str]) -> tuple[str, ...]:
    """Names of tasks, groups and `all` -> names of tasks, each once, in order."""
    groups = {"all": EVERY_SCORED, **GROUPS}
    names = [name for item in named for name in groups.get(item, (item,))]
    for name in names:
        if name not in KINDS and name not in PUBLIC:
            raise ConfigError(f"task {name!r}: unknown; {_known()}")
    return tuple(dict.fromkeys(names))


def make_tasks(
    names: Sequence[str], documents: Sequence[str] = (), judging: Judging | None = None
) -> tuple[Generator, ...]:
    """The families by name; ConfigError for a name that is none.

    `documents` are real texts to quote from; without `judging`, programs are written and not
    scored.
    """
    for name in names:
        if name in PUBLIC:
            raise ConfigError(
                f"task {name!r}: a public set, which makes no examples; give its file"
            )
        if name not in KINDS:
            raise ConfigError(f"task {name!r}: unknown; {_known()}")
    return tuple(_make(name, documents, judging) for name in names)


def _make(name: str, documents: Sequence[str], judging: Judging | None) -> Generator:
    special: dict[str, Callable[[], Generator]] = {
        "quoting": lambda: Quoting(documents),
        "program_writing": lambda: ProgramWriting(judging),
        "instruction_following": lambda: InstructionFollowing(check_constraint),
    }
    return special.get(name, KINDS[name])()


def make_public_set(name: str, judging: Judging, shots: Shots | None = None) -> PublicSet:
    """A published set by its name, with the worked examples that come before each question."""
    judges = judging.public
    sets = public_sets(judges)
    if name not in sets:
        raise ConfigError(f"public set {name!r}: unknown; use {', '.join(sets)}")
    if shots is None:
        return sets[name]
    with_shots: dict[str, Callable[[], PublicSet]] = {
        "gsm8k": lambda: Gsm8k(judges.match, shots),
        "math": lambda: Math(judges.match, shots),
        "mmlu": lambda: Mmlu(judges.pick, shots),
        "mmlu_pro": lambda: MmluPro(judges.pick, shots),
        "ceval": lambda: CEval(judges.pick, shots),
        "cmmlu": lambda: Cmmlu(judges.pick, shots),
    }
    if name not in with_shots:
        raise ConfigError(f"public set {name!r}: takes no worked examples; leave --shots out")
    return with_shots[name]()


def _known() -> str:
    return f"use {', '.join(EVERY_SCORED)}, chat, a group ({', '.join(GROUPS)}) or all"
