"""A process that holds one engine and does what it is told: `python worker.py MODULE`.

Standard input has one JSON object a line, {"call": NAME, "arguments": {...}}; each is answered by
one line on standard output, {"value": ...}, {"missing": PACKAGE} or {"error": TEXT}. The first call
is "open": it calls MODULE's `open_sequences`, and methods of what that makes are the other calls;
its value is the seconds that importing took. What libraries print goes to standard error. Ends with
its input. Imports no naga: the environments of peers have none.
"""

import importlib
import json
import operator
import os
import sys
import traceback
from collections.abc import Callable
from time import perf_counter
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # From here on "standard output" is what libraries may clutter.
    os.dup2(2, 1)
    engine: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        name, arguments = request["call"], request["arguments"]
        if name == "open":
            answer, engine = open_engine(sys.argv[1], arguments)
        else:
            answer = attempt(operator.methodcaller(name, **arguments), engine)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def open_engine(module: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The answer, and the engine unless that is an error."""
    started = perf_counter()
    try:
        imported = importlib.import_module(module)
        importing = perf_counter() - started
        engine = imported.open_sequences(**arguments)
    except ModuleNotFoundError as error:
        return {"missing": error.name}, None
    # Whatever goes wrong in an engine, the other side is to hear of it in one line.
    except Exception as error:
        return describe(error), None
    return {"value": importing}, engine


def attempt(call: Callable[[Any], Any], engine: Any) -> dict[str, Any]:
    try:
        return {"value": call(engine)}
    # As above.
    except Exception as error:
        return describe(error)


def describe(error: Exception) -> dict[str, Any]:
    traceback.print_exc()
    return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
