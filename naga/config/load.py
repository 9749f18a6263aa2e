"""TOML file + dotted overrides -> a frozen record; a mistake is one line naming file, key and fix.

Overrides are `key.path=value`; the value is read as TOML (`0.1`, `true`, `["a", "b"]`) and, where
that fails, as a plain string. A list of bare words needs no quotes: `data.paths=[notes,b/a.txt]`.
"""

import json
import tomllib
from collections.abc import Sequence
from datetime import date, time
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from naga.config.base import Config, ConfigError

ConfigT = TypeVar("ConfigT", bound=Config)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; ConfigError if it is missing or malformed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; give a .toml file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; a config is a TOML file") from None
    # Not only TOMLDecodeError: a number of thousands of digits is a plain ValueError.
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def load_config(kind: type[ConfigT], path: Path, overrides: Sequence[str] = ()) -> ConfigT:
    """Read `path`, apply the overrides in order, validate strictly as `kind`."""
    data = read_toml(path)
    for override in overrides:
        apply_override(data, override)
    return parse_config(kind, data, source=str(path))


def parse_config(kind: type[ConfigT], data: dict[str, Any], source: str) -> ConfigT:
    """Validate plain data as `kind`; `source` names where it came from in errors."""
    _refuse_dates(data, (), source)
    try:
        # JSON mode: strict about types, yet lists become tuples and strings become paths.
        return kind.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise ConfigError(f"{source}: {describe(error)}") from None


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set one dotted key in nested tables, making tables on the way."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"override {override!r}: write it as key.path=value")
    table = data
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"override {override!r}: {part!r} is a value, not a section")
    table[parts[-1]] = parse_value(text.strip())


def parse_value(text: str) -> Any:
    """A TOML value if `text` is one, a list of words if bracketed, else the text itself."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except ValueError:
        if text.startswith("[") and text.endswith("]"):
            return [parse_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
        return text
    # Text of several lines may be TOML with further keys: then it is no value.
    return parsed["value"] if len(parsed) == 1 else text


def describe(error: ValidationError) -> str:
    """All problems on one line: `optim.lr: Input should be greater than 0 (got -1)`."""
    problems = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            problems.append(f"unknown key {key!r}")
        elif item["type"] == "missing":
            problems.append(f"missing key {key!r}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            got = f" (got {item['input']!r})" if not isinstance(item["input"], dict) else ""
            problems.append(f"{key}: {message}{got}" if key else message)
    return "; ".join(problems)


def _refuse_dates(value: Any, key: tuple[str, ...], source: str) -> None:
    """TOML reads 2024-01-01 as a date, which no config value is."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_dates(inner, (*key, name), source)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_dates(inner, (*key, str(index)), source)
    elif isinstance(value, date | time):
        kind = type(value).__name__
        raise ConfigError(f"{source}: {'.'.join(key)}: {value} is a {kind}; put text in quotes")
