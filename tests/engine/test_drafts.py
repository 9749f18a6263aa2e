"""Guesses: what they copy, and when they stop."""

from hypothesis import given
from hypothesis import strategies as st

from naga.engine.drafts import LONGEST_PAUSE, Drafts


def test_what_followed_before_is_guessed_and_grows_while_it_comes_true() -> None:
    text, drafts = list(range(40)), Drafts(8)
    tokens = [*text, 5, 6, 7]
    lengths = []
    for _ in range(4):
        guess = drafts.guess(tokens, 100)
        assert guess == list(range(tokens[-1] + 1, tokens[-1] + 1 + len(guess)))
        lengths.append(len(guess))
        drafts.learn(len(guess), len(guess))
        tokens += [*guess, guess[-1] + 1]
    assert lengths == [2, 4, 8, 8]


def test_the_last_place_counts() -> None:
    tokens = [1, 2, 3, 50, 51, 1, 2, 3, 60, 61, 1, 2, 3]
    assert Drafts(8).guess(tokens, 9) == [60, 61]


def test_what_never_stood_there_is_not_guessed() -> None:
    assert Drafts(8).guess([1, 2, 3, 4, 5], 9) == []
    assert Drafts(8).guess([1, 2], 9) == []
    assert Drafts(0).guess([1, 1, 1, 1, 1, 1], 9) == []
    assert Drafts(8).guess([1, 1, 1, 1, 1, 1], 0) == []


def test_wrong_guesses_pause_longer_and_longer() -> None:
    drafts, tokens, pauses = Drafts(8), [1] * 10, []
    for _ in range(8):
        assert drafts.guess(tokens, 9)
        drafts.learn(2, 0)
        pauses.append(0)
        while not drafts.guess(tokens, 9):
            pauses[-1] += 1
    assert pauses == [2, 4, 8, 16, 32, 32, 32, LONGEST_PAUSE]


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(0, 9), st.integers(0, 9))
def test_a_guess_is_what_stood_after_the_same_tokens(
    tokens: list[int], most: int, allowed: int
) -> None:
    drafts = Drafts(most)
    for length in range(len(tokens) + 1):
        now = tokens[:length]
        guess = drafts.guess(now, allowed)
        assert len(guess) <= min(most, allowed)
        if guess:
            whole = [*now[-3:], *guess]
            assert any(now[at : at + len(whole)] == whole for at in range(length - len(whole) + 1))
