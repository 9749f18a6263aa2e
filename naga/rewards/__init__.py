"""Rewards: rules, sandbox, consistency, generative judge -> one score with its parts, or missing.

See score.py for the order, docs/rewards.md for users. `service` (FastAPI), `trl` and `local` (a
judge in naga's own engine) are imported by name.
"""

from naga.rewards.aggregate import AggregateConfig, Secondary, aggregate
from naga.rewards.endpoint import Asks, Endpoint, EndpointConfig
from naga.rewards.generative import Judge, JudgeConfig, Matter, Preference
from naga.rewards.opening import open_judged, shipped_reader
from naga.rewards.rubric import Rubric, judge_by_rubric, read_rubric
from naga.rewards.score import ScoreConfig, Scorer, open_scorer
from naga.rewards.stream import Counts, open_rows, score_file, score_lines, write_scores
from naga.rewards.types import Consistency, Opinion, Row, read_row

__all__ = [
    "AggregateConfig",
    "Asks",
    "Consistency",
    "Counts",
    "Endpoint",
    "EndpointConfig",
    "Judge",
    "JudgeConfig",
    "Matter",
    "Opinion",
    "Preference",
    "Row",
    "Rubric",
    "ScoreConfig",
    "Scorer",
    "Secondary",
    "aggregate",
    "judge_by_rubric",
    "open_judged",
    "open_rows",
    "open_scorer",
    "read_row",
    "read_rubric",
    "score_file",
    "score_lines",
    "shipped_reader",
    "write_scores",
]
