"""The pages of a report: well-formed, whole in one file, and nothing a model says is markup."""

import json
import struct
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.config.base import ConfigError
from naga.eval import (
    Answer,
    Answerer,
    Ask,
    Plan,
    Report,
    evaluate_items,
    family_items,
    grid_items,
    write_pages,
)
from naga.eval.pages import Section, to_html, to_markdown
from naga.tasks import make_tasks

VOID = {"meta", "img", "br"}
NASTY = '<script>alert("x")</script>|</td> ![](x) **bold** \ud7ff\u202e # 的'


class Checker(HTMLParser):
    """Every tag that opens closes, in order; nothing is fetched from anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        for name, value in attributes:
            assert name not in ("href", "onclick") and "://" not in (value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert not checker.open
    return checker


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    items = [
        *family_items(
            make_tasks(["counting", "addition"]), levels=["easy", "hard"], count=8, seed=0
        ),
        *grid_items("needles", lengths=[200, 400], depths=[0.0, 1.0], count=3, seed=0),
    ]
    golds = {e.prompt: e.messages[-1].content for item in items for e in item.examples}

    def say(ask: Ask) -> Answer:
        right = (len(ask.messages[-1].content) + ask.number) % 3 > 0
        return Answer(content=golds[ask.messages] if right else NASTY, completion_tokens=9)

    training = tmp_path_factory.mktemp("training") / "train.txt"
    training.write_text("nothing of the kind")
    answerer = Answerer(identity="test", answer=say, concurrency=2)
    plan = Plan(model="<m>|", samples=4, training_files=(training,), settings=(("a", "b"),))
    return evaluate_items(answerer, items, plan)


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pages(report, tmp_path_factory.mktemp("pages") / "out")


def test_all_files_are_there_and_the_page_needs_none_of_them(page: Path) -> None:
    names = {path.name for path in page.parent.iterdir()}
    pictures = {"accuracy", "languages", "levels", "tokens", "grid-needles"}
    assert names == {"report.html", "report.md", "report.json", *(f"{p}.png" for p in pictures)}
    for name in pictures:
        data = (page.parent / f"{name}.png").read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        assert data.startswith(b"\x89PNG") and width > 600 and height > 200
    seen = checked(page.read_text("utf-8"))
    assert seen.seen.count("img") == len(pictures) and "script" not in seen.seen
    for heading in ("Results 结果", "pass@k", "maj@k", "Contamination 数据污染", "Thinking 思考"):
        assert heading in seen.text
    assert '<script>alert("x")' in seen.text and "<m>|" in seen.text
    assert json.loads((page.parent / "report.json").read_text())["samples"] == 4


def test_tables_of_markdown_have_equal_rows_and_pictures_that_are_there(
    page: Path,
) -> None:
    text = (page.parent / "report.md").read_text("utf-8")
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) >= 6
    for block in blocks:
        columns = {line.replace("\\|", "").count("|") for line in block.splitlines()}
        assert len(columns) == 1
    for line in text.splitlines():
        if line.startswith("!["):
            assert (page.parent / line.rpartition("(")[2].rstrip(")")).is_file()
    assert "<script" not in "".join(
        line for line in text.splitlines() if not line.startswith("    ")
    )


def test_numbers_of_all_forms_are_the_same(report: Report, page: Path) -> None:
    text = page.read_text("utf-8")
    for row in json.loads(report.to_json())["tasks"]:
        assert f"<td>{row['accuracy']:.3f}</td>" in text
        assert row["low"] <= row["accuracy"] <= row["high"]
        assert set(row["pass_at"]) == {"1", "2", "4"} == set(row["majority_at"])


@given(st.text(), st.text())
def test_any_text_in_a_cell_leaves_the_page_whole(first: str, second: str) -> None:
    section = Section(heading=first, head=("a", "b"), rows=((first, second),), texts=(second,))
    # A parser of HTML takes NUL and carriage returns for something else.
    assert checked(to_html(second, [section], {})).seen.count("td") == 2
    row = next(line for line in to_markdown("t", [section]).splitlines() if "---" in line)
    assert row == "| --- | --- |"


def test_without_matplotlib_it_is_said_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from naga.eval import plots

    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'naga-lm\[train\]'"):
        plots.require_matplotlib()
