"""Evaluation: gold answers score 1, samples are kept and resumed from, the engine is asked."""

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MambaConfig, MlpConfig, ModelConfig
from naga.config.serve import EngineConfig
from naga.data.messages import Message
from naga.data.tokenizer import train_tokenizer
from naga.engine.backend import make_backend
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.eval import (
    Answer,
    Answerer,
    Ask,
    Item,
    Plan,
    Score,
    engine_answerer,
    evaluate,
    evaluate_items,
    example_of,
    family_items,
    grid_items,
    open_store,
    public_items,
    write_samples,
)
from naga.eval.answers import failed
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import make_runtime
from naga.tasks import SCORED, Example, Judging, Verdict, make_public_set, make_tasks
from naga.tasks.public import MtBench


def answering(say: Callable[[Ask], Answer], concurrency: int = 3) -> Answerer:
    return Answerer(identity="test", answer=say, concurrency=concurrency)


def from_gold(items: list[Item], change: Callable[[Example, Ask], str | None]) -> Answerer:
    """Says what `change` makes of a gold answer; None: no answer."""
    known = {example.prompt: example for item in items for example in item.examples}

    def say(ask: Ask) -> Answer:
        example = known[ask.messages]
        content = change(example, ask)
        if content is None:
            return failed("the line is dead")
        return Answer(content=content, reasoning=example.reasoning, completion_tokens=5)

    return answering(say)


def gold(example: Example, ask: Ask) -> str:
    return example.messages[-1].content


def items_of(names: list[str], count: int, **more: object) -> list[Item]:
    return family_items(make_tasks(names), levels=["easy"], count=count, seed=3, **more)  # type: ignore[arg-type]


PLAN = Plan(model="m", seed=3)


def test_gold_answers_score_one_on_every_task_and_no_problem_is_asked_twice() -> None:
    items = family_items(make_tasks(SCORED), levels=["easy", "hard"], count=25, seed=0)
    report = evaluate_items(from_gold(items, gold), items, PLAN)
    assert [(row.task, row.level) for row in report.tasks] == [
        (name, level) for name in SCORED for level in ("easy", "hard")
    ]
    assert all(row.score == Score(values=(1.0,) * 25) for row in report.tasks)
    asked = [example for item in items for example in item.examples]
    assert all(example.split == "heldout" and example.reasoning for example in asked)
    assert len({(example.family, example.problem) for example in asked}) == len(asked) == 250


def test_wrong_answers_count_and_languages_are_told_apart() -> None:
    items = items_of(["counting"], 60)
    answerer = from_gold(items, lambda e, ask: e.answer if e.language == "en" else "wrong")
    (row,) = evaluate_items(answerer, items, PLAN).tasks
    chinese = row.by_language["zh"]
    assert row.by_language["en"].accuracy == 1.0 and chinese.accuracy == 0.0
    assert sum(row.score.values) == 60 - chinese.count and row.score.count == 60
    assert row.think_rate == 1.0 and row.mean_tokens == 5


def test_missing_answers_are_counted_and_in_no_score() -> None:
    items = items_of(["counting"], 20)
    silent = {e.problem for e in items[0].examples[:4]}
    answerer = from_gold(items, lambda e, ask: None if e.problem in silent else e.answer)
    (row,) = evaluate_items(answerer, items, PLAN).tasks
    assert row.missing == 4 and row.score == Score(values=(1.0,) * 16)
    assert [s.reason for s in row.samples if s.error] == ["no answer: the line is dead"] * 4
    with pytest.raises(ConfigError, match="no answer came; the first reason: the line is dead"):
        evaluate_items(from_gold(items, lambda e, ask: None), items, PLAN)


def test_report_as_table_json_and_samples(tmp_path: Path) -> None:
    items = items_of(["addition", "quoting"], 12)
    report = evaluate_items(from_gold(items, gold), items, replace(PLAN, model="tiny"))
    console = Console(file=io.StringIO(), width=120)
    console.print(report.table())
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "tiny: heldout split, seed 3, thinking on" in shown
    assert "quoting" in shown and "0.758–1.000" in shown
    parsed = json.loads(report.to_json())
    assert [(row["task"], row["accuracy"], row["low"]) for row in parsed["tasks"]] == [
        ("addition", 1.0, 0.7575),
        ("quoting", 1.0, 0.7575),
    ]
    write_samples(report, tmp_path / "out" / "samples.jsonl")
    rows = [json.loads(row) for row in (tmp_path / "out/samples.jsonl").read_text().splitlines()]
    assert len(rows) == 24
    assert all(row["response"] == row["gold"] and row["score"] == 1.0 for row in rows)
    assert {"task", "prompt", "answer", "gold", "response"} <= rows[0].keys()


