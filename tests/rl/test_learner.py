"""naga.rl.learner: gradients of any loss, whatever the cut into micro-batches."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from naga.model.lm import HybridLM
from naga.model.state import pack as pack_lengths
from naga.rl.algorithms import ALGORITHMS, make_algorithm
from naga.rl.batches import MicroBatch, cut, pack
from naga.rl.learner import accumulate, learn, with_logprobs
from naga.rl.losses import Loss, Tokens
from naga.rl.state import begin_anew
from naga.rl.types import Sample
from naga.train.optim import make_optimizer
from naga.train.step import NonFiniteError
from rl.tiny import CPU, algorithm, make_model, random_samples

LENGTHS = (9, 14, 6, 20)


@pytest.fixture
def model() -> HybridLM:
    return make_model()


def batches_of(samples: list[Sample], tokens_per_batch: int) -> list[MicroBatch]:
    return [pack(each, CPU.device) for each in cut(samples, tokens_per_batch)]


def gradients(model: HybridLM, batches: list[MicroBatch], name: str) -> tuple[float, list[Tensor]]:
    chosen = make_algorithm(algorithm(name=name, kl=0.1, entropy=0.01))
    model.zero_grad(set_to_none=True)
    parts = accumulate(model, batches, chosen.loss, CPU)
    found = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return sum(part.loss for part in parts), [gradient.clone() for gradient in found]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_cut_into_micro_batches_changes_rounding_alone(model: HybridLM, name: str) -> None:
    samples, reference = random_samples(model, LENGTHS), make_model(7)
    found = []
    for size in (1000, 20):
        batches = [
            with_logprobs(reference, reference, batch, CPU, old=True)
            for batch in batches_of(samples, size)
        ]
        found.append(gradients(model, batches, name))
    assert len(batches_of(samples, 20)) > 1
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-6)


def test_the_loss_is_that_of_full_logits(model: HybridLM) -> None:
    """Each sample by itself, all of its logits, autograd through a formula in one line."""
    samples = random_samples(model, LENGTHS)

    def formula(tokens: Tokens) -> Loss:
        return Loss(total=-(tokens.weights * tokens.advantages * tokens.logprobs).sum(), seen={})

    model.zero_grad(set_to_none=True)
    parts = accumulate(model, batches_of(samples, 30), formula, CPU)
    expected = torch.zeros(())
    for sample in samples:
        tokens = torch.from_numpy(sample.tokens)
        packed = pack_lengths([len(tokens) - 1], CPU.device)
        hidden = model(tokens[:-1], packed, torch.float32).hidden
        logs = model.logits(hidden).log_softmax(-1).gather(1, tokens[1:, None]).squeeze(1)
        factors = torch.from_numpy(sample.weights * sample.advantages)[1:]
        expected = expected - (factors * logs).sum()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    ours = [weight.grad for weight in weights]
    theirs = torch.autograd.grad(expected, weights)
    assert sum(part.loss for part in parts) == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(ours, list(theirs), rtol=1e-3, atol=1e-6)


def test_what_is_not_learned_has_no_say(model: HybridLM) -> None:
    """A tool's tokens: their log-probabilities, advantages and weights are never looked at."""
    samples = random_samples(model, LENGTHS)
    changed = []
    for sample in samples:
        noise = (~sample.learned).astype("float32") * 9
        changed.append(
            replace(
                sample,
                logprobs=sample.logprobs + noise,
                advantages=sample.advantages + noise,
                weights=sample.weights + noise,
            )
        )
    first, second = (gradients(model, batches_of(s, 30), "dapo") for s in (samples, changed))
    assert first[0] == second[0]
    assert all(a.equal(b) for a, b in zip(first[1], second[1], strict=True))


def test_an_update_that_is_not_finite_changes_nothing(model: HybridLM) -> None:
    optimizer = make_optimizer(model, _optim())
    begin_anew(model, optimizer)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    def broken(tokens: Tokens) -> Loss:
        return Loss(total=tokens.logprobs.sum() * torch.nan, seen={})

    with pytest.raises(NonFiniteError, match="the loss is nan"):
        learn(
            model,
            optimizer,
            batches_of(random_samples(model, LENGTHS), 99),
            broken,
            lr=0.1,
            clip_norm=1.0,
            runtime=CPU,
        )
    assert all(weight.equal(before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_gains_becomes_likelier(name: str) -> None:
    """Some updates on one answer that was better and one that was worse."""
    model = make_model()
    samples = random_samples(model, (12, 12))
    better, worse = (
        replace(sample, advantages=sample.learned.astype("float32") * sign)
        for sample, sign in zip(samples, (1, -1), strict=True)
    )
    first = with_logprobs(model, None, pack([better, worse], CPU.device), CPU, old=True)
    optimizer = make_optimizer(model, _optim())
    begin_anew(model, optimizer)
    loss = make_algorithm(algorithm(name=name, importance_cap=None)).loss
    for _ in range(3):
        learn(model, optimizer, [first], loss, lr=3e-3, clip_norm=1.0, runtime=CPU)
    now = with_logprobs(model, None, first, CPU, old=True)
    assert now.old is not None and first.old is not None
    gained = now.old - first.old
    assert gained[now.sequences == 0].mean() > 0.01
    assert name == "best_of_n" or gained[now.sequences == 1].mean() < -0.01


def _optim():  # type: ignore[no-untyped-def]
    from naga.config.train import OptimConfig

    return OptimConfig.model_validate({"lr": 0.01, "weight_decay": 0.0})
