"""`naga eval` of a server of ours on loopback: what it says is what the engine says."""

from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.engine.request import SamplingParams
from naga.eval import Connection, Endpoint, Plan, engine_answerer, evaluate_items, family_items
from naga.tasks import make_tasks

SAMPLING = SamplingParams(temperature=0.0, max_tokens=12, seed=0)


def test_the_server_answers_as_its_engine_does(served: Any) -> None:
    items = family_items(make_tasks(["caesar"]), levels=["easy"], count=4, seed=1)
    items += family_items(make_tasks(["tool_use"]), levels=["easy"], count=1, seed=1)
    with Connection(Endpoint(url=served.url, tries=1)) as connection:
        answerer = connection.answerer(SAMPLING)
        assert " tiny " in answerer.identity
        theirs = evaluate_items(answerer, items, Plan(model="m"))
    ours = evaluate_items(engine_answerer(served.engine, SAMPLING), items, Plan(model="m"))
    assert ours.to_json() == theirs.to_json()
    for mine, row in zip(ours.tasks, theirs.tasks, strict=True):
        for a, b in zip(mine.samples, row.samples, strict=True):
            assert (a.response, a.reasoning, a.error) == (b.response, b.reasoning, b.error)


def test_a_model_that_is_not_there_ends_it(served: Any) -> None:
    items = family_items(make_tasks(["caesar"]), levels=["easy"], count=1, seed=0)
    with (
        Connection(Endpoint(url=served.url, model="other", tries=1)) as connection,
        pytest.raises(ConfigError, match="other"),
    ):
        evaluate_items(connection.answerer(SAMPLING), items, Plan(model="m"))
