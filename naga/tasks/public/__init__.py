"""Public evaluation sets, read from local files in their published form; their judges are given."""

from naga.tasks.public.base import PublicSet, Shots
from naga.tasks.public.bbh import Bbh
from naga.tasks.public.bfcl import Bfcl
from naga.tasks.public.choices import ArLsat, CEval, Cmmlu, Mmlu, MmluPro
from naga.tasks.public.code import HumanEval, Mbpp
from naga.tasks.public.cruxeval import CruxEvalInput, CruxEvalOutput
from naga.tasks.public.filler import Filler, read_filler
from naga.tasks.public.ifeval import IfEval
from naga.tasks.public.judges import (
    CheckConstraints,
    CheckTest,
    Constraint,
    FunctionTest,
    Judges,
    MatchAnswer,
    PickChoice,
    RunsTests,
)
from naga.tasks.public.maths import Aime, Gsm8k, Math
from naga.tasks.public.mt_bench import MtBench
from naga.tasks.public.zebra import ZebraLogic

__all__ = [
    "Aime",
    "ArLsat",
    "Bbh",
    "Bfcl",
    "CEval",
    "CheckConstraints",
    "CheckTest",
    "Cmmlu",
    "Constraint",
    "CruxEvalInput",
    "CruxEvalOutput",
    "Filler",
    "FunctionTest",
    "Gsm8k",
    "HumanEval",
    "IfEval",
    "Judges",
    "MatchAnswer",
    "Math",
    "Mbpp",
    "Mmlu",
    "MmluPro",
    "MtBench",
    "PickChoice",
    "PublicSet",
    "RunsTests",
    "Shots",
    "ZebraLogic",
    "public_sets",
    "read_filler",
]


def public_sets(judges: Judges) -> dict[str, PublicSet]:
    """Every set by its name, without worked examples; a set whose judge is None gives no scores."""
    sets: tuple[PublicSet, ...] = (
        Gsm8k(judges.match),
        Math(judges.match),
        Aime(judges.match),
        Mmlu(judges.pick),
        MmluPro(judges.pick),
        CEval(judges.pick),
        Cmmlu(judges.pick),
        ArLsat(judges.pick),
        Bbh(),
        HumanEval(judges.run),
        Mbpp(judges.run),
        CruxEvalOutput(),
        CruxEvalInput(judges.run),
        IfEval(judges.check),
        ZebraLogic(),
        Bfcl(),
        MtBench(),
    )
    return {task.name: task for task in sets}
