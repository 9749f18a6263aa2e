"""What loading takes at the worst moment: the weights as they are held and little more.

Each load runs in a process of its own, which says how much its peak grew. Random weights in the
shape of a small mixture of experts, whose largest tensor is a small part of it, as in real ones.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from naga.checkpoint.convert import convert
from naga.checkpoint.load import memory_shapes, meta_model
from naga.checkpoint.save import save_made
from naga.config.model import AttentionConfig, MambaConfig, ModelConfig, MoeConfig
from naga.config.quantisation import Quantisation

pytestmark = pytest.mark.slow

CONFIG = ModelConfig(
    pattern="ME" * 14 + "*E",
    vocab_size=8192,
    hidden_dim=1024,
    max_positions=512,
    mamba=MambaConfig(num_heads=32, head_dim=64, state_dim=64),
    attention=AttentionConfig(num_heads=16, num_kv_heads=4, head_dim=64),
    moe=MoeConfig(num_experts=16, top_k=2, expert_dim=512, shared_dim=1024),
)
LOAD = """
import sys
from pathlib import Path

import torch

from naga.config.serve import EngineConfig
from naga.engine.backend import load_backend
from naga.model.state import StatePool, place


def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def run(path, config):
    backend = load_backend(Path(path), config)
    pool = StatePool.create(
        backend.model.config, backend.runtime, num_slots=1, num_pages=1, page_size=64
    )
    batch = place([64], [0], [0], [[0]], "cpu")
    hidden = backend.model.step(torch.arange(64), batch, pool)
    backend.model.logits_rows(hidden[-1:])
    return backend


torch.set_num_threads(2)
config = {"backend": sys.argv[3], "kv_tokens": 64, "max_running": 1}
if sys.argv[4]:
    config["weights"] = sys.argv[4]
config = EngineConfig.model_validate(config)
run(sys.argv[1], config)
before = status("VmRSS")
backend = run(sys.argv[2], config)
print(status("VmHWM") - before)
"""


def save(path: Path, config: ModelConfig) -> Path:
    shapes = memory_shapes(meta_model(config))

    def make(name: str) -> torch.Tensor:
        return torch.randn(shapes[name]) * 0.02

    save_made(path, config, make, dtype=torch.bfloat16, tokenizer=None, shard_bytes=200_000_000)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    small = CONFIG.model_copy(update={"pattern": "ME*E"})
    found = {"small": save(root / "small", small), "large": save(root / "large", CONFIG)}
    for weights in ("int8", "int4"):
        for name in ("small", "large"):
            out = root / f"{name}-{weights}"
            convert(found[name], out, Quantisation(format=weights))
            found[f"{name}-{weights}"] = out
    return found


def growth(small: Path, large: Path, backend: str, weights: str) -> int:
    """Bytes by which a process grows at the peak, of what it is after using a small model."""
    command = [sys.executable, "-c", LOAD, str(small), str(large), backend, weights]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return int(done.stdout)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_quantising_at_load_takes_the_quantised_size_and_little_more(
    folders: dict[str, Path], weights: str
) -> None:
    held = size_of(folders[f"large-{weights}"])
    assert held > 150_000_000
    grown = growth(folders["small"], folders["large"], "native", weights)
    assert 0.7 * held < grown <= 1.15 * held


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_converted_weights_take_their_size(folders: dict[str, Path], weights: str) -> None:
    held = size_of(folders[f"large-{weights}"])
    grown = growth(folders[f"small-{weights}"], folders[f"large-{weights}"], "native", "")
    assert grown <= 1.15 * held


def test_plain_weights_take_their_size_and_little_more(folders: dict[str, Path]) -> None:
    held = size_of(folders["large"])
    grown = growth(folders["small"], folders["large"], "native", "")
    assert 0.7 * held < grown <= 1.15 * held
