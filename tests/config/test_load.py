"""config/load.py: TOML and overrides to records; every mistake is one line that names its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.config.base import Config, ConfigError
from naga.config.load import apply_override, load_config, parse_config, parse_value


class Inner(Config):
    rate: float = 0.1
    names: tuple[str, ...] = ()


class Outer(Config):
    count: int
    folder: Path = Path("here")
    on: bool = False
    inner: Inner = Inner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.toml"
    path.write_text('count = 3\n[inner]\nrate = 1\nnames = ["a", "b"]\n', encoding="utf-8")
    return path


def refusal(kind: type[Config], path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(kind, path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tables_become_frozen_records(file: Path) -> None:
    config = load_config(Outer, file)
    assert config == Outer(count=3, inner=Inner(rate=1.0, names=("a", "b")))
    with pytest.raises(ValueError, match="frozen"):
        config.count = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("count=7", Outer(count=7)),
        (" count = 7 ", Outer(count=7)),
        ("on=true", Outer(count=3, on=True)),
        ("folder=some/where", Outer(count=3, folder=Path("some/where"))),
        ('folder="some where"', Outer(count=3, folder=Path("some where"))),
        ("folder=a=b", Outer(count=3, folder=Path("a=b"))),
        ("inner.rate=2.5", Outer(count=3, inner=Inner(rate=2.5))),
        ("inner.rate=1e-3", Outer(count=3, inner=Inner(rate=0.001))),
        ("inner.names=[x, y/z.txt]", Outer(count=3, inner=Inner(names=("x", "y/z.txt")))),
        ('inner.names=["x y", z]', Outer(count=3, inner=Inner(names=("x y", "z")))),
        ("inner.names=[甲]", Outer(count=3, inner=Inner(names=("甲",)))),
        ("inner.names=[]", Outer(count=3)),
        ("inner={rate = 0.5}", Outer(count=3, inner=Inner(rate=0.5))),
    ],
)
def test_an_override_sets_its_key(tmp_path: Path, override: str, expected: Outer) -> None:
    path = tmp_path / "plain.toml"
    path.write_text("count = 3\n", encoding="utf-8")
    assert load_config(Outer, path, [override]) == expected


def test_later_overrides_win_over_earlier_ones_and_the_file(file: Path) -> None:
    config = load_config(Outer, file, ["count=4", "inner.rate=9", "count=5"])
    assert (config.count, config.inner.rate, config.inner.names) == (5, 9.0, ("a", "b"))


@pytest.mark.parametrize("text", ["", "count", "=3", ".count=3", "inner..rate=3", "inner.=3"])
def test_an_override_without_a_key_and_a_value_is_refused(file: Path, text: str) -> None:
    message = refusal(Outer, file, text)
    assert message == f"override {text!r}: write it as key.path=value"


def test_a_value_has_no_keys_below_it(file: Path) -> None:
    message = refusal(Outer, file, "count.x=3")
    assert message == "override 'count.x=3': 'count' is a value, not a section"


def test_text_of_several_lines_is_one_string_not_further_keys() -> None:
    data: dict[str, object] = {}
    apply_override(data, "folder=1\ncount=2")
    assert data == {"folder": "1\ncount=2"}


@given(st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans() | st.text("xyz ,[")))
def test_overrides_build_the_table_they_spell(values: dict[str, object]) -> None:
    data: dict[str, object] = {}
    for key, value in values.items():
        spelled = f'"{value}"' if isinstance(value, str) else str(value).lower()
        apply_override(data, f"top.{key}={spelled}")
    assert data == ({"top": values} if values else {})


@given(st.text())
def test_any_text_is_some_value(text: str) -> None:
    assert parse_value(text) is not None


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("inner.rat=3", "unknown key 'inner.rat'"),
        ("nothing=3", "unknown key 'nothing'"),
        ("count=3.0", "count: Input should be a valid integer (got 3.0)"),
        ("count=true", "count: Input should be a valid integer (got True)"),
        ("count=x", "count: Input should be a valid integer (got 'x')"),
        ("on=1", "on: Input should be a valid boolean (got 1)"),
        ("folder=3", "folder: Input should be a valid string (got 3)"),
        ("inner=3", "inner: Input should be an object (got 3)"),
        ("inner.names=[1]", "inner.names.0: Input should be a valid string (got 1)"),
        ("inner.names=a", "inner.names: Input should be a valid array (got 'a')"),
        ("inner.rate=inf", "inner.rate: Input should be a finite number (got inf)"),
        ("inner.rate=nan", "inner.rate: Input should be a finite number (got nan)"),
        ("folder=2024-01-31", "folder: 2024-01-31 is a date; put text in quotes"),
        ("inner.names=[12:30:00]", "inner.names.0: 12:30:00 is a time; put text in quotes"),
    ],
)
def test_a_wrong_value_is_named_with_its_file_and_key(
    file: Path, override: str, problem: str
) -> None:
    assert refusal(Outer, file, override) == f"{file}: {problem}"


def test_all_problems_stand_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("on = 3\nwhat = 1\n", encoding="utf-8")
    message = refusal(Outer, path)
    for problem in ("missing key 'count'", "unknown key 'what'", "on: Input should be a valid"):
        assert problem in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"count = ", "not valid TOML: Invalid value (at end of document)"),
        (b"count = 1\ncount = 2\n", "not valid TOML: Cannot overwrite a value"),
        (b"[inner\n", "not valid TOML: Expected"),
        (b"count = " + b"9" * 5000, "not valid TOML: Exceeds the limit"),
        (b"folder = '\xff'\n", "not UTF-8 text; a config is a TOML file"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    assert refusal(Outer, path).startswith(f"{path}: {problem}")


def test_a_path_that_is_no_file_is_one_line(tmp_path: Path, file: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert refusal(Outer, missing) == f"{missing}: no such file"
    assert refusal(Outer, tmp_path) == f"{tmp_path}: is a folder; give a .toml file"
    below = file / "below.toml"
    assert refusal(Outer, below) == f"{below}: cannot be read: Not a directory"


def test_plain_data_is_parsed_with_the_name_of_its_source() -> None:
    assert parse_config(Outer, {"count": 1}, "naga serve") == Outer(count=1)
    with pytest.raises(ConfigError, match=r"^naga serve: missing key 'count'; unknown key 'port'$"):
        parse_config(Outer, {"port": 1}, "naga serve")
