"""naga's own format (data/chat.py) as one of the formats: thoughts, no tools."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from naga.config.base import ConfigError
from naga.data import chat
from naga.data.formats.base import Format, Parser
from naga.data.messages import Message, Rendered, Tool
from naga.data.tokenizer import END, END_OF_TEXT, Tokenizer


@final
@dataclass(frozen=True, kw_only=True)
class OwnFormat(Format):
    name: str = "naga"
    thinks: bool = True
    has_tools: bool = False
    decides: bool = True

    def render(
        self, tokenizer: Tokenizer, messages: Sequence[Message], tools: Sequence[Tool] = ()
    ) -> Rendered:
        _refuse(tools)
        return chat.render(tokenizer, messages)

    def render_prompt(
        self,
        tokenizer: Tokenizer,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        enable_thinking: bool = True,
        calling: bool = False,
    ) -> list[int]:
        _refuse(tools)
        return chat.render_prompt(tokenizer, messages, enable_thinking=enable_thinking)

    def message_ends(self, tokenizer: Tokenizer, prompt: Sequence[int]) -> tuple[int, ...]:
        return chat.message_ends(tokenizer, prompt)

    def stop_ids(self, tokenizer: Tokenizer) -> frozenset[int]:
        return frozenset({tokenizer.control_id(END), tokenizer.control_id(END_OF_TEXT)})

    def parser(
        self, tokenizer: Tokenizer, *, thinking: bool, tools: Sequence[Tool], calling: bool
    ) -> Parser:
        return chat.ReplyParser(tokenizer, thinking=thinking)

    def call_schema(self, tools: Sequence[Tool]) -> str:
        raise ConfigError("this model's format has no tools; send none")


def _refuse(tools: Sequence[Tool]) -> None:
    if tools:
        raise ConfigError("this model's format has no tools; send none")
