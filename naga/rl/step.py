"""The two halves of a step: collect groups worth learning from, and learn from them.

Collecting asks again (dynamic sampling, bounded) until there are enough groups whose answers differ
in reward. Both halves are functions of what they are given; files and signals are run.py's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from torch.optim import AdamW

from naga.config.rl import RlConfig
from naga.data.tokenizer import Tokenizer
from naga.model.lm import HybridLM
from naga.rl.advantages import is_degenerate
from naga.rl.algorithms import Algorithm
from naga.rl.batches import MicroBatch, cut, pack
from naga.rl.curriculum import Rates, choose_prompts, max_tokens_at, updated
from naga.rl.episodes import MakeEnvironment, roll_out
from naga.rl.learner import Learned, learn, with_logprobs
from naga.rl.reward import judge
from naga.rl.rollout import Sampler, group_asks, seed_of
from naga.rl.routes import find_routes
from naga.rl.types import Group, Prompt, RewardFunction, Rollout, Sample
from naga.runtime import Runtime


@dataclass(frozen=True, kw_only=True, eq=False)
class Collector:
    """Who is asked, and who judges."""

    config: RlConfig
    pools: Sequence[Sequence[Prompt]]
    sampler: Sampler
    tokenizer: Tokenizer
    reward: RewardFunction
    make_environment: MakeEnvironment


@dataclass(kw_only=True, eq=False)
class Collected:
    groups: list[Group] = field(default_factory=list)
    """All judged ones, in the order in which they were asked."""
    useful: list[Group] = field(default_factory=list)
    """Those to learn from."""
    rates: Rates
    counts: Counter[str] = field(default_factory=Counter)
    """rollouts, missing, dropped, degenerate, rounds."""
    rollout_s: float = 0.0
    reward_s: float = 0.0


def collect(collector: Collector, algorithm: Algorithm, rates: Rates, step: int) -> Collected:
    """Groups of one step: enough useful ones, or what dynamic_rounds found."""
    config = collector.config.rollout
    found = Collected(rates=rates)
    taken: frozenset[str] = frozenset()
    while found.counts["rounds"] < config.dynamic_rounds:
        wanted = config.prompts_per_step - len(found.useful)
        prompts = choose_prompts(
            collector.pools,
            collector.config,
            rates,
            step=step,
            round_=found.counts["rounds"],
            count=wanted,
            taken=taken,
        )
        if not wanted or not prompts:
            break
        taken |= {prompt.key for prompt in prompts}
        _ask(collector, algorithm, found, prompts, step)
    found.rates = updated(rates, found.groups, collector.config.curriculum, step)
    return found


def _ask(
    collector: Collector,
    algorithm: Algorithm,
    found: Collected,
    prompts: Sequence[Prompt],
    step: int,
) -> None:
    """One round: answers to `prompts`, judged and added to what is found."""
    config = collector.config
    most = max_tokens_at(config, step)
    started = perf_counter()
    asks = []
    for prompt in prompts:
        seed = seed_of(config.seed, step, prompt, found.counts["rounds"])
        asks.append((prompt, group_asks(prompt, seed, config.rollout.group_size, most)))
    rolled = roll_out(
        collector.sampler,
        collector.tokenizer,
        asks,
        collector.make_environment,
        config.rollout.max_turns,
    )
    answered = perf_counter()
    judged = judge(
        collector.reward,
        list(zip(prompts, rolled, strict=True)),
        config.shaping,
        right_at=config.rollout.right_at,
        max_tokens=most,
    )
    found.rollout_s += answered - started
    found.reward_s += perf_counter() - answered
    useful = [group for group in judged.groups if not is_degenerate(group, algorithm.config)]
    found.groups += judged.groups
    found.useful += useful
    found.counts += Counter(
        rounds=1,
        rollouts=sum(map(len, rolled)),
        missing=judged.missing,
        dropped=judged.dropped,
        degenerate=len(judged.groups) - len(useful),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Learner:
    """Who learns, and how."""

    config: RlConfig
    model: HybridLM
    reference: HybridLM | None
    optimizer: AdamW
    algorithm: Algorithm
    runtime: Runtime


def improve(learner: Learner, groups: Sequence[Group], lr: float) -> list[Learned]:
    """Every update of one step; none where nothing can be learned."""
    config = learner.config
    groups = with_routes(learner, groups) if config.rollout.replay_routes else groups
    count = min(config.updates_per_step, len(groups))
    prepared = []
    for number in range(count):
        samples = learner.algorithm.samples(groups[number::count])
        if samples:
            prepared.append(_prepare(learner, _pack(samples, config, learner.runtime)))
    return [
        learn(
            learner.model,
            learner.optimizer,
            batches,
            learner.algorithm.loss,
            lr=lr,
            clip_norm=config.optim.clip_norm,
            runtime=learner.runtime,
        )
        for batches in prepared
    ]


def _pack(samples: Sequence[Sample], config: RlConfig, runtime: Runtime) -> list[MicroBatch]:
    return [pack(each, runtime.device) for each in cut(samples, config.tokens_per_batch)]


def _prepare(learner: Learner, batches: Sequence[MicroBatch]) -> list[MicroBatch]:
    """Before the first update: what the policy and the reference say of every token."""
    reference = learner.reference if learner.algorithm.needs_reference else None
    several = learner.config.updates_per_step > 1
    return [
        with_logprobs(learner.model, reference, batch, learner.runtime, old=several)
        for batch in batches
    ]


def with_routes(learner: Learner, groups: Sequence[Group]) -> list[Group]:
    """The groups with the experts that sampling chose (routes.py)."""

    def routed(rollout: Rollout) -> Rollout:
        tokens = rollout.prompt + rollout.tokens
        return replace(rollout, routes=find_routes(learner.model, learner.runtime, tokens))

    return [
        replace(
            group,
            answers=tuple(
                replace(answer, rollout=routed(answer.rollout)) for answer in group.answers
            ),
        )
        for group in groups
    ]
