"""naga.rl.losses: each piece against its formula."""

import pytest
import torch

from naga.rl.losses import clipped, divergence, importance, sequence_means


def test_clipping_has_a_bound_of_its_own_on_each_side() -> None:
    ratio = torch.tensor([0.5, 0.5, 1.5, 1.5, 1.25])
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])
    losses, outside = clipped(ratio, advantages, 0.2, 0.3)
    assert losses.tolist() == pytest.approx([-0.5, 0.8, -1.3, 1.5, -1.25])
    assert outside.tolist() == [False, True, True, False, False]


def test_the_divergence_is_never_negative_nor_above_its_bound() -> None:
    logprobs = torch.tensor([-1.0, -1.0, -9.0, 0.0])
    reference = torch.tensor([-1.0, -2.0, 0.0, -50.0])
    found = divergence(logprobs, reference, 10.0)
    expected = [0.0, torch.e**-1 + 1 - 1, 10.0, 10.0]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_importance_is_cut_off_above() -> None:
    found = importance(torch.tensor([-1.0, -1.0]), torch.tensor([-1.5, -9.0]), 2.0)
    assert found.tolist() == pytest.approx([torch.e**0.5, 2.0])
    assert importance(torch.tensor([-1.0]), torch.tensor([-9.0]), None).tolist() == [1.0]


def test_sequence_means_know_their_own_sequence() -> None:
    values = torch.tensor([1.0, 3.0, 10.0], requires_grad=True)
    means = sequence_means(values, torch.tensor([0, 0, 2]))
    assert means.tolist() == [2.0, 2.0, 10.0]
    (gradient,) = torch.autograd.grad(means[0], values)
    assert gradient.tolist() == [0.5, 0.5, 0.0]
