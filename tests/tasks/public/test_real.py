"""Every set on the published files themselves, where they are at hand: all rows, gold scores 1."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from tasks.public.made import EVAL, JUDGES, SETS

from naga.tasks.public import Bbh, CEval, Cmmlu, Mmlu, MtBench, PublicSet, Shots, read_filler
from naga.tasks.public.maths import Gsm8k

pytestmark = pytest.mark.skipif(
    not EVAL.is_dir(), reason=f"the published files are not there: {EVAL}"
)
FILES = [
    ("gsm8k", "gsm8k/test.jsonl", 1319),
    ("gsm8k", "gsm8k/test_socratic.jsonl", 1319),
    ("math", "math/math500.jsonl", 500),
    ("math", "math/math500_prompt_answer.jsonl", 500),
    ("math", "math/math_test_5000.jsonl", 5000),
    ("aime", "aime/aime24.jsonl", 30),
    ("aime", "aime/aime24_with_solutions.jsonl", 30),
    ("aime", "aime/aime25.jsonl", 30),
    ("mmlu", "mmlu/val.jsonl", 1531),
    ("mmlu_pro", "mmlu_pro/mmlu_pro_sample.jsonl", 120),
    ("mmlu_pro", "mmlu_pro/mmlu_pro_2_sample.jsonl", 120),
    ("ceval", "ceval/val.jsonl", 1346),
    ("cmmlu", "cmmlu/test_first3000.jsonl", 3000),
    ("ar_lsat", "logic/ar_lsat_test.json", 230),
    ("ar_lsat", "logic/ar_lsat_development.json", 231),
    ("bbh", "bbh/bbh.jsonl", 6511),
    ("cruxeval_output", "code/cruxeval.jsonl", 800),
    ("bfcl", "bfcl", 1040),
]


@pytest.mark.parametrize(("name", "file", "count"), FILES, ids=[file for _, file, _ in FILES])
def test_every_row_is_read_and_its_gold_scores_one(name: str, file: str, count: int) -> None:
    examples = list(SETS[name].read(EVAL / file))
    assert len(examples) == count
    for example in examples:
        assert example.problem and example.prompt[-1].content
        assert SETS[name].grade(example, example.messages[-1].content).score == 1.0, example
        assert SETS[name].grade(example, "").score == 0.0


def test_sets_without_gold_are_read() -> None:
    assert len(list(SETS["ifeval"].read(EVAL / "ifeval/ifeval.jsonl"))) == 541
    puzzles = list(SETS["zebralogic"].read(EVAL / "logic/zebralogic_16_prompts.jsonl"))
    assert len(puzzles) == 16
    assert SETS["zebralogic"].grade(puzzles[0], "{}").score is None
    references = EVAL / "mt_bench/reference_answer_gpt4.jsonl"
    dialogues = list(MtBench(references).read(EVAL / "mt_bench/question.jsonl"))
    assert len(dialogues) == 80 and sum(bool(d.messages[-1].content) for d in dialogues) >= 30
    assert len(list(read_filler(EVAL / "longctx/paul_graham_essays.jsonl"))) == 49


def with_shots() -> Iterator[tuple[PublicSet, str]]:
    yield Mmlu(shots=Shots(path=EVAL / "mmlu/dev.jsonl", count=5)), "mmlu/test.jsonl"
    yield CEval(shots=Shots(path=EVAL / "ceval/dev.jsonl", count=5)), "ceval/val.jsonl"
    yield Cmmlu(shots=Shots(path=EVAL / "cmmlu/dev.jsonl", count=5)), "cmmlu/test_first3000.jsonl"
    yield Bbh(EVAL / "bbh/cot_prompts.jsonl"), "bbh/bbh.jsonl"
    yield Gsm8k(shots=Shots(path=EVAL / "gsm8k/test.jsonl", count=8)), "gsm8k/test.jsonl"


@pytest.mark.parametrize(("task", "file"), list(with_shots()), ids=lambda value: str(value)[-20:])
def test_worked_examples_make_prompts_longer_and_problems_no_longer(
    task: PublicSet, file: str
) -> None:
    plain = islice(SETS[task.name].read(EVAL / file), 200)
    for example, shown in zip(plain, islice(task.read(EVAL / file), 200), strict=True):
        assert len(shown.messages[0].content) > len(example.messages[0].content) + 100
        assert shown.problem == example.problem and "canary" not in shown.messages[0].content


@pytest.mark.slow
@pytest.mark.parametrize(("name", "step"), [("humaneval", 1), ("mbpp", 4), ("cruxeval_input", 8)])
def test_gold_programs_pass_their_tests(name: str, step: int) -> None:
    file: Path = EVAL / "code" / {"humaneval": "HumanEval", "mbpp": "mbpp"}.get(name, "cruxeval")
    assert JUDGES.run is not None
    examples = list(SETS[name].read(file.with_suffix(".jsonl")))
    bad = [
        example.problem[:60]
        for example in examples[::step]
        if SETS[name].grade(example, example.messages[-1].content).score != 1.0
    ]
    assert not bad


@pytest.mark.parametrize(("file", "count"), [("HumanEval", 164), ("mbpp", 974)])
def test_every_row_of_code_is_read(file: str, count: int) -> None:
    name = file.lower()
    examples = list(SETS[name].read(EVAL / f"code/{file}.jsonl"))
    assert len(examples) == count
