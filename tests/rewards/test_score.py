"""A row's way through the parts: gate, rules, consistency, judge; missing stays missing."""

import json
from dataclasses import replace
from math import log
from random import Random
from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.rewards import AggregateConfig, Opinion, ScoreConfig, Scorer, open_scorer, read_row
from naga.rewards.endpoint import Question, Said, Token
from naga.rewards.generative import Judge
from naga.rewards.graders import RUNNERS, reading_tasks, running_tasks
from naga.rewards.workers import Here
from naga.tasks import Judging, judging
from naga.tasks.example import Generator

KNOWN = reading_tasks()
READERS = sorted(
    name for name, task in KNOWN.items() if isinstance(task, Generator) and task.scored
)
SUM = {"task": "", "prompt": "What is 40 + 2?", "answer": "42", "gold": "42"}


class Prefers:
    """A judge whose verdict is the first letter with probability `share`, whatever it reads."""

    concurrency = 2

    def __init__(self, share: float) -> None:
        self.share = share

    def ask(self, question: Question) -> Said:
        letters = ("YES", "NO") if "YES or NO" in question.user else ("A", "B")
        top = ((letters[0], log(self.share)), (letters[1], log(1 - self.share)))
        return Said(text=letters[0], tokens=(Token(text=letters[0], top=top),))


@pytest.mark.parametrize("name", READERS)
def test_gold_of_every_family_passes_through_whole(name: str, here: Scorer) -> None:
    task = KNOWN[name]
    assert isinstance(task, Generator)
    example = task.generate(Random(5), "easy", "en")
    record = {
        "task": name,
        "prompt": [{"role": m.role, "content": m.content} for m in example.prompt],
        "answer": example.answer,
        "response": f"<think>{example.reasoning or 'so'}</think>{example.messages[-1].content}",
    }
    found = here.score(record)
    assert found["score"] == 1.0, found
    assert {key: found[key] for key in record} == record


def test_every_task_has_one_grader() -> None:
    assert not set(KNOWN) & set(RUNNERS)
    assert set(running_tasks(Judging(workers=0))) == set(RUNNERS)


@pytest.mark.parametrize(
    ("response", "score"),
    [
        ("42", 1.0),
        ("<think>40 and 2</think>The answer is 42.", 1.0),
        ("<think>42</think>", 0.0),
        ("<think>42", 0.0),
        ("<think></think>43", 0.0),
        ("42<|end|><|user|>no<|assistant|>43", 0.0),
        ("", 0.0),
    ],
)
def test_only_what_follows_the_thinking_counts(response: str, score: float, here: Scorer) -> None:
    assert here.score({**SUM, "response": response})["score"] == score


@pytest.mark.parametrize(
    ("record", "names"),
    [
        ({"prompt": "x", "answer": "1"}, "response"),
        ({"prompt": "x", "answer": "1", "response": 3}, "response"),
        ({"prompt": 3, "answer": "1", "response": "1"}, "prompt"),
        ({"prompt": [{"role": "boss", "content": ""}], "response": "1"}, "role"),
        ({"prompt": "x", "response": "1"}, "answer"),
        ({"task": "chain_sum", "prompt": "x", "answer": "not one", "response": "1"}, "a number"),
        ({"task": "zebra", "prompt": "x", "answer": "{", "response": "1"}, "zebra"),
        ({"task": "ifeval", "prompt": "x", "answer": "{}", "response": "1"}, "constraints"),
        ({"prompt": "x", "answer": '{"rubric": []}', "response": "1"}, "rubric"),
    ],
)
def test_a_malformed_row_is_missing_with_the_reason(
    record: dict[str, Any], names: str, here: Scorer
) -> None:
    found = here.score(record)
    assert found["score"] is None
    assert names in str(found["reason"])


def test_a_truncated_response_is_wrong(here: Scorer) -> None:
    row = replace(read_row({**SUM, "response": "42"}), finished=False)
    assert here.verdict(row).score == 0


WORDS = {"prompt": "Which whale is largest?", "answer": "blue whale"}


@pytest.mark.parametrize(("match", "score"), [(0.9, 1.0), (0.2, 0.0)])
def test_consistency_reads_where_rules_abstain(match: float, score: float, here: Scorer) -> None:
    def reads(problem: str, reference: str, response: str) -> Opinion:
        assert (problem, reference) == (WORDS["prompt"], WORDS["answer"])
        return Opinion(match=match, no_match=1 - match, invalid=0.0)

    found = replace(here, consistency=reads).score({**WORDS, "response": "Balaenoptera musculus"})
    assert found["score"] == score
    assert found["matched_by"] == ("consistency" if score else "")


def test_consistency_is_not_asked_where_rules_decide(here: Scorer) -> None:
    def reads(problem: str, reference: str, response: str) -> Opinion:
        raise AssertionError("asked")

    scorer = replace(here, consistency=reads)
    assert scorer.score({**SUM, "response": "43"})["score"] == 0
    assert scorer.score({**WORDS, "response": "<think>x"})["score"] == 0


OPEN = {"prompt": "Why is the sky blue?", "gold": "Air scatters blue light.", "response": "Ozone."}


def test_open_questions_are_the_judges(here: Scorer) -> None:
    assert here.score(OPEN)["score"] is None
    found = replace(here, judge=Judge(Prefers(0.9))).score(OPEN)
    assert found["score"] == pytest.approx(0.5), "a judge that likes the first place says nothing"
    assert found["parts"]["disagreement"] == pytest.approx(0.8)
    assert "disagree" in str(found["reason"])


