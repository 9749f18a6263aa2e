"""ConsistencyConfig: the training of the classifier that compares a response with a reference.

Its data is generated (naga.tasks.pairs), tokenizer and weights are fresh. Imports no torch.
"""

from pydantic import Field

from naga.config.model import ModelConfig
from naga.config.train import BatchConfig, RunConfig


class PairsConfig(BatchConfig):
    count: int = Field(gt=0)
    """Generated pairs; a run may take several epochs over them."""
    seed: int = Field(0, ge=0)
    """Of the pairs; the order in which they are learned is the run's seed."""
    whole: float = Field(0.15, ge=0, le=1)
    """Share of the pairs whose responses are learned too, token by token: copying is learned from
    them sooner than from verdicts alone."""


class ConsistencyConfig(RunConfig):
    data: PairsConfig
    model: ModelConfig
    """vocab_size is that of the tokenizer trained on the pairs."""
