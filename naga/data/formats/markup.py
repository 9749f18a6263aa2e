"""What formats in markup have in common: everything but the pieces that they write.

A reply is one of pieces too: what the model is to write is learned, what the prompt gives is not.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from naga.config.base import ConfigError
from naga.data.formats.base import Format, Parser, Piece, encode, require_messages
from naga.data.formats.parser import MarkupParser
from naga.data.messages import Message, Rendered, Tool, ToolCall
from naga.data.tokenizer import CALL, END_CALL, Tokenizer


@dataclass(frozen=True, kw_only=True)
class MarkupFormat(Format):
    has_tools: bool = True
    decides: bool = False
    required: tuple[str, ...]
    """Control tokens without which the format cannot be written."""
    optional: tuple[str, ...]
    """Names that are control tokens where the tokenizer has them, and spelled where not."""
    end: str
    """The control token after each message."""
    call_markers: tuple[str, str] = (CALL, END_CALL)
    strips: bool = False
    """Whether blanks at both ends of a reply's content are the format's."""

    @abstractmethod
    def _conversation(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[Piece]:
        """All messages, of which there is at least one."""

    @abstractmethod
    def _opening(self, *, thinking: bool, calling: bool) -> Iterator[Piece]:
        """The beginning of a reply; ConfigError for a call that the prompt cannot open."""

    @abstractmethod
    def _read_calls(self, text: str, tools: Sequence[Tool]) -> Sequence[ToolCall]:
        """What stands between `call_markers`; none if it is no call."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.required + self.optional

    def render(
        self, tokenizer: Tokenizer, messages: Sequence[Message], tools: Sequence[Tool] = ()
    ) -> Rendered:
        require_messages(messages)
        if any(message.thinking == "auto" for message in messages):
            raise ConfigError(
                f"this model's format ({self.name}) cannot say that a model decided itself whether "
                'to think; leave "thinking" out'
            )
        return encode(tokenizer, self._conversation(messages, tools), self.names)

    def render_prompt(
        self,
        tokenizer: Tokenizer,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        enable_thinking: bool = True,
        calling: bool = False,
    ) -> list[int]:
        require_messages(messages)
        pieces = [
            *self._conversation(messages, tools),
            *self._opening(thinking=enable_thinking and self.thinks, calling=calling),
        ]
        return list(encode(tokenizer, pieces, self.names).tokens)

    def message_ends(self, tokenizer: Tokenizer, prompt: Sequence[int]) -> tuple[int, ...]:
        end = tokenizer.control_id(self.end)
        return tuple(index for index, token in enumerate(prompt, 1) if token == end)

    def stop_ids(self, tokenizer: Tokenizer) -> frozenset[int]:
        return frozenset({tokenizer.control_id(self.end)})

    def parser(
        self, tokenizer: Tokenizer, *, thinking: bool, tools: Sequence[Tool], calling: bool
    ) -> Parser:
        offered = tuple(tools)

        def read_calls(text: str) -> Sequence[ToolCall]:
            return self._read_calls(text, offered)

        return MarkupParser(
            tokenizer,
            read_calls if offered else None,
            thinking=thinking,
            calling=calling,
            markers=self.call_markers,
            strips=self.strips,
        )
