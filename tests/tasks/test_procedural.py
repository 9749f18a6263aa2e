"""What every procedural family keeps to; a new one is one more entry of GENERATORS.

Gold scores 1 and wrong or absurd replies 0; the same seed makes the same example in both languages;
every equation of a trace is true, its end is the answer, and harder levels have longer ones; an
oracle finds the same answer from the problem alone.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasks.oracles import ORACLES, arithmetic
from tasks.science_oracles import SCIENCE_ORACLES

from naga.tasks import LANGUAGES, LEVELS, Example, Generator, Language, Level, Mix, make_examples
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
from naga.tasks.example import conversation
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
from naga.tasks.text import Caesar, Inserting, Letters, Replacing, Reversing

GENERATORS: tuple[Generator, ...] = (
    *(ChainSum(), Countdown(), Dates(), Digits(), Divisors(), Equation(), Expressions()),
    *(Factors(), Modulo(), Primes(), System()),
    *(Caesar(), Inserting(), Letters(), Replacing(), Reversing()),
    *(Balancing(), Energy(), Forces(), Genetics(), Kinematics(), MolarMass(), Stoichiometry()),
    Units(),
)
ABSURD = (
    *("", " ", ".", ":", "NaN", "nan", "inf", "-", "1/0", "0/0", "1e999999999", "9" * 5000),
    *("x" * 10_000_000, "(" * 10_000_000, "(" * 150, "(" * 90 + ")" * 90, "1+" * 90 + "1"),
    *("__import__('os').system('true')", "exit()", "9**9**9**9", "9**9", "lambda: 0", "a.b", "f''"),
    *(
        "1if 2else 3",
        "0x10",
        "\x00",
        "\ud800",
        "{}",
        "[1]*9",
        "²",
        "٣",
        "½",
        "²/³",
        "1\n2",
        "(1,2)",
    ),
    *("The answer is correct.", "Solution", "答案", "</think>", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
)
STATEMENT = re.compile(r"(?<![\w.+*/()^-])[\d.+*/()-]*\d\)*(?:=[\d.+*/()-]*\d\)*)+(?![\w*/^(])")


def name_of(task: Generator) -> str:
    return task.name


@cache
def made(task: Generator, level: Level, language: Language, count: int = 40) -> tuple[Example, ...]:
    return tuple(task.generate(Random(f"test {i}"), level, language) for i in range(count))


def every(task: Generator) -> Iterator[Example]:
    for level in LEVELS:
        for language in LANGUAGES:
            yield from made(task, level, language)


def gold(example: Example) -> str:
    return example.messages[-1].content


def wrong(answer: str, other: str) -> set[str]:
    """Replies that are not the answer, made from it and from the answer to another question."""
    lists = {
        f"{answer}, {other}",
        f"{answer} {other}",
        f"{answer} or {other}",
        f"{answer}\n{other}",
    }
    candidates = {", ".join(map(str, range(100))), " ".join(map(str, range(100)))}
    changed = {
        f"{answer}7",
        f"7{answer}",
        f"{answer}~",
        f"not {answer}",
        f"{answer}/2",
        f"={answer}=",
    }
    digit = re.search(r"\d", answer)
    if digit:
        i = digit.start()
        changed.add(answer[:i] + str((int(answer[i]) + 1) % 10 or 1) + answer[i + 1 :])
        changed.add(f"-({answer})")
    else:
        changed |= {answer[1:], answer[:-1]}
    return (lists | candidates | changed) - {answer}


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_gold_scores_one_and_wrong_replies_score_zero(task: Generator) -> None:
    examples = list(every(task))
    for example, other in zip(examples, examples[1:] + examples[:1], strict=True):
        answer = gold(example)
        row = replace(example, problem="", level=None, messages=conversation("", "", ""))
        assert task.grade(row, answer).score == 1.0
        for reply in (answer, f"\n {answer} ", f"“{answer}”", f"{answer}.", f"{answer}。"):
            verdict = task.grade(example, reply)
            assert verdict.score == 1.0, (reply, verdict)
            assert verdict.parts
        for reply in (*wrong(answer, gold(other)), example.messages[0].content):
            if reply.strip() != answer and reply != f"{answer}.":
                assert task.grade(example, reply).score == 0.0, (example.problem, answer, reply)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_absurd_replies_score_zero_at_once(task: Generator) -> None:
    example = made(task, "hard", "en")[0]
    start = time.process_time()
    for reply in ABSURD:
        if reply != gold(example):
            assert task.grade(example, reply).score == 0.0, reply[:40]
    assert time.process_time() - start < 5


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_the_same_seed_makes_the_same_problem_in_both_languages(task: Generator) -> None:
    for level in LEVELS:
        for i, (english, chinese) in enumerate(
            zip(made(task, level, "en"), made(task, level, "zh"), strict=True)
        ):
            assert english == task.generate(Random(f"test {i}"), level, "en")
            assert english.problem == chinese.problem
            assert english.family == chinese.family == task.name
            assert english.level == level and english.language == "en"
            assert not re.search("[一-鿿]", english.messages[0].content + english.reasoning)


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_a_problem_has_several_wordings_and_a_level_many_problems(task: Generator) -> None:
    for level in LEVELS:
        for language in LANGUAGES:
            examples = made(task, level, language)
            in_chinese = sum(bool(re.search("[一-鿿]", e.messages[0].content)) for e in examples)
            assert in_chinese >= 25 if language == "zh" else not in_chinese
            words = {re.sub(r"[^a-z一-鿿]+", " ", e.messages[0].content) for e in examples}
            assert len(words) >= 4
            assert len({e.problem for e in examples}) > 20
            assert all("{" not in e.messages[0].content for e in examples)


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_harder_levels_have_longer_traces(task: Generator) -> None:
    easy, medium, hard = (
        sum(len(e.reasoning) for e in made(task, level, "en")) for level in LEVELS
    )
    assert 1.2 * easy < medium and 1.2 * medium < hard


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_a_trace_ends_with_its_answer(task: Generator) -> None:
    for example in every(task):
        assert example.reasoning.endswith(gold(example)), example.reasoning
        assert all(line.strip() for line in example.reasoning.split("\n"))


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_every_equation_of_a_trace_is_true(task: Generator) -> None:
    for example in every(task):
        for statement in STATEMENT.findall(example.reasoning):
            values = {arithmetic(side) for side in statement.split("=")}
            assert len(values) == 1, (statement, example.reasoning)


def test_equations_of_traces_are_found_and_false_ones_told() -> None:
    assert STATEMENT.findall("2+3=5, 3x+4=7: 40=1*27+13 a=6/4=1.5 -3=2-5") == [
        "2+3=5",
        "40=1*27+13",
        "6/4=1.5",
        "-3=2-5",
    ]
    assert arithmetic("3.5*2") == "7" and arithmetic("-(1+2)/2") == "-3/2"


# Countdown has many answers: test_countdown.py.
@pytest.mark.parametrize(
    "task", [g for g in GENERATORS if not isinstance(g, Countdown)], ids=name_of
)
def test_an_oracle_finds_the_same_answer(task: Generator) -> None:
    for example in every(task):
        if example.language == "en":
            oracle = (ORACLES | SCIENCE_ORACLES)[task.name]
            assert oracle(example.problem) == example.answer, example.problem


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_generation_is_fast(task: Generator) -> None:
    start = time.process_time()
    for i in range(100):
        task.generate(Random(i), "hard", "en")
    assert time.process_time() - start < 0.5


def test_names_are_unique() -> None:
    assert len({task.name for task in GENERATORS}) == len(GENERATORS)


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_every_level_has_problems_for_both_splits(task: Generator) -> None:
    for level in LEVELS:
        mix = Mix(levels=(level,), chinese=0.5)
        train = make_examples([task], mix=mix, split="train", seed=0, count=30)
        heldout = make_examples([task], mix=mix, split="heldout", seed=0, count=5)
        assert not {e.problem for e in train} & {e.problem for e in heldout}


@pytest.mark.parametrize("task", GENERATORS, ids=name_of)
def test_no_answer_is_right_half_of_the_time(task: Generator) -> None:
    for level in LEVELS:
        answers = Counter(gold(e) for e in made(task, level, "en", 100))
        assert answers.most_common(1)[0][1] < 40, answers.most_common(3)


@given(st.text(max_size=350) | st.text(alphabet="0123456789-+*/=.,:^() xyms月日年", max_size=40))
def test_no_grader_raises(text: str) -> None:
    for task in GENERATORS:
        assert task.grade(made(task, "easy", "en")[0], text).score in (0.0, 1.0)


JUDGED = [g for g in GENERATORS if not isinstance(g, Caesar | Inserting | Replacing | Reversing)]


@pytest.mark.parametrize("task", JUDGED, ids=name_of)
def test_a_gold_answer_that_cannot_be_read_gives_no_score(task: Generator) -> None:
    for answer in ("", "?", "{}", "[1]", '{"numbers": 3, "target": "x"}', "[" * 9999):
        example = replace(made(task, "easy", "en")[0], answer=answer)
        verdict = task.grade(example, "7")
        assert verdict.score is None and verdict.reason
