"""Results of a test run -> the table of docs/models.md: family by what is tested of it.

    python -m pytest --junit-xml=build/results.xml tests
    python tests/support_matrix.py build/results.xml

A cell is how many tests of the column ran for the family, all of which passed; a failure stops the
command. Knows families by naga's layouts, and a test's family by its parameter or its file.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from naga.checkpoint.config import LAYOUTS

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
FAMILIES = [layout.model_type for layout in LAYOUTS]
# Column -> beginnings of the names of its tests.
COLUMNS = {
    "load, save": ("checkpoint.test_save", "checkpoint.test_layouts", "checkpoint.test_unsaid"),
    "parity": (
        "checkpoint.test_parity",
        "checkpoint.test_transformers.test_we_open",
        "checkpoint.test_transformers.test_transformers_opens",
        "checkpoint.test_transformers.test_greedy",
        "checkpoint.test_jamba.test_we_compute",
        "checkpoint.test_jamba.test_packed",
        "checkpoint.test_jamba.test_64",
        "checkpoint.test_jamba.test_bfloat16",
        "checkpoint.test_falcon_h1.test_prefill",
        "checkpoint.test_falcon_h1.test_greedy",
        "checkpoint.test_falcon_h1.test_packed",
        "checkpoint.test_falcon_h1.test_bfloat16",
    ),
    "quantise": ("checkpoint.test_convert",),
    "serve": ("engine.test_families.test_a_checkpoint_answers",),
    "train": ("train.test_families", "train.test_lora"),
    "states": ("engine.test_families.test_a_conversation",),
    "hand-off": ("checkpoint.test_transcode",),
}  # fmt: skip


def family_of(name: str) -> str | None:
    found = re.search(r"\[(.*)\]$", name)
    parts = found[1].split("-") if found else []
    named = [part for part in parts if part in FAMILIES]
    if named:
        return named[0]
    return next((x for x in FAMILIES if f"test_{x}." in name), None)


def passed(results: Path) -> Iterator[str]:
    """Names of the tests that passed; SystemExit for one that failed."""
    for case in ElementTree.parse(results).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}".removeprefix("tests.")
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            raise SystemExit(f"{name} failed: no table is made of it")
        if "skipped" not in outcomes:
            yield name


def table(results: Path) -> str:
    counts = Counter(
        (family, column)
        for name in passed(results)
        if (family := family_of(name))
        for column, starts in COLUMNS.items()
        if name.startswith(starts)
    )
    lines = [f"| `model_type` | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for family in FAMILIES:
        cells = [str(counts[family, column] or "-") for column in COLUMNS]
        lines.append(f"| `{family}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(results: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition("<!-- table -->\n")
    after = rest.partition("<!-- end of table -->\n")[2]
    new = f"{before}<!-- table -->\n{table(results)}<!-- end of table -->\n{after}"
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
