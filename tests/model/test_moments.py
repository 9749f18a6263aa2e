"""Moments: sums of squares of exactly those rows that meet a weight, experts each by itself."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from model.tiny import CONFIGS, random_tokens, trained_model
from naga.model.layer import Layer
from naga.model.lm import is_matrix
from naga.model.mlp import ACTIVATIONS, Mlp
from naga.model.moe import Moe
from naga.model.moments import FLOOR, PRIOR_ROWS, Moments, weigh
from naga.model.state import pack
from naga.ops.linear import linear


def seen(layer: Layer) -> tuple[torch.Tensor, Moments]:
    """The normed input of a layer's mixer, (T, D), and what was gathered while it ran."""
    tokens = random_tokens(40)
    x = F.embedding(tokens, trained_model("everything").embed.weight)
    named = {name: tensor for name, tensor in layer.state_dict().items() if is_matrix(name)}
    with torch.no_grad(), Moments(named) as moments:
        layer(x, pack([33, 7], "cpu"))
    return layer.norm(x).detach(), moments


@pytest.mark.parametrize("index", range(len(CONFIGS["everything"].layers)))
def test_every_matrix_of_every_kind_of_layer_is_seen(index: int) -> None:
    layer = trained_model("everything").layers[index]
    normed, moments = seen(layer)
    named = {name for name in layer.state_dict() if is_matrix(name)}
    found = moments.importance()
    assert found.keys() == named and named
    for name in named:
        weight = layer.state_dict()[name]
        assert found[name].shape == weight.shape[:-2] + weight.shape[-1:]
        assert moments._rows[name].sum() > 0, name
        assert found[name].std() > 0, name
    inputs = [name for name in named if "in_proj" in name or "q_proj" in name or "v_proj" in name]
    for name in inputs:
        torch.testing.assert_close(moments._sums[name][0], normed.square().sum(0))


def test_an_mlp_is_seen_at_both_products() -> None:
    layer = next(x for x in trained_model("everything").layers if isinstance(x.mixer, Mlp))
    normed, moments = seen(layer)
    inner = ACTIVATIONS["relu2"][1](linear(normed, layer.mixer.up.weight)).detach()
    torch.testing.assert_close(moments._sums["mixer.up.weight"][0], normed.square().sum(0))
    torch.testing.assert_close(moments._sums["mixer.down.weight"][0], inner.square().sum(0))
    assert moments._rows["mixer.up.weight"].tolist() == [40]


def test_an_expert_is_seen_with_the_tokens_routed_to_it() -> None:
    layer = next(x for x in trained_model("everything").layers if isinstance(x.mixer, Moe))
    normed, moments = seen(layer)
    choices, _ = layer.mixer.router.choose(linear(normed, layer.mixer.router.weight))
    for expert in range(choices.max() + 1):
        routed = normed[(choices == expert).any(-1)]
        inner = ACTIVATIONS["relu2"][1](linear(routed, layer.mixer.experts.up[expert])).detach()
        sums = (moments._sums[f"mixer.experts.{name}"][expert] for name in ("up", "down"))
        for found, rows in zip(sums, (routed, inner), strict=True):
            torch.testing.assert_close(found, rows.square().sum(0))
        assert moments._rows["mixer.experts.up"][expert] == len(routed)


def test_other_products_are_not_seen() -> None:
    weight = torch.ones(3, 4)
    with Moments({"mine": weight}) as moments:
        linear(torch.ones(2, 4), weight.clone())
    assert moments._sums["mine"].sum() == 0
    assert moments.importance()["mine"].equal(torch.ones(4))


@given(
    st.lists(st.floats(0, 1e20), min_size=2, max_size=5).filter(lambda x: sum(x) > 1e-20),
    st.integers(1, 10**6),
    st.floats(1e-3, 1e3),
)
def test_importance_grows_with_the_sums_and_is_about_one(
    sums: list[float], rows: int, factor: float
) -> None:
    given_ = torch.tensor([sums], dtype=torch.float32)
    found = weigh(given_, torch.tensor([float(rows)]))
    assert found.isfinite().all() and (found >= FLOOR).all()
    assert found[0, given_.argmax()] == found.max()
    assert 0.99 <= found.mean() <= 1 + FLOOR
    # The unit of the sums does not matter, the number of rows behind them does.
    torch.testing.assert_close(weigh(given_ * factor, torch.tensor([float(rows)])), found)
    torch.testing.assert_close(weigh(given_, torch.tensor([0.0])), torch.ones_like(found))


def test_few_rows_count_for_little() -> None:
    sums = torch.tensor([[0.0, 2.0]])
    assert weigh(sums, torch.tensor([float(PRIOR_ROWS)])).tolist() == [[0.5, 1.5]]
    torch.testing.assert_close(
        weigh(sums, torch.tensor([1e9])), torch.tensor([[FLOOR, 2.0]]), atol=1e-5, rtol=0
    )
