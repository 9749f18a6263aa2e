"""From the bytes of a request to what the engine is asked: tokens, limits, and the reply's head.

Takes as long as a body takes to check and a prompt to become tokens: not for the event loop's
thread. Assumes that the engine holds one model. Submits nothing and knows no routes; what does not
fit the model is the engine's to say, and is here put into the words of the API.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import naga
from naga.config.base import ConfigError
from naga.config.serve import ServerConfig
from naga.data.formats import Demand, Format, format_of
from naga.data.messages import Message, Tool
from naga.data.tokenizer import Tokenizer
from naga.engine.constraint import Constraint
from naga.engine.engine import Engine
from naga.engine.request import Request
from naga.server.protocol import (
    AnyRequest,
    ApiError,
    ChatRequest,
    CompletionRequest,
    Generation,
    Prompt,
    parse_request,
)
from naga.server.stream import Head
from naga.server.text import Wishes

# What OpenAI gives a plain completion that names no limit.
DEFAULT_TEXT_TOKENS = 16


@dataclass(frozen=True, kw_only=True)
class Served:
    """The one model, as far as requests depend on it."""

    name: str
    fingerprint: str
    tokenizer: Tokenizer
    context: int
    """Tokens of a prompt and its answer together, at most."""
    default_max_tokens: int

    def check_name(self, name: str) -> None:
        if name != self.name:
            message = f"the model {name[:100]!r} does not exist; this server has {self.name!r}"
            raise ApiError(status=404, message=message, param="model", code="model_not_found")


def served_by(engine: Engine, name: str, config: ServerConfig) -> Served:
    pages = engine.config.kv_tokens // engine.config.page_size
    return Served(
        name=name,
        fingerprint=f"naga-{naga.__version__}-{engine.numerics}",
        tokenizer=engine.tokenizer,
        context=min(engine.model_config.max_positions, pages * engine.config.page_size),
        default_max_tokens=config.default_max_tokens,
    )


@dataclass(frozen=True, kw_only=True)
class Call(Generic[AnyRequest]):
    """One request, with its prompts as tokens."""

    request: AnyRequest
    head: Head
    prompts: Sequence[Sequence[int]]
    param: str
    """The field that holds the prompts."""
    max_tokens: int
    context: int
    tenant: str
    boundaries: tuple[int, ...] = ()
    """Where messages end in the prompt."""
    conversation: str | None = None
    """Its name."""
    tools: tuple[Tool, ...] = ()
    demand: Demand | None = None
    """Of the call that the answer must be, which the prompt has opened."""
    must_think: bool = False
    """The model may not close its thought before it began."""

    def engine_requests(self) -> list[Request]:
        """Prompt by prompt, one for each choice; those differ in nothing but its index.

        ConfigError for what does not go together.
        """
        sampling = self.request.sampling(seed=self.head.seed, max_tokens=self.max_tokens)
        if self.demand is not None:
            demanded = Constraint(kind=self.demand.kind, text=self.demand.text)
            sampling = replace(sampling, constraint=demanded)
        return [
            Request(
                id=f"{self.head.id}-{index}-{choice}",
                prompt=tuple(prompt),
                sampling=sampling,
                thinking=self.head.thinking,
                must_think=self.must_think,
                raw=isinstance(self.request, CompletionRequest),
                choice=choice,
                tenant=self.tenant,
                priority=self.request.priority,
                deadline_s=self.request.deadline_s,
                boundaries=self.boundaries,
                tools=self.tools,
                calling=self.demand is not None,
            )
            for index, prompt in enumerate(self.prompts)
            for choice in range(self.head.per_prompt)
        ]

    def refusal(self, error: ConfigError) -> ApiError:
        """What the client hears of it."""
        too_long = max(map(len, self.prompts)) + self.max_tokens > self.context
        return ApiError(
            status=400,
            message=str(error),
            param=self.param if too_long else None,
            code="context_length_exceeded" if too_long else None,
        )


def read_chat(served: Served, body: bytes, tenant: str) -> Call[ChatRequest]:
    """ApiError for a body that is wrong, another model, and text that is not Unicode."""
    request = parse_request(body, ChatRequest)
    served.check_name(request.model)
    form = format_of(served.tokenizer)
    demanded = request.demanded
    messages = [message.message() for message in request.messages]
    if request.chat_template_kwargs.enable_thinking == "auto" and not form.decides:
        raise ApiError(
            status=400,
            message=f"enable_thinking: the format {form.name} has no auto; send true or false",
            param="chat_template_kwargs",
        )
    thinking = form.opens_thought(messages, request.thinking and not demanded)
    prompt = _prompt(served.tokenizer, form, messages, request, thinking=thinking)
    head = _head(
        "chatcmpl",
        served,
        request,
        num_choices=request.n,
        per_prompt=request.n,
        thinking=thinking,
        logprobs=request.logprobs,
    )
    room = max(1, served.context - len(prompt))
    return Call(
        request=request,
        head=head,
        prompts=[prompt],
        param="messages",
        max_tokens=request.token_limit or min(served.default_max_tokens, room),
        context=served.context,
        tenant=tenant,
        boundaries=form.message_ends(served.tokenizer, prompt),
        conversation=request.prompt_cache_key,
        tools=request.offered,
        demand=_demand(form, demanded),
        must_think=thinking and form.decides and request.must_think,
    )


def _demand(form: Format, tools: Sequence[Tool]) -> Demand | None:
    """ApiError for tools whose calls cannot be forced."""
    try:
        return form.demanded_call(tools) if tools else None
    except ConfigError as error:
        raise ApiError(status=400, message=str(error), param="tool_choice") from None


def _prompt(
    tokenizer: Tokenizer,
    form: Format,
    messages: Sequence[Message],
    request: ChatRequest,
    *,
    thinking: bool,
) -> list[int]:
    """ApiError for what the format cannot say, and for text that is not Unicode."""
    try:
        return form.render_prompt(
            tokenizer,
            messages,
            tools=request.offered,
            enable_thinking=thinking,
            calling=bool(request.demanded),
        )
    except ConfigError as error:
        param = "tool_choice" if request.demanded else "messages"
        raise ApiError(status=400, message=str(error), param=param) from None


def read_text(served: Served, body: bytes, tenant: str) -> tuple[Call[CompletionRequest], Wishes]:
    """ApiError as read_chat, and for a token beyond the vocabulary."""
    request = parse_request(body, CompletionRequest)
    served.check_name(request.model)
    prompts = _tokens_of(served.tokenizer, request.prompt)
    head = _head(
        "cmpl",
        served,
        request,
        num_choices=request.num_generated * len(request.prompt),
        per_prompt=request.num_generated,
        thinking=False,
        logprobs=request.logprobs is not None,
    )
    room = max(1, served.context - max(map(len, prompts)))
    call = Call(
        request=request,
        head=head,
        prompts=prompts,
        param="prompt",
        max_tokens=request.max_tokens or min(DEFAULT_TEXT_TOKENS, room),
        context=served.context,
        tenant=tenant,
    )
    return call, Wishes(n=request.n, echoes=_echoes(served.tokenizer, request))


def _head(
    kind: str,
    served: Served,
    request: Generation,
    *,
    num_choices: int,
    per_prompt: int,
    thinking: bool,
    logprobs: bool,
) -> Head:
    return Head(
        id=f"{kind}-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=served.name,
        fingerprint=served.fingerprint,
        # 53 bits: a number that JavaScript reads exactly.
        seed=secrets.randbits(53) if request.seed is None else request.seed,
        num_choices=num_choices,
        per_prompt=per_prompt,
        thinking=thinking,
        logprobs=logprobs,
        include_usage=request.include_usage,
        user=request.user,
    )


def _tokens_of(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[list[int]]:
    try:
        tokens = [p if isinstance(p, list) else tokenizer.encode(p) for p in prompts]
    except ConfigError as error:
        raise ApiError(status=400, message=str(error), param="prompt") from None
    beyond = max((max(prompt, default=0) for prompt in tokens), default=0)
    if beyond >= tokenizer.vocab_size:
        message = f"prompt: token {beyond} is beyond the vocabulary of {tokenizer.vocab_size}"
        raise ApiError(status=400, message=message, param="prompt")
    return tokens


def _echoes(tokenizer: Tokenizer, request: CompletionRequest) -> tuple[str, ...] | None:
    if not request.echo:
        return None
    return tuple(p if isinstance(p, str) else tokenizer.decode(p) for p in request.prompt)
