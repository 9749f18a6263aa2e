"""Tasks: families of questions that grade their own answers, made procedurally in zh and en."""

from naga.tasks.example import (
    LANGUAGES,
    LEVELS,
    Example,
    Generator,
    Language,
    Level,
    Split,
    Task,
    Verdict,
)
from naga.tasks.judging import Judging
from naga.tasks.mixture import Mix, make_examples, write_conversations
from naga.tasks.registry import (
    FAMILIES,
    GROUPS,
    PUBLIC,
    SCORED,
    make_public_set,
    make_tasks,
    task_names,
)

__all__ = [
    "FAMILIES",
    "GROUPS",
    "LANGUAGES",
    "LEVELS",
    "PUBLIC",
    "SCORED",
    "Example",
    "Generator",
    "Judging",
    "Language",
    "Level",
    "Mix",
    "Split",
    "Task",
    "Verdict",
    "make_examples",
    "make_public_set",
    "make_tasks",
    "task_names",
    "write_conversations",
]
