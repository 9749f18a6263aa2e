"""Next-token prediction on plain text, from fresh weights: every token is learned."""

from itertools import islice
from pathlib import Path

from rich.console import Console

from naga.config.base import ConfigError
from naga.config.train import PretrainConfig
from naga.data.corpus import read_documents
from naga.data.packing import document_samples
from naga.data.tokenizer import Tokenizer
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.record import open_run
from naga.runtime import Runtime
from naga.train.loop import FREE_KEYS, Job, train
from naga.train.progress import counted


def pretrain(config: PretrainConfig, runtime: Runtime) -> Path:
    """Train, or resume, the run in config.run_dir; returns its final checkpoint folder.

    Raises ConfigError (a mistake, or a loss that is not finite: NonFiniteError) and
    TrainingInterruptedError (a signal, after a resumable checkpoint).
    """
    console = Console(stderr=True)
    with open_run(config.run_dir, config, FREE_KEYS) as run:
        tokenizer = Tokenizer.load(config.tokenizer)
        if tokenizer.vocab_size > config.model.vocab_size:
            raise ConfigError(
                f"tokenizer {config.tokenizer} has {tokenizer.vocab_size} tokens, more than "
                f"model.vocab_size ({config.model.vocab_size})"
            )
        documents = islice(read_documents(config.data.paths), config.data.max_documents)
        source = counted(documents, "documents", console)
        samples = list(document_samples(tokenizer, source, config.data.sequence_len))
        with runtime.device:
            model = HybridLM(config.model)
        initialize(model, config.seed)
        job = Job(
            config=config,
            runtime=runtime,
            model=model,
            tokenizer=tokenizer,
            samples=samples,
            noun="samples",
            split=True,
        )
        return train(job, run, console)
