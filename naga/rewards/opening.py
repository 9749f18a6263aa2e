"""The whole reward system from settings: a scorer, and the endpoint of its judge if there is one.

What `naga reward` and `naga rl` share. The judge's key is NAGA_JUDGE_KEY of the environment.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from naga.rewards.endpoint import Endpoint, EndpointConfig
from naga.rewards.generative import Judge
from naga.rewards.score import ScoreConfig, Scorer, open_scorer

KEY = "NAGA_JUDGE_KEY"


@contextmanager
def open_judged(config: ScoreConfig, judge: EndpointConfig | None) -> Iterator[Scorer]:
    """Without `judge`, rows that need one are missing."""
    if judge is None:
        with open_scorer(config) as scorer:
            yield scorer
        return
    with (
        Endpoint(judge, key=os.environ.get(KEY)) as endpoint,
        open_scorer(config, judge=Judge(endpoint)) as scorer,
    ):
        yield scorer
