"""The parser of replies in markup: tokens in; reasoning, content and whole calls of tools out.

A marker is one control token, or, where the tokenizer has no such token, its name in the text. One
line end before and after </think> is the format's, and, where tools are offered, blanks beside a
call, unless the format has no blanks of its own. What opens like a call and cannot be read as one
is content, as it was written: nothing is lost. Text is held back only while it may still turn out
to be the format's. Of a format that strips its turns, blanks at both ends of the content are, too.
"""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from naga.data.messages import Delta, ToolCall
from naga.data.tokenizer import CALL, END_CALL, END_THINK, Tokenizer


@dataclass(kw_only=True)
class _Found:
    """What one token completed, growing."""

    reasoning: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)

    def delta(self) -> Delta:
        return Delta(
            reasoning="".join(self.reasoning),
            content="".join(self.content),
            calls=tuple(self.calls),
        )


class MarkupParser:
    def __init__(
        self,
        tokenizer: Tokenizer,
        read_calls: Callable[[str], Sequence[ToolCall]] | None,
        *,
        thinking: bool,
        calling: bool,
        markers: tuple[str, str] = (CALL, END_CALL),
        blanks: bool = True,
        strips: bool = False,
    ) -> None:
        """`read_calls`: the text between the `markers` -> the calls, none if it is no call; no
        reader where no tools are offered. `blanks`: whether any are the format's. `strips`: whether
        those at both ends of the content are."""
        self._tokenizer = tokenizer
        self._read_calls = read_calls
        self._begin, self._end = markers
        self._blanks, self._strips = blanks, strips
        self._state: Literal["reasoning", "content", "call"] = "content"
        if thinking or calling:
            self._state = "reasoning" if thinking else "call"
        looked_for = (*(markers if read_calls is not None else ()), *((END_THINK,) * thinking))
        self._spelled = [name for name in looked_for if not tokenizer.has_control(name)]
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unread = ""
        """Text that may be the beginning of a spelled marker."""
        self._held = ""
        """Of the thought: a line end. Of the content: blanks. They may be the format's."""
        self._call: list[str] = []
        self._shown = False
        self._after_thought = False
        self._after_call = False

    @property
    def reasoning(self) -> bool:
        return self._state == "reasoning"

    def feed(self, token: int) -> Delta:
        found = _Found()
        name = self._tokenizer.control_name(token)
        if name in (self._begin, self._end, END_THINK):
            self._text(found, self._decoder.decode(b"", final=True), last=True)
            self._decoder.reset()
            self._marker(found, name)
        else:
            text = self._decoder.decode(self._tokenizer.token_bytes(token))
            self._text(found, text, last=False)
        return found.delta()

    def finish(self) -> Delta:
        found = _Found()
        self._text(found, self._decoder.decode(b"", final=True), last=True)
        self._decoder.reset()
        if self._state == "call":
            self._end_call(found, "")
        held, self._held = self._held, ""
        if self._state == "reasoning":
            found.reasoning.append(held)
        elif not self._after_call and not self._strips:
            found.content.append(held)
        return found.delta()

    def _text(self, found: _Found, text: str, *, last: bool) -> None:
        """Text with whatever markers are spelled in it; `last`: a control token or the end is
        next, so that nothing more becomes a marker."""
        text = self._unread + text
        while marker := _first(text, self._spelled):
            before, _, text = text.partition(marker)
            self._plain(found, before)
            self._marker(found, marker)
        kept = 0 if last else max((_overlap(text, name) for name in self._spelled), default=0)
        self._unread = text[len(text) - kept :]
        self._plain(found, text[: len(text) - kept])

    def _marker(self, found: _Found, name: str) -> None:
        if self._state == "call":
            if name == self._end:
                self._end_call(found, self._end)
            else:
                self._call.append(name)
        elif name == END_THINK:
            if self._state == "reasoning":
                self._state, self._held, self._after_thought = "content", "", True
                self._spelled = [marker for marker in self._spelled if marker != END_THINK]
        elif self._state == "content" and name == self._begin and self._read_calls is not None:
            self._state, self._call = "call", []
        else:
            self._plain(found, name)

    def _end_call(self, found: _Found, end: str) -> None:
        text = "".join(self._call)
        self._state, self._call = "content", []
        assert self._read_calls is not None, "a call was opened"
        calls = self._read_calls(text)
        if not calls:
            self._plain(found, self._begin + text + end)
        else:
            found.calls += calls
            self._held, self._after_thought, self._after_call = "", False, True

    def _plain(self, found: _Found, text: str) -> None:
        if not text:
            return
        if self._state == "call":
            self._call.append(text)
        elif self._state == "reasoning":
            text = self._held + text
            shown = text.removesuffix("\n") if self._blanks else text
            self._held = text[len(shown) :]
            found.reasoning.append(shown)
        else:
            self._content(found, text)

    def _content(self, found: _Found, text: str) -> None:
        if self._after_thought:
            self._after_thought = False
            text = text.removeprefix("\n") if self._blanks else text
        if self._strips and not self._shown:
            text = text.lstrip()
            self._shown = bool(text)
        elif not self._strips and (self._read_calls is None or not self._blanks):
            found.content.append(text)
            return
        text = self._held + text
        shown = text.rstrip()
        self._held = text[len(shown) :]
        if shown:
            self._after_call = False
            found.content.append(shown)


def _first(text: str, names: list[str]) -> str | None:
    """The name that stands first in the text."""
    found = [(text.find(name), name) for name in names if name in text]
    return min(found)[1] if found else None


def _overlap(text: str, name: str) -> int:
    """Length of the longest end of the text that is a beginning of the name."""
    longest = min(len(text), len(name) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(name[:n])), 0)
