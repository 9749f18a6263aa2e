"""naga bench prefill and decode: which pairs there are, and real runs beside transformers."""

import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.conftest import Bench
from naga.bench import engines
from naga.bench.compare import CompareOptions, best_pairs, cases_of, plan_pairs, run_compare
from naga.bench.limits import Precision
from naga.bench.peers import PEERS, Installed
from naga.bench.rounds import Case, Comparison, Name, Times
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.engine.memory import SystemMemory

LLAMA, TRANSFORMERS, VLLM = (
    Installed(peer=peer, python=Path(sys.executable), version="1") for peer in PEERS.values()
)
ALL: tuple[Precision, ...] = ("bf16", "int8", "int4")


def options(**changes: Any) -> CompareOptions:
    asked = {
        "work": "prefill",
        "model": "m",
        "peers": ["llama.cpp"],
        "precisions": ["bf16", "int8"],
        "batches": [1],
        "contexts": [512],
        "rounds": 1,
        "new_tokens": 4,
        "threads": 1,
    }
    return parse_config(CompareOptions, asked | changes, source="test")


def names(pairs: Any) -> list[tuple[str, str, str]]:
    return [(ours, found.peer.name, theirs) for ours, found, theirs in pairs]


def test_a_peer_meets_us_in_every_precision_that_both_have() -> None:
    assert names(plan_pairs(ALL, [LLAMA, TRANSFORMERS, VLLM])) == [
        *((precision, "llama.cpp", precision) for precision in ALL),
        *(("bf16", "transformers", "bf16"), ("bf16", "vllm", "bf16")),
    ]


def test_a_peer_without_our_precision_takes_its_usual() -> None:
    assert names(plan_pairs(["int4"], [VLLM])) == [("int4", "vllm", "bf16")]


def measured(theirs: Precision, seconds: float) -> Comparison:
    return Comparison(
        case=Case(work="prefill", batch=1, context=10),
        ours=Times(name=Name(engine="naga", version="1", precision=theirs), seconds=(1,)),
        theirs=Times(
            name=Name(engine="llama.cpp", version="1", precision=theirs), seconds=(seconds,)
        ),
    )


def test_prefill_also_meets_the_peers_best_precision() -> None:
    found = [measured("bf16", 1), measured("int8", 2), measured("int4", 3)]
    pairs = best_pairs(options(precisions=ALL), [LLAMA, VLLM], found)
    assert names(pairs) == [("int8", "llama.cpp", "bf16"), ("int4", "llama.cpp", "bf16")]
    assert names(best_pairs(options(work="decode"), [LLAMA], found)) == []
    assert names(best_pairs(options(), [LLAMA], found[:1])) == []


def test_every_batch_meets_every_context_and_long_ones_are_continued() -> None:
    cases = cases_of(options(work="decode", batches=[1, 8], contexts=[0, 16_384]))
    assert [(case.batch, case.context, case.continued) for case in cases] == [
        *((1, 0, False), (8, 0, False), (1, 16_384, True), (8, 16_384, True)),
    ]
    assert {case.new_tokens for case in cases} == {4}
    (case,) = cases_of(options(contexts=[16_384]))
    assert (case.new_tokens, case.continued) == (0, False)


def test_prefill_is_measured_on_both_sides(checkpoints: dict[str, Path]) -> None:
    asked = options(
        model=str(checkpoints["nemotron_h"]),
        peers=["transformers"],
        precisions=["bf16"],
        contexts=[20],
    )
    report = run_compare(asked, "naga bench prefill X", Console(file=StringIO()))
    ours, theirs = report.rows
    assert (ours.engine, theirs.engine) == ("naga", "transformers")
    for row in (ours, theirs):
        assert (row.work, row.batch, row.context, row.precision) == ("prefill", 1, 20, "bf16")
        assert row.tokens_per_s > 0 and row.of_limit is not None and 0 < row.of_limit < 1
    assert [(ratio.over, len(ratio.rounds)) for ratio in report.ratios] == [("transformers", 1)]


def test_the_command_prints_json_only_and_writes_page_and_plot(
    naga_bench: Bench,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("naga.bench.compare.CONTINUED", 15)
    page, plot = tmp_path / "new" / "decode.md", tmp_path / "decode.png"
    model = str(checkpoints["granitemoehybrid"])
    flags = (
        "--precisions f32 --kv int8 --batch 2 --context 0,16 --rounds 2 --new-tokens 3 --threads 1"
    )
    files = ["--markdown", str(page), "--plot", str(plot)]
    ran = naga_bench("decode", "--model", model, *flags.split(), *files, "--json")
    assert ran.code == 0
    data, err = ran.found, ran.err
    rows = [(row["engine"], row["precision"], row["batch"], row["context"]) for row in data["rows"]]
    engines = ("naga", "transformers")
    assert rows == [(engine, "f32", 2, context) for context in (0, 16) for engine in engines]
    assert [row["kv"] for row in data["rows"]] == ["int8", None] * 2
    assert all(len(row["rounds"]) == 2 and row["of_limit"] > 0 for row in data["rows"])
    assert data["command"].startswith(f"naga bench decode --model {model} --precisions f32 --kv")
    assert data["command"] in page.read_text(encoding="utf-8")
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "naga f32 beside transformers f32 6/6" in err


def refused(**changes: Any) -> str:
    with pytest.raises(ConfigError) as error:
        run_compare(options(**changes), "naga bench", Console(file=StringIO()))
    return str(error.value)


def test_mistakes_are_refused_before_anything_is_measured(checkpoints: dict[str, Path]) -> None:
    model = str(checkpoints["nemotron_h"])
    assert "positions, its context is 64; take shorter ones" in refused(model=model)
    fitting = {"model": model, "contexts": [8]}
    assert "peer 'lama': unknown" in refused(**fitting, peers=["lama"])
    assert "llama.cpp is not installed for" in refused(**fitting, peers=["llama.cpp"])


def test_prompts_of_no_token_and_batches_of_none_are_refused() -> None:
    for changes, message in (
        ({"contexts": [512, 0]}, "prefill needs prompts of at least one token"),
        ({"batches": [0]}, "batches.0: Input should be greater than 0"),
        ({"precisions": ["int2"]}, "precisions.0: Input should be 'f32', 'bf16'"),
    ):
        with pytest.raises(ConfigError, match=message):
            options(**changes)


def test_two_models_that_do_not_fit_are_refused_with_the_numbers(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = SystemMemory(total=9, available=9, limit=None, swap_total=0, swap_free=0)
    monkeypatch.setattr(engines, "read_memory", lambda: memory)
    message = refused(model=str(checkpoints["nemotron_h"]), contexts=[8], peers=["transformers"])
    assert "weights of both sides need more memory than the 0.00 GB that are available" in message
    assert "(naga bf16 0.00 GB, transformers bf16 0.00 GB)" in message


def test_a_model_that_the_peer_does_not_open_is_one_line(checkpoints: dict[str, Path]) -> None:
    message = refused(model=str(checkpoints["naga"]), contexts=[8], peers=["transformers"])
    assert message.startswith("transformers failed: ")
