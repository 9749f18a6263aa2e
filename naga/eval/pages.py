"""A report as pages for people: report.md with pictures beside it, report.html in one file.

Both are written from the same sections; headings are in English and Chinese. What a model said is
shown as text, never as markup. Measures nothing.
"""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from naga.disk import write_atomic
from naga.eval.estimators import Score
from naga.eval.plots import draw, grid_tasks
from naga.eval.report import Report, TaskReport, cells, interval_of, place_of, shown

HEADINGS = (
    *("task 任务", "level 难度", "n", "accuracy 准确率", "95 % interval 区间"),
    *("en", "zh", "tokens 词元", "cut 截断", "missing 缺失"),
)
PICTURES = {
    "accuracy": "Accuracy by task 各任务准确率",
    "languages": "English and Chinese 中英文",
    "levels": "By level 按难度",
    "tokens": "Accuracy and tokens 准确率与词元数",
}
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2rem .5rem}"
    "td+td+td{text-align:right}img{max-width:100%}pre{white-space:pre-wrap;background:#f6f6f6;"
    "padding:.5rem}"
)
MOST_SHOWN = 10
LONGEST_SHOWN = 400


@dataclass(frozen=True, kw_only=True)
class Section:
    heading: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    note: str = ""
    picture: str = ""
    texts: tuple[str, ...] = ()


