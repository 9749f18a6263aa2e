"""Reading documents and asking about them, with an engine whose cache is played by records."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine.saved_states import make_document, make_identity, make_state

from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.data.reading import document_tokens
from naga.data.tokenizer import Tokenizer
from naga.engine import reader
from naga.engine.backend import make_backend
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.engine.saved import SavedState, StateError
from naga.engine.state_folder import write_state
from naga.model.lm import HybridLM
from naga.runtime import Runtime

DOCUMENT = make_document("The rent.")
IDENTITY = make_identity()


class Recording(Engine):
    """Keeps what it is told, gives what it is told to give."""

    kept: SavedState | None = None
    asked: tuple[int, ...] = ()
    installed: tuple[SavedState, ...] = ()

    def export(self, tokens: Sequence[int], tenant: str = "") -> SavedState | None:
        self.asked = tuple(tokens)
        return self.kept

    def install(self, state: SavedState, tenant: str = "") -> int:
        self.installed = (*self.installed, state)
        return len(state.tokens)


@pytest.fixture
def engine(
    small_model: HybridLM, small_runtime: Runtime, tokenizer: Tokenizer
) -> Iterator[Recording]:
    config = EngineConfig(max_running=2, page_size=16, kv_tokens=1024)
    backend = make_backend(small_model, config, small_runtime)
    with Recording(backend, tokenizer, config) as made:
        yield made


def test_reading_keeps_the_last_snapshot_and_what_is_before_it(engine: Recording) -> None:
    engine.kept = make_state(IDENTITY, num_tokens=9, positions=(3, 7))
    state = reader.read(engine, [DOCUMENT])
    assert engine.asked == tuple(document_tokens(engine.tokenizer, [DOCUMENT]))
    assert state.tokens == engine.kept.tokens[:7]
    assert state.keys.equal(engine.kept.keys[:, :7])
    assert state.values.equal(engine.kept.values[:, :7])
    assert state.snapshots == engine.kept.snapshots[1:]
    assert state.num_bytes == IDENTITY.state_bytes(7, 1)


@pytest.mark.parametrize("positions", [None, ()])
def test_an_engine_that_keeps_nothing_is_an_error(
    engine: Recording, positions: tuple[int, ...] | None
) -> None:
    engine.kept = None if positions is None else make_state(IDENTITY, 9, positions)
    with pytest.raises(ConfigError, match="the engine kept no"):
        reader.read(engine, [DOCUMENT])


def test_progress_counts_every_token_once(
    engine: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.kept = make_state(IDENTITY)
    monkeypatch.setattr(reader, "STEP_TOKENS", 5)
    moves: list[int] = []

    @contextmanager
    def progress(total: int) -> Iterator[Callable[[int], None]]:
        yield moves.append
        assert sum(moves) == total and max(moves) == 5 and min(moves) > 0

    reader.read(engine, [DOCUMENT], progress)
    assert len(moves) > 1


def test_documents_beyond_the_model_are_refused_before_they_are_read(engine: Recording) -> None:
    @contextmanager
    def never(total: int) -> Iterator[Callable[[int], None]]:
        raise AssertionError("nothing may be read")
        yield

    with pytest.raises(ConfigError, match="tokens"):
        reader.read(engine, [make_document("rent " * 400)], never)


def saved(engine: Engine, tmp_path: Path, document_of_state: str) -> Path:
    tokens = document_tokens(engine.tokenizer, [make_document(document_of_state)])
    identity = make_identity()
    config = identity.config.model_copy(update={"vocab_size": 300})
    state = make_state(identity, num_tokens=len(tokens), positions=(len(tokens),))
    object.__setattr__(state, "tokens", tuple(tokens))
    object.__setattr__(identity, "config", config)
    write_state(tmp_path / "X.state", identity, state, [DOCUMENT])
    return tmp_path / "X.state"


def test_a_state_goes_into_the_engine_if_it_is_of_the_documents(
    engine: Recording, tmp_path: Path
) -> None:
    config = IDENTITY.config.model_copy(update={"vocab_size": 300})
    identity = make_identity()
    object.__setattr__(identity, "config", config)
    path = saved(engine, tmp_path, DOCUMENT.text)
    expected = tuple(document_tokens(engine.tokenizer, [DOCUMENT]))
    assert reader.restore(engine, path, identity, [DOCUMENT]) == len(expected)
    assert [state.tokens for state in engine.installed] == [expected]
    with pytest.raises(StateError, match="its tokens are not those of its documents"):
        reader.restore(engine, path, identity, [make_document("No rent.")])
    assert len(engine.installed) == 1


def test_a_question_is_answered_from_the_documents(engine: Recording) -> None:
    sampling = SamplingParams(temperature=0, max_tokens=4)
    asked = reader.ask(engine, [DOCUMENT], "What?", sampling, enable_thinking=False)
    prompt = reader.prompt_tokens(engine.tokenizer, [DOCUMENT], "What?", enable_thinking=False)
    assert asked.reply.usage.prompt_tokens == len(prompt)
    assert asked.reply.usage.completion_tokens <= 4


def test_there_is_room_for_a_long_sequence() -> None:
    config = EngineConfig(kv_tokens=1024, page_size=64)
    assert reader.make_room(config, 100).kv_tokens == 1024
    assert reader.make_room(config, 100_000).kv_tokens >= 100_000
