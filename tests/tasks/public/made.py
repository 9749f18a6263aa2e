"""Small made-up rows in every published schema, and judges that stand in for the real ones."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naga.tasks.example import Verdict
from naga.tasks.public import CheckTest, Constraint, FunctionTest, Judges, PublicSet, public_sets

EVAL = Path(__file__).parents[4] / "shared/data/eval"
"""Real files, beside the project where they are there at all."""


def match(reply: str, gold: str, problem: str) -> Verdict:
    assert problem
    return Verdict(score=float(reply == f"\\boxed{{{gold}}}"))


def pick(reply: str, gold: str, choices: Sequence[str]) -> Verdict:
    assert len(choices) >= 2
    return Verdict(score=float(reply.strip().endswith(gold)))


def check(reply: str, constraints: Sequence[Constraint], prompt: str) -> Verdict:
    """Knows one constraint."""
    kept = [c.name == "punctuation:no_comma" and "," not in reply for c in constraints]
    return Verdict(score=float(all(kept) and bool(reply)))


def run(source: str, tests: Sequence[FunctionTest | CheckTest]) -> Verdict:
    """Runs what the tests themselves wrote, in a process of its own: this is no sandbox."""
    calls = [test for test in tests if isinstance(test, FunctionTest)]
    checks = [test for test in tests if isinstance(test, CheckTest)]
    names = [test.call for test in calls]
    printed = "".join(
        f"\n{each.check}" + (f"\ncheck({each.entry_point})" if each.entry_point else "")
        for each in checks
    )
    printed += f"\nimport json\nprint(json.dumps([globals()[name]() for name in {names!r}]))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"], input=source + printed, capture_output=True, text=True
    )
    if done.returncode != 0 or not done.stdout:
        return Verdict(score=0.0, reason=done.stderr[-200:])
    results = json.loads(done.stdout)
    return Verdict(score=float(results == [test.expected for test in calls]))


JUDGES = Judges(match=match, pick=pick, check=check, run=run)
SETS = public_sets(JUDGES)


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(rows)
    return path


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of a set; `spoiled` is the gold reply made wrong."""

    name: str
    row: Any
    spoil: Callable[[str], str] = lambda reply: reply + "0"
    required: tuple[str, ...] = ()
    """Fields without which the row is refused."""

    @property
    def task(self) -> PublicSet:
        return SETS[self.name]


LETTERS = {"A": "one", "B": "two", "C": "three", "D": "four"}
HUMAN_EVAL = {
    "task_id": "HumanEval/0",
    "prompt": (
        "from math import sqrt\n\n\ndef helper(x):\n    return x\n\n\n"
        'def root(x):\n    """ The root. """\n'
    ),
    "entry_point": "root",
    "canonical_solution": "    return helper(sqrt(x))\n",
    "test": (
        "METADATA = {}\n\ndef check(candidate):\n    assert candidate(4) == 2\n"
        "    assert abs(candidate(2) - 1.41) < 0.01, 'close'\n    assert True\n"
    ),
}
MBPP = {
    "task_id": 1,
    "text": "Write a function to swap a pair.",
    "code": "def swap(pair):\r\n    return pair[1], pair[0]",
    "test_setup_code": "",
    "test_list": ["assert swap((1, 2)) == (2, 1)", "assert set(swap((1, 2))) == set([1, 2])"],
    "challenge_test_list": [],
}
CRUX = {
    "id": "sample_0",
    "code": "def f(x):\n    return (x, {x})",
    "input": "1",
    "output": "(1, {1})",
}
ZEBRA = {
    "id": "lgp-test-2x2-0",
    "size": "2*2",
    "puzzle": "There are 2 houses.",
    "solution": {
        "header": ["House", "Name", "Pet"],
        "rows": [["1", "Alice", "cat"], ["2", "Bob", "dog"]],
    },
}
LSAT = {
    "id": "p",
    "passage": "Three children queue.",
    "questions": [
        {"question": "Who is first?", "options": ["Ann", "Ben", "Cy", "Di", "Ed"], "answer": "C"}
    ],
}
IFEVAL = {
    "key": 1000,
    "prompt": "Write without commas.",
    "instruction_id_list": ["punctuation:no_comma"],
    "kwargs": [{"num_words": None}],
}

