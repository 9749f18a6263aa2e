"""Finding things in long texts: needles, keys and values, chains of notes."""

from naga.tasks.retrieval.hops import Hops
from naga.tasks.retrieval.key_values import KeyValues
from naga.tasks.retrieval.needles import Needles

__all__ = ["Hops", "KeyValues", "Needles"]
