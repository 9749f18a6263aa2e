"""What a client may send, checked, and how it is refused: bytes -> a request or one ApiError.

The bodies are OpenAI's: of a chat completion and of a plain completion. Every field is honoured or
refused by name; null means "not given". Fields of OpenAI's that this server lacks pass only with
the value that asks for nothing (NEUTRAL). Fields that OpenAI lacks have vLLM's names where it has
them. Knows nothing of HTTP frameworks or of the model's limits.
"""

import json
import reprlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json

from naga.config.base import Config
from naga.data.messages import Message, Tool, ToolCall, read_object, to_json
from naga.engine.constraint import Constraint
from naga.engine.request import MAX_BIAS, MAX_BIASES, MAX_TOP_LOGPROBS, SamplingParams

MAX_BODY_BYTES = 16 * 2**20
MAX_CHOICES = 8
MAX_STOPS = 4
MAX_PROMPTS = 32
MAX_TOOLS = 128
MAX_CALLS = 128
# Of a field's name in an error: a client may call its fields what it likes.
MAX_PARAM_CHARS = 100

NEUTRAL: dict[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "tools": [],
    "tool_choice": "none",
    "parallel_tool_calls": True,
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


FunctionName = Annotated[str, Field(pattern="^[a-zA-Z0-9_.-]{1,64}$")]


class CalledFunction(Config):
    name: FunctionName
    arguments: str
    """The JSON text of an object, as the answer had it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            read_object(self.arguments or "{}")
        except ValueError as error:
            raise ValueError(f"arguments must be the JSON text of an object: {error}") from None
        return self


class SentCall(Config):
    """A call of an earlier answer."""

    id: str = Field(max_length=256)
    type: Literal["function"] = "function"
    function: CalledFunction

    @property
    def call(self) -> ToolCall:
        arguments = read_object(self.function.arguments or "{}")
        return ToolCall(name=self.function.name, arguments=to_json(arguments))


def _plain_message(message: Any) -> Any:
    """Without what is null; an assistant that calls tools need not say anything."""
    if not isinstance(message, dict):
        return message
    calls = message.get("tool_calls")
    kept = {k: v for k, v in message.items() if v is not None or k not in ASSISTANT_NULLS}
    if message.get("role") == "assistant" and calls and message.get("content") is None:
        kept["content"] = ""
    return kept


# What an answer's message has besides, and has as null: it may be sent back as it came.
ASSISTANT_NULLS = ("refusal", "annotations", "audio", "function_call", "tool_calls")


class ChatMessage(Config):
    role: Literal["system", "user", "assistant", "tool"]
    content: Annotated[str, BeforeValidator(_join_parts)]
    """Text, or a list of text parts."""
    reasoning_content: str | None = None
    """Thinking of an assistant turn; `reasoning` is the same under its other name."""
    reasoning: str | None = None
    tool_calls: list[SentCall] = Field([], max_length=MAX_CALLS)
    """What an assistant turn called."""
    tool_call_id: str | None = Field(None, max_length=256)
    """Of a tool: which call it answers. The formats go by the order."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, message: Any) -> Any:
        return _plain_message(message)

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = {text for text in (self.reasoning_content, self.reasoning) if text is not None}
        if given and self.role != "assistant":
            raise ValueError(f"a {self.role} message carries no reasoning")
        if len(given) > 1:
            raise ValueError("reasoning_content and reasoning differ; send one of them")
        if self.tool_calls and self.role != "assistant":
            raise ValueError(f"a {self.role} message carries no tool_calls")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise ValueError("tool_call_id belongs to a tool message, and to no other")
        return self

    def message(self) -> Message:
        reasoning = self.reasoning_content or self.reasoning or ""
        calls = tuple(sent.call for sent in self.tool_calls)
        return Message(role=self.role, content=self.content, reasoning=reasoning, calls=calls)


class Function(Config):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON schema of its arguments."""
    strict: bool | None = None


class OfferedTool(Config):
    type: Literal["function"]
    function: Function

    @model_validator(mode="after")
    def _check(self) -> Self:
        to_json(self.function.parameters)
        return self

    @property
    def tool(self) -> Tool:
        """With what the client gave and no more: the model reads it as it was sent."""
        return Tool(name=self.function.name, declared=to_json(self.model_dump(exclude_unset=True)))


class NamedFunction(Config):
    name: FunctionName


class NamedTool(Config):
    """The call of this one is demanded."""

    type: Literal["function"]
    function: NamedFunction


class StreamOptions(Config):
    include_usage: bool = False
    """Send one more chunk, without choices, that carries the usage."""


def _switch(value: Any) -> Any:
    # By one line: of a union's members each would tell its own.
    if not (isinstance(value, bool) or value == "auto"):
        raise ValueError('must be true, false or "auto"')
    return value


class TemplateOptions(Config):
    enable_thinking: Annotated[bool | Literal["auto"], BeforeValidator(_switch)] = True
    """False closes the think block in the prompt: the answer comes at once. "auto" leaves it to the
    model whether to think, where its format has that."""


class NamedSchema(Config):
    name: str = Field(max_length=64)
    """A label; it changes nothing."""
    definition: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None
    """The schema is held to in either case."""


class ResponseFormat(Config):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.json_schema is not None) != (self.type == "json_schema"):
            raise ValueError('json_schema belongs to type "json_schema", and to no other')
        return self

    @property
    def constraint(self) -> Constraint | None:
        if self.json_schema is not None:
            return Constraint(kind="json_schema", text=json.dumps(self.json_schema.definition))
        return Constraint(kind="json_object") if self.type == "json_object" else None


class StructuredOutputs(Config):
    """One of them; vLLM's field of this name."""

    definition: dict[str, Any] | None = Field(None, alias="json")
    regex: str | None = Field(None, min_length=1)
    grammar: str | None = Field(None, min_length=1)
    """Lark, with a rule `start`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(given is not None for given in (self.definition, self.regex, self.grammar)) != 1:
            raise ValueError("give one of json, regex and grammar")
        return self

    @property
    def constraint(self) -> Constraint:
        if self.regex is not None:
            return Constraint(kind="regex", text=self.regex)
        if self.grammar is not None:
            return Constraint(kind="grammar", text=self.grammar)
        return Constraint(kind="json_schema", text=json.dumps(self.definition))


Bias = Annotated[float, Field(ge=-MAX_BIAS, le=MAX_BIAS)]
TokenName = Annotated[str, Field(pattern="^[0-9]{1,9}$")]


class Generation(Config):
    """What both kinds of request may say of their tokens."""

    model: str
    temperature: float = Field(1.0, ge=0, le=2)
    """0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int | None = Field(None, gt=0, lt=2**31)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    """None: the server draws one. The reply names the seed in either case."""
    stop: Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_list)] = Field(
        [], max_length=MAX_STOPS
    )
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    stream: bool = False
    stream_options: StreamOptions | None = None
    logit_bias: dict[TokenName, Bias] = Field({}, max_length=MAX_BIASES)
    """Token id -> what is added to its logit."""
    min_tokens: int = Field(0, ge=0)
    """No end token before so many."""
    ignore_eos: bool = False
    """End tokens end nothing."""
    structured_outputs: StructuredOutputs | None = None
    priority: int = Field(0, ge=-(2**31), lt=2**31)
    """Higher ones go first."""
    deadline_s: float | None = Field(None, gt=0, le=86_400)
    """After so many seconds the answer ends with what it has, finish_reason "deadline"."""
    user: str | None = Field(None, max_length=256)
    """Your name for the end user; it appears in the server's request log."""

    @model_validator(mode="after")
    def _check_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream = true")
        return self

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def constraint(self) -> Constraint | None:
        return self.structured_outputs.constraint if self.structured_outputs else None

    @property
    def num_top(self) -> int:
        """How many of the most likely tokens are shown with each."""
        raise NotImplementedError

    @property
    def num_prompt_top(self) -> int | None:
        """The same for the prompt's tokens; None where those are not shown."""
        raise NotImplementedError

    @property
    def budget(self) -> int | None:
        """Of thought, in tokens."""
        return None

    def sampling(self, *, seed: int, max_tokens: int) -> SamplingParams:
        """ConfigError for what does not go together."""
        return SamplingParams(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            seed=seed,
            max_tokens=max_tokens,
            stop=tuple(self.stop),
            logit_bias=tuple((int(token), bias) for token, bias in self.logit_bias.items()),
            min_tokens=self.min_tokens,
            ignore_eos=self.ignore_eos,
            top_logprobs=self.num_top,
            prompt_logprobs=self.num_prompt_top,
            thinking_budget=self.budget,
            constraint=self.constraint,
        )


