"""Answers to chat messages, from an existing checkpoint; only its own tokens are learned."""

from itertools import islice
from pathlib import Path

import torch
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.checkpoint.load import load_model
from naga.config.base import ConfigError
from naga.config.train import SftConfig
from naga.data.corpus import read_conversations
from naga.data.formats import format_of
from naga.data.packing import conversation_samples
from naga.data.tokenizer import Tokenizer
from naga.model.lm import HybridLM
from naga.record import open_run
from naga.runtime import Runtime
from naga.train.loop import FREE_KEYS, Job, train
from naga.train.lora import adapt
from naga.train.optim import make_trainable
from naga.train.progress import counted


def sft(config: SftConfig, runtime: Runtime) -> Path:
    """Train, or resume, the run in config.run_dir; returns its final checkpoint folder.

    Raises as `pretrain` does.
    """
    console = Console(stderr=True)
    with open_run(config.run_dir, config, FREE_KEYS) as run:
        folder = find_model(config.init_from)
        tokenizer = Tokenizer.load(folder)
        try:
            format_of(tokenizer)
        except ConfigError as error:
            raise ConfigError(f"{config.init_from}: {error}") from None
        conversations = islice(read_conversations(config.data.paths), config.data.max_documents)
        source = counted(conversations, "conversations", console)
        samples = list(conversation_samples(tokenizer, source))
        model = _load(config, folder, runtime)
        job = Job(
            config=config,
            runtime=runtime,
            model=model,
            tokenizer=tokenizer,
            samples=samples,
            noun="conversations",
            split=False,
        )
        return train(job, run, console)


def _load(config: SftConfig, folder: Path, runtime: Runtime) -> HybridLM:
    """All weights in float32; under adapters, the matrices that stay are in compute dtype."""
    if config.lora is not None:
        return adapt(load_model(folder, runtime), config.lora, config.seed)
    master = Runtime(device=runtime.device, dtype=torch.float32)
    return make_trainable(load_model(folder, master))
