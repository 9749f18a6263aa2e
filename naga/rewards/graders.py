"""Every task by its name, with its judges; those that run programs apart from those that read.

What only reads is graded in a child that can be killed (worker.py); what runs programs stays in
this process, where the sandbox is, and is bounded by the sandbox. Tasks come from
naga.tasks.registry and their judges from naga.tasks.judging; nothing is judged here.
"""

from naga.tasks import PUBLIC, Judging, Task, make_public_set, make_tasks
from naga.tasks.registry import KINDS

RUNNERS = ("program_writing", "humaneval", "mbpp", "cruxeval_input")
"""Tasks whose graders run programs."""


def reading_tasks() -> dict[str, Task]:
    """All whose graders only read the reply; a sandbox is never opened for them."""
    known = _known_tasks(Judging())
    return {name: task for name, task in known.items() if name not in RUNNERS}


def running_tasks(judging: Judging) -> dict[str, Task]:
    """Those that run programs; without a sandbox they say that they cannot judge."""
    known = _known_tasks(judging)
    return {name: known[name] for name in RUNNERS}


def _known_tasks(judging: Judging) -> dict[str, Task]:
    families = make_tasks(tuple(KINDS), judging=judging)
    sets = [make_public_set(name, judging) for name in PUBLIC]
    return {task.name: task for task in (*families, *sets)}
