"""Named conversations that survive a restart: kept in the engine while it runs, on disk after that.

A conversation is what was said last under a name. It is saved when asked for, when nobody has
spoken under its name for a while, and at the end; after a restart it comes back when its name is
used. What is refused (another model, a damaged file) or does not fit is told in the log and read
again from its text: a state is a saving of time, never a source of truth. Times are a monotonic
clock's. Methods may be called from any thread but the engine's.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

from naga.config.base import ConfigError
from naga.engine.engine import Engine
from naga.engine.saved import Identity, SavedState, StateError
from naga.engine.store import StateStore

# The last ones of a conversation: where its last message and its prompt end, and where the answer
# does. The next turn leaves the path at one of them.
SNAPSHOTS = 3
# Conversations whose tokens are remembered; those that are saved go first.
MOST = 1024
logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Spoken:
    """What was said last under a name."""

    tenant: str
    tokens: tuple[int, ...]
    at: float = field(default_factory=time.monotonic)
    saved: bool = False


class Keeper:
    def __init__(
        self, engine: Engine, store: StateStore, identify: Callable[[], Identity], idle_s: float
    ) -> None:
        """`identify`: whose states they are; called once, when it is first needed."""
        self._engine, self._store, self._identify = engine, store, identify
        self._idle_s = idle_s
        self._spoken: dict[str, _Spoken] = {}
        self._lock = threading.Lock()
        # Held while a state is on its way: one at a time.
        self._moving = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="naga-keeper", daemon=True)
        self._thread.start()

    @cached_property
    def _identity(self) -> Identity:
        return self._identify()

    def begin(self, name: str, tenant: str, prompt: Sequence[int]) -> None:
        """Before a request under this name: bring back what is on disk, where that helps."""
        key = _key(name, tenant)
        with self._lock:
            if key in self._spoken:
                return
        # Who comes for the first time need not wait until others are saved.
        if not self._store.has(key):
            return
        with self._moving:
            try:
                state = self._store.load(key, self._identity)
                if state is not None and _shared(state, prompt) > self._engine.known(
                    prompt, tenant
                ):
                    self._engine.install(state, tenant)
            except ConfigError as error:
                logger.warning("conversation %r is read again: %s", name, error)

    def end(self, name: str, tenant: str, tokens: Sequence[int]) -> None:
        """After a request: its prompt and what was answered."""
        key = _key(name, tenant)
        with self._lock:
            self._spoken.pop(key, None)
            self._spoken[key] = _Spoken(tenant=tenant, tokens=tuple(tokens))
            if len(self._spoken) > MOST:
                saved = (key for key, spoken in self._spoken.items() if spoken.saved)
                del self._spoken[next(saved, next(iter(self._spoken)))]

    def save(self, name: str, tenant: str) -> int | None:
        """Save a conversation now; how many of its tokens, None if nothing is known of it.

        StateError if it cannot be written; the former state is then as it was.
        """
        return self._save(_key(name, tenant))

    def remove(self, name: str, tenant: str) -> None:
        """Forget what is on disk and what would be written there."""
        key = _key(name, tenant)
        with self._lock:
            self._spoken.pop(key, None)
        with self._moving:
            self._store.remove(key)

    def close(self) -> None:
        """Save everything that is not; before the engine is closed."""
        self._closing.set()
        self._thread.join()
        self._save_all(older_than=0)

    def _watch(self) -> None:
        # The first request of a name need not wait for it.
        with suppress(ConfigError, OSError):
            _ = self._identity
        while not self._closing.wait(min(self._idle_s / 4, 1.0)):
            self._save_all(older_than=self._idle_s)

    def _save_all(self, older_than: float) -> None:
        now = time.monotonic()
        with self._lock:
            waiting = [
                key
                for key, spoken in self._spoken.items()
                if not spoken.saved and now - spoken.at >= older_than
            ]
        for key in waiting:
            try:
                self._save(key)
            except ConfigError as error:
                logger.warning("a conversation is not saved: %s", error)

    def _save(self, key: str) -> int | None:
        with self._moving:
            with self._lock:
                spoken = self._spoken.get(key)
            if spoken is None:
                # Never known, or just removed.
                return None
            # If it fails it is not tried again before somebody speaks: a disk may be full for long.
            spoken.saved = True
            if self._engine.weights_version:
                raise StateError("the weights were updated: the states are no checkpoint's")
            state = self._engine.export(spoken.tokens, spoken.tenant)
            if state is not None:
                self._store.save(key, self._identity, _shortened(state))
            return None if state is None else len(state.tokens)


def _key(name: str, tenant: str) -> str:
    return hashlib.sha256(f"{tenant}\0{name}".encode()).hexdigest()


def _shared(state: SavedState, prompt: Sequence[int]) -> int:
    """Tokens of `prompt` that need not be computed with this state."""
    places = [snapshot.position for snapshot in state.snapshots] or [len(state.tokens)]
    return max(
        (end for end in places if end < len(prompt) and state.tokens[:end] == tuple(prompt[:end])),
        default=0,
    )


def _shortened(state: SavedState) -> SavedState:
    return replace(state, snapshots=state.snapshots[-SNAPSHOTS:])
