"""A test that asserts, run apart from the program it judges, or (`shared`) beside it.

Apart: the test's text is in a process that the program cannot read or signal usefully; the
functions it names are stand-ins that send plain arguments through a pipe and get plain values
back, so nothing of the program runs here and comparisons are those of Python's own types. A program
can still hang, die, or answer anything: that fails. In place changes of lists, dicts and sets are
copied back. Objects with methods, functions as arguments and generators do not cross: `unable`.
"""

from __future__ import annotations

import builtins
import json
import os

from naga.sandbox.guest import pipes, values

# At run time `typing` would cost a sandbox milliseconds that it need not wait.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

LONGEST = 1 << 26
EXCEPTIONS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    # A loop over `map` takes these for its end, and what it would assert is not asserted.
    and not issubclass(kind, StopIteration | StopAsyncIteration)
}


class Unable(Exception):
    """The test needs what cannot cross the pipe; no fault of the program."""


class Wrong(AssertionError):
    """The program gave no value that can be compared."""


class Remote:
    """Stands for one function of the program."""

    def __init__(self, name: str, requests: int, answers: int) -> None:
        self.name, self._requests, self._answers = name, requests, answers

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        nonce = os.urandom(8).hex()
        pipes.send(self._requests, {"nonce": nonce, **call_of(self.name, arguments, keywords)})
        answer = pipes.receive(self._answers, LONGEST)
        if answer.get("nonce") != nonce:
            raise Wrong("an answer that nobody asked for")
        if "raised" in answer:
            raise EXCEPTIONS.get(answer["raised"], RuntimeError)(answer.get("message", ""))
        if "value" not in answer:
            raise Wrong(str(answer.get("failed")))
        for argument, after in zip(arguments, answer["after"], strict=False):
            _change(argument, values.read(json.loads(after)))
        return values.read(json.loads(answer["value"]))


def call_of(name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    try:
        sent = [json.loads(values.write(argument)) for argument in arguments]
        named = {key: json.loads(values.write(part)) for key, part in keywords.items()}
    except values.NotPlain as error:
        raise Unable(f"an argument of {name}: {error}") from None
    return {"call": name, "args": sent, "kwargs": named}


def _change(argument: Any, after: Any) -> None:
    if type(argument) is not type(after):
        return
    if type(argument) is list:
        argument[:] = after
    elif type(argument) in (dict, set):
        argument.clear()
        argument.update(after)


def verdict_of(asked: dict[str, Any], requests: int, answers: int) -> dict[str, Any]:
    """Run the test; {"passed": bool, "reason": str} or {"unable": str}."""
    test, entry_point = asked["test"], asked["entry_point"]
    try:
        names = {*unknown_names(test), *asked["functions"], *([entry_point] if entry_point else [])}
        namespace: dict[str, Any] = {"__name__": "test"}
        namespace.update({name: Remote(name, requests, answers) for name in names})
        return judge(test, entry_point, namespace)
    except SyntaxError as error:
        return {"unable": f"the test is no Python: {error}"}


def judge(test: str, entry_point: str | None, namespace: dict[str, Any]) -> dict[str, Any]:
    try:
        exec(compile(test, "test", "exec"), namespace)
        if entry_point:
            namespace["check"](namespace[entry_point])
    except Unable as error:
        return {"unable": str(error)}
    except EOFError:
        return {"passed": False, "reason": "the program ended before the test did"}
    except BaseException as error:  # whatever a test raises, SystemExit too, is a failure
        return {"passed": False, "reason": f"{type(error).__name__}: {error}"[:200].strip(": ")}
    return {"passed": True, "reason": ""}


def unknown_names(test: str) -> Iterator[str]:
    """What the test uses and does not define: the program's."""
    import ast  # by the checker alone: no other process of a sandbox waits for it

    tree = ast.parse(test)
    defined = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            defined.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            defined.add(node.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in defined:
            yield node.id
