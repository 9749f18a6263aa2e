"""One sandbox, from the host's side: started, asked, thrown away.

A worker serves one program (compiled once, run for each of its tests). Everything that comes from
inside is bounded and parsed as data; a keeper that breaks its protocol, ends or is silent makes it
`Broken`. Assumes that the thread that starts a worker outlives it, since bubblewrap dies with it.
Does not say whose fault a break is (session.py does).
"""

import os
import secrets
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from naga.sandbox.cgroup import Group, Parent
from naga.sandbox.guest import pipes
from naga.sandbox.launch import HASH_SEED, Python, boot_message, command_line, new_place
from naga.sandbox.types import Tier

START_S = 30.0
GRACE_S = 10.0
"""What a keeper may take beyond its program's limit, on a machine that is busy."""
LEAVE_S = 3.0
LONGEST_FRAME = 1 << 27
SERVICE_PROCESSES = 6
"""Of the sandbox itself, in its control group."""


class Broken(Exception):
    """The sandbox does not work, or no longer; one line says how."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How sandboxes are made here."""

    tier: Tier
    python: Python
    parent: Parent | None
    filters: bytes | None
    memory_bytes: int
    processes: int


class Worker:
    def __init__(self, setting: Setting) -> None:
        """Returns when the sandbox waits for a program; Broken or OSError if it never will."""
        self.setting = setting
        self.version, self.prefix, self.code = "", "", ""
        self._group: Group | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._place = new_place(setting.tier)
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def folder(self) -> str:
        """Where it compiles and runs, as seen from inside."""
        return str(self._place.folder) if self._place.folder else "/tmp"

    @property
    def process(self) -> int:
        assert self._process is not None
        return self._process.pid

    def turn(self, order: Mapping[str, Any], ask: Mapping[str, Any] | None) -> dict[str, Any]:
        """Run one program, perhaps asked something; how it ended and what it said."""
        nonce = secrets.token_hex(16)
        deadline = time.monotonic() + 2 * order["wall_s"] + GRACE_S
        # The nonce is on its way only when the program has been forked from the one that reads it.
        self._send(order, deadline)
        self._send({"nonce": nonce, "ask": ask}, deadline)
        told = self._receive(deadline)
        if told.get("nonce") != nonce:
            raise Broken("an answer without its nonce")
        return told

    def limit(self, memory_bytes: int, processes: int) -> None:
        if self._group:
            self._group.limit_memory(memory_bytes)
            self._group.limit_processes(processes + SERVICE_PROCESSES)

    def kills(self) -> int:
        """Of processes for want of memory, so far."""
        return self._group.kills() if self._group else 0

    def close(self) -> None:
        """Ends all that is inside and leaves nothing: no process, group or folder."""
        if self._process:
            self._end(self._process)
        if self._group:
            self._group.remove()
        if self._place.folder:
            shutil.rmtree(self._place.folder, ignore_errors=True)

    def _start(self) -> None:
        setting = self.setting
        if setting.tier == "cgroup":
            assert setting.parent is not None
            self._group = setting.parent.new_group()
            self.limit(setting.memory_bytes, setting.processes)
        entrances = self._group.entrances if self._group else ()
        bubble = setting.tier in ("cgroup", "namespace")
        self._process = subprocess.Popen(
            command_line(setting.tier, setting.python, self._place, entrances),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={} if bubble else HASH_SEED,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        deadline = time.monotonic() + START_S
        boot = boot_message(setting.tier, setting.python, self._place, setting.filters)
        self._send(boot, deadline)
        ready = self._receive(deadline)
        self.version, self.prefix = str(ready.get("python")), str(ready.get("prefix"))
        self.code = str(ready.get("code"))

    def _send(self, message: Mapping[str, Any], deadline: float) -> None:
        assert self._process is not None and self._process.stdin is not None
        end, rest = self._process.stdin.fileno(), memoryview(pipes.pack(message))
        while rest:
            if not select.select([], [end], [], max(0.0, deadline - time.monotonic()))[1]:
                raise Broken("the sandbox does not listen")
            try:
                rest = rest[os.write(end, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise Broken(self._last_words()) from None

    def _receive(self, deadline: float) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        end, received = self._process.stdout.fileno(), bytearray()
        try:
            while (found := pipes.unpack(bytes(received), LONGEST_FRAME)) is None:
                if not select.select([end], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise Broken("the sandbox is silent")
                part = os.read(end, 1 << 20)
                if not part:
                    raise Broken(self._last_words())
                received += part
        except (ValueError, RecursionError) as error:
            raise Broken(f"no message: {error}") from None
        message, rest = found
        if rest or type(message) is not dict:
            raise Broken("more than a message")
        return message

    def _last_words(self) -> str:
        """Of a launcher that failed."""
        assert self._process is not None and self._process.stderr is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LEAVE_S)
        try:
            said = os.read(self._process.stderr.fileno(), 1 << 16).decode(errors="replace")
        except BlockingIOError:
            said = ""
        lines = said.strip().splitlines()
        return lines[-1] if lines else f"it ended with {self._process.returncode}"

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        bubble = self.setting.tier in ("cgroup", "namespace")
        assert process.stdin and process.stdout and process.stderr
        process.stdin.close()
        if not bubble:
            # Its keeper ends what it has started, and itself, once nobody speaks to it.
            with suppress(subprocess.TimeoutExpired):
                process.wait(LEAVE_S)
        tidy = not bubble and process.poll() == 0
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        if not bubble and not tidy and self._place.user is not None:
            _end_all_of(self._place.user)


def _end_all_of(user: int) -> None:
    """A keeper that was killed could not do it; the user is this sandbox's alone."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if os.stat(f"/proc/{name}").st_uid == user:
                    os.kill(int(name), signal.SIGKILL)


def new_setting(
    tier: Tier, python: Python, parent: Parent | None, memory_bytes: int, processes: int
) -> Setting:
    """ConfigError where system calls cannot be filtered."""
    from naga.sandbox.guest import confine
    from naga.sandbox.seccomp import filter_program

    # Before version 6 Landlock keeps no signal in; there are none then.
    signals = tier != "landlock" or confine.landlock_version() >= 6
    return Setting(
        tier=tier,
        python=python,
        parent=parent,
        filters=None if tier == "unsafe" else filter_program(signals=signals),
        memory_bytes=memory_bytes,
        processes=processes,
    )
