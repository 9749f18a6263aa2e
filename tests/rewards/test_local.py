"""A judge in naga's own engine: log-probabilities of its verdict, and prompts that do not fit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rl.tiny import save_chat

from naga.config.serve import EngineConfig
from naga.engine.chat import open_engine
from naga.rewards.endpoint import Question, Unanswered
from naga.rewards.generative import Judge, Matter
from naga.rewards.local import LocalJudge


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalJudge]:
    folder: Path = save_chat(tmp_path_factory.mktemp("judge"))
    config = EngineConfig(max_running=2, kv_tokens=2048, dtype="float32")
    with open_engine(folder, config) as engine:
        yield LocalJudge(engine=engine, max_tokens=3)


def test_it_says_how_likely_each_token_was(local: LocalJudge) -> None:
    said = local.ask(Question(system="Judge.", user="A or B?"))
    assert said.tokens and 1 <= len(said.tokens) <= 3
    for token in said.tokens:
        assert len(token.top) == 20
        assert max(logprob for _, logprob in token.top) <= 0
    assert local.ask(Question(system="Judge.", user="A or B?")) == said


def test_a_prompt_that_does_not_fit_is_unanswered(local: LocalJudge) -> None:
    with pytest.raises(Unanswered):
        local.ask(Question(system="Judge.", user="long " * 1000))


def test_an_untrained_judge_is_missing_or_a_share(local: LocalJudge) -> None:
    found = Judge(local).compare(Matter(question="1 + 1?"), "2", "3")
    assert found.first is None and found.reason
