"""naga bench ops: every kind of layer in every shape, held against its limit."""

from pathlib import Path

import pytest

from bench.conftest import CONFIGS, Bench
from naga.bench.limits import NAGA_BITS, Precision, weight_bytes
from naga.bench.models import presets
from naga.bench.ops import BEYOND_CACHES, Shape, measure_ops, plan_config

SHAPES = [
    Shape(batch=1, length=1, context=0),
    Shape(batch=3, length=1, context=70),
    Shape(batch=1, length=20, context=0),
]


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8", "int4"])
def test_every_kind_is_measured_in_its_shapes(precision: Precision) -> None:
    config = CONFIGS["granitemoehybrid"]
    report = measure_ops("m", config, [precision], SHAPES, rounds=1, threads=1, command="naga")
    found = [(row.work, row.batch, row.rows, row.context) for row in report.rows]
    assert found == [
        *(("mamba", 1, 1, 0), ("mamba", 1, 20, 0)),
        *(("moe", 1, 1, 0), ("moe", 1, 20, 0)),
        *(("attention", 1, 1, 0), ("attention", 3, 3, 70), ("attention", 1, 20, 0)),
        ("head", 1, 1, 0),
    ]
    for row in report.rows:
        assert row.precision == precision and row.microseconds > 0 and 0 < row.of_limit < 2
    moe = next(row for row in report.rows if row.work == "moe")
    assert moe.tokens_per_s == pytest.approx(1e6 / (2 * moe.microseconds)), "two such layers"
    page = report.to_markdown()
    assert page.count("\n| ") == 1 + len(found) and "```\nnaga\n```" in page


@pytest.mark.parametrize(("letter", "layers"), [("M", 28), ("*", 4), ("-", 32)])
def test_a_small_model_is_measured_whole(letter: str, layers: int) -> None:
    plan = plan_config(presets()["granite-4.0-h-350m"], letter, "bf16")
    assert plan.layers == letter * layers


def test_parallel_heads_are_measured_with_both_their_sections() -> None:
    config = presets()["falcon-h1-0.5b"]
    plan = plan_config(config, "H", "bf16")
    assert {*plan.layers} == {"H"}
    assert plan.mamba and plan.attention and plan.parallel and plan.mlp is None


def test_a_large_one_only_as_far_as_caches_do_not_hold_it() -> None:
    config = presets()["granite-4.0-h-tiny"]
    plan = plan_config(config, "E", "int8")
    held = weight_bytes(plan, NAGA_BITS["int8"], 1 << 20)
    assert len(plan.layers) < config.count("E") and held >= BEYOND_CACHES
    assert plan.mamba is None and plan.attention is None


def test_the_command_prints_json(naga_bench: Bench, checkpoints: dict[str, Path]) -> None:
    flags = "--batch 1 --context 0 --prompt 4 --rounds 1 --threads 1 --json"
    ran = naga_bench("ops", "--model", checkpoints["nemotron_h"], *flags.split())
    assert ran.code == 0
    assert {row["work"] for row in ran.found["rows"]} == {"mamba", "attention", "mlp", "head"}
