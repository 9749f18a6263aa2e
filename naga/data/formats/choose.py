"""Which format a checkpoint talks in: told by its tokenizer's control tokens and its template.

A template is looked at, never run: each format is known by words that only its templates have. What
is not known is refused; guessing would give prompts that the model never saw.
"""

from functools import lru_cache

from naga.config.base import ConfigError
from naga.data.formats.base import Format
from naga.data.formats.granite import DEFAULT_SYSTEM, END_ROLE, START_ROLE, GraniteFormat
from naga.data.formats.markup import MarkupFormat
from naga.data.formats.nano import CALLS, END_TURN, OFF, START_SYSTEM, START_TURN, NanoFormat
from naga.data.formats.nemotron import START, NemotronFormat
from naga.data.formats.own import OwnFormat
from naga.data.tokenizer import CALL, Tokenizer

# Nemotron's templates have this switch and write calls this way; others have one of the two.
NEMOTRON_WORDS = (START, "truncate_history_thinking", "<function=", "<think>")
NANO_WORDS = (START_SYSTEM, START_TURN, END_TURN, CALLS, "<AVAILABLE_TOOLS>", "<think>")
GRANITE_WORDS = (START_ROLE, END_ROLE, CALL, "<tools>")
# What Granite's templates after 4.0 have besides: a format of thoughts that is not 4.0's.
NOT_GRANITE_4 = ("truncate_history_thinking", "enable_thinking")


@lru_cache(maxsize=8)
def format_of(tokenizer: Tokenizer) -> Format:
    """ConfigError for a tokenizer without a template, or with one of no known format."""
    if tokenizer.is_chat():
        return OwnFormat(has_tools=tokenizer.has_tools())
    template = tokenizer.template
    if template is None:
        raise ConfigError(
            "its tokenizer has no chat tokens and no chat template; try naga generate --raw"
        )
    found = _by_words(template)
    if found is None:
        raise ConfigError(
            "its chat template is of no format known here (naga, Granite 4, Nemotron 3, "
            "Nemotron Nano 2); try naga generate --raw"
        )
    for name in found.required:
        if name not in tokenizer.added:
            raise ConfigError(
                f"its chat template is {found.name}'s, but its tokenizer has no token {name!r}"
            )
    return found


@lru_cache(maxsize=8)
def known_format(tokenizer: Tokenizer) -> Format | None:
    """None instead of a refusal, for what does not need to talk."""
    try:
        return format_of(tokenizer)
    except ConfigError:
        return None


def ready(tokenizer: Tokenizer) -> Tokenizer:
    """To talk with: the names of its format are control tokens, which no text is encoded to.

    Not to be saved beside a checkpoint, whose own file says of some of them that they are text.
    """
    found = known_format(tokenizer)
    return tokenizer.with_control(found.names) if isinstance(found, MarkupFormat) else tokenizer


def _by_words(template: str) -> MarkupFormat | None:
    if all(word in template for word in NEMOTRON_WORDS):
        return NemotronFormat()
    # The one that sees images says other things.
    if all(word in template for word in NANO_WORDS) and "<image>" not in template:
        return NanoFormat(switched=OFF in template)
    if all(word in template for word in GRANITE_WORDS):
        if any(word in template for word in NOT_GRANITE_4):
            return None
        return GraniteFormat(default_system=DEFAULT_SYSTEM if DEFAULT_SYSTEM in template else "")
    return None
