"""ModelConfig: a pattern string over single-mixer layers, and one section per kind of layer.

Pattern letters: M Mamba-2 · * attention · - dense MLP · E mixture of experts · S Mamba-1 ·
H attention and Mamba-2 side by side, whose sections are those of * and M (spaces are ignored).
Every layer is `x = x + residual_multiplier * mixer(rms_norm(x))`; layers of one kind share a
section. Says nothing about initial values (model/init.py) or how a checkpoint spells these.
"""

from math import inf, pi
from typing import Annotated, Literal, Self

from pydantic import AllowInfNan, Field, model_validator

from naga.config.base import Config

Activation = Literal["swiglu", "relu2"]
GateNorm = Literal["gate_first", "norm_first", "none"]
Factor = Annotated[float, Field(gt=0)]

# Layers that a sequence cannot go on from without a snapshot of their state.
RECURRENT = "MSH"
# Layers that keep a Mamba-2 state, and that keep keys and values.
MAMBA2 = "MH"
ATTENTION = "*H"


class Llama3Config(Config):
    """Low frequencies turn slower, high ones as ever, those between by degrees (Llama 3.1)."""

    factor: float = Field(ge=1)
    """What frequencies below the low bound are divided by."""
    low_freq_factor: float = Field(gt=0)
    """Low: fewer turns than this within original_positions."""
    high_freq_factor: float = Field(gt=0)
    """High: more turns than this within original_positions."""
    original_positions: int = Field(gt=0)
    """Longest sequence of the training before, in tokens."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low_freq_factor >= self.high_freq_factor:
            raise ValueError(
                f"low_freq_factor ({self.low_freq_factor:g}) must be below high_freq_factor "
                f"({self.high_freq_factor:g})"
            )
        return self

    def scale(self, frequency: float) -> float:
        """What a frequency, in radians a position, is multiplied by."""
        turns = frequency * self.original_positions / (2 * pi)
        share = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = min(max(share, 0.0), 1.0)
        return kept + (1 - kept) / self.factor


class RopeConfig(Config):
    theta: float = Field(10_000.0, gt=0)
    """Base of the rotation frequencies."""
    ntk_alpha: float = Field(1.0, ge=1)
    """NTK-aware scaling: the base becomes theta * alpha ** (d / (d - 2)) of d dims that rotate."""
    rotary_dim: int | None = Field(None, gt=0)
    """Only the first so many dims of a head rotate; None means all do."""
    llama3: Llama3Config | None = None
    """None means that no frequency is scaled."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.ntk_alpha != 1 and self.llama3 is not None:
            raise ValueError("ntk_alpha and llama3 exclude each other")
        return self

    def base(self, dim: int) -> float:
        """Of the frequencies of `dim` rotating dims."""
        if self.ntk_alpha == 1:
            return self.theta
        return float(self.theta * self.ntk_alpha ** (dim / (dim - 2)))

    def scales(self, dim: int) -> tuple[float, ...]:
        """What each of the frequencies of `dim` rotating dims is multiplied by; () means 1."""
        if self.llama3 is None:
            return ()
        return tuple(self.llama3.scale(self.theta ** (-i / dim)) for i in range(0, dim, 2))


class AttentionConfig(Config):
    num_heads: int = Field(gt=0)
    num_kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    scale: float | None = Field(None, gt=0)
    """Factor on q·k; None means head_dim ** -0.5."""
    rope: RopeConfig | None = None
    """None means no positional encoding (NoPE)."""
    qk_norm: bool = False
    """RMSNorm over each head of q and k."""
    qk_norm_place: Literal["after_rotation", "before_rotation"] = "after_rotation"
    """after_rotation as in Hunyuan, before_rotation as in Qwen3."""
    in_multiplier: float = Field(1.0, gt=0)
    """Factor on the layer's input, and so on q, k and v."""
    key_multiplier: float = Field(1.0, gt=0)
    """Factor on k, before norm and rotation."""

    @property
    def projection_multipliers(self) -> tuple[float, float, float]:
        """Factors on what the projections of q, k and v give."""
        return self.in_multiplier, self.in_multiplier * self.key_multiplier, self.in_multiplier

    @property
    def softmax_scale(self) -> float:
        return self.scale if self.scale is not None else self.head_dim**-0.5

    @property
    def rotary_dim(self) -> int:
        """Leading dims of a head that rotate; 0 without rope."""
        if self.rope is None:
            return 0
        return self.head_dim if self.rope.rotary_dim is None else self.rope.rotary_dim

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads ({self.num_heads}) must be a multiple of num_kv_heads "
                f"({self.num_kv_heads})"
            )
        if self.rope is not None and self.rope.rotary_dim is None and self.head_dim % 2:
            raise ValueError(f"rope needs an even head_dim, not {self.head_dim}")
        if self.rotary_dim % 2 or self.rotary_dim > self.head_dim:
            raise ValueError(
                f"rope.rotary_dim ({self.rotary_dim}) must be even and at most head_dim "
                f"({self.head_dim})"
            )
        if self.rope is not None and self.rope.ntk_alpha != 1 and self.rotary_dim <= 2:
            raise ValueError("rope.ntk_alpha needs more than two dims that rotate")
        if self.qk_norm_place != "after_rotation" and not self.qk_norm:
            raise ValueError("qk_norm_place needs qk_norm = true")
        return self


