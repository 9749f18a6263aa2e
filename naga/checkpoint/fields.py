"""The fields of a config.json, each taken once: what nobody takes or knows to be inert is refused.

null counts as absent. Every mistake is one ConfigError that names the file and the key. Knows
nothing of any layout. Imports no torch.
"""

import json
from collections.abc import Mapping
from math import inf, isinf
from pathlib import Path
from typing import Any, NoReturn

from naga.config.base import ConfigError

# What transformers writes into any config.json and what never changes a forward pass. `auto_map`
# names remote code, which is not run; dropout is for training, and naga trains without.
INERT = (
    "architectures", "model_type", "dtype", "torch_dtype", "transformers_version", "auto_map",
    "_name_or_path", "_attn_implementation", "bos_token_id", "eos_token_id", "pad_token_id",
    "use_cache", "return_dict", "output_attentions", "output_hidden_states",
    "output_router_logits", "tokenizer_class", "id2label", "label2id", "problem_type",
    "is_encoder_decoder", "is_decoder", "chunk_size_feed_forward", "attention_dropout",
    "hidden_dropout",
)  # fmt: skip

MAX_LAYERS = 100_000


class Fields:
    """Reads typed values out of one config.json; call `finish` when all that matters is taken."""

    def __init__(self, data: Mapping[str, Any], source: str) -> None:
        self.source = source
        self._left = {key: value for key, value in data.items() if value is not None}

    def integer(self, key: str, default: int | None = None) -> int:
        value = self._take(key, default)
        if not _is_integer(value):
            self.fail(f"{key} must be a whole number of 64 bits, not {value!r:.40}")
        return int(value)

    def num_layers(self, key: str = "num_hidden_layers") -> int:
        """A number of layers, few enough to be told one by one."""
        value = self.integer(key)
        if not 0 < value <= MAX_LAYERS:
            self.fail(f"{key} must be from 1 to {MAX_LAYERS}, not {value}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self._take(key, default)
        if _is_integer(value):
            return float(value)
        if not isinstance(value, float):
            self.fail(f"{key} must be a number, not {value!r:.40}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.fail(f"{key} must be true or false, not {value!r}")
        return value

    def text(self, key: str, default: str) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            self.fail(f"{key} must be a string, not {value!r}")
        return value

    def strings(self, key: str, default: list[str] | None = None) -> list[str]:
        value = self._take(key, default)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(f"{key} must be a list of strings, not {value!r}")
        return value

    def integers(self, key: str, default: list[int]) -> list[int]:
        value = self._take(key, default)
        if not isinstance(value, list) or not all(map(_is_integer, value)):
            self.fail(f"{key} must be a list of whole numbers, not {value!r:.40}")
        return value

    def limits(self, key: str) -> tuple[float, float]:
        """A pair of bounds; (0, inf) if absent."""
        value = self._take(key, [0.0, inf])
        if not isinstance(value, list) or len(value) != 2:
            self.fail(f"{key} must be two numbers, not {value!r}")
        pair = Fields({"low": value[0], "high": value[1]}, f"{self.source}: {key}")
        return pair.number("low"), pair.number("high")

    def factors(self, key: str, count: int) -> tuple[float, ...]:
        """So many numbers; ones if absent."""
        value = self._take(key, [1.0] * count)
        if not isinstance(value, list) or len(value) != count:
            self.fail(f"{key} must be {count} numbers, not {value!r:.80}")
        names = [f"number {index + 1}" for index in range(count)]
        numbers = Fields(dict(zip(names, value, strict=True)), f"{self.source}: {key}")
        return tuple(map(numbers.number, names))

    def table(self, key: str) -> "Fields":
        """A nested object; empty if absent."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.fail(f"{key} must be an object, not {value!r}")
        return Fields(value, f"{self.source}: {key}")

    def demand(self, key: str, *known: object) -> None:
        """Absent, or one of the values naga implements."""
        value = self._left.pop(key, None)
        if value is not None and value not in known:
            only = " or ".join(json.dumps(item) for item in known) or "its absence"
            self.fail(f"{key} = {json.dumps(value)} is not supported; only {only} is")

    def alias(self, other: str, key: str) -> None:
        """`other` is another name of `key`; where both are present they must be equal."""
        if other in self._left:
            self._add(key, self._left.pop(other), f"{other} and {key}")

    def lift(self, key: str) -> None:
        """Read the entries of a nested object as fields beside it."""
        for name, value in self.table(key).rest().items():
            self._add(name, value, f"{key}.{name} and {name}")

    def ignore(self, *keys: str) -> None:
        for key in keys:
            self._left.pop(key, None)

    def rest(self) -> dict[str, Any]:
        """All that is left, for a reader that is strict itself."""
        return dict(self._left)

    def finish(self) -> None:
        """Refuse what is left."""
        if self._left:
            names = ", ".join(sorted(self._left))
            self.fail(f"unknown: {names}; naga refuses what it does not implement")

    def fail(self, problem: str) -> NoReturn:
        raise ConfigError(f"{self.source}: {problem}")

    def _add(self, key: str, value: Any, names: str) -> None:
        if self._left.setdefault(key, value) != value:
            self.fail(f"contradictory: {names} differ ({value!r}, {self._left[key]!r})")

    def _take(self, key: str, default: Any) -> Any:
        if key not in self._left and default is None:
            self.fail(f"missing key {key!r}")
        return self._left.pop(key, default)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; infinities as Python or as transformers spells them."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_hook=_decode_float)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: must hold a JSON object, not {value!r:.40}")
    return value


def to_json(value: Mapping[str, Any]) -> str:
    """Text that `read_json` and transformers read back; strictly JSON."""
    return json.dumps(_encode_floats(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _encode_floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _encode_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode_floats(item) for item in value]
    if isinstance(value, float) and isinf(value):
        return {"__float__": "Infinity" if value > 0 else "-Infinity"}
    return value


def _decode_float(value: dict[str, Any]) -> Any:
    names = {"Infinity": inf, "-Infinity": -inf}
    return names.get(str(value["__float__"]), value) if [*value] == ["__float__"] else value
