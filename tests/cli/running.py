"""What one command line gave, and what the tests of the verbs are run on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "mini.toml"
PRESET = ROOT / "recipes" / "models" / "granite-4.0-h-350m.toml"
NAGA_MINI = ROOT / "naga" / "assets" / "naga-mini"
MODEL = {
    "pattern": "ME*E",
    "vocab_size": 300,
    "hidden_dim": 32,
    "max_positions": 200,
    "mamba": {"num_heads": 4, "head_dim": 8, "state_dim": 16, "chunk_size": 16},
    "attention": {"num_heads": 4, "num_kv_heads": 2, "head_dim": 8},
    "moe": {"num_experts": 4, "top_k": 2, "expert_dim": 16, "shared_dim": 16},
}


@dataclass(frozen=True, kw_only=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


def refused(result: Result) -> str:
    """The one line of a refusal, without its mark."""
    assert (result.code, result.out) == (2, "")
    line, rest = result.err.split("\n", 1)
    assert rest == "" and line.startswith("naga: error: "), result.err
    return line.removeprefix("naga: error: ")
