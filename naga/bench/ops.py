"""`naga bench ops`: the native kernels by kind of layer, against the machine's limits.

For each kind of a model's layers, and for its head, a plan of its own computes steps: of several
sequences' next tokens, and of one prompt. Its weights are random and more than a cache holds.
Beside every step the weights are read once; the limit is whichever takes longer, the bytes that
the step must move or its FLOPs in registers. Peers compute whole models only: there are none here.

T tokens of a step, D hidden_dim.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter

import torch
from rich.table import Table

from naga import __version__
from naga.bench.engines import EVERY_EXPERT
from naga.bench.limits import (
    ELEMENTS,
    NAGA_BITS,
    PRODUCTS,
    Precision,
    decode_bytes,
    dtype_of,
    step_flops,
    tensor_bytes,
    weight_bytes,
    weights_of,
)
from naga.config.model import ModelConfig
from naga.config.quantisation import Quantisation
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.model.native import NativeModel, best_isa, product_peak
from naga.model.state import Batch, StatePool, place
from naga.runtime import Runtime, make_runtime

SECTIONS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe", "S": "mamba1", "H": "parallel"}
# Sections that a kind of layer uses besides its own.
BESIDES = {"H": ("mamba", "attention")}
# Bytes of weights that no last cache holds.
BEYOND_CACHES = 300_000_000
PAGE = 64
# Of a plan that is to have no head worth the name.
SMALL_VOCABULARY = 64


@dataclass(frozen=True, kw_only=True)
class OpRow:
    """One kind of layer in one shape of step."""

    work: str
    """A section of the model's config, or head."""
    model: str
    engine: str
    version: str
    precision: Precision
    threads: int
    batch: int
    """Sequences of the step."""
    rows: int
    """Tokens of the step: as many, or one prompt."""
    context: int
    """Tokens of each sequence before the step."""
    microseconds: float
    """Of one layer, median."""
    tokens_per_s: float
    """Of all layers of the kind in the model, were there nothing else."""
    of_limit: float