@pytest.mark.parametrize("answer", [None, ""])
@pytest.mark.parametrize(
    ("task", "gold", "right", "wrong"),
    [
        ("math", "42", "The answer is 42.", "The answer is 41."),
        ("math", 42, "42", "24"),
        ("", "6 * 7 = 42, so the answer is 42.", "\\boxed{42}", "\\boxed{43}"),
        ("nobody's", "It is\n#### 1/2", "0.5", "0.6"),
        ("mmlu", "Answer: B", "Answer: B", "Answer: C"),
        ("chain_sum", "<think>40 + 2</think>42", "42", "43"),
        ("caesar", "hello", "hello", "hallo"),
        ("", "Answer: blue whale", "The answer is Blue Whale.", ""),
    ],
)
def test_gold_is_what_rules_compare_with_where_no_answer_is_given(
    task: str, gold: object, right: str, wrong: str, answer: object, here: Scorer
) -> None:
    record = {"task": task, "prompt": "What?", "answer": answer, "gold": gold}
    assert here.score({**record, "response": right})["score"] == 1.0
    assert here.score({**record, "response": wrong})["score"] == 0.0


@pytest.mark.parametrize("gold", ["It is so.", "Air scatters blue light.", "One.\nTwo.\n"])
def test_against_prose_somebody_has_to_read(gold: str, here: Scorer) -> None:
    def reads(problem: str, reference: str, response: str) -> Opinion:
        assert reference == gold
        return Opinion(match=0.9, no_match=0.1, invalid=0.0)

    row = {"prompt": "Why?", "gold": gold, "response": "First this.\nThen that.\nSo it is."}
    found = here.score(row)
    assert found["score"] is None and "judge" in str(found["reason"])
    assert replace(here, consistency=reads).score(row)["score"] == 1.0
    assert replace(here, judge=Judge(Prefers(0.9))).score(row)["score"] == pytest.approx(0.5)
    assert here.score({**row, "response": gold})["score"] == 1.0


def test_of_a_group_the_judge_sees_what_rules_leave(here: Scorer) -> None:
    texts = ("Ozone.", "Air scatters blue light.", "<think>endless", "Dust.")
    rows = [read_row({**OPEN, "response": text}) for text in texts]
    found = replace(here, judge=Judge(Prefers(0.9))).group(rows)
    assert [verdict.score for verdict in found] == [
        pytest.approx(0.5),
        1.0,
        0.0,
        pytest.approx(0.5),
    ]


def test_a_rubric_is_a_weighted_mean(here: Scorer) -> None:
    rubric = {"rubric": [{"criterion": "It rhymes.", "weight": 3.0}, {"criterion": "It is short."}]}
    record = {"prompt": "A poem.", "answer": rubric, "response": "Roses are red."}
    assert here.score(record)["score"] is None
    found = replace(here, judge=Judge(Prefers(0.8))).score(record)
    assert found["score"] == pytest.approx(0.8)
    assert found["matched_by"] == "rubric"


def test_secondary_terms_take_and_never_give(here: Scorer) -> None:
    aggregate = AggregateConfig(repetition=0.5, overlong=1.0, max_length=2000, overlong_from=1000)
    scorer = replace(here, config=ScoreConfig(aggregate=aggregate))
    loop = "again and again " * 100
    whole = scorer.score({**SUM, "response": "<think>40 + 2</think>42"})
    looped = scorer.score({**SUM, "response": f"<think>{loop}</think>42"})
    wrong = scorer.score({**SUM, "response": "<think>short</think>41"})
    assert whole["score"] == 1.0 and wrong["score"] == 0.0
    assert 0 < float(str(looped["score"])) < 0.5
    assert set(looped["parts"]) >= {"correct", "primary", "freshness", "brevity"}


def program(source: str) -> dict[str, object]:
    tests = [{"call": "f", "args": [n], "expected": n + 1} for n in range(4)]
    answer = {"language": "python", "tests": tests}
    return {
        "task": "program_writing",
        "prompt": "Write f.",
        "answer": json.dumps(answer),
        "response": f"```python\n{source}\n```",
    }


def test_programs_are_run_and_their_errors_told() -> None:
    with open_scorer(ScoreConfig(aggregate=AggregateConfig(tests="fraction"))) as scorer:
        right = scorer.score(program("def f(n): return n + 1"))
        half = scorer.score(program("def f(n): return n + 1 if n < 2 else 0"))
        error = scorer.score(program("def f(n): return missing_name"))
    if right["score"] is None:
        pytest.skip(f"no sandbox here: {right['reason']}")
    assert right["score"] == 1.0 and right["matched_by"] == "tests"
    assert half["score"] == 0.5 and half["parts"]["tests"] == 0.5
    assert error["score"] == 0 and "NameError" in str(error["reason"])


def test_without_a_sandbox_programs_are_missing(here: Scorer) -> None:
    assert here.score(program("def f(n): return n + 1"))["score"] is None


def test_a_refused_sandbox_is_one_line_and_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch, here: Scorer
) -> None:
    asked = []

    def refused(**_: object) -> None:
        asked.append(1)
        raise ConfigError("sandbox: no tier here; install bubblewrap")

    monkeypatch.setattr(judging, "Sandbox", refused)
    scorer = replace(here, runs=Here(running_tasks(Judging())))
    found = scorer.score_many([program("def f(n): return n")] * 3)
    assert [row["score"] for row in found] == [None] * 3
    assert "bubblewrap" in str(found[0]["reason"]) and asked == [1]
