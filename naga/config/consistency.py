"""ConsistencyConfig: the training of the classifier that compares a response with a reference.

Its data is generated (naga.tasks.pairs), tokenizer and weights are fresh. Imports no torch.
"""

from pydantic import Field

from naga.config.base import Config
from naga.config.model import ModelConfig
from naga.config.train import BatchConfig, RunConfig


class PairsConfig(BatchConfig):
    count: int = Field(gt=0)
    """Generated pairs; a run may take several epochs over them."""
    seed: int = Field(0, ge=0)
    """Of the pairs; the order in which they are learned is the run's seed."""


class ThresholdConfig(Config):
    """How sure the classifier has to be; chosen after the training, on pairs held out for it."""

    count: int = Field(1500, gt=0)
    """Validation pairs."""
    false_positives: float = Field(0.01, gt=0, lt=1)
    """Share of those that do not match, and are taken to, at most."""
    false_negatives: float = Field(0.02, gt=0, lt=1)
    """Share of those that match, and are taken not to, at most."""


class ConsistencyConfig(RunConfig):
    data: PairsConfig
    thresholds: ThresholdConfig
    model: ModelConfig
    """vocab_size is that of the tokenizer trained on the pairs."""