class MambaConfig(Config):
    num_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    state_dim: int = Field(128, gt=0)
    num_groups: int = Field(1, gt=0)
    """Groups of heads that share B and C, and of the gated norm."""
    conv_width: int = Field(4, ge=2)
    chunk_size: int = Field(128, gt=0)
    """Tokens per chunk of the training form; changes no result beyond rounding."""
    dt_limit: tuple[float, Annotated[float, AllowInfNan(True)]] = (0.0, inf)
    """Bounds on softplus(dt + dt_bias); (0, inf) clamps nothing."""
    norm: GateNorm = "gate_first"
    """What meets the scan's output y. gate_first: norm(silu(z)·y); norm_first: norm(y)·silu(z);
    none: silu(z)·y, without a norm or its weight."""
    in_multiplier: float = Field(1.0, gt=0)
    """Factor on the layer's input."""
    multipliers: tuple[Factor, Factor, Factor, Factor, Factor] = (1.0, 1.0, 1.0, 1.0, 1.0)
    """Factors on the parts [z | x | B | C | dt] of what in_proj gives."""

    @property
    def projection_multipliers(self) -> tuple[float, ...]:
        """Factors on the five parts, with that on the input, to which a projection is linear."""
        return tuple(self.in_multiplier * factor for factor in self.multipliers)

    @property
    def parts(self) -> tuple[int, ...]:
        """Rows of in_proj for z, x, B, C and dt."""
        wide = self.num_groups * self.state_dim
        return self.inner_dim, self.inner_dim, wide, wide, self.num_heads

    @property
    def inner_dim(self) -> int:
        return self.num_heads * self.head_dim

    @property
    def conv_dim(self) -> int:
        """Channels under the convolution: x, B and C."""
        return self.inner_dim + 2 * self.num_groups * self.state_dim

    @property
    def in_proj_dim(self) -> int:
        """Rows of in_proj, in the order [z | x | B | C | dt]."""
        return self.inner_dim + self.conv_dim + self.num_heads

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.num_heads % self.num_groups:
            raise ValueError(
                f"num_heads ({self.num_heads}) must be a multiple of num_groups ({self.num_groups})"
            )
        if not 0 <= self.dt_limit[0] < self.dt_limit[1]:
            raise ValueError(f"dt_limit must be 0 <= low < high, not {self.dt_limit}")
        return self


class Mamba1Config(Config):
    inner_dim: int = Field(gt=0)
    """Channels of the scan and under the convolution."""
    state_dim: int = Field(16, gt=0)
    """Numbers that each channel remembers."""
    conv_width: int = Field(4, ge=2)
    dt_rank: int = Field(gt=0)
    """Numbers that the time steps of all channels are made of."""
    norms: bool = False
    """RMSNorms over what dt is made of, over B and over C (as Jamba has)."""

    @property
    def select_dim(self) -> int:
        """Rows of x_proj, in the order [dt | B | C]."""
        return self.dt_rank + 2 * self.state_dim


