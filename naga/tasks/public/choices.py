"""Questions with lettered choices: MMLU, MMLU-Pro, C-Eval, CMMLU, AR-LSAT.

MMLU, C-Eval and CMMLU: {question, A, B, C, D, answer} or {question, choices, answer}, the answer a
letter or the index of one; also their CSV files, where the file's name is the subject. MMLU-Pro:
{question, options or choices, answer, category}. AR-LSAT: passages, each with its questions. Worked
examples are those of the same subject in a file given as `shots` (the sets' dev files), put before
the question. Which letter a reply chose is the judge's to say.

Hendrycks et al. 2021 (MMLU); Wang et al. 2024 (MMLU-Pro); Huang et al. 2023 (C-Eval); Li et al.
2023 (CMMLU); Zhong et al. 2021 (AR-LSAT).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from naga.config.base import Config
from naga.tasks.example import Example, Language, Verdict
from naga.tasks.public.base import (
    PublicSet,
    Shots,
    letter,
    listed_choices,
    make_example,
    unpacked,
)
from naga.tasks.public.judges import PickChoice, unjudged
from naga.tasks.public.rows import Row, read_some_rows

COLUMNS = ("question", "A", "B", "C", "D", "answer")
HEADS: dict[Language, str] = {
    "en": "Answer the following multiple choice question{about}.\n\n",
    "zh": "请回答下面的单项选择题。\n\n",
}
TAILS: dict[Language, str] = {
    "en": '\n\nEnd with a line "Answer: X", where X is the letter of the right choice.',
    "zh": "\n\n最后一行写“答案：X”，X 是正确选项的字母。",
}
ANSWERS: dict[Language, str] = {"en": "Answer: {}", "zh": "答案：{}"}
ABSENT_CHOICE = "N/A"


@dataclass(frozen=True, kw_only=True)
class _Question:
    subject: str
    text: str
    choices: tuple[str, ...]
    gold: str
    explanation: str = ""


class ChoiceAnswer(Config):
    gold: str
    """The letter."""
    choices: tuple[str, ...]


class LetterSet(PublicSet):
    """Questions with lettered choices, in the form that MMLU began with."""

    language: ClassVar[Language]

    def __init__(self, pick: PickChoice | None = None, shots: Shots | None = None) -> None:
        """`shots`: of the dev file, MMLU-Pro's validation file; 5 are usual."""
        self._pick, self._shots = pick, shots

    def read(self, path: Path) -> Iterator[Example]:
        return _read(self.name, path, self.language, self._shots)

    def grade(self, example: Example, reply: str) -> Verdict:
        return _grade(self._pick, example, reply)


@final
class Mmlu(LetterSet):
    name: ClassVar[str] = "mmlu"
    language: ClassVar[Language] = "en"


@final
class MmluPro(LetterSet):
    """Its worked examples have explanations."""

    name: ClassVar[str] = "mmlu_pro"
    language: ClassVar[Language] = "en"


@final
class CEval(LetterSet):
    """Its worked examples have explanations."""

    name: ClassVar[str] = "ceval"
    language: ClassVar[Language] = "zh"


@final
class Cmmlu(LetterSet):
    name: ClassVar[str] = "cmmlu"
    language: ClassVar[Language] = "zh"


@final
class ArLsat(PublicSet):
    name: ClassVar[str] = "ar_lsat"

    def __init__(self, pick: PickChoice | None = None) -> None:
        self._pick = pick

    def read(self, path: Path) -> Iterator[Example]:
        for row in read_some_rows(path):
            passage = row.text("passage").strip()
            for inner in row.inner("questions"):
                question = _question(inner)
                yield _example(self.name, question, "en", f"{passage}\n\n{question.text}", "")

    def grade(self, example: Example, reply: str) -> Verdict:
        return _grade(self._pick, example, reply)


def _question(row: Row) -> _Question:
    text = row.text("question", "Question").strip()
    choices = _choices(row)
    explanation = row.optional_text("explanation", "cot_content").strip()
    return _Question(
        subject=_subject(row),
        text=text,
        choices=choices,
        gold=_gold(row, len(choices)),
        explanation=explanation.removeprefix("A: "),
    )


def _choices(row: Row) -> tuple[str, ...]:
    if row.value("options", "choices") is not None:
        choices = row.texts("options", "choices")
        while choices and choices[-1] == ABSENT_CHOICE:
            choices = choices[:-1]
    elif row.value("A") is None:
        row.fail("no 'options' or 'choices' and no 'A'; it must have the texts of the choices")
    else:
        choices = tuple(row.text_or_number(name) for name in "ABCD")
    if not 2 <= len(choices) <= 26:
        row.fail(f"{len(choices)} choices; there must be 2 to 26")
    return tuple(choice.strip() for choice in choices)


def _gold(row: Row, num_choices: int) -> str:
    """The letter, which some files give by its index."""
    value = row.value("answer", "Answer")
    letters = [letter(i) for i in range(num_choices)]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < num_choices:
        return letters[value]
    given = row.text("answer", "Answer").strip() if not isinstance(value, int) else str(value)
    if given not in letters:
        row.fail(f"the answer is {given[:40]!r}; it must be one of {letters[0]} to {letters[-1]}")
    return given


def _subject(row: Row) -> str:
    """A table is about one subject and named after it."""
    if not row.table:
        return row.optional_text("subject", "category")
    stem = row.stem
    for part in ("_dev", "_val", "_test"):
        stem = stem.removesuffix(part)
    return stem


def _read(family: str, path: Path, language: Language, shots: Shots | None) -> Iterator[Example]:
    worked = _worked(language, shots)
    for row in read_some_rows(path, COLUMNS):
        question = _question(row)
        if shots is not None and question.subject not in worked:
            row.fail(f"{shots.path} has no worked example of subject {question.subject!r}")
        before = worked.get(question.subject, "")
        yield _example(family, question, language, question.text, before)


def _worked(language: Language, shots: Shots | None) -> dict[str, str]:
    """Of each subject the first questions of the file, with explanation and answer."""
    texts: dict[str, list[str]] = {}
    if shots is None:
        return {}
    for row in read_some_rows(shots.path, COLUMNS):
        question = _question(row)
        known = texts.setdefault(question.subject, [])
        if len(known) < shots.count:
            parts = (_asked(question.text, question), question.explanation)
            answer = ANSWERS[language].format(question.gold)
            known.append("\n".join(part for part in (*parts, answer) if part) + "\n\n")
    return {subject: "".join(parts) for subject, parts in texts.items()}


def _asked(text: str, question: _Question) -> str:
    return f"{text}\n{listed_choices(question.choices)}"


def _example(
    family: str, question: _Question, language: Language, text: str, before: str
) -> Example:
    about = f" about {question.subject.replace('_', ' ')}" if question.subject else ""
    asked = _asked(text, question)
    head = HEADS[language].format(about=about)
    return make_example(
        family,
        problem=asked,
        prompt=head + before + asked + TAILS[language],
        reasoning=question.explanation,
        content=ANSWERS[language].format(question.gold),
        answer=ChoiceAnswer(gold=question.gold, choices=question.choices).model_dump_json(),
        language=language,
    )


def _grade(pick: PickChoice | None, example: Example, reply: str) -> Verdict:
    if pick is None:
        return unjudged("no judge of choices was given")
    answer = unpacked(example, ChoiceAnswer)
    return pick(reply, answer.gold, answer.choices)
