"""MT-bench: {question_id, category, turns, reference?}; references also in a file of their own.

The prompt is the first turn; all turns, the references and the category are in the answer, for who
asks on and for the generative judge, who alone can score them.

Zheng et al. 2023, arXiv 2306.05685.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, final

from naga.config.base import Config
from naga.tasks.example import Example, Verdict
from naga.tasks.public.base import PublicSet, make_example
from naga.tasks.public.rows import Row, read_some_rows


class DialogueAnswer(Config):
    turns: tuple[str, ...]
    reference: tuple[str, ...]
    """One for each turn; empty where there is none."""
    category: str


@final
class MtBench(PublicSet):
    name: ClassVar[str] = "mt_bench"

    def __init__(self, references: Path | None = None) -> None:
        """`references`: rows {question_id, choices: [{turns}]}; they replace the questions' own."""
        self._references = references

    def read(self, path: Path) -> Iterator[Example]:
        known = {} if self._references is None else _read_references(self._references)
        for row in read_some_rows(path):
            turns = row.texts("turns")
            number = row.text_or_number("question_id")
            reference = known.get(number, row.optional_texts("reference"))
            category = row.optional_text("category")
            answer = DialogueAnswer(turns=turns, reference=reference, category=category)
            yield make_example(
                self.name,
                problem="\n".join(turns),
                prompt=turns[0],
                content=reference[0] if reference else "",
                answer=answer.model_dump_json(),
            )

    def grade(self, example: Example, reply: str) -> Verdict:
        return Verdict(score=None, reason="judged by the generative judge")


def _read_references(path: Path) -> dict[str, tuple[str, ...]]:
    return {row.text_or_number("question_id"): _turns(row) for row in read_some_rows(path)}


def _turns(row: Row) -> tuple[str, ...]:
    for choice in row.inner("choices"):
        return choice.texts("turns")
    row.fail("'choices' is empty; it must have the turns of one answer")
