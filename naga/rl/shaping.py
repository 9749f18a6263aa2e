"""What is added to the scores of a group: overlong penalty, compression among right answers.

Shaping prefers between answers and never makes a wrong one right: compression is for right ones
alone, and group adjustment (advantages.py) keeps the signs. Lengths are tokens the policy chose.
"""

from collections.abc import Sequence

from naga.config.rl import ShapingConfig
from naga.rl.types import Judged, Rollout
from naga.tasks import Verdict


def shape(
    judged: Sequence[tuple[Rollout, Verdict, float]],
    config: ShapingConfig,
    *,
    right_at: float,
    max_tokens: int,
) -> tuple[Judged, ...]:
    """judged: (answer, verdict, its score)."""
    lengths = [rollout.num_chosen for rollout, _, _ in judged]
    right = [score >= right_at for _, _, score in judged]
    gains = compression(lengths, right, config)
    penalties = [overlong(length, max_tokens, config) for length in lengths]
    answers = []
    for (rollout, verdict, score), gain, penalty in zip(judged, gains, penalties, strict=True):
        shaped = {"overlong": penalty, "compression": gain}
        parts = {**verdict.parts, **{name: value for name, value in shaped.items() if value}}
        answers.append(
            Judged(
                rollout=rollout,
                score=score,
                parts=parts,
                reward=score + penalty + (0.0 if config.to_mode else gain),
                mode_reward=gain if config.to_mode else 0.0,
            )
        )
    return tuple(answers)


def overlong(length: int, max_tokens: int, config: ShapingConfig) -> float:
    """0 up to the last overlong_tokens, then falling by the token (DAPO, arXiv 2503.14476)."""
    if not config.overlong_tokens:
        return 0.0
    over = length - (max_tokens - config.overlong_tokens)
    return -config.overlong_penalty * max(0, over) / config.overlong_tokens


def compression(
    lengths: Sequence[int], right: Sequence[bool], config: ShapingConfig
) -> list[float]:
    """Half of `compression` for the shortest right answer to minus half for the longest.

    by_difficulty turns it round where fewer than half are right: there longer ones are wanted.
    """
    among = [length for length, is_right in zip(lengths, right, strict=True) if is_right]
    if not config.compression or len(among) < 2 or min(among) == max(among):
        return [0.0] * len(lengths)
    rate = len(among) / len(lengths)
    factor = config.compression * (2 * rate - 1 if config.by_difficulty else 1.0)
    span = max(among) - min(among)
    places = [(max(among) - length) / span - 0.5 for length in lengths]
    return [
        factor * place if is_right else 0.0 for place, is_right in zip(places, right, strict=True)
    ]
