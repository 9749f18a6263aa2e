"""The whole reward system from settings: a scorer, its classifier, and the endpoint of its judge.

What `naga reward` and `naga rl` share. The judge's key is NAGA_JUDGE_KEY of the environment.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path

from naga.rewards.consistency import open_consistency
from naga.rewards.endpoint import Endpoint, EndpointConfig
from naga.rewards.generative import Judge
from naga.rewards.score import ScoreConfig, Scorer, open_scorer
from naga.sandbox import Limits

KEY = "NAGA_JUDGE_KEY"


@contextmanager
def open_judged(
    config: ScoreConfig,
    judge: EndpointConfig | None,
    *,
    reader: Path | None = None,
    limits: Limits | None = None,
) -> Iterator[Scorer]:
    """Without `judge`, rows that need one are missing.

    `reader` is the folder of a classifier (consistency.py), which looks again where rules abstain;
    its own threshold counts.
    """
    with ExitStack() as stack:
        asked, model = None, None
        if judge is not None:
            asked = Judge(stack.enter_context(Endpoint(judge, key=os.environ.get(KEY))))
        if reader is not None:
            model = stack.enter_context(open_consistency(reader))
            if model.thresholds is not None:
                settings = {"consistency_at": model.thresholds.match_at}
                config = config.model_copy(update=settings)
        yield stack.enter_context(
            open_scorer(config, consistency=model, judge=asked, limits=limits)
        )


def shipped_reader() -> Path:
    """naga-verdict, the classifier that comes with the package."""
    return Path(str(resources.files("naga") / "assets" / "naga-verdict"))
