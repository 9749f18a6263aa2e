"""Import ranks: a module imports lower ranks and its own folder, function-local imports too.

And the command line's library is the command line's alone.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "naga"
RANKS = [
    ["base"],
    ["disk"],
    ["runtime", "record"],
    ["config"],
    ["sandbox"],
    ["verify"],
    ["ops"],
    ["model", "data"],
    ["checkpoint"],
    ["hf"],
    ["tasks"],
    ["engine"],
    ["eval", "rewards"],
    ["train"],
    ["rl", "distill"],
    ["server"],
    ["bench"],
    ["cli"],
]
RANK_OF = {name: rank for rank, names in enumerate(RANKS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))


def place_of(module: str) -> str:
    """The ranked name a dotted module belongs to; `naga.config.base` stands below everything."""
    parts = module.split(".")
    if parts[:3] == ["naga", "config", "base"]:
        return "base"
    # `from naga import __version__` names the package itself.
    return parts[1] if len(parts) > 1 and parts[1] in RANK_OF else "naga"


def imported_modules(path: Path) -> set[str]:
    """All of them, in dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(f"{node.module}")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_from_naga(path: Path) -> set[str]:
    return {name for name in imported_modules(path) if name.split(".")[0] == "naga"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_lower_ranks(path: Path) -> None:
    module = ".".join(["naga", *path.relative_to(PACKAGE).with_suffix("").parts])
    place = place_of(module.removesuffix(".__init__"))
    if module == "naga.__init__":
        assert not imported_from_naga(path), "naga/__init__.py imports nothing of naga"
        return
    for name in imported_from_naga(path):
        other = place_of(name)
        if other in ("naga", place) or (place == "config" and other == "base"):
            continue
        assert RANK_OF[other] < RANK_OF[place], f"{module} ({place}) imports {name} ({other})"


def test_every_place_has_a_rank() -> None:
    places = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert places - {"__init__"} <= set(RANK_OF)


def test_only_the_command_line_imports_typer() -> None:
    users = {path for path in MODULES if "typer" in imported_modules(path)}
    assert {path.relative_to(PACKAGE).parts[0] for path in users} == {"cli"}
