"""Which prompts a step asks: phases, difficulty that grows, and what has become too easy or hard.

Choices are a function of (seed, step, round, running pass rates), and the rates are part of a
checkpoint: a resumed run asks what the uninterrupted one would have. Knows no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from naga.config.rl import CurriculumConfig, PhaseConfig, RlConfig
from naga.rl.types import Group, Prompt


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What a prompt's answers have been like."""

    value: float
    """Running mean of the groups' pass rates."""
    asked: int
    """Groups in all."""
    step: int
    """Of the newest one."""


Rates = dict[str, Rate]


def phase_at(phases: Sequence[PhaseConfig], step: int) -> int:
    """The phase that step (counted from 1) is in."""
    end = 0
    for index, phase in enumerate(phases):
        end += phase.steps or 0
        if phase.steps is None or step <= end:
            return index
    raise AssertionError("the last phase has no end")


def max_tokens_at(config: RlConfig, step: int) -> int:
    """The length of answers, growing evenly over the curriculum's steps."""
    first, most = config.curriculum.first_tokens, config.rollout.max_tokens
    if first is None or step > config.curriculum.steps:
        return most
    return round(first + (most - first) * (step - 1) / config.curriculum.steps)


def choose_prompts(
    pools: Sequence[Sequence[Prompt]],
    config: RlConfig,
    rates: Mapping[str, Rate],
    *,
    step: int,
    round_: int,
    count: int,
    taken: frozenset[str] = frozenset(),
) -> list[Prompt]:
    """`count` different ones, fewer where there are no more; none of those `taken`."""
    random = Random(f"prompts {config.seed} {step} {round_}")
    phase = phase_at(config.phases, step)
    allowed = [prompt for prompt in _open_part(pools, config, phase, step)]
    before = [prompt for pool in pools[:phase] for prompt in pool]
    replayed = sum(random.random() < config.phases[phase].replay for _ in range(count))
    chosen: dict[str, Prompt] = {}
    for source, wanted in ((before, replayed), (allowed, count)):
        fit = [p for p in source if p.key not in taken and p.key not in chosen]
        fit = [p for p in fit if is_worth(rates.get(p.key), config.curriculum, step)]
        room = min(wanted, count - len(chosen), len(fit))
        chosen |= {prompt.key: prompt for prompt in random.sample(fit, room)}
    return list(chosen.values())


def _open_part(
    pools: Sequence[Sequence[Prompt]], config: RlConfig, phase: int, step: int
) -> Sequence[Prompt]:
    """The easiest part of the phase's pool, which grows to the whole of it."""
    curriculum, pool = config.curriculum, pools[phase]
    begun = sum(earlier.steps or 0 for earlier in config.phases[:phase])
    done = step - begun - 1
    if done >= curriculum.steps:
        return pool
    share = curriculum.first_share + (1 - curriculum.first_share) * done / curriculum.steps
    return pool[: max(1, round(share * len(pool)))]


def is_worth(rate: Rate | None, config: CurriculumConfig, step: int) -> bool:
    """False while a prompt rests that was always right or always wrong."""
    if rate is None or rate.asked < config.after or step - rate.step > config.rest_steps:
        return True
    return config.lowest_rate < rate.value < config.highest_rate


def updated(
    rates: Mapping[str, Rate], groups: Sequence[Group], config: CurriculumConfig, step: int
) -> Rates:
    """With what these groups have shown."""
    new = dict(rates)
    for group in groups:
        key, value = group.prompt.key, group.pass_rate
        old = new.get(key)
        if old is None:
            new[key] = Rate(value=value, asked=1, step=step)
            continue
        mean = old.value + config.smoothing * (value - old.value)
        new[key] = replace(old, value=mean, asked=old.asked + 1, step=step)
    return new
