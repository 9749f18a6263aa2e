"""What a client may send, checked, and how it is refused: bytes -> ChatRequest or one ApiError.

The body is OpenAI's chat completion request. Every field is honoured or refused by name; null means
"not given". Fields of OpenAI's that this server lacks pass only with the value that asks for
nothing (NEUTRAL). Knows nothing of HTTP frameworks, of the model's limits or of the engine.
"""

import reprlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json

from naga.config.base import Config
from naga.data.chat import Message

MAX_BODY_BYTES = 16 * 2**20
MAX_CHOICES = 8
MAX_STOPS = 4

NEUTRAL: dict[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "top_logprobs": 0,
    "tools": [],
    "tool_choice": "none",
    "response_format": {"type": "text"},
    "store": False,
}


@dataclass(kw_only=True, eq=False)
class ApiError(Exception):
    """A refusal or failure as the client sees it: HTTP status and OpenAI's error object."""

    status: int
    message: str
    kind: Literal["invalid_request_error", "rate_limit_error", "server_error"] = (
        "invalid_request_error"
    )
    param: str | None = None
    code: str | None = None

    def body(self) -> dict[str, Any]:
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


def _join_parts(content: Any) -> Any:
    """A list of text parts becomes their texts, put together as they stand."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not (isinstance(part, dict) and part.keys() == {"type", "text"}):
            raise ValueError('a part must be {"type": "text", "text": "..."}; only text is read')
        if part["type"] != "text" or not isinstance(part["text"], str):
            raise ValueError('a part must be {"type": "text", "text": "..."}; only text is read')
    return "".join(part["text"] for part in content)


def _as_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


class ChatMessage(Config):
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_join_parts)]
    """Text, or a list of text parts."""
    reasoning_content: str | None = None
    """Thinking of an assistant turn; `reasoning` is the same under its other name."""
    reasoning: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = {text for text in (self.reasoning_content, self.reasoning) if text is not None}
        if given and self.role != "assistant":
            raise ValueError(f"a {self.role} message carries no reasoning")
        if len(given) > 1:
            raise ValueError("reasoning_content and reasoning differ; send one of them")
        return self

    def message(self) -> Message:
        reasoning = self.reasoning_content or self.reasoning or ""
        return Message(role=self.role, content=self.content, reasoning=reasoning)


class StreamOptions(Config):
    include_usage: bool = False
    """Send one more chunk, without choices, that carries the usage."""


class TemplateOptions(Config):
    enable_thinking: bool = True
    """False closes the think block in the prompt: the answer comes at once."""


class ChatRequest(Config):
    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, gt=0)
    max_completion_tokens: int | None = Field(None, gt=0)
    """The newer name of max_tokens. Both bound thinking and answer together."""
    temperature: float = Field(1.0, ge=0, le=2)
    """0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int | None = Field(None, gt=0)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    """None: the server draws one. The reply names the seed in either case."""
    stop: Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_list)] = Field(
        [], max_length=MAX_STOPS
    )
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    stream: bool = False
    stream_options: StreamOptions | None = None
    logprobs: bool = False
    """Log-probabilities (at temperature 1) of the chosen tokens."""
    user: str | None = Field(None, max_length=256)
    """Your name for the end user; it appears in the server's request log."""
    chat_template_kwargs: TemplateOptions = TemplateOptions()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream = true")
        if None not in (self.max_tokens, self.max_completion_tokens) and (
            self.max_tokens != self.max_completion_tokens
        ):
            raise ValueError("max_tokens and max_completion_tokens differ; send one of them")
        return self

    @property
    def token_limit(self) -> int | None:
        """The client's bound on generated tokens; None leaves it to the server."""
        return self.max_tokens if self.max_tokens is not None else self.max_completion_tokens

    @property
    def thinking(self) -> bool:
        return self.chat_template_kwargs.enable_thinking

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


REQUIRED = frozenset(
    name for name, field in ChatRequest.model_fields.items() if field.is_required()
)


def parse_request(body: bytes) -> ChatRequest:
    """The checked request, or an ApiError (400) that names the first field that is wrong."""
    try:
        data = from_json(body)
    except ValueError as error:
        raise ApiError(status=400, message=f"the body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ApiError(status=400, message="the body must be a JSON object")
    try:
        return ChatRequest.model_validate(
            {name: value for name, value in data.items() if not _asks_nothing(name, value)}
        )
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)[0]) from None


def _asks_nothing(name: str, value: Any) -> bool:
    if name in NEUTRAL:
        return value is None or bool(value == NEUTRAL[name])
    return value is None and name in ChatRequest.model_fields and name not in REQUIRED


def _refusal(error: ErrorDetails) -> ApiError:
    """One sentence: the field in JSON notation, what is wrong, what was sent (shortened)."""
    param = _dotted(error["loc"])
    match error["type"]:
        case "extra_forbidden":
            problem = f"field {reprlib.repr(param)} is not supported; remove it"
        case "missing":
            problem = f"field {param!r} is missing"
        case "value_error":
            message = error["msg"].removeprefix("Value error, ")
            problem = f"{param}: {message}" if param else message
        case _:
            problem = f"{param}: {error['msg']} (got {reprlib.repr(error['input'])})"
    return ApiError(status=400, message=problem, param=param or None)


def _dotted(location: tuple[int | str, ...]) -> str:
    """("messages", 0, "role") -> "messages[0].role"."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
