"""Letters of a text: reverse, replace, insert and delete, shift, count."""

from naga.tasks.text.caesar import Caesar
from naga.tasks.text.inserting import Inserting
from naga.tasks.text.letters import Letters
from naga.tasks.text.replacing import Replacing
from naga.tasks.text.reversing import Reversing

__all__ = ["Caesar", "Inserting", "Letters", "Replacing", "Reversing"]
