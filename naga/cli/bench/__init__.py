"""`naga bench VERB ...`: which verbs there are."""

import typer

from naga.cli.bench.conversations import cache, cache_trace
from naga.cli.bench.engines import decode, load, memory, prefill, slice_
from naga.cli.bench.files import convert_gguf, make_model
from naga.cli.bench.proofs import determinism, handoff, real
from naga.cli.bench.steps import gaps, ops, overhead, sandbox

app = typer.Typer(no_args_is_help=True, help="Measure speed beside others. 测速")

# In the order of the help.
app.command()(prefill)
app.command()(decode)
app.command()(ops)
app.command()(gaps)
app.command()(overhead)
app.command()(memory)
app.command()(load)
app.command("slice")(slice_)
app.command()(determinism)
app.command()(real)
app.command()(cache)
app.command("cache-trace")(cache_trace)
app.command()(sandbox)
app.command("convert-gguf")(convert_gguf)
app.command()(handoff)
app.command("make-model")(make_model)