def test_a_row_has_all_that_judging_it_again_needs() -> None:
    names = ["counting", "knights", "units", "instruction_following", "needles"]
    items = items_of(names, 4)
    for change in (gold, lambda example, ask: "0"):
        report = evaluate_items(from_gold(items, change), items, PLAN)
        for row, task in zip(report.tasks, make_tasks(names), strict=True):
            for sample in row.samples:
                again = task.grade(example_of(sample), sample.response)
                assert (again.score, dict(again.parts)) == (sample.score, sample.parts)


def test_several_answers_to_a_problem_are_told_apart_and_give_pass_and_majority() -> None:
    items = items_of(["addition"], 10)

    def mostly_right(example: Example, ask: Ask) -> str:
        return example.answer if ask.number < 3 else "0"

    plan = replace(PLAN, samples=4)
    (row,) = evaluate_items(from_gold(items, mostly_right), items, plan).tasks
    assert row.score.accuracy == 0.75 and row.score.count == 10 and len(row.samples) == 40
    assert {k: s.accuracy for k, s in row.pass_at.items()} == {1: 0.75, 2: 1.0, 4: 1.0}
    assert {k: s.accuracy for k, s in row.majority_at.items()} == {1: 0.75, 2: 0.75, 4: 1.0}
    assert Counter(sample.number for sample in row.samples) == dict.fromkeys(range(4), 10)


@pytest.mark.parametrize("torn", [b"", b'{"key": "half'])
def test_an_evaluation_that_was_killed_goes_on_and_reports_the_same(
    tmp_path: Path, torn: bytes
) -> None:
    items, asked, lock = items_of(["addition", "counting"], 15), Counter[str](), threading.Lock()

    def counted(example: Example, ask: Ask) -> str:
        with lock:
            asked[example.problem] += 1
            if sum(asked.values()) == 18:
                raise KeyboardInterrupt
        return example.answer if len(example.problem) % 2 else "0"

    whole = evaluate_items(
        from_gold(items, lambda e, ask: e.answer if len(e.problem) % 2 else "0"), items, PLAN
    )
    path = tmp_path / "run" / "samples.jsonl"
    with pytest.raises(KeyboardInterrupt), open_store(path) as store:
        evaluate_items(from_gold(items, counted), items, PLAN, store)
    kept = len(path.read_bytes().splitlines())
    assert 1 <= kept < 30
    with path.open("ab") as file:
        file.write(torn)
    before = asked.total()
    with open_store(path) as store:
        report = evaluate_items(from_gold(items, counted), items, PLAN, store)
    assert report == whole and report.to_json() == whole.to_json()
    assert asked.total() - before == 30 - kept
    assert len(path.read_bytes().splitlines()) == 30
    with open_store(path) as store:
        assert evaluate_items(answering(lambda ask: failed("no")), items, PLAN, store) == whole


def test_missing_answers_are_asked_again_and_another_model_asks_all(tmp_path: Path) -> None:
    items = items_of(["addition"], 6)
    dead = items[0].examples[2].problem
    path = tmp_path / "samples.jsonl"
    with open_store(path) as store:
        shaky = from_gold(items, lambda e, ask: None if e.problem == dead else e.answer)
        assert evaluate_items(shaky, items, PLAN, store).tasks[0].missing == 1
    with open_store(path) as store:
        assert evaluate_items(from_gold(items, gold), items, PLAN, store).tasks[0].missing == 0
    assert len(path.read_bytes().splitlines()) == 7
    with open_store(path) as store:
        other = replace(from_gold(items, lambda e, ask: "0"), identity="other")
        assert evaluate_items(other, items, PLAN, store).tasks[0].score.accuracy == 0.0


