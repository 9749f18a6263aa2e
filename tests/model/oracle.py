"""HybridLM written once more, in float64, for one sequence, as plainly as its papers say it.

Shares no code with naga but the names of its tensors; differentiable. T tokens, D hidden.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from naga.config.model import Llama3Config, ModelConfig, RopeConfig
from naga.ops.selective_scan import selective_scan_oracle
from naga.ops.ssd import ssd_oracle

Weights = Mapping[str, Tensor]


def logits(config: ModelConfig, weights: Weights, tokens: Tensor) -> Tensor:
    """(T, V) float64."""
    x = weights["embed.weight"][tokens] * config.embedding_multiplier
    mixers = {
        "M": mamba2, "*": attention, "-": mlp, "E": moe, "S": mamba1, "H": parallel,
    }  # fmt: skip
    for index, letter in enumerate(config.layers):
        prefix = f"layers.{index}."
        own = {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}
        mixer = {k.removeprefix("mixer."): w for k, w in own.items()}
        normed = rms_norm(x, own["norm.weight"], config)
        x = x + config.residual_multiplier * mixers[letter](config, mixer, normed)
    head = weights["embed.weight" if config.tie_embeddings else "head.weight"]
    return (
        rms_norm(x, weights["norm.weight"], config)
        @ head.T
        * config.logits_multiplier
        / config.logits_divisor
    )


def rms_norm(x: Tensor, weight: Tensor, config: ModelConfig) -> Tensor:
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + config.norm_eps) * weight


def activate(x: Tensor, activation: str) -> Tensor:
    if activation == "relu2":
        return x.clamp_min(0) ** 2
    gate, up = x.chunk(2, dim=-1)
    return functional.silu(gate) * up


def mlp(config: ModelConfig, weights: Weights, x: Tensor) -> Tensor:
    options = config.mlp
    assert options
    up = x @ weights["up.weight"].T
    if options.activation == "swiglu":
        gate, rest = up.chunk(2, dim=-1)
        up = torch.cat([gate * options.gate_multiplier, rest], dim=-1)
    inner = activate(up, options.activation)
    return inner @ weights["down.weight"].T * options.down_multiplier


def parallel(config: ModelConfig, weights: Weights, x: Tensor) -> Tensor:
    options = config.parallel
    assert options

    def half(name: str) -> Weights:
        return {k.removeprefix(name): w for k, w in weights.items() if k.startswith(name)}

    mixed = options.ssm_multiplier * mamba2(config, half("mamba."), x)
    return mixed + options.attention_multiplier * attention(config, half("attention."), x)


def moe(config: ModelConfig, weights: Weights, x: Tensor) -> Tensor:
    options = config.moe
    assert options
    scores = x @ weights["router.weight"].T
    rows = []
    for token in range(x.shape[0]):
        if options.router == "softmax":
            chosen = scores[token].topk(options.top_k).indices
            every = scores[token].softmax(0)
            shares = every[chosen]
            if options.weigh == "chosen":
                shares = shares / shares.sum()
        else:
            sigmoid = scores[token].sigmoid()
            chosen = (sigmoid + weights["router.bias"]).topk(options.top_k).indices
            shares = sigmoid[chosen] / sigmoid[chosen].sum() * options.routed_scale
        seen = weights["enter_proj.weight"] @ x[token] if options.latent_dim else x[token]
        total = torch.zeros_like(seen)
        for expert, share in zip(chosen.tolist(), shares, strict=True):
            inner = activate(weights["experts.up"][expert] @ seen, options.activation)
            total = total + share * (weights["experts.down"][expert] @ inner)
        if options.latent_dim:
            total = weights["leave_proj.weight"] @ total
        if options.shared_dim:
            inner = activate(weights["shared.up.weight"] @ x[token], options.activation)
            total = total + weights["shared.down.weight"] @ inner
        rows.append(total)
    return torch.stack(rows)


def attention(config: ModelConfig, weights: Weights, x: Tensor) -> Tensor:
    options = config.attention
    assert options
    x = x * options.in_multiplier
    heads = {
        name: (x @ weights[f"{name}_proj.weight"].T).unflatten(1, (-1, options.head_dim))
        for name in "qkv"
    }
    heads["k"] = heads["k"] * options.key_multiplier
    for name in "qk":
        first = options.qk_norm_place == "before_rotation"
        if options.qk_norm and first:
            heads[name] = rms_norm(heads[name], weights[f"{name}_norm.weight"], config)
        if options.rope:
            heads[name] = rotate(heads[name], options.rope)
        if options.qk_norm and not first:
            heads[name] = rms_norm(heads[name], weights[f"{name}_norm.weight"], config)
    group = options.num_heads // options.num_kv_heads
    k, v = (heads[name].repeat_interleave(group, dim=1) for name in "kv")
    scores = torch.einsum("qhd,khd->hqk", heads["q"], k)
    scores = scores * (options.scale or options.head_dim**-0.5)
    future = torch.ones_like(scores, dtype=torch.bool).triu(1)
    mixed = torch.einsum("hqk,khd->qhd", scores.masked_fill(future, -torch.inf).softmax(-1), v)
    return mixed.flatten(1) @ weights["o_proj.weight"].T


def rotate(x: Tensor, rope: RopeConfig) -> Tensor:
    dim = rope.rotary_dim or x.shape[-1]
    x, rest = x[..., :dim], x[..., dim:]
    half = dim // 2
    base = rope.theta * rope.ntk_alpha ** (half / (half - 1)) if half > 1 else rope.theta
    frequencies = base ** -(torch.arange(half, dtype=torch.float64) / half)
    if rope.llama3:
        frequencies = torch.stack([slowed(frequency, rope.llama3) for frequency in frequencies])
    angles = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * frequencies
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(
        torch.ones_like(angles), angles
    ).unsqueeze(1)
    return torch.cat([turned.real, turned.imag, rest], dim=-1)


def slowed(frequency: Tensor, scaling: Llama3Config) -> Tensor:
    """As Llama 3.1's own code has it: by wavelengths, in positions."""
    wavelength = 2 * torch.pi / frequency
    low = scaling.original_positions / scaling.low_freq_factor
    high = scaling.original_positions / scaling.high_freq_factor
    if wavelength < high:
        return frequency
    if wavelength > low:
        return frequency / scaling.factor
    smooth = (scaling.original_positions / wavelength - scaling.low_freq_factor) / (
        scaling.high_freq_factor - scaling.low_freq_factor
    )
    return (1 - smooth) * frequency / scaling.factor + smooth * frequency


