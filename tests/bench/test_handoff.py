"""Answers beside another engine's: what counts as the same, what a difference says, the page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from naga.bench import handoff
from naga.bench.handoff import (
    Candidate,
    Difference,
    HandoffReport,
    Heard,
    Pair,
    Refusal,
    deviation,
    difference,
    make_prompts,
)
from naga.bench.machine import Machine
from naga.config.base import ConfigError
from naga.engine.chat import Reply
from naga.engine.request import Timings, Usage

MINI = Path(__file__).parents[2] / "naga" / "assets" / "naga-mini"
MACHINE = Machine(
    cpu="a processor", cores=2, threads=2, python="3.11", torch="2.13.0", naga="0.5", commit=None,
    load_at_start=0.0,
)  # fmt: skip


def reply(tokens: tuple[int, ...], second: float = -3.0) -> Reply:
    """Each token has log-probability -0.5; the next likely one, the token + 1, `second`."""
    return Reply(
        text="",
        reasoning="",
        finish_reason="length",
        usage=Usage(
            prompt_tokens=1, completion_tokens=len(tokens), cached_tokens=0, reasoning_tokens=0
        ),
        timings=Timings(queue_s=0, first_token_s=None, decode_tokens_per_s=None),
        tokens=tokens,
        logprobs=(-0.5,) * len(tokens),
        top_logprobs=tuple(((token, -0.5), (token + 1, second)) for token in tokens),
        weights_version=0,
    )


def heard(tokens: tuple[int, ...], logprob: float = -0.5) -> Heard:
    likely = tuple({token: logprob, token - 1: logprob - 0.25} for token in tokens)
    return Heard(tokens=tokens, logprobs=(logprob,) * len(tokens), likely=likely)


def pair(same: tuple[int, ...], *differences: Difference) -> Pair:
    return Pair(
        model="m", engine="vllm", version="1", commands=("serve it",), tokens=64, same=same,
        deviation=1e-5, differences=differences,
    )  # fmt: skip


def test_equal_answers_have_no_difference() -> None:
    assert difference(0, reply((1, 2, 3)), heard((1, 2, 3))) is None
    assert deviation(reply((1, 2)), heard((1, 2), -0.7)) == pytest.approx(0.2)


def test_the_first_difference_has_both_margins() -> None:
    found = difference(7, reply((1, 2, 3), second=-0.505), heard((1, 3, 9)))
    assert found is not None
    assert (found.prompt, found.at, found.ours, found.theirs) == (7, 1, 2, 3)
    assert found.our_margin == pytest.approx(0.005)
    assert found.their_margin == pytest.approx(0.25)
    assert found.explained


def test_a_clear_preference_is_no_explanation() -> None:
    found = difference(0, reply((1, 2)), heard((1, 3)))
    assert found is not None and not found.explained
    # Not among the likely: less likely than all of them, so no less clear.
    other = difference(0, reply((1, 2)), heard((1, 40)))
    assert other is not None and other.our_margin >= found.our_margin
    assert other.their_margin is None


def test_only_what_is_before_a_difference_deviates() -> None:
    theirs = replace(heard((1, 9, 9)), logprobs=(-0.6, -9.0, -9.0))
    assert deviation(reply((1, 2, 3)), theirs) == pytest.approx(0.1)
    assert deviation(reply((5,)), heard((1,))) == 0


def test_an_answer_that_ends_early_is_an_error() -> None:
    with pytest.raises(ConfigError, match="prompt 4: the answer ends after 2 tokens"):
        difference(4, reply((1, 2, 3)), heard((1, 2)))


TIED = Difference(prompt=0, at=9, ours=1, theirs=2, our_margin=0.002, their_margin=0.001)
CLEAR = replace(TIED, our_margin=0.3)


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        (pair((64,) * 40), True),
        (pair((64,) * 38 + (60, 61), TIED), True),
        (pair((64,) * 38 + (9, 9), TIED, TIED), True),
        (pair((64,) * 37 + (9, 9, 9), TIED, TIED, TIED), False),
        (pair((64,) * 39 + (63,), CLEAR), False),
    ],
)
def test_a_pair_passes_on_enough_prompts_and_explained_differences(
    found: Pair, passed: bool
) -> None:
    assert found.passed is passed


def report(*pairs: Pair) -> HandoffReport:
    refused = (Refusal(model="other", engine="vllm", reason="no kernel"),)
    return HandoffReport(
        command="naga bench handoff", seed=0, pairs=pairs, refusals=refused, machine=MACHINE
    )


def test_the_page_tells_every_difference_and_every_command() -> None:
    page = report(pair((64,) * 39 + (9,), TIED)).to_markdown()
    assert "| m | vllm 1 | 40 | 39 (9 tokens at least) | 1.0e-05 | same |" in page
    assert "| m, vllm | 0 | 9 | 1 | 2 | 0.0020 | 0.0010 | explained |" in page
    assert "| other | vllm | no kernel |" in page
    assert "serve it" in page and "make test-handoff" in page
    assert "There is none" in report(pair((64,) * 40)).to_markdown()
    assert "NOT THE SAME" in report(pair((1,) * 40, CLEAR)).to_markdown()


def test_a_report_passes_if_all_pairs_do() -> None:
    good, bad = pair((64,) * 40), pair((1,) * 40, CLEAR)
    assert report(good).passed
    assert not report(good, bad).passed
    assert not report().passed
    assert '"passed": false' in report(good, bad).to_json()


def test_prompts_are_questions_for_a_trained_tokenizer(tmp_path: Path) -> None:
    first = make_prompts(MINI, 5, seed=1)
    assert len(first) == 5 and first == make_prompts(MINI, 5, seed=1)
    assert first != make_prompts(MINI, 5, seed=2)
    assert all(len(prompt) < 900 for prompt in make_prompts(MINI, 40, seed=0))


def test_candidates_are_made_and_refused_by_name(tmp_path: Path) -> None:
    found: dict[str, Candidate] = {one.name: one for one in handoff.make_candidates(tmp_path / "w")}
    assert len(found) == 5
    refused = {
        (name, engine): handoff._refusal(one.theirs, engine)
        for name, one in found.items()
        for engine in one.engines
    }
    said = {key: reason for key, reason in refused.items() if reason is not None}
    assert len(said) == 4
    assert "head_dim" in said["naga-mini", "vllm"]
    assert "without a gate" in said["nemotron_h with experts", "vllm"]
    for engine in ("vllm", "llama.cpp"):
        assert refused["granitemoehybrid, to naga's layout and back", engine] is None
    assert refused["naga-mini, widened", "vllm"] is None
    assert refused["nemotron_h, to naga's layout and back", "vllm"] is None


class Recorded:
    """A server that gives one answer, and keeps what it was asked."""

    def __init__(self, logprobs: dict[str, Any]) -> None:
        self.asked: dict[str, Any] = {}
        self._logprobs = logprobs

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        self.asked = {"path": path, **body}
        return {"choices": [{"index": 0, "logprobs": self._logprobs}]}


@pytest.mark.parametrize(
    ("engine", "spelled", "prompt"),
    [("vllm", "token_id:{}", [(3, 4)]), ("llama.cpp", "{} ", "3 4")],
)
def test_token_ids_are_read_as_each_engine_spells_them(
    engine: str, spelled: str, prompt: object
) -> None:
    names = [spelled.format(token) for token in (12, 7)]
    server = Recorded(
        {
            "tokens": names,
            "token_logprobs": [-0.25, -0.5],
            "top_logprobs": [{names[0]: -0.25}, {names[1]: -0.5, names[0]: -2.0}],
        }
    )
    (found,) = handoff.ASK[engine](server, "m", [(3, 4)], 2)  # type: ignore[arg-type]
    assert found.tokens == (12, 7)
    assert found.likely == ({12: -0.25}, {7: -0.5, 12: -2.0})
    assert server.asked["prompt"] == prompt and server.asked["temperature"] == 0
