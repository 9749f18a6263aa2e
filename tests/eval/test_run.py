"""Evaluation: gold answers score 1, intervals are right, samples are kept, the engine is asked."""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MambaConfig, MlpConfig, ModelConfig
from naga.config.serve import EngineConfig
from naga.data.tokenizer import train_tokenizer
from naga.engine.backend import make_backend
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.eval import Answer, Score, engine_answerer, evaluate, write_samples
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import make_runtime
from naga.tasks import SCORED, Example, make_tasks


def gold(examples: Sequence[Example]) -> list[Answer]:
    return [answered(example, example.answer) for example in examples]


def answered(example: Example, content: str) -> Answer:
    return Answer(
        content=content, reasoning=example.reasoning, finish_reason="stop", completion_tokens=5
    )


def test_gold_answers_score_one_on_every_task_and_no_problem_is_asked_twice() -> None:
    asked: list[Example] = []

    def remembering(examples: Sequence[Example]) -> list[Answer]:
        asked.extend(examples)
        return gold(examples)

    tasks = make_tasks(SCORED)
    report = evaluate(remembering, tasks, model="gold", levels=["easy", "hard"], count=25, seed=0)
    assert [(row.task, row.level) for row in report.tasks] == [
        (name, level) for name in SCORED for level in ("easy", "hard")
    ]
    assert all(row.score == Score(points=25.0, count=25) for row in report.tasks)
    assert all(example.split == "heldout" and example.reasoning for example in asked)
    assert len({(example.family, example.problem) for example in asked}) == len(asked) == 250


def test_wrong_answers_count_and_languages_are_told_apart() -> None:
    def only_english(examples: Sequence[Example]) -> list[Answer]:
        return [answered(e, e.answer if e.language == "en" else "wrong") for e in examples]

    (row,) = evaluate(
        only_english, make_tasks(["counting"]), model="m", levels=["easy"], count=60, seed=0
    ).tasks
    chinese = row.by_language["zh"]
    assert row.by_language["en"].accuracy == 1.0 and chinese.accuracy == 0.0
    assert row.score == Score(points=60.0 - chinese.count, count=60)


def test_wilson_interval_equals_published_values() -> None:
    # Newcombe 1998, table I, method 3 (Wilson without continuity correction).
    for points, count, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        found = Score(points=float(points), count=count).interval
        assert found == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_interval_holds_the_accuracy(count: int, data: st.DataObject) -> None:
    score = Score(points=float(data.draw(st.integers(0, count))), count=count)
    low, high = score.interval
    assert 0.0 <= low <= score.accuracy + 1e-9 and score.accuracy - 1e-9 <= high <= 1.0


def test_report_as_table_json_and_samples(tmp_path: Path) -> None:
    tasks = make_tasks(["addition", "quoting"])
    report = evaluate(gold, tasks, model="tiny", levels=["easy"], count=12, seed=3)
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
    assert all(row["content"] == row["expected"] and row["score"] == 1.0 for row in rows)


def test_straight_answers_are_asked_for_only_where_there_are_any() -> None:
    asked: list[Example] = []

    def remembering(examples: Sequence[Example]) -> list[Answer]:
        asked.extend(examples)
        return gold(examples)

    arguments = {"model": "m", "levels": ["easy"], "count": 5, "seed": 0, "thinking": False}
    evaluate(remembering, make_tasks(["comparing"]), **arguments)
    assert len(asked) == 5 and not any(example.reasoning for example in asked)
    with pytest.raises(ConfigError, match="'addition': has no straight answers"):
        evaluate(gold, make_tasks(["addition"]), **arguments)


def test_tasks_without_right_answers_are_refused() -> None:
    with pytest.raises(ConfigError, match="'chat': has no right and wrong answers"):
        evaluate(gold, make_tasks(["chat"]), model="m", levels=["easy"], count=5, seed=0)


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
    report = evaluate(answer, tasks, **arguments)
    assert report == evaluate(answer, tasks, **arguments)
    for row in report.tasks:
        assert row.score.count == 7 and row.truncated > 0
        assert 1 <= row.mean_tokens <= 6