class MlpConfig(Config):
    inner_dim: int = Field(gt=0)
    activation: Activation = "swiglu"
    gate_multiplier: float = Field(1.0, gt=0)
    """Factor on the gate, before silu; only swiglu has one."""
    down_multiplier: float = Field(1.0, gt=0)
    """Factor on the output."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.activation != "swiglu" and self.gate_multiplier != 1.0:
            raise ValueError("gate_multiplier needs activation = 'swiglu'")
        return self


class ParallelConfig(Config):
    """An H layer is ssm_multiplier · mamba(x) + attention_multiplier · attention(x)."""

    ssm_multiplier: float = Field(1.0, gt=0)
    attention_multiplier: float = Field(1.0, gt=0)


class MoeConfig(Config):
    num_experts: int = Field(gt=0)
    top_k: int = Field(gt=0)
    expert_dim: int = Field(gt=0)
    """Inner dimension of one routed expert."""
    shared_dim: int | None = Field(None, gt=0)
    """Inner dimension of the expert every token visits; None means there is none."""
    latent_dim: int | None = Field(None, gt=0)
    """Routed experts read and write so many dims, projected from and to the model's; None means
    they are the model's own. Router and shared expert never are projected."""
    activation: Activation = "swiglu"
    router: Literal["softmax", "sigmoid"] = "softmax"
    """softmax: top-k of the logits, softmax as `weigh` says. sigmoid: top-k of sigmoid + bias,
    weights are the chosen sigmoids divided by their sum, times routed_scale."""
    weigh: Literal["chosen", "all"] = "chosen"
    """Of a softmax router: the softmax is over the chosen logits, or over all, whose chosen weights
    then add up to less than one."""
    routed_scale: float = Field(1.0, gt=0)
    balance_loss: float = Field(0.0, ge=0)
    """Coefficient of the load-balancing loss in training (Switch Transformer, eq. 4)."""
    bias_update: float = Field(0.0, ge=0)
    """Step of the loss-free balancing bias in training; only a sigmoid router has the bias."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.top_k > self.num_experts:
            raise ValueError(f"top_k ({self.top_k}) exceeds num_experts ({self.num_experts})")
        if self.router == "softmax" and self.bias_update:
            raise ValueError("bias_update needs router = 'sigmoid'")
        if self.router == "softmax" and self.routed_scale != 1.0:
            raise ValueError("routed_scale needs router = 'sigmoid'")
        if self.router == "sigmoid" and self.weigh != "chosen":
            raise ValueError("weigh = 'all' needs router = 'softmax'")
        return self


class ModelConfig(Config):
    pattern: str = Field(min_length=1)
    """One letter per layer, e.g. "MEME*E"; spaces are ignored."""
    vocab_size: int = Field(gt=0)
    hidden_dim: int = Field(gt=0)
    max_positions: int = Field(gt=0)
    """Longest sequence (prompt + answer) the model is meant for, in tokens."""
    norm_eps: float = Field(1e-5, gt=0)
    tie_embeddings: bool = True
    embedding_multiplier: float = Field(1.0, gt=0)
    residual_multiplier: float = Field(1.0, gt=0)
    logits_divisor: float = Field(1.0, gt=0)
    logits_multiplier: float = Field(1.0, gt=0)
    init_std: float = Field(0.02, gt=0)
    """Standard deviation of initial embeddings and projections (model/init.py)."""
    attention: AttentionConfig | None = None
    mamba: MambaConfig | None = None
    mlp: MlpConfig | None = None
    moe: MoeConfig | None = None
    mamba1: Mamba1Config | None = None
    parallel: ParallelConfig | None = None

    @property
    def layers(self) -> str:
        """The pattern without spaces: layers[i] is the kind of layer i."""
        return self.pattern.replace(" ", "")

    def count(self, letter: str) -> int:
        return self.layers.count(letter)

    @property
    def recurrent(self) -> bool:
        """Whether a layer has a state that moves from token to token."""
        return any(letter in self.layers for letter in RECURRENT)

    @property
    def num_mamba2(self) -> int:
        """Layers with a Mamba-2 state."""
        return sum(letter in MAMBA2 for letter in self.layers)

    @property
    def num_attention(self) -> int:
        """Layers with keys and values."""
        return sum(letter in ATTENTION for letter in self.layers)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.layers:
            raise ValueError("pattern has no layer")
        sections = {
            "M": self.mamba,
            "*": self.attention,
            "-": self.mlp,
            "E": self.moe,
            "S": self.mamba1,
            "H": self.parallel,
        }
        names = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe", "S": "mamba1"}
        names |= {"H": "parallel"}
        # An H layer is an M and a * besides.
        having = {"M": MAMBA2, "*": ATTENTION}
        for index, letter in enumerate(self.layers):
            if letter not in sections:
                raise ValueError(
                    f"pattern letter {index} is {letter!r}; known are M (Mamba-2), "
                    "* (attention), - (MLP), E (mixture of experts), S (Mamba-1), "
                    "H (attention and Mamba-2)"
                )
        for letter, section in sections.items():
            found = [known for known in having.get(letter, letter) if known in self.layers]
            if found and section is None:
                raise ValueError(
                    f"pattern has {found[0]!r} but there is no [{names[letter]}] section"
                )
            if not found and section is not None:
                raise ValueError(
                    f"there is a [{names[letter]}] section but no {letter!r} in pattern"
                )
        return self
