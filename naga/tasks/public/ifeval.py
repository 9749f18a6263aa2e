"""IFEval: {key or id, prompt, instruction_id_list, kwargs}, verifiable instructions.

Arguments that are null, as in copies where every row has all of them, are left out. Whether a reply
keeps its instructions is the judge's to say. The set has no gold replies.

Zhou et al. 2023, arXiv 2311.07911.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, final

from naga.tasks.example import Example, Verdict
from naga.tasks.public.base import PublicSet, make_example, packed, question_of, unpacked
from naga.tasks.public.judges import CheckConstraints, Constraint, unjudged
from naga.tasks.public.rows import Row, read_some_rows


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
                answer=packed({"constraints": _constraints(row)}),
            )

    def grade(self, example: Example, reply: str) -> Verdict:
        if self._check is None:
            return unjudged("no checker of constraints was given")
        listed = unpacked(example)["constraints"]
        if not isinstance(listed, list):
            raise ValueError(f"the answer of a {example.family} example has no constraints")
        constraints = [
            Constraint(name=each["name"], arguments=each["arguments"]) for each in listed
        ]
        return self._check(reply, constraints, question_of(example))


def _constraints(row: Row) -> list[dict[str, object]]:
    names, kwargs = row.texts("instruction_id_list"), row.value("kwargs")
    if not isinstance(kwargs, list) or len(kwargs) != len(names):
        row.fail(f"'kwargs' must be a list of {len(names)} objects, one for each instruction")
    constraints: list[dict[str, object]] = []
    for name, arguments in zip(names, kwargs, strict=True):
        if arguments is not None and not isinstance(arguments, dict):
            row.fail(f"the arguments of {name!r} are no object")
        kept = {key: value for key, value in (arguments or {}).items() if value is not None}
        constraints.append({"name": name, "arguments": kept})
    return constraints
