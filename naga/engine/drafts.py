"""Guesses at the next tokens of a sequence: what followed where its last tokens stood before.

Answers that copy from a long prompt are guessed well by that ("prompt lookup"), others are not, so
the guesses get longer while they come true and stop for a while when they do not. A wrong guess
costs time, never another answer. Plain Python; knows no model.
"""

from collections.abc import Sequence

# So many tokens are looked up; fewer stand in too many places.
GRAM = 3
# After a guess of which nothing came true so many tokens pass without one, doubled each time.
PAUSE, LONGEST_PAUSE = 2, 32
# A long prompt is not looked through at once: everybody waits for it.
AT_ONCE = 4096


class Drafts:
    def __init__(self, most: int) -> None:
        """`most`: tokens of one guess; 0 never guesses."""
        self._most = most
        self._length = min(2, most)
        self._pause = 0
        self._next_pause = PAUSE
        # Where the token after these stands; of each run of tokens the last place.
        self._places: dict[tuple[int, ...], int] = {}
        self._seen = 0

    def guess(self, tokens: Sequence[int], most: int) -> list[int]:
        """Tokens that may follow, at most `most`; `tokens` only ever grow at their end."""
        if not self._most:
            return []
        first = max(self._seen, GRAM)
        self._seen = min(len(tokens), first + AT_ONCE)
        for end in range(first, self._seen):
            self._places[tuple(tokens[end - GRAM : end])] = end
        if self._seen < len(tokens):
            return []
        if self._pause:
            self._pause -= 1
            return []
        place = self._places.get(tuple(tokens[-GRAM:]), len(tokens))
        return list(tokens[place : place + min(self._length, most)])

    def learn(self, guessed: int, right: int) -> None:
        """Of `guessed` tokens so many came true."""
        if right == guessed:
            self._length = min(2 * self._length, self._most)
        elif not right:
            self._length = min(2, self._most)
            self._pause = self._next_pause
            self._next_pause = min(2 * self._next_pause, LONGEST_PAUSE)
        else:
            self._length = max(right, 1)
        if right:
            self._next_pause = PAUSE
