"""BIG-Bench Hard: {task, input, target}, or the published {examples: [{input, target}]} by task.

The published worked prompts, {task, prompt} or one text file for each task, can be given as
`shots`; what stands before their first line of hyphens (the notice that they must not be trained
on) is left out. A reply is right if its last "the answer is" names the target exactly: the letter
with or without its brackets, words whatever their case, lists whatever their separators.

Suzgun et al. 2022.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, final

from naga.config.base import ConfigError
from naga.tasks.example import Example, Verdict
from naga.tasks.public.base import PublicSet, make_example, question_of
from naga.tasks.public.judges import graded
from naga.tasks.public.rows import Row, read_some_rows

INSTRUCTION = 'Let\'s think step by step. End with "So the answer is X."'
NOTICE_END = "-----\n"
SAID = re.compile(r"answer\s+is\s*:?", re.IGNORECASE)
LONGEST_ANSWER = 2000


@final
class Bbh(PublicSet):
    name: ClassVar[str] = "bbh"

    def __init__(self, shots: Path | None = None) -> None:
        """`shots`: the worked prompts, a file or a folder of NAME.txt."""
        self._shots = shots

    def read(self, path: Path) -> Iterator[Example]:
        prompts = {} if self._shots is None else _read_prompts(self._shots)
        for row in read_some_rows(path):
            published = row.value("examples") is not None
            for inner in row.inner("examples") if published else (row,):
                task = row.stem if published else inner.text("task")
                if prompts and task not in prompts:
                    inner.fail(f"{self._shots} has no worked prompt for task {task!r}")
                yield _example(self.name, inner, prompts.get(task))

    def grade(self, example: Example, reply: str) -> Verdict:
        given = final_answer(reply)
        right = _same(given, example.answer, question_of(example))
        reason = f"the final answer is {given[:80]!r}" if given else "has no final answer"
        return graded(right, matched_by="exact", reason=reason)


def final_answer(reply: str) -> str:
    """What follows the last "answer is" on its line, else the last line; without its dressing."""
    said = list(SAID.finditer(reply))
    rest = reply[said[-1].end() :] if said else reply
    lines = [line.strip() for line in rest.strip().splitlines() if line.strip()]
    line = (lines[0] if said else lines[-1]) if lines else ""
    return line[:LONGEST_ANSWER].strip("*$`\"' ").removesuffix(".").strip("*$`\"' ")


def _same(given: str, target: str, question: str) -> bool:
    if given == target:
        return True
    if re.fullmatch(r"\([A-Z]\)", target):
        return _names_letter(given, target, question)
    if re.fullmatch(r"-?\d+", target):
        return given.replace(",", "").replace("−", "-").removeprefix("+") == target
    if re.fullmatch(r"[\s()\[\]{}<>]+", target):
        return "".join(given.split()) == "".join(target.split())
    return _words(given) == _words(target)


def _names_letter(given: str, target: str, question: str) -> bool:
    """The letter alone, or with just the text that stands behind it in the question."""
    match = re.fullmatch(r"\(?([A-Z])\)?[.:]?(?:\s+(.*))?", given)
    if match is None or f"({match[1]})" != target:
        return False
    return not match[2] or f"{target} {match[2]}".lower() in question.lower().splitlines()


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text.lower()) if word]


def _example(family: str, row: Row, worked: str | None) -> Example:
    question, target = row.text("input").strip(), row.text("target").strip()
    if worked is None:
        prompt = f"{question}\n\n{INSTRUCTION}"
    else:
        prompt = f"{worked}\n\nQ: {question}\nA: Let's think step by step."
    return make_example(
        family,
        problem=question,
        prompt=prompt,
        content=f"So the answer is {target}.",
        answer=target,
    )


def _read_prompts(path: Path) -> dict[str, str]:
    if path.is_dir() and (files := sorted(path.glob("*.txt"))):
        try:
            texts = {file.stem: file.read_text(encoding="utf-8-sig") for file in files}
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: a worked prompt cannot be read: {error}") from None
    else:
        texts = {row.text("task"): row.text("prompt") for row in read_some_rows(path)}
    return {task: text.partition(NOTICE_END)[2].strip() or text for task, text in texts.items()}
