"""NativeModel: the row form of a model, computed by one native call a step.

Derived from HybridLM, which stays the law: same rounding points, weights packed into memory of the
plan's own (`load` packs new ones into the same places); packed bytes are read where they lie until
`settle` copies them there. Does without the HybridLM itself. Results are within rounding of
HybridLM.step, not equal to it, and like it bitwise independent of batching, chunking and threads.
Runs on the CPU, for inference alone.

T tokens, R rows, D hidden_dim, V vocabulary, N rows and K columns of a matrix, E experts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MambaConfig, ModelConfig, MoeConfig
from naga.config.quantisation import Quantisation, Weights
from naga.model.lm import HybridLM, is_matrix, is_table
from naga.model.state import Batch, StatePool
from naga.ops.sampling import Draw, Sample

try:
    from naga import _cpu
except ImportError as error:
    raise ConfigError(
        f"the native CPU kernels are not built ({error}); install naga again where there is a C++ "
        "compiler, or ask for the slow reference by name: --backend reference"
    ) from None

WORD = 2**64
# Of Mamba-1: small, and every decay of a state is made with them.
SELECTING = ("x_proj.weight", "dt_proj.weight")
# Rows that are packed by one thread at a time; of whole panels, which are 32.
PIECE_ROWS = 512

_Lengths = tuple[int, ...]
# Lengths, starts, slots, sources, pages and the pool, as the plan takes them.
_Placed = tuple[_Lengths, _Lengths, _Lengths, _Lengths, tuple[_Lengths, ...], "_cpu.BoundStates"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Borrowed:
    packed: Tensor
    release: Callable[[], None]


class NativeModel:
    def __init__(
        self,
        config: ModelConfig,
        dtype: torch.dtype,
        threads: int,
        isa: str,
        quantisation: Quantisation | None = None,
    ) -> None:
        """Without weights yet: `load` or `borrow` every tensor before the first step.

        `isa`: portable, avx2, avx512 or avx512_bf16; ValueError if the processor lacks it.
        `quantisation`: projections and experts as whole multiples of a scale for each group of
        columns, or for each row, their inputs rounded to int8 likewise, embedding and head in int8;
        None holds all in `dtype`.
        """
        self.config = config
        self.quantisation = quantisation
        self._dtype = dtype
        name = str(dtype).removeprefix("torch.")
        self._plan = _cpu.Plan(_plan_config(config, quantisation), isa, name, threads)
        self._borrowed: dict[str, _Borrowed] = {}
        self._bound: tuple[StatePool, _cpu.BoundStates] | None = None

    @classmethod
    def of(
        cls,
        model: HybridLM,
        dtype: torch.dtype,
        threads: int,
        isa: str,
        quantisation: Quantisation | None = None,
    ) -> Self:
        """With the weights of a model in memory."""
        made = cls(model.config, dtype, threads, isa, quantisation)
        made.load(model.state_dict().items())
        return made

    @property
    def isa(self) -> str:
        return str(self._plan.isa)

    @property
    def missing(self) -> tuple[str, ...]:
        """Tensors that neither `load` nor `borrow` has had."""
        return tuple(self._plan.missing())

    def load(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Copy weights in place, under in-memory names; ValueError names one that does not fit."""
        for name, tensor in tensors:
            held = tensor.detach().to("cpu", self._loaded_dtype(name, tensor.dtype))
            self._plan.load(name, held.contiguous())
            self._give_back(name)

    def borrow(self, name: str, packed: Tensor, release: Callable[[], None]) -> None:
        """Take the bytes of a packed matrix, uint8 as `packed_shape` says, where they lie.

        They must not change until `release` is called, once the model has them in memory of its
        own: by `settle`, or by new weights in their place. ValueError names one that does not fit.
        """
        self._plan.borrow(name, packed)
        self._borrowed[name] = _Borrowed(packed=packed, release=release)

    def settle(self) -> bool:
        """Copy one borrowed matrix into memory of its own; False if there is none. Between steps.

        Bytes, and so results, stay the same; steps get faster (docs/log.md, huge pages).
        """
        if not self._borrowed:
            return False
        name = next(iter(self._borrowed))
        self._plan.settle(name)
        self._give_back(name)
        return True

    def _give_back(self, name: str) -> None:
        if borrowed := self._borrowed.pop(name, None):
            borrowed.release()

    def _loaded_dtype(self, name: str, stored: torch.dtype) -> torch.dtype:
        if not (is_matrix(name) or is_table(name)):
            return torch.float32
        if self.quantisation is None:
            return self._dtype
        # Rounded once, from what is stored.
        return stored if stored in (torch.float32, torch.bfloat16) else torch.float32

    def step(self, tokens: Tensor, batch: Batch, pool: StatePool) -> Tensor:
        """As HybridLM.step: hidden (T, D); moves the batch's states in `pool` on."""
        hidden = torch.empty(tokens.shape[0], self.config.hidden_dim, dtype=self._dtype)
        self._plan.step(tokens, *self._placed(batch, pool), hidden)
        return hidden

    def _placed(self, batch: Batch, pool: StatePool) -> _Placed:
        assert batch.slots is not None and batch.sources is not None and batch.pages is not None
        lengths, starts, slots, sources = batch.lengths, batch.starts, batch.slots, batch.sources
        return lengths, starts, slots, sources, batch.pages, self._bind(pool)

    def _bind(self, pool: StatePool) -> _cpu.BoundStates:
        """Of the pool that came last, looked at once."""
        if self._bound is None or self._bound[0] is not pool:
            scales = (pool.key_scales, pool.value_scales)
            mamba1 = (pool.mamba1_ssm, pool.mamba1_conv)
            states = self._plan.bind(pool.ssm, pool.conv, pool.keys, pool.values, *scales, *mamba1)
            self._bound = (pool, states)
        return self._bound[1]

    def logits_rows(self, hidden: Tensor) -> Tensor:
        """(R, D) -> (R, V) float32."""
        logits = torch.empty(hidden.shape[0], self.config.vocab_size)
        self._plan.logits(hidden.contiguous(), logits)
        return logits

    def sample(self, logits: Tensor, draws: Sequence[Draw]) -> list[Sample | None]:
        """As HybridLM.sample."""
        return _samples(self._plan.sample(logits, _numbers(draws)))

    def choose(
        self,
        tokens: Sequence[int],
        batch: Batch,
        pool: StatePool,
        rows: Sequence[int],
        draws: Sequence[Draw],
    ) -> list[Sample | None]:
        """As HybridLM.choose, in one native call: no tensor is made for a token."""
        placed = self._placed(batch, pool)
        return _samples(self._plan.choose(tokens, *placed, rows, _numbers(draws)))

    @property
    def seconds(self) -> float:
        """Spent so far in native calls: what is missing from a step's time is Python's."""
        return float(self._plan.seconds)

    def read_weights(self) -> int:
        """Read every byte of the weights once, with all threads; how many they are."""
        return int(self._plan.read_weights())


