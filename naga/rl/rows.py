"""What a step was like, as one row of metrics.jsonl."""

from collections.abc import Sequence

from naga.config.rl import RlConfig
from naga.rl.curriculum import is_worth, max_tokens_at
from naga.rl.learner import Learned
from naga.rl.record import RlMetrics, mean
from naga.rl.state import RlState
from naga.rl.step import Collected


def metrics_row(
    config: RlConfig,
    state: RlState,
    found: Collected,
    learned: Sequence[Learned],
    *,
    phase: int,
    lr: float,
    train_s: float,
) -> RlMetrics:
    """Of the step that `state` is after."""
    answers = [answer for group in found.groups for answer in group.answers]
    rollouts = [answer.rollout for answer in answers]
    lengths = [rollout.num_chosen for rollout in rollouts]
    counts = found.counts
    worth = [is_worth(rate, config.curriculum, state.step + 1) for rate in state.rates.values()]
    return RlMetrics(
        step=state.step,
        phase=phase,
        reward=mean([answer.reward for answer in answers]),
        score=mean([answer.score for answer in answers]),
        pass_rate=mean([float(right) for group in found.groups for right in group.right]),
        length=mean(lengths),
        longest=max(lengths, default=None),
        truncated=mean([float(rollout.truncated) for rollout in rollouts]),
        think_rate=mean([float(bool(rollout.reasoning.strip())) for rollout in rollouts]),
        max_tokens=max_tokens_at(config, state.step),
        rollouts=counts["rollouts"],
        missing=counts["missing"],
        groups=len(found.useful),
        dropped=counts["dropped"],
        degenerate=counts["degenerate"],
        resting=len(worth) - sum(worth),
        rounds=counts["rounds"],
        loss=mean([each.loss for each in learned]),
        balance=mean([each.balance for each in learned]),
        entropy=_seen(learned, "entropy"),
        kl=_seen(learned, "kl"),
        clipped=_seen(learned, "clipped"),
        mismatch=_seen(learned, "mismatch"),
        mismatch_max=max((each.most["mismatch"] for each in learned), default=None),
        importance=_seen(learned, "importance"),
        lr=lr,
        grad_norm=mean([each.grad_norm for each in learned]),
        expert_load=max((each.expert_load for each in learned if each.expert_load), default=None),
        tokens=state.tokens,
        weights_version=max((rollout.weights_version for rollout in rollouts), default=0),
        rollout_s=found.rollout_s,
        reward_s=found.reward_s,
        train_s=train_s,
        seconds=state.seconds,
    )


def _seen(learned: Sequence[Learned], name: str) -> float | None:
    return mean([each.seen[name] for each in learned if name in each.seen])
