"""The classifier that reads where rules abstain: does a response mean the reference?

An ordinary checkpoint, served by naga's own engine: problem, reference and response are three
messages (tasks/pairs/rendering.py), the reply is one letter, and its probabilities are those of
match, no match and invalid. What stands in a response can become no control token. Only the end of
it is read where it is long, and the opinion says so. The same three texts get the same opinion,
alone or in any batch. Trains nothing (train/consistency.py) and knows no rule (naga.verify).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path

from naga.checkpoint.fields import read_json
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.disk import write_atomic
from naga.engine.chat import Reply, chat_request, complete_all, open_engine
from naga.engine.engine import Engine
from naga.engine.request import MAX_TOP_LOGPROBS, Request, SamplingParams
from naga.rewards.types import Opinion
from naga.tasks import Verdict
from naga.tasks.pairs import LABELS, VERDICTS, is_cut, pair_messages

THRESHOLDS_FILE = "thresholds.json"
SAMPLING = SamplingParams(temperature=0.0, max_tokens=1, top_logprobs=MAX_TOP_LOGPROBS)
ENGINE = EngineConfig.model_validate({"kv_tokens": 32_768, "snapshot_bytes": 0, "draft_tokens": 0})


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Chosen on validation pairs; they lie beside the weights (THRESHOLDS_FILE)."""

    match_at: float
    """From this P(match) on, a response is right."""
    wrong_at: float
    """Up to this P(match) it is wrong; between the two nobody knows."""
    false_positives: float
    """Share of the validation pairs that do not match, and are taken to, at most."""
    false_negatives: float
    """Share of those that match, and are taken not to, at most."""

    def __post_init__(self) -> None:
        if not 0 <= self.wrong_at < self.match_at <= 1:
            raise ConfigError(
                f"thresholds: 0 <= wrong_at ({self.wrong_at}) < match_at ({self.match_at}) <= 1 "
                "is needed"
            )

    @staticmethod
    def load(folder: Path) -> "Thresholds":
        """ConfigError names the file if it is missing or says something else."""
        file = folder / THRESHOLDS_FILE
        if not file.is_file():
            raise ConfigError(f"{file}: no such file; a classifier of answers has its thresholds")
        fields = read_json(file)
        try:
            return Thresholds(**{name: float(value) for name, value in fields.items()})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{file}: not thresholds ({error})") from None

    def save(self, folder: Path) -> None:
        write_atomic(folder / THRESHOLDS_FILE, json.dumps(asdict(self), indent=1) + "\n")

    def score(self, opinion: Opinion) -> float | None:
        if opinion.match >= self.match_at:
            return 1.0
        return 0.0 if opinion.match <= self.wrong_at else None


@dataclass(frozen=True, kw_only=True)
class ConsistencyModel:
    """Satisfies the `Consistency` protocol; the caller closes the engine (see `open_consistency`).

    Without thresholds it has opinions and gives no verdict.
    """

    engine: Engine
    thresholds: Thresholds | None = None

    def __call__(self, problem: str, reference: str, response: str) -> Opinion:
        return self.opinions([(problem, reference, response)])[0]

    def opinions(self, asked: Sequence[tuple[str, str, str]]) -> list[Opinion]:
        """Of each (problem, reference, response), in order."""
        requests = [self._request(*texts) for texts in asked]
        return [self._opinion(reply) for reply in complete_all(self.engine, requests)]

    def verdict(self, problem: str, reference: str, response: str) -> Verdict:
        """1 or 0 by the thresholds, None between them or without a reference."""
        if self.thresholds is None:
            raise ConfigError("this classifier has no thresholds; open its folder with them")
        if not reference.strip():
            return Verdict(score=None, reason="there is no reference to compare with")
        opinion = self(problem, reference, response)
        score = self.thresholds.score(opinion)
        said = "read as another answer" if opinion.no_match > opinion.invalid else "no answer"
        reason = {1.0: "", 0.0: said, None: "the classifier is not sure"}[score]
        messages = pair_messages(problem, reference, response)
        cut = "; only head and tail of the response were read" if is_cut(messages) else ""
        return Verdict(
            score=score,
            parts={
                "consistency": opinion.match,
                "no_match": opinion.no_match,
                "invalid": opinion.invalid,
                "cut": float(bool(cut)),
            },
            matched_by="consistency" if score else "",
            reason=reason + cut if reason else "",
        )

    def _request(self, problem: str, reference: str, response: str) -> Request:
        messages = pair_messages(problem, reference, response)
        return chat_request(self.engine.tokenizer, messages, SAMPLING, enable_thinking=False)

    def _opinion(self, reply: Reply) -> Opinion:
        if reply.error is not None:
            raise RuntimeError(f"the engine of the classifier failed: {reply.error}")
        likely = {token: exp(logprob) for token, logprob in reply.top_logprobs[0]}
        match, no_match, invalid = (likely.get(token, 0.0) for token in self._verdict_tokens())
        total = match + no_match + invalid
        if total < 0.5:
            raise ConfigError(
                "the classifier's reply is no verdict: this checkpoint was not trained to judge "
                "(naga.train.consistency trains one)"
            )
        return Opinion(match=match / total, no_match=no_match / total, invalid=invalid / total)

    def _verdict_tokens(self) -> list[int]:
        return [self.engine.tokenizer.encode(VERDICTS[label])[0] for label in LABELS]


@contextmanager
def open_consistency(folder: Path, config: EngineConfig = ENGINE) -> Iterator[ConsistencyModel]:
    """The classifier of this checkpoint folder, with the thresholds beside its weights."""
    thresholds = Thresholds.load(folder)
    with open_engine(folder, config) as engine:
        yield ConsistencyModel(engine=engine, thresholds=thresholds)


def choose_thresholds(
    matching: Sequence[float],
    others: Sequence[float],
    *,
    false_positives: float,
    false_negatives: float,
) -> Thresholds:
    """From P(match) of validation pairs that match, and of those that do not.

    `match_at` is the lowest that keeps to `false_positives`, `wrong_at` the highest below it that
    keeps to `false_negatives`.
    """
    if not matching or not others:
        raise ConfigError("thresholds need pairs that match and pairs that do not")
    allowed = int(false_positives * len(others))
    # The first probability that has to be refused; a match begins right above it.
    refused = sorted(others, reverse=True)[allowed] if allowed < len(others) else 0.0
    match_at = min(1.0, max(refused + 1e-6, 1e-3))
    lost = sorted(matching)[int(false_negatives * len(matching))]
    wrong_at = max(0.0, min(lost, match_at) - 1e-6)
    return Thresholds(
        match_at=match_at,
        wrong_at=wrong_at,
        false_positives=false_positives,
        false_negatives=false_negatives,
    )
