"""How verbs show what they found: a report on the terminal or as JSON, and as a page in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

from naga.disk import write_atomic

if TYPE_CHECKING:
    from rich.console import RenderableType


class Report(Protocol):
    """What a verb found, for programs and for people."""

    def to_json(self) -> str: ...

    def table(self) -> "RenderableType": ...


class Page(Protocol):
    """What a verb found, for a document."""

    def to_markdown(self) -> str: ...


def print_report(report: Report, as_json: bool) -> None:
    if as_json:
        print(report.to_json())
    else:
        Console().print(report.table())


def write_page(report: Page, path: Path | None) -> None:
    """Nothing where no page was asked for."""
    if path is not None:
        write_atomic(path, report.to_markdown())
