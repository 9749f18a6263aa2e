"""Documents read once, asked often: the engine reads them, their state is kept, questions continue.

What is kept is the last snapshot and the keys and values before it, so that a state takes what
account.py says for its tokens. The text is kept beside it: a question is answered without the
files, and where a state is refused the text is read again. Knows no terminal.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.data.documents import Document
from naga.data.reading import FoundQuote, document_tokens, locate_quotes, question_tokens
from naga.data.tokenizer import Tokenizer
from naga.engine.chat import Reply, complete, new_id
from naga.engine.engine import Engine
from naga.engine.identity import Progress
from naga.engine.request import Request, SamplingParams
from naga.engine.saved import Identity, SavedState, StateError
from naga.engine.state_folder import read_state

# Tokens read between two movements of a progress bar.
STEP_TOKENS = 4096


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An answer about documents."""

    reply: Reply
    quotes: tuple[FoundQuote, ...]


def make_room(config: EngineConfig, num_tokens: int) -> EngineConfig:
    """For one sequence of so many tokens, if there is less."""
    pages = -(-num_tokens // config.page_size) + 2
    needed = max(config.kv_tokens, pages * config.page_size)
    return EngineConfig.model_validate(config.model_dump() | {"kv_tokens": needed})


def read(
    engine: Engine, documents: Sequence[Document], progress: Progress | None = None
) -> SavedState:
    """The state behind the documents; ConfigError if they do not fit the model or the memory.

    `progress`: called with the tokens in all, gives what to call with the tokens of each step.
    """
    tokens = document_tokens(engine.tokenizer, documents)
    watch = nullcontext(_ignore) if progress is None else progress(len(tokens))
    # A text that is too long is refused now, not behind its first half.
    ends = [len(tokens)] if progress is None else _ends(engine, len(tokens))
    with watch as advance:
        for before, end in zip([0, *ends], ends, strict=False):
            _run(engine, tokens[:end], SamplingParams(temperature=0, max_tokens=1))
            advance(end - before)
    state = engine.export(tokens)
    if state is None:
        raise ConfigError("the engine kept nothing of the documents; give it more kv_tokens")
    return _last(engine, state)


def restore(engine: Engine, path: Path, identity: Identity, documents: Sequence[Document]) -> int:
    """Put the state at `path` into the engine; returns the tokens that need not be read again.

    StateError, with the reason, if it is refused or is not of these documents.
    """
    state = read_state(path, identity)
    tokens = document_tokens(engine.tokenizer, documents)
    if state.tokens != tuple(tokens[: len(state.tokens)]):
        raise StateError(f"{path}: its tokens are not those of its documents")
    return engine.install(state)


def ask(
    engine: Engine,
    documents: Sequence[Document],
    question: str,
    sampling: SamplingParams,
    *,
    enable_thinking: bool = True,
) -> Asked:
    """Answer from the documents; what of them is in the engine's cache is not read again."""
    if not question.strip():
        raise ConfigError("the question is empty; ask something")
    prompt = prompt_tokens(engine.tokenizer, documents, question, enable_thinking=enable_thinking)
    reply = _run(engine, prompt, sampling, thinking=enable_thinking)
    return Asked(reply=reply, quotes=locate_quotes(documents, reply.text))


def prompt_tokens(
    tokenizer: Tokenizer, documents: Sequence[Document], question: str, *, enable_thinking: bool
) -> list[int]:
    """Documents, question and the opening of the reply."""
    asked = question_tokens(tokenizer, question, enable_thinking=enable_thinking)
    return document_tokens(tokenizer, documents) + asked


def _run(
    engine: Engine, prompt: Sequence[int], sampling: SamplingParams, *, thinking: bool = False
) -> Reply:
    request = Request(id=new_id(), prompt=tuple(prompt), sampling=sampling, thinking=thinking)
    reply = complete(engine, request)
    if reply.error:
        raise ConfigError(f"generation failed: {reply.error}")
    return reply


def _ends(engine: Engine, num_tokens: int) -> list[int]:
    """Where to stop on the way, at the end at last."""
    most = engine.model_config.max_positions
    if num_tokens >= most:
        raise ConfigError(
            f"the documents are {num_tokens} tokens; this model reads {most - 1} at most"
        )
    return [*range(STEP_TOKENS, num_tokens, STEP_TOKENS), num_tokens]


def _last(engine: Engine, state: SavedState) -> SavedState:
    """Without the snapshots before the last one, and what is behind it."""
    if not engine.model_config.recurrent:
        return state
    if not state.snapshots:
        raise ConfigError("the engine kept no snapshot of the documents; give it more memory")
    last = state.snapshots[-1]
    count = last.position
    scales = (state.key_scales, state.value_scales)
    key_scales, value_scales = (None if held is None else held[:, :count] for held in scales)
    return replace(
        state,
        tokens=state.tokens[:count],
        keys=state.keys[:, :count],
        values=state.values[:, :count],
        key_scales=key_scales,
        value_scales=value_scales,
        snapshots=(last,),
    )


def _ignore(_: int) -> None:
    pass