def write_pages(report: Report, folder: Path) -> Path:
    """report.json, report.md with its pictures, report.html; returns the last."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(report)
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(picture)
    sections = _sections(report, pictures)
    write_atomic(folder / "report.json", report.to_json() + "\n")
    write_atomic(folder / "report.md", to_markdown(report.title, sections))
    page = folder / "report.html"
    write_atomic(page, to_html(report.title, sections, pictures))
    return page


def _sections(report: Report, pictures: Mapping[str, bytes]) -> list[Section]:
    sections = [
        Section(
            heading="Results 结果",
            head=HEADINGS,
            rows=tuple(cells(row) for row in report.tasks),
            note="A value is that of a problem, the mean of its judged answers; missing answers "
            "count in no score. 每题取其已评判回答的平均分；缺失的回答不计分。",
        ),
        *_repeated(report),
        *(_grid(report, task) for task in grid_tasks(report)),
        *_contamination(report),
    ]
    for name in pictures:
        task = name.removeprefix("grid-")
        heading = PICTURES.get(name, f"Length and depth 长度与深度: {task}")
        sections.append(Section(heading=heading, picture=name))
    return [*sections, _thinking(report), _how(report), *_wrong(report)]


def _repeated(report: Report) -> list[Section]:
    sections = []
    for name in ("pass", "maj"):
        found = [(row, row.pass_at if name == "pass" else row.majority_at) for row in report.tasks]
        counts = sorted({k for _, scores in found for k in scores})
        if len(counts) > 1:
            rows = tuple(
                (row.task, place_of(row), *(_both(scores.get(k)) for k in counts))
                for row, scores in found
            )
            head = ("task 任务", "level 难度", *(f"{name}@{k}" for k in counts))
            sections.append(Section(heading=f"{name}@k", head=head, rows=rows))
    return sections


def _both(score: Score | None) -> str:
    return "-" if score is None else f"{shown(score)} ({interval_of(score)})"


def _grid(report: Report, task: str) -> Section:
    rows = {(r.cell.length, r.cell.depth): r for r in report.tasks if r.task == task and r.cell}
    lengths, depths = sorted({c[0] for c in rows}), sorted({c[1] for c in rows})
    return Section(
        heading=f"{task}: depth and length 深度与长度",
        head=("depth 深度", *(f"{length}" for length in lengths)),
        rows=tuple(
            (f"{depth:g}", *(_both(rows[length, depth].score) for length in lengths))
            for depth in depths
        ),
    )


def _contamination(report: Report) -> list[Section]:
    found = report.contamination
    if found is None:
        return []
    rows = tuple(
        (row.task, place_of(row), shown(row.score), shown(row.without(report.contaminated)))
        for row in report.tasks
    )
    note = (
        f"{found.num_found} of {len(found.overlaps)} problems share an n-gram with the training "
        f"files ({found.num_bytes} bytes); of {found.num_unknown} nothing can be said. "
        f"训练文件中发现 {found.num_found} 题，{found.num_unknown} 题无法判断。"
    )
    listed = tuple(
        f"{overlap.share:.0%} {overlap.file}: {overlap.problem}"[:LONGEST_SHOWN]
        for overlap in found.overlaps
        if overlap.num_found
    )
    head = ("task 任务", "level 难度", "all 全部", "without them 去除后")
    return [
        Section(
            heading="Contamination 数据污染",
            head=head,
            rows=rows,
            note=note,
            texts=listed[:MOST_SHOWN],
        )
    ]


def _thinking(report: Report) -> Section:
    rows = tuple((row.task, place_of(row), f"{row.think_rate:.3f}") for row in report.tasks)
    head = ("task 任务", "level 难度", "think-rate 思考率")
    return Section(heading="Thinking 思考", head=head, rows=rows)


def _how(report: Report) -> Section:
    rows = (
        ("model 模型", report.model),
        ("split", report.split),
        ("seed 随机种子", f"{report.seed}"),
        ("answers to a problem 每题回答数", f"{report.num_samples}"),
        ("thinking 思考", "on" if report.thinking else "off"),
        ("prompts 题目哈希", report.prompt_hash),
        *report.settings,
    )
    return Section(heading="How 设置", head=("setting 设置", "value 值"), rows=rows)


def _wrong(report: Report) -> list[Section]:
    """A few answers that were wrong or missing, of different tasks first."""
    firsts = [text for row in report.tasks if (text := _first_wrong(row))]
    if not firsts:
        return []
    return [
        Section(heading="Wrong or missing, some 部分错误或缺失", texts=tuple(firsts[:MOST_SHOWN]))
    ]


def _first_wrong(row: TaskReport) -> str:
    for sample in row.samples:
        if sample.score is None or sample.score < 1:
            asked = sample.prompt[-1].content[-LONGEST_SHOWN:]
            said = sample.error or sample.response[:LONGEST_SHOWN]
            why = sample.reason and f"\n({sample.reason})"
            return f"{row.task} {place_of(row)}\n? {asked}\n= {sample.gold[:200]}\n> {said}{why}"
    return ""


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    parts = [f"# Evaluation 评测: {_cell(title)}"]
    for section in sections:
        parts.append(f"## {_cell(section.heading)}")
        if section.note:
            parts.append(section.note)
        if section.rows:
            parts.append(_markdown_table(section))
        if section.picture:
            parts.append(f"![{section.heading}]({section.picture}.png)")
        parts += [_quoted(text) for text in section.texts]
    return "\n\n".join(parts) + "\n"


def _markdown_table(section: Section) -> str:
    lines = [section.head, ("---",) * len(section.head), *section.rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(html.escape(text, quote=False).replace("|", "\\|").split())


def _quoted(text: str) -> str:
    """Indented, so that nothing in it is markup."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def to_html(title: str, sections: Sequence[Section], pictures: Mapping[str, bytes]) -> str:
    """One file with everything in it."""
    name = html.escape(title)
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{name}</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>Evaluation 评测: {name}</h1>",
    ]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        if section.note:
            parts.append(f"<p>{html.escape(section.note)}</p>")
        if section.rows:
            parts.append(_html_table(section))
        if section.picture:
            data = base64.b64encode(pictures[section.picture]).decode()
            alternative = html.escape(section.heading)
            parts.append(f'<img alt="{alternative}" src="data:image/png;base64,{data}">')
        parts += [f"<pre>{html.escape(text)}</pre>" for text in section.texts]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _html_table(section: Section) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in section.head)
    rows = [
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in section.rows
    ]
    return "\n".join([f"<table><tr>{head}</tr>", *rows, "</table>"])
