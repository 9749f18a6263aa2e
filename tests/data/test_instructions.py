"""/think and /no_think stand where they are told to, and nothing else changes."""

import pytest

from naga.config.base import ConfigError
from naga.data.instructions import with_instruction
from naga.data.messages import Message

USER = Message(role="user", content="2+2")
SYSTEM = Message(role="system", content="Be brief.")


def test_the_word_ends_the_last_question_or_the_system_message() -> None:
    before = (USER, Message(role="assistant", content="4"), USER)
    told = with_instruction(before, "always", "user")
    assert told == (*before[:2], Message(role="user", content="2+2 /think"))
    assert with_instruction((SYSTEM, USER), "never", "system") == (
        Message(role="system", content="Be brief. /no_think"),
        USER,
    )
    assert with_instruction((USER,), "never", "system") == (
        Message(role="system", content="/no_think"),
        USER,
    )


def test_automatic_mode_says_nothing() -> None:
    assert with_instruction((SYSTEM, USER), "auto", "user") == (SYSTEM, USER)
    assert with_instruction((SYSTEM, USER), "always", None) == (SYSTEM, USER)


def test_there_must_be_a_user_to_say_it() -> None:
    with pytest.raises(ConfigError, match="/think stands in a user message"):
        with_instruction((SYSTEM,), "always", "user")