@dataclass(frozen=True, kw_only=True)
class OpsReport:
    model: str
    command: str
    rows: tuple[OpRow, ...]

    def to_json(self) -> str:
        return json.dumps({"schema": "naga.bench.ops.1", **asdict(self)}, indent=1)

    def table(self) -> Table:
        title = f"{self.model}: layers by kind"
        table = Table(title=title, box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(*_cells(row))
        return table

    def to_markdown(self) -> str:
        head = ["| " + " | ".join(HEADINGS) + " |", "|" + "---:|" * len(HEADINGS)]
        lines = ["| " + " | ".join(_cells(row)) + " |" for row in self.rows]
        parts = [f"# Layers of `{self.model}` by kind", "", *head, *lines, ""]
        return "\n".join([*parts, "```", self.command, "```"]) + "\n"


HEADINGS = (
    *("work", "precision", "batch", "tokens", "context"),
    *("µs a layer", "tokens/s", "of limit"),
)


def _cells(row: OpRow) -> tuple[str, ...]:
    return (
        row.work,
        row.precision,
        str(row.batch),
        str(row.rows),
        str(row.context),
        f"{row.microseconds:,.0f}",
        f"{row.tokens_per_s:,.0f}",
        f"{row.of_limit:.0%}",
    )


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Of a step: some sequences' next tokens, or one prompt."""

    batch: int
    length: int
    """Tokens of each sequence in the step."""
    context: int

    @property
    def rows(self) -> int:
        return self.batch * self.length


def measure_ops(
    model: str,
    config: ModelConfig,
    precisions: Sequence[Precision],
    shapes: Sequence[Shape],
    *,
    rounds: int,
    threads: int,
    command: str,
) -> OpsReport:
    rows = (
        row
        for precision in precisions
        for op in _ops(config, precision, threads)
        for row in op.measure(model, shapes, rounds)
    )
    return OpsReport(model=model, command=command, rows=tuple(rows))


@dataclass(frozen=True, kw_only=True, eq=False)
class Op:
    """A plan of layers of one kind, or a head."""

    name: str
    config: ModelConfig
    """Of the plan."""
    native: NativeModel
    precision: Precision
    threads: int
    count: int
    """Layers of the kind in the model whose it is."""

    def measure(self, model: str, shapes: Sequence[Shape], rounds: int) -> Iterator[OpRow]:
        peak = product_peak(ELEMENTS[PRODUCTS[self.precision]], best_isa(), self.threads)
        for shape in shapes:
            # Only attention looks at its past, only a head leaves a prompt's other tokens out.
            if (shape.context and self.name not in ("attention", "parallel")) or (
                self.name == "head" and shape.length > 1
            ):
                continue
            seconds, shares = [], []
            step, least = self._step(shape), self._bytes(shape)
            for number in range(rounds + 1):
                before, took, after = self._read(), _seconds(step), self._read()
                limit = max(2 * least / (before + after), self._flops(shape) / peak)
                if number:
                    seconds.append(took)
                    shares.append(limit / took)
            yield self._row(model, shape, median(seconds), median(shares))

    def _row(self, model: str, shape: Shape, seconds: float, share: float) -> OpRow:
        layer = seconds / self._layers
        return OpRow(
            work=self.name,
            model=model,
            engine="naga",
            version=__version__,
            precision=self.precision,
            threads=self.threads,
            batch=shape.batch,
            rows=shape.rows,
            context=shape.context,
            microseconds=1e6 * layer,
            tokens_per_s=shape.rows / (layer * self.count),
            of_limit=share,
        )

    @property
    def _layers(self) -> int:
        return 1 if self.name == "head" else len(self.config.layers)

    def _read(self) -> float:
        """Bytes a second."""
        started = perf_counter()
        return self.native.read_weights() / (perf_counter() - started)

    def _bytes(self, shape: Shape) -> float:
        bits = NAGA_BITS[self.precision]
        if self.name == "head":
            size = (self.config.vocab_size, self.config.hidden_dim)
            return tensor_bytes("head.weight", size, bits)
        if shape.length > 1:
            return weight_bytes(self.config, bits, shape.rows)
        return decode_bytes(self.config, bits, shape.batch, shape.context)

    def _flops(self, shape: Shape) -> float:
        if self.name == "head":
            return 2.0 * shape.rows * self.config.vocab_size * self.config.hidden_dim
        return shape.batch * step_flops(self.config, shape.length, shape.context)

    def _step(self, shape: Shape) -> Callable[[], object]:
        runtime = make_runtime("cpu", dtype_of(self.precision))
        if self.name == "head":
            hidden = torch.randn(shape.rows, self.config.hidden_dim).to(runtime.dtype)
            return lambda: self.native.logits_rows(hidden)
        tokens = torch.randint(self.config.vocab_size, (shape.rows,))
        batch, pool = _place(self.config, runtime, shape)
        return lambda: self.native.step(tokens, batch, pool)


def _ops(config: ModelConfig, precision: Precision, threads: int) -> Iterator[Op]:
    for letter in dict.fromkeys(config.layers):
        count = config.count(letter)
        plan = plan_config(config, letter, precision)
        yield Op(
            name=SECTIONS[letter],
            config=plan,
            native=_native(plan, precision, threads),
            precision=precision,
            threads=threads,
            count=count,
        )
    # The cheapest body there is, under the model's own head.
    letter = min(dict.fromkeys(config.layers), key="-*MSEH".index)
    plan = plan_config(config, letter, precision)
    plan = plan.model_copy(update={"pattern": letter, "vocab_size": config.vocab_size})
    yield Op(
        name="head",
        config=plan,
        native=_native(plan, precision, threads),
        precision=precision,
        threads=threads,
        count=1,
    )


def plan_config(config: ModelConfig, letter: str, precision: Precision) -> ModelConfig:
    """Layers of one kind: as many as no cache holds, if the model has so many, and no real head."""
    used = (SECTIONS[letter], *BESIDES.get(letter, ()))
    without = {name: None for name in SECTIONS.values() if name not in used}
    changes = {**without, "vocab_size": SMALL_VOCABULARY, "tie_embeddings": True}
    one = config.model_copy(update={**changes, "pattern": letter})
    layer = weight_bytes(one, NAGA_BITS[precision], EVERY_EXPERT)
    wanted = min(config.count(letter), -(-BEYOND_CACHES // int(layer)))
    return one.model_copy(update={"pattern": letter * wanted})


def _native(config: ModelConfig, precision: Precision, threads: int) -> NativeModel:
    model = HybridLM(config)
    initialize(model, seed=0)
    dtype = make_runtime("cpu", dtype_of(precision)).dtype
    weights = weights_of(precision)
    quantisation = None if weights is None else Quantisation(format=weights)
    return NativeModel.of(model, dtype, threads, best_isa(), quantisation)


def _place(config: ModelConfig, runtime: Runtime, shape: Shape) -> tuple[Batch, StatePool]:
    pages = -(-(shape.context + shape.length) // PAGE)
    pool = StatePool.create(
        config, runtime, num_slots=shape.batch, num_pages=shape.batch * pages, page_size=PAGE
    )
    for part in (*pool.by_slot.values(), pool.keys, pool.values):
        part.normal_()
    rows = range(shape.batch)
    batch = place(
        [shape.length] * shape.batch,
        [shape.context] * shape.batch,
        list(rows),
        [list(range(row * pages, (row + 1) * pages)) for row in rows],
        "cpu",
    )
    return batch, pool


def _seconds(step: Callable[[], object]) -> float:
    started = perf_counter()
    step()
    return perf_counter() - started
