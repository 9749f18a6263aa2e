"""Bad input: one clear line in OpenAI's error shape, the right status, and the server goes on."""

import json
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.server.protocol import MAX_BODY_BYTES, ApiError, ChatRequest, parse_request

GOOD: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 2,
}


def schema(definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    named = {"name": "x", "schema": definition} | more
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name} | more}


TOOL = named("a")
CALL = {"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}}
BROKEN = {"name": "a", "arguments": "[1]"}
FIELDS = [
    ({"temprature": 1}, "temprature"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [TOOL]}, None),
    ({"tools": [TOOL, TOOL]}, None),
    ({"tools": [named("a b")]}, "tools[0].function.name"),
    ({"tools": [named("a", strict=True)]}, None),
    ({"tool_choice": "required"}, None),
    ({"tools": [TOOL], "tool_choice": "any"}, None),
    ({"tools": [TOOL], "tool_choice": "auto", "response_format": {"type": "json_object"}}, None),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "b"}}}, None),
    ({"parallel_tool_calls": False}, "parallel_tool_calls"),
    ({"logit_bias": {"5": 101}}, "logit_bias.5"),
    ({"logit_bias": {"a": 1}}, "logit_bias.a.[key]"),
    ({"logit_bias": {"a" * 10_000: 1}}, None),
    ({"logit_bias": {"99999": 1}}, None),
    ({"top_logprobs": 3}, None),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"min_tokens": 3}, None),
    ({"thinking_budget": -1}, "thinking_budget"),
    ({"thinking_budget": 5, "chat_template_kwargs": {"enable_thinking": False}}, None),
    ({"ignore_eos": True, "response_format": {"type": "json_object"}}, None),
    ({"stream": True, "prompt_logprobs": 1}, None),
    ({"best_of": 2}, "best_of"),
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema",
    ),
    (schema({"not": {}}), None),
    (schema({"type": "strng"}), None),
    (schema({}, description="x"), "response_format.json_schema.description"),
    (schema({}) | {"structured_outputs": {"regex": "a"}}, None),
    ({"structured_outputs": {}}, "structured_outputs"),
    ({"structured_outputs": {"regex": "("}}, None),
    ({"structured_outputs": {"choice": ["a"]}}, "structured_outputs.choice"),
    ({"unheard_of": None}, "unheard_of"),
    ({"x" * 10_000: 1}, None),
    ({"messages": None}, "messages"),
    ({"messages": "hi"}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [123]}, "messages[0]"),
    ({"messages": [{}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "critic", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, None),
    ({"messages": [{"role": "user", "content": "x", "tool_call_id": "1"}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]}, "messages[0]"),
    ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, None),
    (
        {"messages": [{"role": "assistant", "tool_calls": [CALL | {"function": BROKEN}]}]},
        "messages[0].tool_calls[0].function",
    ),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": "x", "name": "n"}]}, "messages[0].name"),
    ({"messages": [{"role": "user", "content": "x", "reasoning": "y"}]}, "messages[0]"),
    ({"model": 5}, "model"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": "5"}, "max_tokens"),
    ({"max_tokens": 5, "max_completion_tokens": 6}, None),
    ({"temperature": -1}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_k": 0}, "top_k"),
    ({"top_k": 2**80}, "top_k"),
    ({"seed": 2**63}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"stop": ""}, "stop[0]"),
    ({"stop": ["a"] * 5}, "stop"),
    ({"stop": 5}, "stop"),
    ({"n": 0}, "n"),
    ({"n": 9}, "n"),
    ({"stream": "yes"}, "stream"),
    ({"prompt_cache_key": "a"}, "prompt_cache_key"),
    ({"stream_options": {"include_usage": True}}, None),
    ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
    ({"chat_template_kwargs": {"think": True}}, "chat_template_kwargs.think"),
    ({"chat_template_kwargs": {"enable_thinking": 1}}, "chat_template_kwargs.enable_thinking"),
]


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The error object, checked to be one short line without a trace."""
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"] and "\n" not in error["message"] and len(error["message"]) < 400
    assert len(error["param"] or "") < 200
    assert "Traceback" not in response.text
    return error


@pytest.mark.parametrize(("changes", "param"), FIELDS)
def test_a_wrong_field_is_named(served: Any, changes: dict[str, Any], param: str | None) -> None:
    error = error_of(served.post(GOOD | changes), 400)
    assert error["type"] == "invalid_request_error"
    if param:
        assert error["param"] == param and param in error["message"]


def test_required_fields_are_named(served: Any) -> None:
    for name in ("model", "messages"):
        body = {key: value for key, value in GOOD.items() if key != name}
        assert error_of(served.post(body), 400)["param"] == name


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nope", b"[1]", b'"hi"', b"null", b"\xff\xfe", b"[" * 5000, b'{"a":"\\ud800"}'],
)
def test_a_body_that_is_no_json_object_is_refused(served: Any, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    url = f"{served.url}/v1/chat/completions"
    error_of(httpx.post(url, content=body, headers=headers), 400)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(served: Any, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    url = f"{served.url}/v1/chat/completions"
    error = error_of(httpx.post(url, content=json.dumps(GOOD), headers=headers), 400)
    assert "content-type" in error["message"]


def test_a_huge_body_is_refused_and_the_answer_arrives(served: Any) -> None:
    body = GOOD | {"messages": [{"role": "user", "content": "x" * MAX_BODY_BYTES}]}
    assert str(MAX_BODY_BYTES) in error_of(served.post(body), 413)["message"]


def test_another_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**GOOD | {"model": "gpt-4"})
    assert caught.value.code == "model_not_found" and caught.value.param == "model"
    assert "tiny" in str(caught.value)


def test_an_over_long_prompt_is_refused_with_the_counts(client: openai.OpenAI) -> None:
    # A digit is one token; <|user|> <|end|> <|assistant|> <think> are four more.
    messages: list[Any] = [{"role": "user", "content": "7" * 17_000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**GOOD | {"messages": messages})
    assert caught.value.code == "context_length_exceeded" and caught.value.param == "messages"
    assert "17004" in str(caught.value) and "16000" in str(caught.value)


def test_too_many_tokens_asked_for_is_refused_with_the_counts(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"\b16000\b"):
        client.chat.completions.create(**GOOD | {"max_tokens": 16_000})


def test_the_default_limit_yields_to_the_context(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "7" * (16_000 - 4 - 5)}]
    reply = client.chat.completions.create(model="tiny", messages=messages)
    assert reply.usage and reply.usage.completion_tokens == 5


def test_an_over_long_prompt_is_refused_before_a_stream_begins(served: Any) -> None:
    body = GOOD | {"stream": True, "messages": [{"role": "user", "content": "7" * 17_000}]}
    error_of(served.post(body), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/v1/chat/completions", 405), ("POST", "/v1/models", 405)],
)
def test_unknown_routes_answer_in_shape(served: Any, method: str, path: str, status: int) -> None:
    error_of(httpx.request(method, served.url + path), status)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_tool_must_be_json() -> None:
    body = json.dumps(GOOD | {"tools": [named("a", parameters={"maximum": float("inf")})]})
    with pytest.raises(ApiError) as caught:
        parse_request(body.encode(), ChatRequest)
    assert caught.value.param == "tools[0]"


@given(st.dictionaries(st.sampled_from([*ChatRequest.model_fields, "tools"]) | st.text(), JSON))
def test_any_object_is_parsed_or_refused(data: dict[str, Any]) -> None:
    body = json.dumps(GOOD | data).encode("utf-8", "surrogatepass")
    try:
        assert isinstance(parse_request(body, ChatRequest), ChatRequest)
    except ApiError as error:
        assert error.status == 400 and error.message


@given(st.binary(max_size=40))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    with pytest.raises(ApiError):
        parse_request(body, ChatRequest)