class ChatRequest(Generation):
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, gt=0)
    max_completion_tokens: int | None = Field(None, gt=0)
    """The newer name of max_tokens. Both bound thinking and answer together."""
    logprobs: bool = False
    """Log-probabilities (at temperature 1) of the chosen tokens."""
    top_logprobs: int = Field(0, ge=0, le=MAX_TOP_LOGPROBS)
    """And of so many of the most likely ones."""
    prompt_logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    """The same for the prompt's tokens; not in a stream."""
    response_format: ResponseFormat | None = None
    prompt_cache_key: str | None = Field(None, min_length=1, max_length=256)
    """A name for the conversation: it is saved, and comes back after a restart."""
    thinking_budget: int | None = Field(None, ge=0)
    """After so many tokens the thought is closed."""
    chat_template_kwargs: TemplateOptions = TemplateOptions()
    tools: list[OfferedTool] = Field([], max_length=MAX_TOOLS)
    """What the model may call."""
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    """None: auto where there are tools."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if None not in (self.max_tokens, self.max_completion_tokens) and (
            self.max_tokens != self.max_completion_tokens
        ):
            raise ValueError("max_tokens and max_completion_tokens differ; send one of them")
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs = true")
        if self.prompt_logprobs is not None and self.stream:
            raise ValueError("prompt_logprobs cannot be streamed")
        if self.thinking_budget is not None and not self.thinking:
            raise ValueError("thinking_budget needs thinking, which enable_thinking = false ends")
        if self.response_format and self.structured_outputs and self.response_format.constraint:
            raise ValueError("response_format and structured_outputs: send one of them")
        self._check_tools()
        return self

    def _check_tools(self) -> None:
        names = [tool.function.name for tool in self.tools]
        if len(set(names)) < len(names):
            raise ValueError("tools: two have the same name")
        if self.tool_choice not in (None, "none", "auto") and not self.demanded:
            raise ValueError("tool_choice demands a tool that is not among the tools")
        if self.offered and self.constraint is not None:
            raise ValueError("tools and an answer of a given form: send one of them")
        if any(tool.function.strict for tool in self.tools) and not self.demanded:
            raise ValueError(
                'tools: strict needs a tool_choice that demands a call; with "auto" calls are free'
            )

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The tools that the model hears of."""
        return () if self.tool_choice == "none" else tuple(tool.tool for tool in self.tools)

    @property
    def demanded(self) -> tuple[Tool, ...]:
        """Those of which one must be called; none where the model is free."""
        if isinstance(self.tool_choice, NamedTool):
            wanted = self.tool_choice.function.name
            return tuple(tool for tool in self.offered if tool.name == wanted)
        return self.offered if self.tool_choice == "required" else ()

    @property
    def token_limit(self) -> int | None:
        """The client's bound on generated tokens; None leaves it to the server."""
        return self.max_tokens if self.max_tokens is not None else self.max_completion_tokens

    @property
    def thinking(self) -> bool:
        """Whether the prompt opens a thought."""
        return bool(self.chat_template_kwargs.enable_thinking)

    @property
    def must_think(self) -> bool:
        """Whether the model may not close it at once; a budget may."""
        return self.chat_template_kwargs.enable_thinking is True and self.budget != 0

    @property
    def constraint(self) -> Constraint | None:
        wanted = self.response_format.constraint if self.response_format else None
        return wanted or super().constraint

    @property
    def num_top(self) -> int:
        return self.top_logprobs

    @property
    def num_prompt_top(self) -> int | None:
        return self.prompt_logprobs

    @property
    def budget(self) -> int | None:
        return self.thinking_budget


