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
from naga.tasks.mixture import (
    FAMILIES,
    SCORED,
    Mix,
    make_examples,
    make_tasks,
    write_conversations,
)

__all__ = [
    "FAMILIES",
    "LANGUAGES",
    "LEVELS",
    "SCORED",
    "Example",
    "Generator",
    "Language",
    "Level",
    "Mix",
    "Split",
    "Task",
    "Verdict",
    "make_examples",
    "make_tasks",
    "write_conversations",
]
