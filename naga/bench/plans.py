"""`naga convert --plan`: the command that serves a checkpoint elsewhere, its numbers computed.

Numbers come from config.json and model/account.py; weights are not read. What an engine cannot
serve is refused with the reason and the fix. What is known of an engine was read in its source or
met when running it: vLLM 0.32 and llama.cpp run in `make test-handoff`, SGLang was only read.

T tokens of a block, K layers that share a block table, N sequences.
"""

import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

from naga.bench import convert_gguf
from naga.checkpoint.config import CONFIG_FILE, read_layout, read_quantisation
from naga.checkpoint.fields import read_json
from naga.checkpoint.layout import Layout, describe_layer
from naga.checkpoint.widen import heads_width
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.data.tokenizer import Tokenizer
from naga.model.account import Account, account

ENGINES = ("vllm", "sglang", "llama.cpp", "transformers")
# Of the memory that an engine is given: the rest is for what it computes with.
USED = 0.9
MOST_SEQUENCES = 256
MOST_DEVICES = 64
BFLOAT16 = 2
# Of vLLM's CPU build: heads it has kernels for, and tokens that a block is a multiple of.
VLLM_CPU_HEADS = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
VLLM_CPU_BLOCK = 128
# Below this transformers' clamp of nemotron_h's dt, in prefill alone, changes nothing.
INERT_STEP = 1e-6

# By layout; a chat format of naga's own has its reasoning in <think> .. </think>, and no tools.
VLLM_PARSERS = {
    "granitemoehybrid": ("--enable-auto-tool-choice", "--tool-call-parser", "granite4"),
    "nemotron_h": (
        "--enable-auto-tool-choice", "--tool-call-parser", "qwen3_coder",
        "--reasoning-parser", "nemotron_v3",
    ),
    "chat": ("--reasoning-parser", "deepseek_r1"),
}  # fmt: skip
SGLANG_PARSERS = {
    "nemotron_h": ("--tool-call-parser", "qwen3_coder", "--reasoning-parser", "nemotron_3"),
    "chat": ("--reasoning-parser", "deepseek-r1"),
}


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What the command's values follow from."""

    context: int
    weight_bytes: int
    cache_bytes: int
    """Left for states, keys and values."""
    state_bytes: int
    """Of a sequence, its scan in float32."""
    kv_bytes_per_token: int
    block_tokens: int | None
    """vLLM: of an attention block, which is as large as a layer's state."""
    blocks: int | None
    """vLLM: in the cache; more sequences than blocks it refuses to start with."""
    full_sequences: int
    """That fit with the whole context each."""
    max_sequences: int
    """What the command says."""
    tensor_parallel: tuple[int, ...]
    """Numbers of devices that divide the model."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    engine: str
    model: str
    layout: str
    commands: tuple[tuple[str, ...], ...]
    """One after the other."""
    numbers: Numbers
    limits: tuple[str, ...]
    """What is known not to work there, with this model or any of its kind."""

    def to_dict(self) -> dict[str, object]:
        lines = [shlex.join(command) for command in self.commands]
        return {"schema": "naga.plan.1", **asdict(self), "shell": lines}

    def to_text(self) -> str:
        numbers = (f"# {name}: {_shown(value)}" for name, value in asdict(self.numbers).items())
        limits = (f"# not there: {limit}" for limit in self.limits)
        return "\n".join([*map(shlex.join, self.commands), *numbers, *limits])


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else "none of it"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The checkpoint that a plan is for."""

    path: Path
    layout: Layout
    config: ModelConfig
    account: Account
    memory_bytes: int
    chat: bool
    """It has naga's own chat format."""

    @property
    def format(self) -> str:
        return "chat" if self.chat else self.layout.model_type

    @property
    def weight_bytes(self) -> int:
        return BFLOAT16 * self.account.parameters

    @property
    def cache_bytes(self) -> int:
        return max(0, int(USED * self.memory_bytes) - self.weight_bytes)

    @property
    def sequence_bytes(self) -> int:
        """Of one with the whole context."""
        kv = self.account.kv_bytes_per_token * self.config.max_positions
        return max(1, self.account.state_bytes + kv)


