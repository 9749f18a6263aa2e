"""The front door: which verbs there are, and what becomes of a mistake.

A user's mistake (ConfigError, a bad flag, a path that cannot be read or written) is one line on
stderr and exit code 2; an interrupted run exits 130 or 143. What a verb does is its own file's.
"""

import sys
from typing import Annotated, NoReturn

import typer

from naga import __version__
from naga.cli.answering import chat, generate
from naga.cli.bench import app as bench_app
from naga.cli.checkpoints import convert, inspect
from naga.cli.configs import check
from naga.cli.documents import ask, read
from naga.cli.evaluation import evaluate
from naga.cli.materials import train_tokenizer, write_tasks
from naga.cli.measuring import doctor, models
from naga.cli.rewards import app as reward_app
from naga.cli.serving import serve
from naga.cli.training import distill, pretrain, rl, sft
from naga.config.base import ConfigError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
config_app = typer.Typer(no_args_is_help=True, help="Check configs. 检查配置")
tokenizer_app = typer.Typer(no_args_is_help=True, help="Train tokenizers. 训练分词器")
tasks_app = typer.Typer(no_args_is_help=True, help="Write training conversations. 生成训练对话")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print it. 版本")] = False,
) -> None:
    """Build, train and serve hybrid Mamba-Transformer reasoning models. 混合架构推理模型."""
    if version:
        print(f"naga {__version__}")
        raise typer.Exit


# In the order of the help.
app.command()(serve)
app.command()(generate)
app.command()(chat)
app.command()(read)
app.command()(ask)
app.command()(pretrain)
app.command()(sft)
app.command()(distill)
app.command()(rl)
app.command("eval")(evaluate)
app.command()(convert)
app.command()(inspect)
app.command()(doctor)
app.command()(models)
config_app.command("check")(check)
tokenizer_app.command("train")(train_tokenizer)
tasks_app.command("write")(write_tasks)
app.add_typer(config_app, name="config")
app.add_typer(tokenizer_app, name="tokenizer")
app.add_typer(tasks_app, name="tasks")
app.add_typer(reward_app, name="reward")
app.add_typer(bench_app, name="bench")


def main() -> None:
    """Run the command line; the only place that turns exceptions into exit codes."""
    try:
        code = app(prog_name="naga", standalone_mode=False)
    except ConfigError as error:
        _refuse(str(error))
    except typer.TyperException as error:
        # typer leaves the prefix of its own checks in some messages.
        _refuse(error.format_message().replace("Value error, ", ""))
    except OSError as error:
        # With a name it is about a path the user gave; without one it is a fault of ours.
        if error.filename is None:
            raise
        _refuse(f"{error.filename}: {error.strerror}")
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(130) from None
    raise SystemExit(code or 0)


def _refuse(message: str) -> NoReturn:
    # Called without a verb, typer prints the help and leaves the message empty.
    if message:
        print(f"naga: error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2) from None
