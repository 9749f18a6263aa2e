"""The classifier of answers: generated pairs -> tokenizer -> a small model that replies A, B or C.

Fine-tuning from fresh weights with the loop of the other runs: the verdict is the assistant's
message, and all that is learned. What comes out is an ordinary checkpoint with thresholds beside
it, chosen on validation pairs. Does not measure (consistency_table.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from naga.config.base import ConfigError
from naga.config.consistency import ConsistencyConfig
from naga.data.chat import render
from naga.data.messages import Message
from naga.data.packing import Sample
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.record import open_run
from naga.runtime import Runtime
from naga.tasks.pairs import VERDICTS, Pair, make_pairs, pair_messages
from naga.train.consistency_table import calibrate_consistency
from naga.train.loop import FREE_KEYS, Job, train
from naga.train.progress import say

TOKENIZER_PAIRS = 4000
"""The tokenizer is trained on the first so many pairs."""


def train_consistency(config: ConsistencyConfig, runtime: Runtime) -> Path:
    """Train, or resume, the run in config.run_dir; returns its final checkpoint folder.

    Raises as `pretrain` does.
    """
    console = Console(stderr=True)
    with open_run(config.run_dir, config, FREE_KEYS) as run:
        pairs = list(make_pairs("train", seed=config.data.seed, count=config.data.count))
        tokenizer = pair_tokenizer(pairs[:TOKENIZER_PAIRS], config.model.vocab_size)
        with runtime.device:
            model = HybridLM(config.model)
        initialize(model, config.seed)
        job = Job(
            config=config,
            runtime=runtime,
            model=model,
            tokenizer=tokenizer,
            samples=list(pair_samples(tokenizer, pairs)),
            noun="pairs",
            split=False,
        )
        final = train(job, run, console)
        wanted = config.thresholds
        thresholds = calibrate_consistency(
            final,
            count=wanted.count,
            seed=config.data.seed,
            false_positives=wanted.false_positives,
            false_negatives=wanted.false_negatives,
        )
        bounds = f"{thresholds.match_at:.6f} on, not up to {thresholds.wrong_at:.6f}"
        say(console, f"a match from P(match) {bounds}")
        return final


def pair_tokenizer(pairs: Sequence[Pair], vocab_size: int) -> Tokenizer:
    """Trained on these pairs; ConfigError if they have fewer words than that."""
    asked = (pair_messages(pair.problem, pair.reference, pair.response) for pair in pairs)
    texts = (message.content for messages in asked for message in messages)
    tokenizer = train_tokenizer(texts, vocab_size)
    if tokenizer.vocab_size != vocab_size:
        raise ConfigError(
            f"model.vocab_size is {vocab_size}, and the pairs have but {tokenizer.vocab_size} "
            "tokens; set that"
        )
    return tokenizer


def pair_samples(tokenizer: Tokenizer, pairs: Iterable[Pair]) -> Iterator[Sample]:
    """Learned: the verdict and its end."""
    for pair in pairs:
        verdict = Message(role="assistant", content=VERDICTS[pair.label])
        messages = pair_messages(pair.problem, pair.reference, pair.response)
        rendered = render(tokenizer, (*messages, verdict))
        yield Sample(
            tokens=np.array(rendered.tokens, dtype=np.int32),
            loss_mask=np.array(rendered.loss_mask, dtype=np.bool_),
        )
