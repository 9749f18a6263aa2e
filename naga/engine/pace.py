"""How many prompt tokens a step may have, so that running answers do not stall. Plain Python.

A step's seconds are taken as those of a step that only decodes, plus some for each prompt token;
both are running averages of what was measured, so they follow the machine and the context. Results
do not depend on any of it, only the time between two tokens does. Reads no clock.
"""

# A step beside running answers may take so many times one that only decodes ...
STRETCH = 2.5
# ... or so long: nobody sees a gap of that.
UNSEEN_S = 0.05
# What the newest measurement counts.
WEIGHT = 0.2
LEAST = 16
# While nothing is known yet.
FIRST = 64


class Pace:
    def __init__(self, chunk: int) -> None:
        """`chunk`: prompt tokens at most, and where nobody waits for a next token."""
        self._chunk = chunk
        self._decode_s: float | None = None
        self._token_s: float | None = None

    def budget(self, decoding: int) -> int:
        """Prompt tokens for a step in which `decoding` sequences get their next token."""
        if not decoding:
            return self._chunk
        if self._token_s is None:
            return min(FIRST, self._chunk)
        decode = self._decode_s or 0.0
        seconds = max(UNSEEN_S, STRETCH * decode) - decode
        affordable = seconds / max(self._token_s, 1e-9)
        return int(min(max(affordable, LEAST), self._chunk))

    def observe(self, decoding: int, prompt_tokens: int, seconds: float) -> None:
        """What a step took."""
        if not prompt_tokens:
            self._decode_s = _mix(self._decode_s, seconds)
            return
        rest = seconds - (self._decode_s or 0.0) if decoding else seconds
        # A short piece says little of what a token takes: it is mostly reading weights.
        if prompt_tokens >= LEAST:
            self._token_s = _mix(self._token_s, max(rest, 0.0) / prompt_tokens)


def _mix(old: float | None, new: float) -> float:
    return new if old is None else old + WEIGHT * (new - old)
