"""What is measured of an engine: sequences that are started, advanced and stopped.

`RemoteSequences` does it in a worker process, which is parked between two calls; ours.py and
naga/bench/workers do the work. `InferenceSide` makes a side of a comparison of any of them.
"""

from typing import Protocol

from naga.bench.process import Worker
from naga.bench.rounds import Case, Tokens


class Sequences(Protocol):
    """One engine. Greedy; nothing ends a sequence."""

    def start(self, prompts: list[list[int]], new_tokens: int) -> float:
        """Seconds from the prompts, all of one length, to a first token of each.

        Up to `new_tokens` more of each may be asked for.
        """

    def advance(self, steps: int) -> float:
        """Seconds of `steps` more tokens of every sequence."""

    def stop(self) -> None:
        """Forget the sequences; without any, do nothing."""


class RemoteSequences:
    def __init__(self, worker: Worker) -> None:
        """`worker` has opened its engine."""
        self._worker = worker

    def start(self, prompts: list[list[int]], new_tokens: int) -> float:
        return float(self._worker.ask("start", prompts=prompts, new_tokens=new_tokens))

    def advance(self, steps: int) -> float:
        return float(self._worker.ask("advance", steps=steps))

    def stop(self) -> None:
        self._worker.ask("stop")


class InferenceSide:
    """Prefill: to the first tokens. Decode: the tokens after those."""

    def __init__(self, sequences: Sequences, rounds: int) -> None:
        """`rounds`: of a case, the warm-up included."""
        self._sequences, self._rounds = sequences, rounds
        self._continued: Case | None = None

    def seconds(self, case: Case, tokens: Tokens) -> float:
        if case.work == "prefill":
            seconds = self._start(case, tokens)
        else:
            if case != self._continued:
                self._start(case, tokens)
            seconds = self._sequences.advance(case.new_tokens)
        if case.continued:
            self._continued = case
        else:
            self._sequences.stop()
        return seconds

    def _start(self, case: Case, tokens: Tokens) -> float:
        if self._continued is not None:
            self._sequences.stop()
            self._continued = None
        rounds = self._rounds if case.continued else 1
        return self._sequences.start(tokens.tolist(), rounds * case.new_tokens)
