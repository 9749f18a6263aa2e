"""One stage's file: rows are added as they come, and the whole takes its name when it is done.

    NAME.partial.jsonl   grows; a last line torn by a kill is dropped, the others are kept
    NAME.jsonl           complete, put there at once by a rename

Keyed: each row has a "key", and what is there already is not asked again. One process at a time
(the run directory's lock). Knows nothing of what rows mean.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from naga.config.base import ConfigError
from naga.disk import sync, write_atomic
from naga.distill.rows import line
from naga.record import read_lines

Row = dict[str, Any]
ItemT = TypeVar("ItemT")


class Stage:
    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self._partial = folder / f"{name}.partial.jsonl"

    @property
    def done(self) -> bool:
        return self.path.exists()

    def rows(self) -> list[Row]:
        """What there is so far."""
        source = self.path if self.done else self._partial
        return [_read(text, f"{source}:{number}") for number, text in _numbered(source)]

    def write(self, rows: Iterable[Row]) -> None:
        """All at once."""
        write_atomic(self.path, "".join(map(line, rows)))

    def complete(
        self,
        items: Sequence[ItemT],
        key: Callable[[ItemT], str],
        work: Callable[[Sequence[ItemT]], Sequence[Row]],
        *,
        at_once: int,
        advance: Callable[[int], None] = lambda count: None,
    ) -> list[Row]:
        """All rows, in the order of `items`; `work` makes those that are not there yet.

        `advance` is told how many were finished.
        """
        if not self.done:
            self._fill(items, key, work, at_once, advance)
        found = {row["key"]: row for row in self.rows()}
        try:
            return [found[key(item)] for item in items]
        except KeyError as error:
            raise ConfigError(
                f"{self.path}: has no row for {error}: it is of other questions; remove it"
            ) from None

    def _fill(
        self,
        items: Sequence[ItemT],
        key: Callable[[ItemT], str],
        work: Callable[[Sequence[ItemT]], Sequence[Row]],
        at_once: int,
        advance: Callable[[int], None],
    ) -> None:
        kept = self.rows()
        # A torn line is not only passed over: the next row must not be glued to it.
        write_atomic(self._partial, "".join(map(line, kept)))
        there = {row["key"] for row in kept}
        todo = [item for item in items if key(item) not in there]
        advance(len(items) - len(todo))
        for start in range(0, len(todo), at_once):
            batch = todo[start : start + at_once]
            rows = work(batch)
            with self._partial.open("a", encoding="utf-8") as file:
                file.writelines(map(line, rows))
            advance(len(batch))
        sync(self._partial)
        self._partial.replace(self.path)


def _numbered(path: Path) -> Iterable[tuple[int, str]]:
    return enumerate(read_lines(path), start=1)


def _read(text: str, place: str) -> Row:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{place}: not valid JSON ({error.msg}); remove the file") from None
    if not isinstance(row, dict) or not isinstance(row.get("key"), str):
        raise ConfigError(f'{place}: a row must be an object with a "key"; remove the file')
    return row
