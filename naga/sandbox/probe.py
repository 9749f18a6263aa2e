"""Chooses the tier: each is tried by running a program in it, the strongest first.

What a machine says of itself (versions, switches) is not believed; a tier is there if a sandbox of
it starts and runs something. Where none does there is one line with every reason, and no sandbox.
"""

import sys
from dataclasses import replace
from functools import cache

from naga.config.base import ConfigError
from naga.sandbox.cgroup import Parent, find_parent
from naga.sandbox.guest import confine
from naga.sandbox.launch import BWRAP, SETPRIV, Python, clear_places, pythons
from naga.sandbox.orders import script_order
from naga.sandbox.types import TIERS, Limits, Tier
from naga.sandbox.worker import Broken, Setting, Worker, new_setting

OLDEST = (3, 11)


def choose(wanted: Tier | None, limits: Limits, *, allow_unsafe: bool = False) -> Setting:
    """The wanted tier, or the strongest there is; ConfigError names why not."""
    if sys.platform != "linux":
        raise ConfigError("sandbox: programs are isolated on Linux only; run naga there")
    if wanted == "unsafe" and not allow_unsafe:
        raise ConfigError("sandbox: tier unsafe isolates nothing; ask for it with allow_unsafe")
    tiers = (wanted,) if wanted else (*TIERS, "unsafe") if allow_unsafe else TIERS
    refused = []
    for tier in tiers:
        try:
            python, parent = probe(tier)
        except ConfigError as error:
            refused.append(f"{tier}: {error}")
            continue
        clear_places()
        if parent:
            parent.clear()
        return new_setting(tier, python, parent, limits.memory_bytes, limits.processes)
    raise ConfigError(
        "sandbox: untrusted programs cannot be isolated on this machine, so none is run (install "
        f"bubblewrap, or use a kernel with Landlock). {'; '.join(refused)}"
    )


@cache
def probe(tier: Tier) -> tuple[Python, Parent | None]:
    """A Python that runs in such a sandbox, and where its groups go; ConfigError if none."""
    needed = {"cgroup": (BWRAP, SETPRIV), "namespace": (BWRAP, SETPRIV), "landlock": (SETPRIV,)}
    for tool in needed.get(tier, ()):
        if not tool.exists():
            raise ConfigError(f"{tool} is not installed")
    if tier == "landlock" and not confine.landlock_version():
        raise ConfigError("the kernel has no Landlock")
    parent = find_parent() if tier == "cgroup" else None
    refused = []
    for python in pythons():
        setting = new_setting(tier, python, parent, Limits().memory_bytes, Limits().processes)
        try:
            return _tried(setting), parent
        except (Broken, OSError) as error:
            refused.append(f"{python.executable}: {error}")
    raise ConfigError("; ".join(refused))


def _tried(setting: Setting) -> Python:
    worker = Worker(setting)
    try:
        told = worker.turn(script_order("print(6 * 7)", "", Limits()), None)
        if "failed" in told or told["code"] != 0:
            raise Broken(str(told.get("failed") or f"a program ended with {told['code']}"))
    finally:
        worker.close()
    version = tuple(map(int, worker.version.split(".")[:2]))
    if version < OLDEST:
        raise Broken(f"Python {worker.version}; 3.11 or later is needed")
    if worker.prefix != setting.python.prefix:
        # Started by a launcher that still might, it found the library of another Python.
        raise Broken(f"the sandbox's user cannot read {setting.python.prefix}")
    return replace(setting.python, version=worker.version, code=worker.code)