def test_a_file_of_samples_is_written_by_one_and_must_be_one(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    with (
        open_store(path),
        pytest.raises(ConfigError, match="another evaluation is writing"),
        open_store(path),
    ):
        pass
    path.write_text('{"messages": []}\n')
    with pytest.raises(ConfigError, match=r"samples.jsonl:1: no sample"), open_store(path):
        pass


def test_an_agent_goes_on_among_its_tools_until_it_answers() -> None:
    items = items_of(["tool_use"], 6)
    known = {example.prompt: example for example in items[0].examples}

    def act(ask: Ask) -> Answer:
        example = next(e for p, e in known.items() if p == ask.messages[: len(p)])
        said = len(ask.messages)
        assert [m.content for m in ask.messages] == [m.content for m in example.messages[:said]]
        return Answer(content=example.messages[said].content, completion_tokens=1)

    (row,) = evaluate_items(answering(act), items, PLAN).tasks
    assert row.score == Score(values=(1.0,) * 6)
    for sample, example in zip(row.samples, items[0].examples, strict=True):
        assert len(sample.turns) == len(example.messages) - len(example.prompt)
        assert sample.completion_tokens == (len(sample.turns) + 1) // 2 == sample.parts["calls"] + 1


def test_an_agent_that_never_answers_ends_wrong_and_one_that_falls_silent_is_missing() -> None:
    items = items_of(["tool_use"], 2)
    call = '<tool_call>\n{"name": "calculator", "arguments": {"expression": "1+1"}}\n</tool_call>'
    (row,) = evaluate_items(answering(lambda ask: Answer(content=call)), items, PLAN).tasks
    assert row.score.accuracy == 0.0 and row.samples[0].reason == "too many calls"

    def silent(ask: Ask) -> Answer:
        first = ask.messages == items[0].examples[0].prompt
        return Answer(content=call) if first else failed("gone")

    with pytest.raises(ConfigError, match="gone"):
        evaluate_items(answering(silent), items, PLAN)


def test_open_questions_are_asked_turn_by_turn_and_judged_by_who_is_given(tmp_path: Path) -> None:
    row = {"question_id": 1, "category": "writing", "turns": ["Write.", "Shorter."]}
    (tmp_path / "q.jsonl").write_text(json.dumps(row) + "\n")
    items = public_items(MtBench(), tmp_path / "q.jsonl", None, 0)

    def say(ask: Ask) -> Answer:
        return Answer(content=f"{len(ask.messages)} messages")

    (unjudged,) = evaluate_items(answering(say), items, PLAN).tasks
    assert unjudged.unjudged == 1 and unjudged.missing == 0 and not unjudged.score.count
    plan = replace(PLAN, judge=lambda e, said: Verdict(score=0.5, reason=" | ".join(said)))
    (judged,) = evaluate_items(answering(say), items, plan).tasks
    assert judged.score.values == (0.5,)
    assert judged.samples[0].reason == "1 messages | 3 messages"


def test_public_sets_are_read_from_files_each_level_apart(tmp_path: Path) -> None:
    rows = [
        {"problem": f"{n}+1?", "solution": f"\\boxed{{{n + 1}}}", "level": f"Level {n % 5 + 1}"}
        for n in range(20)
    ]
    path = tmp_path / "math.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *rows]))
    with Judging() as judging:
        task = make_public_set("math", judging)
        items = public_items(task, path, None, 0)
        assert {i.level: len(i.examples) for i in items} == {"easy": 8, "medium": 4, "hard": 8}
        report = evaluate_items(from_gold(items, gold), items, PLAN)
        assert all(row.score.accuracy == 1.0 for row in report.tasks)
        few = public_items(task, path, 5, 0)
    assert sum(len(item.examples) for item in few) == 5
    assert {e for i in few for e in i.examples} <= {e for i in items for e in i.examples}


def test_a_grid_buries_what_is_asked_for_at_every_length_and_depth() -> None:
    items = grid_items("needles", lengths=[300, 900], depths=[0, 1], count=5, seed=0, chinese=0)
    assert [(i.cell.length, i.cell.depth) for i in items if i.cell] == [
        (300, 0.0),
        (300, 1.0),
        (900, 0.0),
        (900, 1.0),
    ]
    for item in items:
        assert item.cell
        for example in item.examples:
            text = example.prompt[-1].content
            assert item.cell.length <= len(text) < item.cell.length + 1500
    report = evaluate_items(from_gold(items, gold), items, PLAN)
    assert [row.cell for row in report.tasks] == [item.cell for item in items]
    assert json.loads(report.to_json())["tasks"][3]["cell"] == {"length": 900, "depth": 1.0}
    with pytest.raises(ConfigError, match="grid of 'hops'"):
        grid_items("hops", lengths=[1], depths=[0], count=1, seed=0)


def test_problems_in_training_files_are_found_and_left_out_of_a_second_score(
    tmp_path: Path,
) -> None:
    words = [f"{tens}{ones}" for tens in ("twenty", "thirty") for ones in ("one", "two", "six")]
    words += [f"{word}teen" for word in ("four", "six", "seven", "eight", "nine", "thir")]
    rows = [
        {
            "question": f"{word} " * 3 + f"and so on until {' '.join(words[n:])} {n}",
            "answer": "#### 7",
        }
        for n, word in enumerate(words)
    ]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "train.txt").write_text(f"We learn: {rows[3]['question']}. Nothing else.")
    with Judging() as judging:
        items = public_items(make_public_set("gsm8k", judging), tmp_path / "set.jsonl", None, 0)
        learned = items[0].examples[3].problem
        answerer = from_gold(
            items, lambda e, ask: e.messages[-1].content if e.problem == learned else "8"
        )
        plan = replace(PLAN, training_files=(tmp_path / "train.txt",))
        report = evaluate_items(answerer, items, plan)
    (row,) = report.tasks
    assert row.score.accuracy == pytest.approx(1 / 12)
    assert row.without(report.contaminated).accuracy == 0.0
    found = json.loads(report.to_json())["contamination"]
    assert found["found"] == 1 and found["examples"][0]["file"].endswith("train.txt")
    assert found["examples"][0]["question"] == row.samples[3].question


