"""IFEval: {key or id, prompt, instruction_id_list, kwargs}, verifiable instructions.

Arguments that are null, as in copies where every row has all of them, are left out. Whether a reply
keeps its instructions is the judge's to say. The set has no gold replies.

Zhou et al. 2023, arXiv 2311.07911.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, final

from naga.config.base import Config
from naga.tasks.example import Example, Verdict
from naga.tasks.public.base import PublicSet, make_example, question_of, unpacked
from naga.tasks.public.judges import CheckConstraints, Constraint, unjudged
from naga.tasks.public.rows import Row, read_some_rows


class ConstraintAnswer(Config):
    constraints: tuple[Constraint, ...]


@final
class IfEval(PublicSet):
    name: ClassVar[str] = "ifeval"

    def __init__(self, check: CheckConstraints | None = None) -> None:
        self._check = check

    def read(self, path: Path) -> Iterator[Example]:
        for row in read_some_rows(path):
            prompt = row.text("prompt")
            yield make_example(
                self.name,
                problem=prompt,
                prompt=prompt,
                content="",
                answer=ConstraintAnswer(constraints=_constraints(row)).model_dump_json(),
            )

    def grade(self, example: Example, reply: str) -> Verdict:
        if self._check is None:
            return unjudged("no checker of constraints was given")
        answer = unpacked(example, ConstraintAnswer)
        return self._check(reply, answer.constraints, question_of(example))


def _constraints(row: Row) -> tuple[Constraint, ...]:
    names, kwargs = row.texts("instruction_id_list"), row.value("kwargs")
    if not isinstance(kwargs, list) or len(kwargs) != len(names):
        row.fail(f"'kwargs' must be a list of {len(names)} objects, one for each instruction")
    constraints = list[Constraint]()
    for name, arguments in zip(names, kwargs, strict=True):
        if arguments is not None and not isinstance(arguments, dict):
            row.fail(f"the arguments of {name!r} are no object")
        kept = {key: value for key, value in (arguments or {}).items() if value is not None}
        constraints.append(Constraint(name=name, arguments=kept))
    return tuple(constraints)
