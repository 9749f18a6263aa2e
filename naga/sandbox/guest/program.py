"""A Python program in a process of its own: run as a script, or loaded for its functions.

Runs inside the sandbox, confined already, in the process that is the program from then on: nothing
here is secret, and whatever a program does to these functions it does to itself. Its answers are
what it says they are; who asked compares them. Does not outlive the program.
"""

from __future__ import annotations

import builtins
import os
import sys
import types

from naga.sandbox.guest import checker, pipes, values

# At run time `typing` would cost a sandbox milliseconds that it need not wait.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "main.py"
REQUESTS, ANSWERS = 3, 4
"""Descriptors of a program that is called; a script has neither."""
LONGEST = 1 << 26


def take_over(order: dict[str, Any]) -> None:
    """The process goes on as what the order says; returns, if at all, when that has ended."""
    if order["awaits"]:
        os.set_inheritable(REQUESTS, False)
        os.set_inheritable(ANSWERS, False)
        return serve(order["source"])
    os.closerange(REQUESTS, ANSWERS + 1)
    if order["command"]:
        os.execv(order["command"][0], order["command"])
    run_script(order["source"])


def run_script(source: str) -> None:
    """To its end; raises SystemExit as a script would, with 1 after an exception."""
    _executed(source, "__main__")


def serve(source: str) -> None:
    """Load it, then answer calls until nobody asks any more."""
    namespace = _executed(source, "solution")
    while True:
        try:
            request = pipes.receive(REQUESTS, LONGEST)
        except EOFError:
            return
        asked = shared_verdict if "test" in request else answer
        pipes.send(ANSWERS, {"nonce": request["nonce"], **asked(namespace, request)})


def shared_verdict(namespace: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The weak form of a check: beside the program, which can forge what it says."""
    return checker.judge(request["test"], request["entry_point"], namespace)


def answer(namespace: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """What the call gives, with its arguments as they are afterwards: a sort may be in place."""
    name = request["call"]
    function = namespace.get(name)
    if not callable(function):
        return {"failed": f"it defines no function {name}"}
    arguments = [values.read(argument) for argument in request["args"]]
    keywords = {key: values.read(part) for key, part in request["kwargs"].items()}
    try:
        value = function(*arguments, **keywords)
    except Exception as error:
        _print_exception(error)
        return {"raised": type(error).__name__, "message": str(error)[:200]}
    finally:
        _flush()
    return _told(value, arguments)


def _told(value: Any, arguments: list[Any]) -> dict[str, Any]:
    try:
        written = values.write(value)
    except values.NotPlain as error:
        return {"failed": f"it returned what cannot be compared: {error}"}
    try:
        after = [values.write(argument) for argument in arguments]
    except values.NotPlain:
        after = []
    return {"value": written, "after": after}


def _executed(source: str, name: str) -> dict[str, Any]:
    module = types.ModuleType(name)
    module.__dict__["__builtins__"] = builtins
    module.__dict__["__file__"] = NAME
    for key in [key for key in sys.modules if key.split(".")[0] == "naga"]:
        del sys.modules[key]
    sys.modules["__main__"] = sys.modules[name] = module
    sys.argv, sys.path[:] = [NAME], [entry for entry in sys.path if entry]
    _add_exit()
    try:
        exec(compile(source, NAME, "exec"), module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        _print_exception(error)
        raise SystemExit(1) from None
    return module.__dict__


def _add_exit() -> None:
    """`exit` and `quit`, which Python makes in a module that the sandbox starts without."""
    from _sitebuiltins import Quitter

    for name in ("exit", "quit"):
        builtins.__dict__[name] = Quitter(name, "")


def _print_exception(error: BaseException) -> None:
    """As Python does, but from the program's own first line on."""
    _flush()
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    try:
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.stderr.flush()
    except Exception:  # whatever the program made of the hook or of stderr
        os.write(2, f"{type(error).__name__}\n".encode())


def _flush() -> None:
    try:
        sys.stdout.flush()
    except Exception:  # stdout may be closed, or anything by now
        return
