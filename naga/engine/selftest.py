"""Start-up proof, on the model's own shapes, that a row's result does not depend on its batch.

The promise "same answer alone or in a batch, in any chunking" rests on how the installed libraries
round on this processor, not on our code alone. Random rows go through one weight of each shape,
then through one layer of each kind, whole and in pieces, and must agree bit for bit. The test suite
does the same for whole models and real schedules.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from naga.config.base import ConfigError
from naga.model.layer import Layer, LayerState, StateView
from naga.model.lm import HybridLM
from naga.model.mlp import Matrix
from naga.model.moe import Experts, Router
from naga.model.state import StatePool, place
from naga.ops.linear import linear_rows, pad_rows
from naga.runtime import Runtime

# (rows in the batch, the first of them): around multiples of 16 and between, a row in many places.
WINDOWS = (
    (1, 0),
    (2, 3),
    (3, 30),
    (5, 11),
    (16, 7),
    (17, 1),
    (33, 6),
    (1, 127),
    (64, 5),
    (100, 28),
)
NUM_ROWS = 128
# A weight of more elements gets fewer rows, and only the windows inside them: starting stays quick.
LARGE = 2**22
LARGE_NUM_ROWS = 40

# Lengths of the pieces in which a layer sees one sequence; its pages, in no natural order.
CUTS = (2, 1, 1, 17, 5, 33, 16, 1, 64)
PAGE_SIZE = 64
PAGES = (2, 0, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Product:
    """A product of the model's: (R, K) -> (R, N)."""

    name: str
    shape: tuple[int, int]
    """(N, K) of its weight; the libraries cannot tell products of one shape and dtype apart."""
    dtype: torch.dtype
    """Of its input."""
    run: Callable[[Tensor], Tensor]


@torch.inference_mode()
def check_row_invariance(model: HybridLM, runtime: Runtime) -> None:
    """ConfigError naming the first layer whose rows depend on the rows beside them."""
    seen = set()
    for product in products(model, runtime.dtype):
        if (product.shape, product.dtype) not in seen:
            seen.add((product.shape, product.dtype))
            _check_product(product, runtime.device)
    config = model.config
    pool = StatePool.create(
        config, runtime, num_slots=2, num_pages=len(PAGES) + 1, page_size=PAGE_SIZE
    )
    view = StateView(config, pool)
    rows = _random_rows(sum(CUTS), config.hidden_dim, runtime.device, runtime.dtype)
    for letter in sorted(set(config.layers)):
        index = config.layers.index(letter)
        layer = model.layers[index]
        assert isinstance(layer, Layer)
        _check_layer(f"layers.{index} ({letter})", layer, view.of_layer(index), rows)


def products(model: HybridLM, dtype: torch.dtype) -> Iterator[Product]:
    """Every product with a weight, in the row form that inference uses."""
    config = model.config
    shape = (config.vocab_size, config.hidden_dim)
    yield Product(name="head", shape=shape, dtype=dtype, run=model.logits_rows)
    for name, module in model.layers.named_modules(prefix="layers"):
        match module:
            case Matrix():
                yield _linear(name, module.weight, dtype)
            case Router():
                yield _linear(name, module.weight, torch.float32)
            case Experts():
                yield _linear(f"{name}.up", module.up[0], dtype)
                yield _linear(f"{name}.down", module.down[0], dtype)


def _linear(name: str, weight: Tensor, dtype: torch.dtype) -> Product:
    def run(rows: Tensor) -> Tensor:
        return linear_rows(pad_rows(rows), weight)[: rows.shape[0]]

    return Product(name=name, shape=(weight.shape[0], weight.shape[1]), dtype=dtype, run=run)


def _check_product(product: Product, device: torch.device) -> None:
    num_rows = NUM_ROWS if prod(product.shape) <= LARGE else LARGE_NUM_ROWS
    rows = _random_rows(num_rows, product.shape[1], device, product.dtype)
    together = product.run(rows)
    _require_finite(product.name, together)
    for count, first in WINDOWS:
        window = slice(first, first + count)
        if window.stop <= num_rows:
            _require_equal(product.name, product.run(rows[window]), together[window])


def _check_layer(name: str, layer: Layer, state: LayerState, rows: Tensor) -> None:
    """rows (T, D) as one sequence: at once, then in pieces behind another, fresh sequence."""
    device = rows.device
    batch = place([len(rows)], [0], [0], [PAGES], device)
    together = layer.step(pad_rows(rows), batch, state)
    _require_finite(name, together[: len(rows)])
    start = 0
    for count in CUTS:
        piece, other = rows[start : start + count], rows[-1 - start % 7 :]
        batch = place([len(other), count], [0, start], [1, 0], [[len(PAGES)], PAGES], device)
        mixed = layer.step(pad_rows(torch.cat([other, piece])), batch, state)
        _require_equal(name, mixed[len(other) :][:count], together[start : start + count])
        start += count


def _random_rows(count: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(0))
    return rows.to(device=device, dtype=dtype)


def _require_finite(name: str, rows: Tensor) -> None:
    if not rows.isfinite().all():
        raise ConfigError(f"{name}: its weights give NaN or infinity; the checkpoint is damaged")


def _require_equal(name: str, rows: Tensor, expected: Tensor) -> None:
    if not rows.equal(expected):
        dtype = str(rows.dtype).removeprefix("torch.")
        raise ConfigError(
            f"{name}: on this machine a row's result depends on the rows beside it (seen with "
            f"{len(rows)} rows, {dtype}, torch {torch.__version__}), so answers would change with "
            "the load; try the torch version this package pins, or the other dtype"
        )
