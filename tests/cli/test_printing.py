"""A report as JSON, as a table, and as a page where one is asked for."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.table import Table

from naga.cli.printing import print_report, write_page


@dataclass(frozen=True)
class Found:
    """A report of one number."""

    number: int

    def to_json(self) -> str:
        return f'{{"number": {self.number}}}'

    def table(self) -> Table:
        table = Table("number")
        table.add_row(f"{self.number:,}")
        return table

    def to_markdown(self) -> str:
        return f"# {self.number}\n"


def test_json_is_alone_on_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Found(1234), as_json=True)
    assert capsys.readouterr() == ('{"number": 1234}\n', "")


def test_a_table_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Found(1234), as_json=False)
    shown = capsys.readouterr().out
    assert "1,234" in shown and "{" not in shown


def test_a_page_is_written_only_where_asked_for(tmp_path: Path) -> None:
    write_page(Found(5), None)
    assert not list(tmp_path.iterdir())
    write_page(Found(5), tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "# 5\n"
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]
