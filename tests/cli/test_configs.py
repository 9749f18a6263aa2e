"""`naga config check`: what it tells a file to be, and what it refuses."""

from pathlib import Path

import pytest
from cli.running import PRESET, RECIPE, ROOT, Run, refused


@pytest.mark.parametrize(("file", "kind"), [(RECIPE, "PretrainConfig"), (PRESET, "ModelConfig")])
def test_a_good_config_is_told_by_its_keys(naga: Run, file: Path, kind: str) -> None:
    result = naga("config", "check", file)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{file}: valid {kind} 有效\n"


def test_every_recipe_is_valid(naga: Run) -> None:
    recipes = sorted((ROOT / "recipes").rglob("*.toml"))
    assert len(recipes) > 8
    for recipe in recipes:
        assert naga("config", "check", recipe).code == 0, recipe


def test_overrides_are_checked_too(naga: Run) -> None:
    assert naga("config", "check", RECIPE, "optim.lr=0.1", "data.paths=[a,b]").code == 0
    message = refused(naga("config", "check", RECIPE, "optim.lr=fast"))
    assert message == f"{RECIPE}: optim.lr: Input should be a valid number (got 'fast')"


def test_a_config_of_no_kind_is_refused(naga: Run, tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text("x = 1\n", encoding="utf-8")
    assert refused(naga("config", "check", path)).startswith(f"{path}: neither a model")
