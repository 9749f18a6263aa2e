"""AdamW over float32 master weights: which parameters decay, decided by name.

Every parameter stands in exactly one group; a name the tables do not know is an error, so that a
new kind of tensor is decided on and never slips into a default. Router biases are none of them:
balancing moves those (step.py), not the gradient.
"""

from typing import Any

from torch import nn
from torch.optim import AdamW

from naga.config.train import OptimConfig
from naga.model.lm import HybridLM

# By the last two parts of a parameter's name.
DECAYED = frozenset((
    "embed.weight", "head.weight",
    "in_proj.weight", "out_proj.weight",
    "q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight",
    "up.weight", "down.weight", "router.weight", "experts.up", "experts.down",
    "enter_proj.weight", "leave_proj.weight", "x_proj.weight", "dt_proj.weight",
))  # fmt: skip
NOT_DECAYED = frozenset((
    "norm.weight", "q_norm.weight", "k_norm.weight",
    "conv.weight", "conv.bias", "mixer.A_log", "mixer.D", "mixer.dt_bias",
    "mamba.A_log", "mamba.D", "mamba.dt_bias",
    "dt_norm.weight", "B_norm.weight", "C_norm.weight",
))  # fmt: skip


def decays(name: str) -> bool:
    """Whether weight decay applies to the parameter of this name; KeyError if nobody decided."""
    if name.endswith((".lora_A", ".lora_B")):
        return True
    kind = ".".join(name.split(".")[-2:])
    if kind not in DECAYED | NOT_DECAYED:
        raise KeyError(f"parameter {name}: neither in DECAYED nor in NOT_DECAYED (train/optim.py)")
    return kind in DECAYED


def make_trainable(model: HybridLM) -> HybridLM:
    """Switch gradients on in a loaded model, but for router biases."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.endswith("router.bias"))
    return model.train()


def trained_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Named parameters the optimizer moves, in the model's own order."""
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]


def make_optimizer(model: HybridLM, config: OptimConfig) -> AdamW:
    """AdamW with a decayed and an undecayed group; the learning rate is set before each step."""
    named = trained_parameters(model)
    groups: list[dict[str, Any]] = [
        {"params": [weight for name, weight in named if decays(name)]},
        {"params": [weight for name, weight in named if not decays(name)], "weight_decay": 0.0},
    ]
    return AdamW(
        groups,
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=True,
    )


def set_learning_rate(optimizer: AdamW, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
