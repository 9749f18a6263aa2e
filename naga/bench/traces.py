"""Conversations that a cache is measured with: who asks what, after what.

A trace is a generator: it gives an Ask and is sent the visible answer, of which the rest of the
conversation is made, without its thinking. Messages are random words, fresh for every seed, so that
nothing but the trace's own past is known; what models say to them does not matter. Sends nothing
(cache.py, cache_trace.py).
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from random import Random
from string import ascii_lowercase

from naga.config.base import ConfigError
from naga.data.chat import Message
from naga.data.tokenizer import Tokenizer

QUESTION = 40
"""Tokens of a user's message."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    kind: str
    messages: tuple[Message, ...]
    user: str = "one"
    restart: bool = False
    """The server is started anew before it."""


Trace = Generator[Ask, str, None]


class Words:
    def __init__(self, seed: int, tokenizer: Tokenizer) -> None:
        self._random, self._tokenizer = Random(f"words {seed}"), tokenizer

    def text(self, tokens: int) -> str:
        """Words of about so many tokens, at least."""
        found: list[str] = []
        while tokens > 0:
            length = self._random.randint(2, 9)
            found.append(" " + "".join(self._random.choices(ascii_lowercase, k=length)))
            tokens -= len(self._tokenizer.encode(found[-1]))
        return "".join(found)


def user(text: str) -> Message:
    return Message(role="user", content=text)


def assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


def contract(words: Words, *, turns: int, document_tokens: int) -> Trace:
    """Questions about one long document, one after the other."""
    messages = [user(words.text(document_tokens) + words.text(QUESTION))]
    for turn in range(turns):
        answer = yield Ask(kind="append" if turn else "cold", messages=tuple(messages))
        messages += [assistant(answer), user(words.text(QUESTION))]


def agent(words: Words, *, turns: int, document_tokens: int, result_tokens: int = 200) -> Trace:
    """A system prompt with tools, results of tools, three edits, two branches that are left again.

    An edit changes a result two turns back and leaves what came after it; a branch goes on from an
    early message for two turns. ConfigError below ten turns.
    """
    if turns < 10:
        raise ConfigError(f"the agent's trace has at least 10 turns, not {turns}")
    messages = [Message(role="system", content=words.text(document_tokens))]
    messages.append(user(words.text(QUESTION)))
    edits = {turns * 3 // 10, turns * 6 // 10, turns * 9 // 10}
    branches = {turns * 4 // 10, turns * 7 // 10}
    left: list[Message] = []
    kind = "cold"
    for turn in range(turns):
        if turn in branches:
            left, messages, kind = messages, [*messages[:4], user(words.text(QUESTION))], "branch"
        elif turn - 2 in branches:
            messages, kind = left, "return"
        elif turn in edits:
            edited = user(words.text(result_tokens))
            messages, kind = [*messages[:-5], edited, *messages[-4:]], "edit"
        answer = yield Ask(kind=kind, messages=tuple(messages))
        messages, kind = [*messages, assistant(answer), user(words.text(result_tokens))], "append"


def steps(words: Words, *, document_tokens: int) -> Trace:
    """One thing after the other that happens to a conversation; a message of `document_tokens`.

    Its last quarter is what edits change. Each step says what it is.
    """
    begun, rest = words.text(document_tokens * 3 // 4), words.text(document_tokens // 4)
    messages = [user(begun + rest)]
    document = tuple(messages)
    yield Ask(kind="cold", messages=document)
    answer = yield Ask(kind="the same again", messages=document)
    for _ in range(3):
        messages += [assistant(answer), user(words.text(120))]
        answer = yield Ask(kind="append 120", messages=tuple(messages))
    messages += [assistant(answer[: len(answer) // 2]), user(words.text(QUESTION))]
    answer = yield Ask(kind="append, answer shortened", messages=tuple(messages))
    for kind in ("edit at 3/4", "another edit at 3/4"):
        yield Ask(kind=kind, messages=(user(begun + words.text(200)),))
    other = (user(words.text(document_tokens // 2)),)
    yield Ask(kind="another user", messages=other, user="two")
    messages += [assistant(answer), user(words.text(QUESTION))]
    back = tuple(messages)
    yield Ask(kind="the first user back", messages=back)
    yield Ask(kind="the other user back", messages=other, user="two")
    yield Ask(kind="restart, the same again", messages=back, restart=True)
    yield Ask(kind="edit at 7/8", messages=(user(begun + rest[: len(rest) // 2] + words.text(40)),))


TRACES: dict[str, Callable[[Words], Trace]] = {
    "contract": lambda words: contract(words, turns=8, document_tokens=16_000),
    "agent": lambda words: agent(words, turns=30, document_tokens=8_000),
    "steps": lambda words: steps(words, document_tokens=4_000),
}
"""The sizes that results are told for."""
