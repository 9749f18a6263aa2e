"""naga.ops.loss.token_logprobs against full logits and autograd."""

import pytest
import torch
from torch import Tensor

from naga.ops.loss import token_logprobs


def plainly(
    hidden: Tensor, weight: Tensor, targets: Tensor, divisor: float
) -> tuple[Tensor, Tensor]:
    logs = (hidden.float() / divisor @ weight.to(hidden.dtype).float().T).log_softmax(-1)
    return logs.gather(1, targets[:, None]).squeeze(1), -(logs.exp() * logs).sum(1)


@pytest.mark.parametrize("chunk_rows", [3, 512])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_values_and_gradients(dtype: torch.dtype, close: float, chunk_rows: int) -> None:
    source = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 12, generator=source).to(dtype).requires_grad_()
    weight = torch.randn(33, 12, generator=source).requires_grad_()
    targets = torch.randint(33, (7,), generator=source)
    factors = torch.randn(2, 7, generator=source)
    found, gradients = [], []
    for form in (
        lambda: token_logprobs(hidden, weight, targets, logits_divisor=1.7, chunk_rows=chunk_rows),
        lambda: plainly(hidden, weight, targets, 1.7),
    ):
        logprobs, entropies = form()
        found.append((logprobs.detach(), entropies.detach()))
        total = (logprobs * factors[0] + entropies * factors[1]).sum()
        gradients.append(torch.autograd.grad(total, (hidden, weight)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=close, atol=close)


def test_nothing_learned_is_no_error() -> None:
    hidden = torch.zeros(0, 4, requires_grad=True)
    logprobs, entropies = token_logprobs(
        hidden, torch.zeros(9, 4), torch.zeros(0, dtype=torch.int64)
    )
    assert logprobs.shape == entropies.shape == (0,)
