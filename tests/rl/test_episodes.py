"""naga.rl.episodes: turns with an environment, whose tokens nobody learns."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from torch import Tensor

from naga.rl.advantages import make_samples
from naga.rl.batches import pack
from naga.rl.episodes import Environment, Observation, observed, roll_out
from naga.rl.learner import with_logprobs
from naga.rl.rollout import Answered, Ask, EngineSampler, group_asks
from naga.rl.types import Group, Prompt, Rollout
from rl.tiny import CPU, algorithm, answer, make_model, prompt, rollout_config, tokenizer

NAMES = tokenizer()


class Script:
    """A sampler that says what it is told, a text for each turn."""

    def __init__(self, *texts: str, finish: str = "stop") -> None:
        self.texts, self.finish = iter(texts), finish
        self.asked: list[Ask] = []

    def generate(self, asks: Sequence[Ask]) -> list[Answered]:
        self.asked += asks
        text = next(self.texts)
        tokens = (*NAMES.encode(text), NAMES.control_id("<|end|>"))
        one = Answered(
            tokens=tokens,
            logprobs=(-0.5,) * len(tokens),
            text=text,
            reasoning="",
            finish_reason="length" if self.finish == "length" else "stop",
            weights_version=3,
        )
        return [one for _ in asks]

    def update_weights(self, tensors: Iterable[tuple[str, Tensor]]) -> int:
        raise AssertionError("nobody asks for it")


class Calculator:
    """Adds what stands between `add(` and `)`; any other answer is the last one."""

    def reset(self, prompt: Prompt, seed: int) -> None:
        self.calls = 0

    def step(self, reply: str) -> Observation:
        if not reply.startswith("add("):
            return Observation(done=True, reward=float(reply == "42"))
        self.calls += 1
        return Observation(text=str(sum(map(int, reply[4:-1].split(",")))))


def roll(sampler: Script, environment: Environment | None, turns: int = 4) -> Rollout:
    asks = group_asks(prompt(), seed=1, size=1, max_tokens=40)
    ((one,),) = roll_out(sampler, NAMES, [(prompt(), asks)], lambda _: environment, turns)
    return one


def test_the_tools_tokens_are_masked_out() -> None:
    sampler = Script("add(12,30)", "42")
    one = roll(sampler, Calculator())
    call, said, last = NAMES.encode("add(12,30)"), NAMES.encode("42"), NAMES.encode("42")
    end = NAMES.control_id("<|end|>")
    tool = observed(NAMES, "42", thinking=False)
    assert said == list(tool[1 : 1 + len(said)])
    assert one.tokens == (*call, end, *tool, *last, end)
    expected = [True] * (len(call) + 1) + [False] * len(tool) + [True] * (len(last) + 1)
    assert list(one.chosen) == expected
    assert [p != 0 for p in one.logprobs] == expected
    assert (one.text, one.environment_reward, one.finish_reason) == ("42", 1.0, "stop")
    # The second turn goes on from all that was said, and has what is left of the tokens.
    second = sampler.asked[1]
    assert second.tokens == one.prompt + one.tokens[: -len(last) - 1]
    assert second.max_tokens == 40 - len(call) - 1


def test_an_episode_that_never_ends_is_cut_off() -> None:
    one = roll(Script(*["add(1,1)"] * 9), Calculator(), turns=2)
    assert one.finish_reason == "length" and one.chosen[-1]
    assert sum(one.chosen) == 2 * (len(NAMES.encode("add(1,1)")) + 1)


def test_a_cut_off_answer_ends_its_episode() -> None:
    sampler = Script("add(1,1)", "2", finish="length")
    assert roll(sampler, Calculator()).finish_reason == "length"
    assert len(sampler.asked) == 1


def test_without_an_environment_there_is_one_turn() -> None:
    sampler = Script("add(1,1)", "2")
    one = roll(sampler, None)
    assert len(sampler.asked) == 1 and all(one.chosen) and one.environment_reward is None


class Parrot:
    """Says the same thing twice."""

    def reset(self, prompt: Prompt, seed: int) -> None:
        self.left = 2

    def step(self, reply: str) -> Observation:
        self.left -= 1
        return Observation(text="Go on.", done=self.left < 0)


def test_the_learner_reads_an_episode_as_it_was_sampled() -> None:
    """Over the turns of a real engine: positions, states and masks agree."""
    model = make_model()
    asks = group_asks(prompt(), seed=1, size=2, max_tokens=60)
    asks = [replace(ask, max_tokens=60) for ask in asks]
    with EngineSampler(model, CPU, NAMES, rollout_config()) as sampler:
        short = [replace(ask, max_tokens=20) for ask in asks]
        (rollouts,) = roll_out(sampler, NAMES, [(prompt(), short)], lambda _: Parrot(), 3)
    judged = [replace(answer(index), rollout=one) for index, one in enumerate(rollouts)]
    found = Group(prompt=prompt(), answers=tuple(judged), right_at=1.0)
    samples = make_samples([found], algorithm(), mask_truncated=False)
    batch = with_logprobs(model, None, pack(samples, CPU.device), CPU, old=True)
    assert batch.old is not None and len(batch.old) == sum(one.num_chosen for one in rollouts)
    assert batch.old.tolist() == pytest.approx(batch.sampler.tolist(), abs=1e-4)