CASES = [
    Case(
        name="gsm8k",
        row={"question": "2 and 3?", "answer": "It is 2+3=<<2+3=5>>5.\n#### 1,005"},
        required=("question", "answer"),
    ),
    Case(
        name="math",
        row={
            "problem": "Half?",
            "level": "Level 3",
            "type": "Algebra",
            "solution": "So $\\boxed{\\frac{1}{2}}$.",
        },
        required=("problem", "solution"),
    ),
    Case(name="math", row={"prompt": "Half?", "answer": "1/2"}, required=("prompt", "answer")),
    Case(
        name="aime",
        row={"id": 60, "problem": "How many?", "solution": "Count.", "answer": "033"},
        required=("problem", "answer"),
    ),
    Case(name="aime", row={"prompt": "How many?", "answer": 33}, required=("prompt", "answer")),
    Case(name="aime", row={"Problem": "How many?", "Solution": "Count.", "Answer": 33}),
    Case(
        name="mmlu",
        row={"subject": "law", "question": "Which?", **LETTERS, "answer": "C"},
        required=("question", "A", "D", "answer"),
    ),
    Case(
        name="mmlu",
        row={"subject": "law", "question": "Which?", "choices": ["a", "b"], "answer": 1},
        required=("question", "choices", "answer"),
    ),
    Case(
        name="mmlu_pro",
        row={
            "question_id": 7,
            "question": "Which?",
            "options": ["a", "b", "c", "d", "e", "N/A"],
            "answer": "E",
            "answer_index": 4,
            "cot_content": "A: Let's think.",
            "category": "law",
            "src": "",
        },
        required=("question", "options", "answer"),
    ),
    Case(
        name="ceval",
        row={"subject": "law", "question": "哪个？", **LETTERS, "answer": "B", "explanation": "因"},
        required=("question", "B", "answer"),
    ),
    Case(
        name="cmmlu",
        row={"Question": "哪个？", **LETTERS, "Answer": "D"},
        required=("Question", "Answer"),
    ),
    Case(name="ar_lsat", row=LSAT, required=("passage", "questions")),
    Case(
        name="bbh",
        row={"task": "navigate", "input": "Back?\nOptions:\n(A) Yes\n(B) No", "target": "(B)"},
        spoil=lambda reply: reply.replace("B", "A"),
        required=("task", "input", "target"),
    ),
    Case(
        name="humaneval",
        row=HUMAN_EVAL,
        spoil=lambda reply: reply.replace("sqrt(x)", "x"),
        required=("prompt", "entry_point", "test"),
    ),
    Case(
        name="mbpp",
        row=MBPP,
        spoil=lambda reply: reply.replace("pair[1], pair[0]", "pair[0], pair[1]"),
        required=("text", "test_list"),
    ),
    Case(
        name="mbpp",
        row={
            "task_id": 2,
            "source_file": "x",
            "prompt": "Write a function to take a root.",
            "code": "import math\ndef root(x):\n    return math.sqrt(x)",
            "test_imports": ["import math"],
            "test_list": ["assert math.isclose(root(4), 2)"],
        },
        spoil=lambda reply: reply.replace("math.sqrt(x)", "x"),
        required=("prompt", "test_list"),
    ),
    Case(
        name="cruxeval_output",
        row=CRUX,
        spoil=lambda reply: reply.replace("(1, {1})", "[1, {1}]"),
        required=("code", "output"),
    ),
    Case(
        name="cruxeval_input",
        row=CRUX,
        spoil=lambda reply: reply.replace("f(1)", "f(2)"),
        required=("code", "output"),
    ),
    Case(
        name="zebralogic",
        row=ZEBRA,
        spoil=lambda reply: reply.replace("dog", "cat"),
        required=("puzzle", "size"),
    ),
]