def mamba2(config: ModelConfig, weights: Weights, x: Tensor) -> Tensor:
    options = config.mamba
    assert options
    inner, wide = options.num_heads * options.head_dim, options.num_groups * options.state_dim
    projected = (x * options.in_multiplier) @ weights["in_proj.weight"].T
    sizes = torch.tensor([inner, inner, wide, wide, options.num_heads])
    factors = torch.tensor(options.multipliers, dtype=x.dtype)
    projected = projected * factors.repeat_interleave(sizes)
    z, xBC, dt = projected.split([inner, inner + 2 * wide, options.num_heads], dim=-1)
    xBC = convolve(weights, xBC)
    scanned, B, C = xBC.split([inner, wide, wide], dim=-1)
    dt = functional.softplus(dt + weights["dt_bias"]).clamp(*options.dt_limit)
    y, _ = ssd_oracle(
        scanned.unflatten(1, (options.num_heads, -1)),
        dt,
        -weights["A_log"].exp(),
        B.unflatten(1, (options.num_groups, -1)),
        C.unflatten(1, (options.num_groups, -1)),
        weights["D"],
        [x.shape[0]],
    )
    return gate(config, weights, y.flatten(1), functional.silu(z)) @ weights["out_proj.weight"].T


def gate(config: ModelConfig, weights: Weights, y: Tensor, silu_z: Tensor) -> Tensor:
    options = config.mamba
    assert options
    if options.norm == "none":
        return y * silu_z
    before, after = (silu_z, 1) if options.norm == "gate_first" else (1, silu_z)
    parts = (y * before).unflatten(1, (options.num_groups, -1))
    ones = torch.ones(parts.shape[-1], dtype=y.dtype)
    return rms_norm(parts, ones, config).flatten(1) * weights["norm.weight"] * after


def convolve(weights: Weights, x: Tensor) -> Tensor:
    taps = weights["conv.weight"]  # (channels, W)
    earlier = torch.zeros(taps.shape[1] - 1, x.shape[1], dtype=x.dtype)
    windows = torch.cat([earlier, x]).unfold(0, taps.shape[1], 1)  # (T, channels, W)
    return functional.silu((windows * taps).sum(-1) + weights["conv.bias"])


def mamba1(config: ModelConfig, weights: Weights, x: Tensor) -> Tensor:
    options = config.mamba1
    assert options
    projected, z = (x @ weights["in_proj.weight"].T).chunk(2, dim=-1)
    convolved = convolve(weights, projected)
    sizes = [options.dt_rank, options.state_dim, options.state_dim]
    selected = (convolved @ weights["x_proj.weight"].T).split(sizes, dim=-1)
    if options.norms:
        names = ("dt_norm.weight", "B_norm.weight", "C_norm.weight")
        parts = zip(selected, names, strict=True)
        selected = tuple(rms_norm(part, weights[name], config) for part, name in parts)
    dt, B, C = selected
    dt = functional.softplus(dt @ weights["dt_proj.weight"].T + weights["dt_bias"])
    A = -weights["A_log"].exp()
    y, _ = selective_scan_oracle(convolved, dt, A, B, C, weights["D"], [x.shape[0]])
    return y * functional.silu(z) @ weights["out_proj.weight"].T
