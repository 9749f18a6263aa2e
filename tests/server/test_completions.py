"""Chat completions as the official openai client sees them."""

import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import naga
from naga.model.native import best_isa

QUESTION: list[Any] = [{"role": "user", "content": "When shall the client pay?"}]


def ask(client: openai.OpenAI, **changes: Any) -> ChatCompletion:
    return client.chat.completions.create(**{"model": "tiny", "messages": QUESTION} | changes)


def ask_stream(client: openai.OpenAI, **changes: Any) -> list[ChatCompletionChunk]:
    with client.chat.completions.create(
        **{"model": "tiny", "messages": QUESTION, "stream": True} | changes
    ) as stream:
        return list(stream)


def answer(client: openai.OpenAI, **changes: Any) -> str:
    """The visible text, with thinking off."""
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    return ask(client, extra_body=off, **changes).choices[0].message.content or ""


def joined(chunks: list[ChatCompletionChunk], name: str, choice: int = 0) -> str:
    deltas = [c.delta.to_dict() for chunk in chunks for c in chunk.choices if c.index == choice]
    return "".join(str(delta.get(name) or "") for delta in deltas)


def test_reply_has_openai_shape(client: openai.OpenAI) -> None:
    reply = ask(client, seed=1, max_tokens=30)
    assert reply.object == "chat.completion" and reply.model == "tiny"
    assert reply.id.startswith("chatcmpl-")
    assert reply.system_fingerprint == f"naga-{naga.__version__}-native-{best_isa()}-float32"
    assert reply.choices[0].finish_reason == "length"
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].logprobs is None


def test_usage_adds_up(client: openai.OpenAI) -> None:
    usage = ask(client, seed=1, max_tokens=50).usage
    assert usage and usage.completion_tokens_details and usage.prompt_tokens_details
    assert usage.completion_tokens == 50
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 0 < (usage.completion_tokens_details.reasoning_tokens or 0) <= 50
    assert 0 <= (usage.prompt_tokens_details.cached_tokens or 0) < usage.prompt_tokens


def test_both_names_of_the_token_limit(client: openai.OpenAI) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        usage = ask(client, **{name: 7}).usage
        assert usage and usage.completion_tokens == 7


def test_no_limit_means_the_servers_default(client: openai.OpenAI) -> None:
    usage = ask(client).usage
    assert usage and usage.completion_tokens == 40


def test_reasoning_comes_under_both_names(client: openai.OpenAI) -> None:
    message = ask(client, seed=3, max_tokens=200).choices[0].message.to_dict()
    assert message["reasoning_content"]
    assert message["reasoning"] == message["reasoning_content"]
    assert message["content"]


def test_thinking_can_be_switched_off(client: openai.OpenAI) -> None:
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    reply = ask(client, seed=3, max_tokens=60, extra_body=off)
    assert reply.usage and reply.usage.completion_tokens_details
    assert reply.usage.completion_tokens_details.reasoning_tokens == 0
    assert reply.choices[0].message.to_dict()["reasoning_content"] is None
    assert reply.choices[0].message.content


def test_stream_joins_to_the_whole_reply(client: openai.OpenAI) -> None:
    for seed in range(2):
        whole = ask(client, seed=seed, max_tokens=120)
        chunks = ask_stream(client, seed=seed, max_tokens=120)
        message = whole.choices[0].message.to_dict()
        assert joined(chunks, "content") == message["content"]
        assert joined(chunks, "reasoning_content") == message["reasoning_content"]
        assert joined(chunks, "reasoning") == message["reasoning"]
        assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason


def test_stream_chunks_come_in_openai_order(client: openai.OpenAI) -> None:
    chunks = ask_stream(client, max_tokens=20, stream_options={"include_usage": True})
    first, *middle, finish, usage = chunks
    assert first.choices[0].delta.role == "assistant" and first.choices[0].delta.content == ""
    assert all(c.choices[0].finish_reason is None and c.choices[0].delta.to_dict() for c in middle)
    assert finish.choices[0].finish_reason == "length" and not finish.choices[0].delta.to_dict()
    assert usage.choices == [] and usage.usage and usage.usage.completion_tokens == 20
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({(chunk.id, chunk.created, chunk.system_fingerprint) for chunk in chunks}) == 1


def test_stream_without_usage_has_none(client: openai.OpenAI) -> None:
    assert all(chunk.usage is None for chunk in ask_stream(client, max_tokens=5))


def test_stream_is_sent_as_events_up_to_done(served: Any) -> None:
    body = {"model": "tiny", "messages": QUESTION, "stream": True, "max_tokens": 5}
    response = served.post(body)
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    assert all(json.loads(event.removeprefix("data: "))["choices"] for event in events)


def test_same_seed_same_reply(client: openai.OpenAI) -> None:
    assert answer(client, seed=5) == answer(client, seed=5)
    assert len({answer(client, seed=seed) for seed in range(4)}) == 4