Prompt = str | list[int]


def _as_prompts(given: Any) -> list[Prompt]:
    """A text, a list of texts, token ids, or a list of lists of token ids, as a list of prompts."""
    many = given if isinstance(given, list) and not _is_tokens(given) else [given]
    texts = all(isinstance(prompt, str) for prompt in many)
    if not (texts or all(_is_tokens(prompt) for prompt in many)):
        raise ValueError("must be a text, a list of texts, token ids, or a list of such lists")
    if not 1 <= len(many) <= MAX_PROMPTS:
        raise ValueError(f"must be from 1 to {MAX_PROMPTS} prompts")
    return many


def _is_tokens(given: Any) -> bool:
    return (
        isinstance(given, list)
        and bool(given)
        and all(type(token) is int and 0 <= token < 2**31 for token in given)
    )


class CompletionRequest(Generation):
    """Plain text goes on: no template, no thinking."""

    prompt: Annotated[list[Prompt], BeforeValidator(_as_prompts)]
    max_tokens: int | None = Field(None, gt=0)
    """None: 16, or what the context still holds if that is less."""
    best_of: int | None = Field(None, ge=1, le=MAX_CHOICES)
    """So many are generated, and the n of the highest log-probability per token are returned."""
    logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    """Log-probabilities (at temperature 1) of the chosen tokens and so many most likely ones."""
    echo: bool = False
    """The prompt comes before its completion, with its log-probabilities where they are wanted."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.best_of is not None and self.best_of < self.n:
            raise ValueError("best_of must be at least n")
        if self.stream and self.num_generated > self.n:
            raise ValueError("best_of cannot be streamed: the best is known at the end")
        if self.stream and self.num_prompt_top is not None:
            raise ValueError("echo with logprobs cannot be streamed")
        return self

    @property
    def num_generated(self) -> int:
        """For each prompt."""
        return self.n if self.best_of is None else self.best_of

    @property
    def num_top(self) -> int:
        return self.logprobs or 0

    @property
    def num_prompt_top(self) -> int | None:
        return self.logprobs if self.echo else None


AnyRequest = TypeVar("AnyRequest", bound=Generation)


def parse_request(body: bytes, kind: type[AnyRequest]) -> AnyRequest:
    """The checked request, or an ApiError (400) that names the first field that is wrong."""
    try:
        data = from_json(body)
    except ValueError as error:
        raise ApiError(status=400, message=f"the body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ApiError(status=400, message="the body must be a JSON object")
    try:
        return kind.model_validate(
            {name: value for name, value in data.items() if not _asks_nothing(name, value, kind)}
        )
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)[0]) from None


def _asks_nothing(name: str, value: Any, kind: type[Generation]) -> bool:
    known = kind.model_fields.get(name)
    if name in NEUTRAL and known is None:
        return value is None or bool(value == NEUTRAL[name])
    return value is None and known is not None and not known.is_required()


def _refusal(error: ErrorDetails) -> ApiError:
    """One sentence: the field in JSON notation, what is wrong, what was sent (shortened)."""
    param = _dotted(error["loc"])[:MAX_PARAM_CHARS]
    match error["type"]:
        case "extra_forbidden":
            problem = f"field {param!r} is not supported; remove it"
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
