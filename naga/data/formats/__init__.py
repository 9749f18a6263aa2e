"""The formats of talk: how each family of checkpoints writes messages, thoughts and calls of tools.

`format_of` finds the format of a tokenizer; docs/formats.md has the rules and where they are from.
"""

from naga.data.formats.base import Demand, Format, Parser
from naga.data.formats.choose import format_of, known_format, ready

__all__ = ["Demand", "Format", "Parser", "format_of", "known_format", "ready"]