def make_plan(path: Path, engine: str, *, memory_bytes: int) -> Plan:
    """ConfigError for an engine naga does not know, or one that cannot serve the checkpoint."""
    if engine not in ENGINES:
        raise ConfigError(f"--plan {engine!r}: unknown; use {', '.join(ENGINES)}")
    subject = _read_subject(path, memory_bytes)
    problem = next(problems(subject.layout, subject.config, engine), None)
    if problem is not None:
        raise ConfigError(f"{path}: {engine} cannot serve it: {problem}")
    if subject.cache_bytes < subject.account.state_bytes + subject.account.kv_bytes_per_token:
        raise ConfigError(
            f"{path}: weights take {subject.weight_bytes:,} of {memory_bytes:,} bytes: no room for "
            "a sequence; give a larger --memory"
        )
    makers = {"vllm": _vllm, "sglang": _sglang, "llama.cpp": _llama_cpp}
    return makers.get(engine, _transformers)(subject)


def _read_subject(path: Path, memory_bytes: int) -> Subject:
    layout, config = read_layout(path)
    if found := read_quantisation(path):
        raise ConfigError(
            f"{path}: its weights are quantised ({found}), which only naga reads; name the "
            "checkpoint that it was converted from"
        )
    known = (path / "tokenizer.json").is_file()
    return Subject(
        path=path,
        layout=layout,
        config=config,
        account=account(config, BFLOAT16),
        memory_bytes=memory_bytes,
        chat=known and Tokenizer.load(path).is_chat(),
    )


def problems(layout: Layout, config: ModelConfig, engine: str) -> Iterator[str]:
    """Why an engine cannot serve a model at all, and what can be done; nothing where it can."""
    if layout.model_type == "naga" and engine != "llama.cpp":
        yield (
            "its layout is naga's own; `naga convert --to granitemoehybrid` (or nemotron_h) writes "
            "another, or says what it cannot express"
        )
    elif engine == "llama.cpp" and layout.model_type != "nemotron_h":
        yield from convert_gguf.refusals(config)
    elif engine in ("vllm", "sglang"):
        yield from _batching_problems(layout, config)


def _batching_problems(layout: Layout, config: ModelConfig) -> Iterator[str]:
    attention, mamba = config.attention, config.mamba
    granite = layout.model_type == "granitemoehybrid"
    if attention is None:
        yield "it has no attention layer, whose blocks the cache is made of"
        return
    if granite and attention.head_dim != config.hidden_dim / attention.num_heads:
        width, taken = heads_width(config), config.hidden_dim // attention.num_heads
        widens = width is not None and width > config.hidden_dim
        fix = "`naga convert --to granitemoehybrid --widen` writes one where it is right"
        yield (
            f"{describe_layer(config, '*')}: it takes head_dim to be hidden_size / "
            f"num_attention_heads ({taken}), here it is {attention.head_dim}"
            + (f"; {fix}" if widens else "")
        )
    if mamba is not None and mamba.dt_limit != (0.0, inf):
        yield f"{describe_layer(config, 'M')}: it clamps dt by nothing, here dt_limit is set"


def cpu_problems(layout: Layout, config: ModelConfig) -> Iterator[str]:
    """What vLLM's CPU build lacks of what vLLM has."""
    attention = config.attention
    if attention is not None and attention.head_dim not in VLLM_CPU_HEADS:
        known = ", ".join(map(str, VLLM_CPU_HEADS))
        layer = describe_layer(config, "*")
        yield f"{layer}: on a CPU no head_dim {attention.head_dim}, only {known}"
    if layout.model_type == "nemotron_h" and "E" in config.layers:
        yield f"{describe_layer(config, 'E')}: on a CPU no experts without a gate"