def test_a_drawn_seed_is_named_and_replays(client: openai.OpenAI) -> None:
    first, second = ask(client), ask(client)
    drawn = first.to_dict()["seed"]
    assert drawn != second.to_dict()["seed"]
    assert ask(client, seed=drawn).choices == first.choices


def test_greedy_needs_no_seed(client: openai.OpenAI) -> None:
    assert answer(client, temperature=0, seed=1) == answer(client, temperature=0, seed=2)
    assert answer(client, temperature=0) == answer(client, seed=9, top_p=1e-9)


def test_top_k_of_one_is_greedy(client: openai.OpenAI) -> None:
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    narrow = ask(client, extra_body=off | {"top_k": 1}).choices[0].message.content
    assert narrow == answer(client, temperature=0)


def test_stop_ends_before_its_text(client: openai.OpenAI) -> None:
    text = answer(client, seed=2, max_tokens=40)
    stop = text[len(text) // 2 :][:3]
    before = text[: text.index(stop)]
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    for wanted in (stop, ["never said", stop]):
        choice = ask(client, seed=2, max_tokens=40, stop=wanted, extra_body=off).choices[0]
        assert (choice.message.content, choice.finish_reason) == (before, "stop")
        chunks = ask_stream(client, seed=2, max_tokens=40, stop=wanted, extra_body=off)
        assert joined(chunks, "content") == before


def test_n_choices_differ_and_equal_those_asked_for_alone(client: openai.OpenAI) -> None:
    several = ask(client, seed=4, n=6, max_tokens=30)
    assert [choice.index for choice in several.choices] == list(range(6))
    assert len({json.dumps(choice.message.to_dict()) for choice in several.choices}) == 6
    alone = ask(client, seed=4, max_tokens=30)
    assert several.choices[0] == alone.choices[0]
    assert several.usage and alone.usage
    assert several.usage.prompt_tokens == alone.usage.prompt_tokens
    assert several.usage.completion_tokens == 6 * 30


def test_n_choices_stream_side_by_side(client: openai.OpenAI) -> None:
    whole = ask(client, seed=4, n=3, max_tokens=60)
    chunks = ask_stream(client, seed=4, n=3, max_tokens=60)
    for choice in whole.choices:
        message = choice.message.to_dict()
        assert joined(chunks, "content", choice.index) == message["content"]
        assert joined(chunks, "reasoning", choice.index) == (message["reasoning"] or "")


def test_logprobs_rebuild_the_text(client: openai.OpenAI) -> None:
    reply = ask(client, seed=6, max_tokens=150, logprobs=True).choices[0]
    message, logprobs = reply.message.to_dict(), reply.to_dict()["logprobs"]
    for name, part in (("content", "content"), ("reasoning", "reasoning")):
        spelled = b"".join(bytes(entry["bytes"]) for entry in logprobs[part])
        assert spelled.decode("utf-8", "replace") == message[name]
        assert all(entry["logprob"] <= 0 for entry in logprobs[part])


def test_streamed_logprobs_are_the_same(client: openai.OpenAI) -> None:
    whole = ask(client, seed=6, max_tokens=80, logprobs=True).choices[0].to_dict()["logprobs"]
    chunks = ask_stream(client, seed=6, max_tokens=80, logprobs=True)
    for part in ("content", "reasoning"):
        found = [chunk.choices[0].to_dict()["logprobs"] for chunk in chunks]
        assert [entry for one in found if one for entry in one[part]] == whole[part]


def test_text_parts_are_the_text(client: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": "When shall "}, {"type": "text", "text": "the client pay?"}]
    messages: list[Any] = [{"role": "user", "content": parts}]
    assert answer(client, seed=1, messages=messages) == answer(client, seed=1)


def test_a_conversation_with_system_and_past_reasoning(client: openai.OpenAI) -> None:
    past = {"role": "assistant", "content": "In 30 days.", "reasoning_content": "thirty"}
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, *QUESTION, past, *QUESTION]
    assert ask(client, messages=messages, seed=1).choices[0].finish_reason == "length"


def test_timings_name_first_token_and_speed(client: openai.OpenAI) -> None:
    whole = ask(client, max_tokens=20).to_dict()["timings"]
    streamed = ask_stream(client, max_tokens=20)[-1].to_dict()["timings"]
    for timings in (whole, streamed):
        assert timings["first_token_ms"] > 0 and timings["tokens_per_second"] > 0


def test_fields_that_ask_for_nothing_pass(client: openai.OpenAI) -> None:
    neutral = {"tools": [], "logit_bias": None, "response_format": {"type": "text"}, "stop": None}
    reply = ask(client, seed=1, presence_penalty=0, frequency_penalty=0, extra_body=neutral)
    assert reply.choices == ask(client, seed=1).choices


def test_models_lists_the_one_model(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").to_dict()["max_model_len"] == 16_000
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_health_and_ready_answer(served: Any) -> None:
    for path in ("health", "ready"):
        assert httpx.get(f"{served.url}/{path}").status_code == 200