def test_straight_answers_are_asked_for_only_where_there_are_any() -> None:
    asked: list[Ask] = []

    def remembering(ask: Ask) -> Answer:
        asked.append(ask)
        return Answer(content="1")

    arguments = {"model": "m", "levels": ["easy"], "count": 5, "seed": 0, "thinking": False}
    evaluate(answering(remembering), make_tasks(["comparing"]), **arguments)  # type: ignore[arg-type]
    assert len(asked) == 5 and not any(ask.thinking for ask in asked)
    with pytest.raises(ConfigError, match="'addition': has no straight answers"):
        evaluate(answering(remembering), make_tasks(["addition"]), **arguments)  # type: ignore[arg-type]


def test_tasks_without_right_answers_are_refused() -> None:
    with pytest.raises(ConfigError, match="'chat': has no right and wrong answers"):
        items_of(["chat"], 5)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    config = ModelConfig(
        pattern="M*-",
        vocab_size=300,
        hidden_dim=32,
        max_positions=4096,
        attention=AttentionConfig(num_heads=2, num_kv_heads=1, head_dim=16),
        mamba=MambaConfig(num_heads=2, head_dim=16, state_dim=16),
        mlp=MlpConfig(inner_dim=32),
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    runtime = make_runtime("cpu", "float32")
    model = HybridLM(config)
    initialize(model, seed=0)
    tokenizer = train_tokenizer(["What is 347 + 586?", "哪个大？"] * 4, 300)
    settings = EngineConfig(max_running=4)
    backend = make_backend(model.eval(), settings, runtime)
    with Engine(backend, tokenizer, settings) as running:
        yield running
    torch.set_num_threads(threads)


def test_engine_answers_every_example_and_repeats_itself(engine: Engine) -> None:
    answer = engine_answerer(engine, SamplingParams(temperature=0.0, max_tokens=6))
    tasks = make_tasks(["addition", "comparing"])
    arguments = {"model": "m", "levels": ["easy"], "count": 7, "seed": 0}
    report = evaluate(answer, tasks, **arguments)  # type: ignore[arg-type]
    assert report == evaluate(answer, tasks, **arguments)  # type: ignore[arg-type]
    for row in report.tasks:
        assert row.score.count == 7 and row.truncated > 0
        assert row.mean_tokens and 1 <= row.mean_tokens <= 6


def test_a_prompt_that_the_engine_refuses_is_missing(engine: Engine) -> None:
    answer = engine_answerer(engine, SamplingParams(temperature=0.0, max_tokens=6))
    long = Ask(messages=(Message(role="user", content="7 " * 9000),))
    assert "tokens" in answer.answer(long).error