def tensor_parallel(config: ModelConfig) -> tuple[int, ...]:
    """Numbers of devices that vLLM and SGLang can cut the model into."""
    return tuple(count for count in range(1, MOST_DEVICES + 1) if _divides(count, config))


def _divides(count: int, config: ModelConfig) -> bool:
    attention, mamba, mlp, moe = config.attention, config.mamba, config.mlp, config.moe
    sizes = []
    if attention is not None:
        sizes.append(attention.num_heads)
        # Fewer key heads than devices are copied.
        sizes.append(max(attention.num_kv_heads, count))
        if count % attention.num_kv_heads and attention.num_kv_heads % count:
            return False
    if mamba is not None:
        sizes.append(mamba.num_heads)
        if mamba.num_groups > 1:
            sizes.append(mamba.num_groups)
    if mlp is not None:
        sizes.append(mlp.inner_dim)
    if moe is not None:
        sizes += [moe.expert_dim, moe.shared_dim or count]
    return all(size % count == 0 for size in sizes)


def _vllm(subject: Subject) -> Plan:
    numbers = vllm_numbers(subject)
    command = (
        "python", "-m", "vllm.entrypoints.openai.api_server",
        "--model", str(subject.path),
        "--dtype", "bfloat16",
        "--max-model-len", str(numbers.context),
        "--max-num-seqs", str(numbers.max_sequences),
        "--mamba-ssm-cache-dtype", "float32",
        "--no-enable-prefix-caching",
        "--tensor-parallel-size", "1",
        *VLLM_PARSERS[subject.format],
    )  # fmt: skip
    limits = (
        *cpu_problems(subject.layout, subject.config),
        "prefix caching: on a CPU the process ends with it, for nemotron_h nothing is ever found; "
        f"on a GPU only whole blocks of {numbers.block_tokens:,} tokens are found",
        "on a CPU: a request with a seed whose prompt is longer than a chunk ends the process",
        f"on a CPU: set VLLM_CPU_KVCACHE_SPACE={max(1, numbers.cache_bytes >> 30)} (GiB)",
        "speculative decoding for granitemoehybrid",
        "bitwise the same answer in another batch",
    )
    return _plan("vllm", subject, (command,), numbers, limits)


