"""Values of arguments between tags: how they are spelled, read back, and demanded.

    <function=NAME>\\n<parameter=P>\\nVALUE\\n</parameter>\\n</function>\\n

A string is spelled as it is, a list or an object as JSON, the rest as Python does. The grammar of a
demanded call has the arguments in the schema's order. What of a schema it cannot hold to is
refused, never loosened.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from naga.config.base import ConfigError
from naga.data.messages import Tool, read_json, to_json

JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}
# What says nothing of a value.
REMARKS = {"description", "title", "default", "examples", "deprecated"}
DEFINITIONS = {"$defs", "definitions"}
OBJECT_KEYS = REMARKS | DEFINITIONS | {
    "type", "properties", "required", "additionalProperties", "$schema",
}  # fmt: skip
# As the server's other grammars have JSON.
JSON_STYLE = {
    "item_separator": ", ",
    "key_separator": ": ",
    "whitespace_flexible": False,
    "coerce_one_of": False,
    "lenient": False,
}
END_VALUE = "\n</parameter>\n"


def spelled(value: object) -> str:
    """Lists and objects as JSON; numbers, True, False and None as Python spells them."""
    return to_json(value) if isinstance(value, dict | list) else str(value)


def types_of(tool: Tool | None) -> dict[str, tuple[str, ...]]:
    """The types that a tool's schema names for each argument; none where it does not say."""
    properties = tool.parameters.get("properties") if tool is not None else None
    found = {}
    for name, described in properties.items() if isinstance(properties, dict) else ():
        named = described.get("type") if isinstance(described, dict) else None
        named = named if isinstance(named, list) else [named]
        found[name] = tuple(one for one in named if isinstance(one, str))
    return found


def value_of(text: str, types: Sequence[str]) -> object:
    """Of the first type that the text can be; the text itself where it can be none of them."""
    # A text can always be a string: the other types of an argument go first.
    for kind in sorted(types, key=lambda kind: kind == "string"):
        try:
            return _of_type(text, kind)
        except ValueError:
            continue
    return text


def _of_type(text: str, kind: str) -> object:
    """ValueError for a text that cannot be of the type."""
    word = text.strip().lower()
    if kind == "boolean" and word in ("true", "false"):
        return word == "true"
    if kind == "null" and word in ("none", "null"):
        return None
    if kind in JSON_TYPES:
        value = read_json(text)
        if isinstance(value, JSON_TYPES[kind]) and not isinstance(value, bool):
            return value
    raise ValueError(f"not of type {kind}")


def call_grammar(tools: Sequence[Tool]) -> str:
    """In Lark, of a call of any of the tools; ConfigError for a schema that it cannot hold to."""
    names = [f"call{index}" for index in range(len(tools))]
    rules = [f"start: {' | '.join(names)}"]
    for name, tool in zip(names, tools, strict=True):
        rules += _call_rules(name, tool)
    return "\n".join(rules) + "\n"


def _call_rules(name: str, tool: Tool) -> Iterator[str]:
    schema = tool.parameters
    properties, required = schema.get("properties", {}), schema.get("required", [])
    unknown = schema.keys() - OBJECT_KEYS
    if unknown or schema.get("type", "object") != "object" or not isinstance(properties, dict):
        raise _refusal(tool, f"its schema's {min(unknown or {'type'})!r}")
    if not isinstance(required, list):
        raise _refusal(tool, "its schema's 'required', which is no list,")
    for missing in [name for name in required if name not in properties]:
        raise _refusal(tool, f"{missing!r}, required but not among its properties")
    parts = [_literal(f"<function={tool.name}>\n")]
    for index, (key, described) in enumerate(properties.items()):
        if not isinstance(described, dict) or not key or ">" in key or "\n" in key:
            raise _refusal(tool, f"its argument {key!r}")
        rule = f"{name}_{index}"
        yield from _value_rules(rule, tool, key, described)
        begin = _literal(f"<parameter={key}>\n")
        parts.append(f"({begin} {rule})" + "?" * (key not in required))
    yield f"{name}: {' '.join(parts)} {_literal('</function>' + chr(10))}"


def _value_rules(rule: str, tool: Tool, key: str, described: Mapping[str, Any]) -> Iterator[str]:
    kinds = types_of(tool).get(key, ())
    keys = described.keys() - REMARKS - {"type"}
    if "enum" in described or "const" in described:
        yield f"{rule}: {_choices(tool, key, kinds, described)}"
    elif kinds in (("boolean",), ("null",)) and not keys:
        words = ("True", "False") if kinds == ("boolean",) else ("None",)
        yield f"{rule}: {' | '.join(_literal(word + END_VALUE) for word in words)}"
    elif len(kinds) == 1 and kinds[0] in JSON_TYPES:
        shared = {name: tool.parameters[name] for name in DEFINITIONS & tool.parameters.keys()}
        schema = to_json(dict(described) | shared | {"x-guidance": JSON_STYLE})
        yield f"{rule}: %json {schema} {_literal(END_VALUE)}"
    elif kinds == ("string",) and keys <= {"minLength", "maxLength"}:
        longest = described.get("maxLength", "")
        yield from _text_rules(rule, f"{{{described.get('minLength', 0)},{longest}}}")
    elif (not kinds or "string" in kinds) and not keys:
        yield from _text_rules(rule, "*")
    else:
        raise _refusal(tool, f"{min(keys or {'type'})!r} of its argument {key!r}")


def _text_rules(rule: str, times: str) -> Iterator[str]:
    """Any text without the tag that ends it."""
    text = rule.upper()
    end = r"\n<\/parameter>\n"
    yield rf"{text}: /(?s:.){times}{end}/ & ~/(?s:.*)<\/parameter>(?s:.*){end}/"
    yield f"{rule}[lazy]: {text}"


def _choices(tool: Tool, key: str, kinds: Sequence[str], described: Mapping[str, Any]) -> str:
    listed = "enum" if "enum" in described else "const"
    if others := described.keys() - REMARKS - {"type", listed}:
        raise _refusal(tool, f"{min(others)!r} of its argument {key!r}, with {listed!r},")
    values = described["enum"] if listed == "enum" else [described["const"]]
    if not isinstance(values, list) or not values:
        raise _refusal(tool, f"'enum' of its argument {key!r}, which is no list of values,")
    for value in values:
        text = spelled(value)
        if "</parameter>" in text or value_of(text, kinds) != value:
            raise _refusal(tool, f"the value {text!r} of its argument {key!r}")
    return " | ".join(_literal(spelled(value) + END_VALUE) for value in values)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _refusal(tool: Tool, what: str) -> ConfigError:
    return ConfigError(
        f"the tool {tool.name!r}: {what} cannot be held to where calls are tags; "
        'use tool_choice "auto"'
    )
