"""On a CUDA device both forms agree with the CPU's within float32 rounding; skipped elsewhere."""

import pytest
import torch

from naga.config.model import AttentionConfig, MambaConfig, ModelConfig, MoeConfig
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.model.state import StatePool, pack, place
from naga.runtime import make_runtime

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]

CONFIG = ModelConfig(
    pattern="ME*E",
    vocab_size=64,
    hidden_dim=32,
    max_positions=128,
    mamba=MambaConfig(num_heads=4, head_dim=16, state_dim=16, chunk_size=16),
    attention=AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=16),
    moe=MoeConfig(num_experts=4, top_k=2, expert_dim=16, shared_dim=16, balance_loss=0.01),
)
LENGTHS = (21, 1, 40)


def test_training_form_and_gradients_agree_with_the_cpu() -> None:
    model = HybridLM(CONFIG)
    initialize(model, seed=0)
    tokens = torch.randint(64, (sum(LENGTHS),), generator=torch.Generator().manual_seed(0))
    found = {}
    for device in ("cpu", "cuda"):
        model = model.to(device)
        model.zero_grad()
        output = model(tokens.to(device), pack(LENGTHS, device), torch.float32)
        model.logits(output.hidden).square().mean().backward()
        gradients = {
            name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None
        }
        found[device] = (output.hidden.detach().cpu(), gradients)
    torch.testing.assert_close(found["cuda"][0], found["cpu"][0], atol=1e-4, rtol=1e-4)
    for name, gradient in found["cpu"][1].items():
        torch.testing.assert_close(found["cuda"][1][name], gradient, atol=1e-4, rtol=1e-3)


def test_row_form_agrees_with_the_cpu() -> None:
    model = HybridLM(CONFIG).requires_grad_(False)
    initialize(model, seed=0)
    tokens = torch.randint(64, (sum(LENGTHS),), generator=torch.Generator().manual_seed(0))
    found = {}
    for device in ("cpu", "cuda"):
        runtime = make_runtime(device, "float32")
        pool = StatePool.create(CONFIG, runtime, num_slots=3, num_pages=6, page_size=16)
        batch = place(LENGTHS, (0, 0, 0), (2, 0, 1), ((4, 0), (1,), (2, 3, 5)), device)
        found[device] = model.to(device).step(tokens.to(device), batch, pool).cpu()
    torch.testing.assert_close(found["cuda"], found["cpu"], atol=1e-4, rtol=1e-4)
