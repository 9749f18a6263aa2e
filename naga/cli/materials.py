"""`naga tokenizer train` and `naga tasks write`: what training needs before it starts."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from naga.cli.options import QuotedTexts, Seed, read_texts
from naga.config.base import ConfigError


def train_tokenizer(
    out: Annotated[Path, typer.Argument(help="Folder to write. 输出目录")],
    paths: Annotated[list[Path], typer.Argument(help="Text files or folders. 文本")],
    vocab_size: Annotated[int, typer.Option(min=266, help="Tokens in all. 词表大小")] = 4096,
    sample_every: Annotated[
        int, typer.Option(min=1, help="Use every n-th document only. 抽样间隔")
    ] = 1,
) -> None:
    """Train a byte-level BPE tokenizer with naga's chat tokens. 训练分词器."""
    from naga.data import corpus, tokenizer
    from naga.train.progress import counted

    texts = islice(corpus.read_texts(paths), 0, None, sample_every)
    made = tokenizer.train_tokenizer(counted(texts, "texts", Console(stderr=True)), vocab_size)
    made.save(out)
    print(f"{out}: {made.vocab_size} tokens")


def write_tasks(
    out: Annotated[Path, typer.Argument(help="File to write (.jsonl). 输出文件")],
    count: Annotated[int, typer.Option(min=1, help="Conversations. 对话数")] = 1000,
    shares: Annotated[
        str, typer.Option(help="E.g. addition=2,quoting=3; default: even. 各任务比例")
    ] = "",
    levels: Annotated[str, typer.Option(help="Comma-separated. 难度")] = "easy",
    chinese: Annotated[float, typer.Option(min=0, max=1, help="Share in Chinese.")] = 0.3,
    seed: Seed = 0,
    documents: QuotedTexts = None,
) -> None:
    """Write procedural tasks with worked traces as conversations for `naga sft`. 生成任务."""
    from naga.tasks import FAMILIES, LEVELS, Mix, make_examples, make_tasks, write_conversations
    from naga.train.progress import counted

    wanted = _shares(shares) or dict.fromkeys(FAMILIES, 1.0)
    chosen = tuple(level for level in LEVELS if level in levels.split(","))
    if len(chosen) != len(levels.split(",")):
        raise ConfigError(f"--levels {levels!r}: use some of {','.join(LEVELS)}")
    made = make_tasks(list(wanted), read_texts(documents))
    mix = Mix(weights=tuple(wanted.values()), levels=chosen, chinese=chinese)
    examples = make_examples(made, mix=mix, split="train", seed=seed, count=count)
    shown = counted(examples, "tasks", Console(stderr=True), verb="writing", total=count)
    print(f"{out}: {write_conversations(shown, out)} conversations")


def _shares(text: str) -> dict[str, float]:
    """`addition=2,quoting=3` -> shares by task."""
    found = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = item.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise ConfigError(f"--shares {item!r}: write NAME=NUMBER") from None
        if not 0 < found[name] < float("inf"):
            raise ConfigError(f"--shares {item!r}: the number must be above 0")
    return found
