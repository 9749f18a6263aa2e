"""What an answer's text must look like, and which tokens keep to it: llguidance behind one door.

A Matcher follows one answer and says which tokens may come next; control tokens are never among
them, end tokens once the text may end. Grammars are compiled once and copied. Size, compile time
and the time of a mask are bounded: the library counts its steps, not seconds, so the same grammar
is refused on every machine. What the library cannot hold to in full is refused, never loosened.
JSON comes on one line, with one blank after each comma and colon, so that it cannot grow by blanks.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Self

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from naga.config.base import ConfigError
from naga.data.tokenizer import Tokenizer

ConstraintKind = Literal["json_schema", "json_object", "regex", "grammar"]
MAX_TEXT = 65_536


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A text that is too long, or given where none belongs, raises ConfigError."""

    kind: ConstraintKind
    text: str = ""
    """A JSON schema, a regular expression for the whole text, or a Lark grammar with `start`; empty
    for json_object."""

    def __post_init__(self) -> None:
        if bool(self.text) != (self.kind != "json_object"):
            raise ConfigError(f"{self.kind}: its text must {'' if self.text else 'not '}be empty")
        if len(self.text) > MAX_TEXT:
            raise ConfigError(
                f"{self.kind}: {len(self.text)} characters are more than the limit of {MAX_TEXT}"
            )


class ConstraintFailed(Exception):
    """An answer cannot go on within its constraint: too complex here, or a token that broke it."""


class Matcher:
    """One answer's place in a constraint; made by `compile_constraint`."""

    def __init__(self, matcher: LLMatcher, forbidden: int) -> None:
        """`forbidden`: bits of tokens that no grammar may name."""
        self._matcher = matcher
        self._forbidden = forbidden

    def mask(self) -> bytes:
        """Bit i % 8 of byte i // 8: token i may come next. ConstraintFailed if none may."""
        mask = bytes(self._matcher.compute_bitmask())
        self._check()
        if self._forbidden:
            mask = (int.from_bytes(mask, "little") & ~self._forbidden).to_bytes(len(mask), "little")
        if not any(mask):
            raise ConstraintFailed("the constraint allows no token here")
        return mask

    def advance(self, token: int) -> None:
        """Take a token; ConstraintFailed if it may not come here."""
        self._matcher.consume_token(token)
        self._check()

    @property
    def finished(self) -> bool:
        """The text is complete and nothing may follow."""
        return bool(self._matcher.is_stopped() and not self._matcher.is_error())

    def copy(self) -> Self:
        """Goes its own way from here."""
        return type(self)(self._matcher.deep_copy(), self._forbidden)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ConstraintFailed(f"the constraint: {_one_line(self._matcher.get_error())}")


def compile_constraint(
    constraint: Constraint, tokenizer: Tokenizer, stop_ids: frozenset[int]
) -> Matcher:
    """At the beginning of a text that one of `stop_ids` may end.

    ConfigError says what is wrong with the constraint, or what of it cannot be held to.
    """
    return _prototype(constraint, tokenizer, stop_ids).copy()


@lru_cache(maxsize=64)
def _prototype(constraint: Constraint, tokenizer: Tokenizer, stop_ids: frozenset[int]) -> Matcher:
    limits = LLParserLimits(
        initial_lexer_fuel=1_000_000,  # 20 ms
        step_lexer_fuel=200_000,  # 15 ms
        step_max_items=50_000,  # 3 ms
        max_lexer_states=50_000,  # 100 MB
        max_grammar_size=100_000,
        verbose_errors=False,
    )
    vocabulary = _vocabulary(tokenizer, stop_ids)
    matcher = LLMatcher(vocabulary, _grammar(constraint), log_level=0, limits=limits)
    if matcher.is_error():
        raise ConfigError(f"{constraint.kind}: {_one_line(matcher.get_error())}")
    if warnings := matcher.get_grammar_warnings():
        raise ConfigError(f"{constraint.kind}: {_one_line(warnings[0])}")
    # A Lark grammar can name tokens by number.
    named = _control_ids(tokenizer) - stop_ids if constraint.kind == "grammar" else frozenset()
    prototype = Matcher(matcher, sum(1 << token for token in named))
    try:
        prototype.copy().mask()
    except ConstraintFailed as error:
        raise ConfigError(f"{constraint.kind}: {error}") from None
    return prototype


def _grammar(constraint: Constraint) -> str:
    match constraint.kind:
        case "regex":
            return str(LLMatcher.grammar_from_regex(constraint.text))
        case "grammar":
            return str(LLMatcher.grammar_from_lark(constraint.text))
        case "json_object":
            return _json_grammar('{"type": "object"}')
        case "json_schema":
            return _json_grammar(constraint.text)


def _json_grammar(text: str) -> str:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"json_schema: not valid JSON: {error}") from None
    if not isinstance(schema, dict):
        raise ConfigError("json_schema: must be a JSON object")
    try:
        # Over what a schema's own "x-guidance" says: no keyword may be passed over.
        return LLMatcher.grammar_from_json_schema(
            text,
            overrides={
                "item_separator": ", ",
                "key_separator": ": ",
                "whitespace_flexible": False,
                "coerce_one_of": False,
                "lenient": False,
            },
        )
    except ValueError as error:
        raise ConfigError(f"json_schema: {_one_line(str(error))}") from None


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: Tokenizer, stop_ids: frozenset[int]) -> LLTokenizer:
    ends = [end for end in sorted(stop_ids) if end < tokenizer.vocab_size]
    if not ends:
        raise ConfigError("a constraint needs a model with an end token, and this one names none")
    wrapper = TokenizerWrapper(_Vocabulary(tokenizer, ends[0]))
    return LLTokenizer(wrapper, n_vocab=tokenizer.vocab_size, eos_token=ends)


class _Vocabulary:
    """A tokenizer as the library wants it, names included."""

    def __init__(self, tokenizer: Tokenizer, end: int) -> None:
        self.eos_token_id = end
        self.bos_token_id = None
        self.tokens = [tokenizer.token_bytes(token) for token in range(tokenizer.vocab_size)]
        self.special_token_ids = sorted(_control_ids(tokenizer))
        self._tokenizer = tokenizer

    def __call__(self, text: str | bytes) -> list[int]:
        known = text if isinstance(text, str) else text.decode("utf-8", "replace")
        return self._tokenizer.encode(known)


@lru_cache(maxsize=4)
def _control_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Tokens without text."""
    return frozenset(t for t in range(tokenizer.vocab_size) if not tokenizer.token_bytes(t))


def _one_line(error: str) -> str:
    """What the library has to say, without its picture of the place."""
    lines = error.splitlines() or ["it cannot be compiled"]
    reason = next((line for line in lines if line.startswith("error: ")), lines[0])
    # The library catches its own failures, and says "panic" of them.
    if reason.startswith("panic"):
        return "the grammar library cannot read it"
    return reason.removeprefix("error: ")[:300]