def vllm_numbers(subject: Subject) -> Numbers:
    """All layers have one page size there: a block holds as many tokens as take a layer's state."""
    config, total = subject.config, subject.account
    mambas, attentions = config.count("M"), config.count("*")
    kv = total.kv_bytes_per_token // attentions
    state = total.state_bytes // mambas if mambas else 0
    block = VLLM_CPU_BLOCK * max(1, -(-state // (VLLM_CPU_BLOCK * kv)))
    shared = min(mambas, attentions) if mambas else attentions
    blocks = subject.cache_bytes // (block * kv * shared)
    states, tables = -(-mambas // shared), -(-attentions // shared)
    full = blocks // (states + tables * -(-config.max_positions // block))
    # As many as can have a first block each: when it gets tight, the last to come wait.
    most = min(MOST_SEQUENCES, blocks // (states + tables))
    return _numbers(subject, full, most, block, blocks)


def _numbers(
    subject: Subject, full: int, most: int, block: int | None = None, blocks: int | None = None
) -> Numbers:
    return Numbers(
        context=subject.config.max_positions,
        weight_bytes=subject.weight_bytes,
        cache_bytes=subject.cache_bytes,
        state_bytes=subject.account.state_bytes,
        kv_bytes_per_token=subject.account.kv_bytes_per_token,
        block_tokens=block,
        blocks=blocks,
        full_sequences=full,
        max_sequences=max(1, most),
        tensor_parallel=tensor_parallel(subject.config),
    )


def _sglang(subject: Subject) -> Plan:
    full = subject.cache_bytes // subject.sequence_bytes
    states = subject.cache_bytes // max(1, 2 * subject.account.state_bytes)
    numbers = _numbers(subject, full, min(MOST_SEQUENCES, states))
    command = (
        "python", "-m", "sglang.launch_server",
        "--model-path", str(subject.path),
        "--dtype", "bfloat16",
        "--context-length", str(numbers.context),
        "--max-running-requests", str(numbers.max_sequences),
        "--mamba-ssm-dtype", "float32",
        "--tp", "1",
        *SGLANG_PARSERS.get(subject.format, ()),
    )  # fmt: skip
    limits = (
        "its radix cache keeps few states: a prompt that leaves a known one half-way is read anew",
        "tool calls of Granite: no parser of that format was found" if not subject.chat else
        "tool calls: the model's own chat format has none",
        "this command was checked against SGLang's sources, not run",
    )  # fmt: skip
    return _plan("sglang", subject, (command,), numbers, limits)


def _llama_cpp(subject: Subject) -> Plan:
    full = subject.cache_bytes // subject.sequence_bytes
    numbers = _numbers(subject, full, min(MOST_SEQUENCES, full))
    file = f"{subject.path.resolve().name}-bf16.gguf"
    nemotron = subject.layout.model_type == "nemotron_h"
    ours = ("naga", "bench", "convert-gguf", str(subject.path), "--out", file, "--type", "bf16")
    theirs = ("python", "convert_hf_to_gguf.py", str(subject.path), "--outfile", file)
    serve = (
        "llama-server", "--model", file,
        "--ctx-size", str(numbers.context * numbers.max_sequences),
        "--parallel", str(numbers.max_sequences),
        "--jinja", "--reasoning-format", "auto",
    )  # fmt: skip
    limits = (
        "cutting the oldest tokens of a full context: a state cannot forget",
        "states in less than float32",
        "saved slots find nothing again: a conversation is read anew after a restart",
        "--tensor-split cuts by layers and rows, not by the divisors above",
        *(() if nemotron else ("a merging tokenizer of naga's: the file takes token ids alone",)),
        *(("naga's converter writes no nemotron_h: the first command is llama.cpp's own",)
          if nemotron else ()),
    )  # fmt: skip
    return _plan("llama.cpp", subject, (theirs if nemotron else ours, serve), numbers, limits)


def _transformers(subject: Subject) -> Plan:
    full = subject.cache_bytes // subject.sequence_bytes
    numbers = _numbers(subject, full, min(1, full))
    command = ("transformers", "serve", str(subject.path), "--dtype", "bfloat16")
    limits = [
        "continuous batching: it knows attention alone, so one request at a time",
        "states saved or shared between requests",
        "tensor parallelism of Mamba layers",
    ]
    config, given = subject.config, read_json(subject.path / CONFIG_FILE)
    if config.attention is None:
        limits.append("a cache: it counts positions by an attention layer, of which there is none")
    step = given.get("time_step_min")
    if subject.layout.model_type == "nemotron_h" and (step is None or step > INERT_STEP):
        limits.append(
            f"NVIDIA's numbers in prefill: it clamps dt from below by time_step_min "
            f"({0.001 if step is None else step:g}); `naga convert --to nemotron_h` makes it inert"
        )
    if config.mamba is not None and config.mamba.dt_limit != (0.0, inf):
        limits.append("time_step_limit in decode: it clamps in prefill alone")
    return _plan("transformers", subject, (command,), numbers, tuple(limits))


def _plan(
    engine: str,
    subject: Subject,
    commands: tuple[tuple[str, ...], ...],
    numbers: Numbers,
    limits: tuple[str, ...],
) -> Plan:
    return Plan(
        engine=engine,
        model=str(subject.path),
        layout=subject.layout.model_type,
        commands=commands,
        numbers=numbers,
        limits=limits,
    )
