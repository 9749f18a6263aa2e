"""Asks -> rollouts: a single answer, or turns between the policy and an environment with tools.

An episode is one growing sequence: what was sampled stays token for token, thinking included, and
what the environment says is put behind it as a user's message, masked out of the loss. All
episodes take their turns together, so the sampler's batch stays full.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from naga.data.tokenizer import ASSISTANT, END, END_THINK, THINK, USER, Tokenizer
from naga.rl.rollout import Answered, Ask, Sampler
from naga.rl.types import Prompt, Rollout


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What an environment says to an answer."""

    text: str = ""
    done: bool = False
    """The episode is over, and `text` is read by nobody."""
    reward: float | None = None
    """Of the whole episode, at its end; None where that is not the environment's to say."""


class Environment(Protocol):
    def reset(self, prompt: Prompt, seed: int) -> None:
        """Begin anew; the prompt itself has said all there is to know."""
        ...

    def step(self, reply: str) -> Observation:
        """To the text of an answer after its thinking."""
        ...


MakeEnvironment = Callable[[Prompt], Environment | None]
"""One for each episode; None for a prompt that is answered at once."""


@dataclass(kw_only=True, eq=False)
class _Episode:
    ask: Ask
    environment: Environment | None
    tokens: tuple[int, ...] = ()
    chosen: tuple[bool, ...] = ()
    logprobs: tuple[float, ...] = ()
    last: Answered | None = None
    over: bool = False
    reward: float | None = None

    @property
    def next(self) -> Ask:
        left = self.ask.max_tokens - sum(self.chosen)
        return replace(self.ask, tokens=self.ask.tokens + self.tokens, max_tokens=left)

    def take(self, answered: Answered, tokenizer: Tokenizer) -> None:
        self._add(answered.tokens, answered.logprobs, True)
        self.last = answered
        spent = sum(self.chosen) >= self.ask.max_tokens
        if self.environment is None or answered.finish_reason == "length":
            self.over = True
            return
        observation = self.environment.step(answered.text)
        self.over, self.reward = observation.done or spent, observation.reward
        if not self.over:
            said = observed(tokenizer, observation.text, thinking=self.ask.thinking)
            self._add(said, (0.0,) * len(said), False)

    def _add(self, tokens: tuple[int, ...], logprobs: tuple[float, ...], chosen: bool) -> None:
        self.tokens += tokens
        self.logprobs += logprobs
        self.chosen += (chosen,) * len(tokens)


def roll_out(
    sampler: Sampler,
    tokenizer: Tokenizer,
    prompts: Sequence[tuple[Prompt, Sequence[Ask]]],
    make_environment: MakeEnvironment = lambda prompt: None,
    max_turns: int = 1,
) -> list[list[Rollout]]:
    """For each prompt the answers to its asks."""
    groups = [[_begin(prompt, ask, make_environment) for ask in asks] for prompt, asks in prompts]
    episodes = list(chain.from_iterable(groups))
    for _ in range(max_turns):
        going = [episode for episode in episodes if not episode.over]
        answers = sampler.generate([episode.next for episode in going]) if going else []
        for episode, answered in zip(going, answers, strict=True):
            episode.take(answered, tokenizer)
    return [[_rollout(episode) for episode in group] for group in groups]


def _begin(prompt: Prompt, ask: Ask, make_environment: MakeEnvironment) -> _Episode:
    environment = make_environment(prompt)
    if environment is not None:
        environment.reset(prompt, ask.seed + ask.choice)
    return _Episode(ask=ask, environment=environment)


def observed(tokenizer: Tokenizer, text: str, *, thinking: bool) -> tuple[int, ...]:
    """A user's message, and the opening of the next answer."""
    control = tokenizer.control_id
    opening = (ASSISTANT, THINK) if thinking else (ASSISTANT, THINK, END_THINK)
    return (
        control(USER),
        *tokenizer.encode(text),
        control(END),
        *(control(name) for name in opening),
    )


def _rollout(episode: _Episode) -> Rollout:
    last = episode.last
    assert last is not None
    # What an environment said after the last answer was learned from by nobody.
    size = len(episode.chosen) - episode.chosen[::-1].index(True)
    return Rollout(
        prompt=episode.ask.tokens,
        tokens=episode.tokens[:size],
        chosen=episode.chosen[:size],
        logprobs=episode.logprobs[:size],
        text=last.text,
        reasoning=last.reasoning,
        finish_reason=last.finish_reason if episode.over else "length",
        weights_version=last.weights_version,
        environment_reward=episode.reward,
    )
