"""Named conversations: what comes back, what is refused, what is never lost or mixed up."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine.conftest import CONFIGS, make_model
from engine.test_engine import OpenEngine, facts

from naga.config.model import ModelConfig
from naga.engine.chat import complete
from naga.engine.engine import Engine
from naga.engine.keeper import Keeper
from naga.engine.request import Request, SamplingParams
from naga.engine.saved import Identity, StateError
from naga.engine.store import StateStore
from naga.runtime import make_runtime

PROMPT = tuple(n * 7 % 250 for n in range(75))
OpenKeeper = Callable[..., Keeper]


def asked(prompt: tuple[int, ...] = PROMPT) -> Request:
    sampling = SamplingParams(max_tokens=20, seed=2)
    return Request(id="r", prompt=prompt, sampling=sampling, raw=True, tenant="t")


@pytest.fixture
def engines(open_engine: OpenEngine) -> Callable[[], Engine]:
    model = make_model(CONFIGS["plain"], torch.bfloat16)
    return lambda: open_engine(model, make_runtime("cpu", "bfloat16"))


@pytest.fixture
def keepers(tmp_path: Path) -> Iterator[OpenKeeper]:
    made: list[Keeper] = []

    def make(engine: Engine, weights: str = "a", idle_s: float = 1000) -> Keeper:
        config: ModelConfig = engine.model_config
        identity = Identity(
            weights=weights * 64,
            tokenizer="b" * 64,
            template="c" * 64,
            config=config,
            numerics=engine.numerics,
        )
        store = StateStore(tmp_path / "states", 10**9)
        made.append(Keeper(engine, store, lambda: identity, idle_s))
        return made[-1]

    yield make
    for keeper in made:
        keeper.close()


def speak(engine: Engine, keeper: Keeper, request: Request, name: str = "n") -> tuple[object, int]:
    """What is answered, and how much of the prompt was known."""
    keeper.begin(name, request.tenant, request.prompt)
    reply = complete(engine, request)
    keeper.end(name, request.tenant, [*request.prompt, *reply.tokens])
    return facts(reply), reply.usage.cached_tokens


def test_a_conversation_comes_back_in_another_engine(
    engines: Callable[[], Engine], keepers: OpenKeeper
) -> None:
    first, second = engines(), engines()
    keeper = keepers(first)
    expected, known = speak(first, keeper, asked())
    assert known == 0
    keeper.close()
    again = keepers(second)
    assert speak(second, again, asked()) == (expected, len(PROMPT) - 1)
    # Of a longer one, all that was said before.
    longer = asked((*PROMPT, 3, 4, 5))
    assert speak(engines(), again, longer, "other")[1] == 0
    third = engines()
    _, known = speak(third, keepers(third), longer)
    assert known == len(PROMPT) - 1


def test_names_belong_to_their_tenant(engines: Callable[[], Engine], keepers: OpenKeeper) -> None:
    first, second = engines(), engines()
    keeper = keepers(first)
    speak(first, keeper, asked())
    keeper.close()
    other = replace(asked(), tenant="u")
    assert speak(second, keepers(second), other)[1] == 0


def test_what_is_of_another_model_is_told_and_read_again(
    engines: Callable[[], Engine], keepers: OpenKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = engines(), engines()
    keeper = keepers(first)
    expected, _ = speak(first, keeper, asked())
    keeper.close()
    with caplog.at_level(logging.WARNING):
        assert speak(second, keepers(second, weights="f"), asked()) == (expected, 0)
    assert "conversation 'n' is read again" in caplog.text


def test_damage_is_told_and_read_again(
    engines: Callable[[], Engine],
    keepers: OpenKeeper,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = engines(), engines()
    keeper = keepers(first)
    expected, _ = speak(first, keeper, asked())
    keeper.close()
    for file in tmp_path.rglob("*.safetensors"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert speak(second, keepers(second), asked()) == (expected, 0)
    assert "is read again" in caplog.text


def test_saving_on_demand_when_idle_and_what_is_unknown(
    engines: Callable[[], Engine], keepers: OpenKeeper, tmp_path: Path
) -> None:
    engine = engines()
    keeper = keepers(engine, idle_s=0.1)
    assert keeper.save("n", "t") is None
    speak(engine, keeper, asked())
    for _ in range(200):
        if list((tmp_path / "states").glob("*.state")):
            break
        time.sleep(0.02)
    assert len(list((tmp_path / "states").glob("*.state"))) == 1
    assert keeper.save("n", "t") == len(PROMPT) + 19
    keeper.remove("n", "t")
    assert not list((tmp_path / "states").glob("*.state"))
    assert keeper.save("n", "t") is None


def test_states_of_updated_weights_are_not_saved(
    engines: Callable[[], Engine], keepers: OpenKeeper
) -> None:
    engine = engines()
    keeper = keepers(engine)
    speak(engine, keeper, asked())
    engine.update_weights([])
    with pytest.raises(StateError, match="weights were updated"):
        keeper.save("n", "t")


def test_many_threads_speak_and_save(engines: Callable[[], Engine], keepers: OpenKeeper) -> None:
    engine = engines()
    keeper = keepers(engine, idle_s=0.05)
    alone = {n: facts(complete(engine, asked((*PROMPT, n)))) for n in range(4)}
    found: dict[int, object] = {}

    def run(n: int) -> None:
        for _ in range(5):
            request = replace(asked((*PROMPT, n)), id=f"{n}")
            found[n], _ = speak(engine, keeper, request, f"name {n}")
            keeper.save(f"name {n}", "t")

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_who_comes_first_does_not_wait_while_another_is_saved(
    engines: Callable[[], Engine], keepers: OpenKeeper
) -> None:
    keeper = keepers(engines())
    with keeper._moving:
        beginning = threading.Thread(target=keeper.begin, args=("new", "t", PROMPT), daemon=True)
        beginning.start()
        beginning.join(20)
        assert not beginning.is_alive()


def test_what_is_removed_while_it_waits_to_be_saved_stays_away(
    engines: Callable[[], Engine], keepers: OpenKeeper
) -> None:
    engine = engines()
    keeper = keepers(engine)
    speak(engine, keeper, asked())
    with keeper._moving:
        saving = threading.Thread(target=keeper._save_all, args=(0,), daemon=True)
        saving.start()
        # It has listed the conversation, or will find none; either way it comes after this.
        time.sleep(0.05)
        keeper._spoken.clear()
    saving.join(20)
    assert keeper._store.list() == ()


def test_so_many_are_remembered_the_saved_ones_going_first(
    engines: Callable[[], Engine], keepers: OpenKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naga.engine.keeper.MOST", 2)
    engine = engines()
    keeper = keepers(engine)
    for name in ("first", "second", "third"):
        speak(engine, keeper, asked(), name)
        if name == "second":
            assert keeper.save("second", "t")
    assert keeper.save("second", "t") is None
    assert keeper.save("first", "t") and keeper.save("third", "t")
