"""naga's own format (data/chat.py) as one of the formats: thoughts, and calls as JSON.

Tools are for tokenizers with TOOL_CONTROL, which `naga tokenizer train` makes; others refuse them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from naga.config.base import ConfigError
from naga.data import chat
from naga.data.formats.base import Demand, Format, Parser
from naga.data.formats.calls import calls_schema, read_call
from naga.data.formats.parser import MarkupParser
from naga.data.messages import Message, Rendered, Tool, to_json
from naga.data.tokenizer import END, END_OF_TEXT, Tokenizer


@final
@dataclass(frozen=True, kw_only=True)
class OwnFormat(Format):
    name: str = "naga"
    thinks: bool = True
    decides: bool = True

    def render(
        self, tokenizer: Tokenizer, messages: Sequence[Message], tools: Sequence[Tool] = ()
    ) -> Rendered:
        self._refuse(tools)
        return chat.render(tokenizer, messages, tools)

    def render_prompt(
        self,
        tokenizer: Tokenizer,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        enable_thinking: bool = True,
        calling: bool = False,
    ) -> list[int]:
        self._refuse(tools)
        return chat.render_prompt(
            tokenizer, messages, tools, enable_thinking=enable_thinking, calling=calling
        )

    def message_ends(self, tokenizer: Tokenizer, prompt: Sequence[int]) -> tuple[int, ...]:
        return chat.message_ends(tokenizer, prompt)

    def stop_ids(self, tokenizer: Tokenizer) -> frozenset[int]:
        return frozenset({tokenizer.control_id(END), tokenizer.control_id(END_OF_TEXT)})

    def parser(
        self, tokenizer: Tokenizer, *, thinking: bool, tools: Sequence[Tool], calling: bool
    ) -> Parser:
        if not self.has_tools:
            return chat.ReplyParser(tokenizer, thinking=thinking)
        reader = read_call if tools else None
        return MarkupParser(tokenizer, reader, thinking=thinking, calling=calling, blanks=False)

    def demanded_call(self, tools: Sequence[Tool]) -> Demand:
        if not self.has_tools:
            raise ConfigError("this model's format has no tools; send none")
        return Demand(kind="json_schema", text=to_json(calls_schema(tools)))

    def _refuse(self, tools: Sequence[Tool]) -> None:
        if tools and not self.has_tools:
            raise ConfigError("this model's format has no tools; send none")
