"""`naga serve`: which settings reach the engine and the server."""

import pytest
from cli.running import Run, refused

from naga.server import process


def test_settings_of_the_server_reach_the_config_they_belong_to(
    naga: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[object, ...]] = []
    monkeypatch.setattr(process, "serve", lambda *given: taken.append(given))
    settings = ("--set", "kv_tokens=128", "--set", "state_bytes=0")
    assert naga("serve", "folder", "--weights", "int8", *settings).code == 0
    ((path, engine, server),) = taken
    assert (str(path), engine.kv_tokens, engine.weights) == ("folder", 128, "int8")
    assert (server.state_bytes, server.port) == (0, 8000)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("kv_token=128", "--set kv_token: there is max_running"),
        ("kv_tokens", "override 'kv_tokens': write it as key.path=value"),
        (
            "kv_tokens=many",
            "naga serve: kv_tokens: Input should be a valid integer (got 'many')",
        ),
        ("dtype=float32", "--set dtype: there is max_running"),
    ],
)
def test_a_setting_that_is_none_is_refused(naga: Run, setting: str, message: str) -> None:
    assert refused(naga("serve", "--set", setting)).startswith(message)