def _numbers(draws: Sequence[Draw]) -> "list[_cpu.Draw]":
    return [
        (d.temperature, d.top_p, d.top_k or 0, d.seed % WORD, d.choice, d.position, _wishes(d))
        for d in draws
    ]


def _wishes(draw: Draw) -> "_cpu.Wishes | None":
    if draw.mask is None and draw.forced is None and not draw.bias and not draw.top:
        return None
    return draw.bias, draw.mask, draw.forced, draw.top


def _samples(chosen: "Sequence[_cpu.Chosen]") -> list[Sample | None]:
    return [
        Sample(token=token, logprob=logprob, top=top) if token >= 0 else None
        for token, logprob, top in chosen
    ]


def best_isa() -> str:
    """The widest instruction set that this processor has and the kernels use."""
    return str(_cpu.best_isa())


def product_peak(element: str, isa: str, threads: int) -> float:
    """FLOP a second of products in registers; `element`: float32, bfloat16, or int8."""
    return float(_cpu.product_peak(element, isa, threads))


def format_of(name: str, quantisation: Quantisation) -> Weights:
    """What the named matrix is held in: some never in less than eight bits."""
    return "int8" if is_table(name) or name.endswith(SELECTING) else quantisation.format


def packed_shape(name: str, shape: tuple[int, ...], quantisation: Quantisation) -> tuple[int, ...]:
    """Shape of a matrix (N, K), or of all experts' (E, N, K), once packed: (bytes,), (E, bytes).

    ConfigError if so many columns cannot share a scale.
    """
    *parts, rows, columns = shape
    native = _FORMATS[format_of(name, quantisation)]
    try:
        return (*parts, int(_cpu.packed_bytes(rows, columns, native, _native_group(quantisation))))
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def pack_weight(
    name: str, weight: Tensor, quantisation: Quantisation, importance: Tensor | None
) -> Tensor:
    """A matrix of any floating dtype -> uint8 of `packed_shape`, on all threads.

    Rounds to nearest without `importance`; with it, (K,) or (E, K) float32, scales are chosen so
    that the sum of importance times squared error is least.
    """
    native, group = _FORMATS[format_of(name, quantisation)], _native_group(quantisation)
    known = weight if weight.dtype in (torch.float32, torch.bfloat16) else weight.float()
    packed = torch.empty(packed_shape(name, tuple(weight.shape), quantisation), dtype=torch.uint8)
    rows, columns = weight.shape[-2:]
    size = int(_cpu.packed_bytes(PIECE_ROWS, columns, native, group))
    parts, outputs = known.reshape(-1, rows, columns), packed.view(-1, packed.shape[-1])
    numbers = [None] * len(parts) if importance is None else [*importance.view(-1, columns)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        waiting = [
            pool.submit(_cpu.pack, piece, native, group, number, target)
            for part, number, output in zip(parts, numbers, outputs, strict=True)
            for piece, target in zip(part.split(PIECE_ROWS), output.split(size), strict=True)
        ]
        for done in waiting:
            done.result()
    return packed


_FORMATS: Mapping[Weights, "_cpu.Format"] = {"int8": _cpu.Format.int8, "int4": _cpu.Format.int4}


def _native_group(quantisation: Quantisation) -> int:
    return 0 if quantisation.group == "channel" else quantisation.group


def _plan_config(config: ModelConfig, quantisation: Quantisation | None) -> "_cpu.PlanConfig":
    plan = _cpu.PlanConfig()
    if quantisation is not None:
        plan.format, plan.group = _FORMATS[quantisation.format], _native_group(quantisation)
    for name, value in _fields(config).items():
        setattr(plan, name, value)
    return plan


_Field = str | int | float | bool | tuple[float, ...]


def _fields(config: ModelConfig) -> Mapping[str, _Field]:
    """PlanConfig's fields; what a model lacks stays zero."""
    fields: dict[str, _Field] = {
        "layers": config.layers,
        "vocab_size": config.vocab_size,
        "hidden_dim": config.hidden_dim,
        "norm_eps": config.norm_eps,
        "tied": config.tie_embeddings,
        "embedding_multiplier": config.embedding_multiplier,
        "residual_multiplier": config.residual_multiplier,
        "logits_divisor": config.logits_divisor,
        "logits_multiplier": config.logits_multiplier,
    }
    if mamba := config.mamba:
        fields |= _mamba_fields(mamba)
    if mamba1 := config.mamba1:
        fields |= {
            "mamba1_dim": mamba1.inner_dim,
            "mamba1_state_dim": mamba1.state_dim,
            "mamba1_conv_width": mamba1.conv_width,
            "dt_rank": mamba1.dt_rank,
            "mamba1_norms": mamba1.norms,
        }
    if attention := config.attention:
        fields |= _attention_fields(attention)
    if mlp := config.mlp:
        fields |= {"mlp_dim": mlp.inner_dim, "mlp_gated": mlp.activation == "swiglu"}
        fields |= _multipliers(("gate", "down"), (mlp.gate_multiplier, mlp.down_multiplier))
    if parallel := config.parallel:
        factors = (parallel.ssm_multiplier, parallel.attention_multiplier)
        fields |= _multipliers(("ssm_out", "attention_out"), factors)
    if moe := config.moe:
        fields |= _moe_fields(moe)
    return fields


def _mamba_fields(mamba: MambaConfig) -> dict[str, _Field]:
    return {
        "mamba_heads": mamba.num_heads,
        "mamba_head_dim": mamba.head_dim,
        "state_dim": mamba.state_dim,
        "groups": mamba.num_groups,
        "conv_width": mamba.conv_width,
        "dt_low": mamba.dt_limit[0],
        "dt_high": mamba.dt_limit[1],
        "gate_norm": mamba.norm != "none",
        "norm_first": mamba.norm == "norm_first",
        **_multipliers(("z", "x", "B", "C", "dt"), mamba.projection_multipliers),
    }


def _attention_fields(attention: AttentionConfig) -> dict[str, _Field]:
    fields: dict[str, _Field] = {
        "heads": attention.num_heads,
        "key_heads": attention.num_kv_heads,
        "head_dim": attention.head_dim,
        "softmax_scale": attention.softmax_scale,
        "qk_norm": attention.qk_norm,
        "qk_norm_first": attention.qk_norm_place == "before_rotation",
        **_multipliers(("q", "k", "v"), attention.projection_multipliers),
    }
    if rope := attention.rope:
        dim = attention.rotary_dim
        fields["rotary_dim"], fields["rope_scales"] = dim, rope.scales(dim)
        fields["rope_base"] = rope.base(dim)
    return fields


def _moe_fields(moe: MoeConfig) -> dict[str, _Field]:
    return {
        "experts": moe.num_experts,
        "top_k": moe.top_k,
        "expert_dim": moe.expert_dim,
        "shared_dim": moe.shared_dim or 0,
        "expert_gated": moe.activation == "swiglu",
        "sigmoid_router": moe.router == "sigmoid",
        "routed_scale": moe.routed_scale,
        "weigh_all": moe.weigh == "all",
        "latent_dim": moe.latent_dim or 0,
    }


def _multipliers(names: Sequence[str], factors: Sequence[float]) -> dict[str, float]:
    pairs = zip(names, factors, strict=True)
    return {f"{name}_multiplier": factor for name, factor in pairs}
