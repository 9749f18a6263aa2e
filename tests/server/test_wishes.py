"""Structured output, budgets, biases and log-probabilities over HTTP, with the openai client."""

import json
from typing import Any

import httpx
import openai
import pytest

from naga.data.tokenizer import Tokenizer
from naga.engine.choosing import CLOSING_ENGLISH
from naga.engine.request import Output, PromptLogprob, SamplingParams, Timings, Usage
from naga.server.protocol import ChatRequest, parse_request
from naga.server.stream import Choice

QUESTION: list[Any] = [{"role": "user", "content": "When shall the client pay?"}]
OFF = {"chat_template_kwargs": {"enable_thinking": False}}
# No digits: the tiny model fails at a 9.
SCHEMA = {
    "type": "object",
    "properties": {
        "found": {"type": "boolean"},
        "when": {"type": "string", "pattern": "^[a-z ]{1,12}$"},
        "who": {"enum": ["甲方", "client"]},
    },
    "required": ["found", "when", "who"],
    "additionalProperties": False,
}
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
}


def ask(client: openai.OpenAI, **changes: Any) -> Any:
    return client.chat.completions.create(
        **{"model": "tiny", "messages": QUESTION, "seed": 1, "max_tokens": 200} | changes
    )


def assert_answer(text: str) -> None:
    answer = json.loads(text)
    assert answer.keys() == {"found", "when", "who"}
    assert isinstance(answer["found"], bool) and answer["who"] in ("甲方", "client")


@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_schema_is_held_to_after_the_thought(
    client: openai.OpenAI, thinking: bool, temperature: float
) -> None:
    body: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": thinking}}
    if thinking:
        # Left to itself, a random model may never end a thought.
        body["thinking_budget"] = 200
    reply = ask(
        client, response_format=FORMAT, temperature=temperature, max_tokens=2000, extra_body=body
    )
    assert reply.choices[0].finish_reason == "stop"
    assert bool(reply.usage.completion_tokens_details.reasoning_tokens) == thinking
    assert_answer(reply.choices[0].message.content)


def test_every_choice_holds_to_the_schema_and_a_stream_too(client: openai.OpenAI) -> None:
    whole = ask(client, response_format=FORMAT, n=3, extra_body=OFF)
    texts = [choice.message.content for choice in whole.choices]
    for text in texts:
        assert_answer(text)
    assert len(set(texts)) == 3
    stream = ask(client, response_format=FORMAT, stream=True, extra_body=OFF)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == texts[0]


def test_structured_outputs_take_regex_grammar_and_json(client: openai.OpenAI) -> None:
    def text(**wish: Any) -> str:
        reply = ask(client, extra_body=OFF | {"structured_outputs": wish})
        return str(reply.choices[0].message.content)

    assert text(regex="(yes|no)!") in ("yes!", "no!")
    assert text(grammar='start: "甲" | "乙"') in "甲乙"
    assert_answer(text(json=SCHEMA))


def test_a_thinking_budget_closes_the_thought(client: openai.OpenAI) -> None:
    reply = ask(client, max_tokens=60, extra_body={"thinking_budget": 3})
    message = reply.choices[0].message
    assert message.reasoning_content.endswith(CLOSING_ENGLISH)
    assert message.content
    none = ask(client, max_tokens=20, extra_body={"thinking_budget": 0})
    assert none.choices[0].message.reasoning_content is None
    assert none.usage.completion_tokens_details.reasoning_tokens == 1


def test_a_bias_forces_or_bans_a_token(client: openai.OpenAI) -> None:
    # Token 40 is a byte of the alphabet.
    text = ask(client, logit_bias={"40": 100}, max_tokens=5, extra_body=OFF)
    (one,) = set(text.choices[0].message.content)
    assert len(text.choices[0].message.content) == 5
    free = ask(client, temperature=0, max_tokens=40, extra_body=OFF).choices[0].message.content
    banned = ask(client, temperature=0, max_tokens=40, logit_bias={"40": -100}, extra_body=OFF)
    assert one not in banned.choices[0].message.content or one not in free


def test_every_field_reaches_the_engine() -> None:
    body = {
        "model": "tiny",
        "messages": QUESTION,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "stop": "x",
        "logit_bias": {"5": -1.5},
        "min_tokens": 4,
        "ignore_eos": True,
        "logprobs": True,
        "top_logprobs": 3,
        "prompt_logprobs": 2,
        "thinking_budget": 6,
    }
    request = parse_request(json.dumps(body).encode(), ChatRequest)
    assert request.sampling(seed=8, max_tokens=9) == SamplingParams(
        temperature=0.5,
        top_p=0.9,
        top_k=7,
        seed=8,
        max_tokens=9,
        stop=("x",),
        logit_bias=((5, -1.5),),
        min_tokens=4,
        ignore_eos=True,
        top_logprobs=3,
        prompt_logprobs=2,
        thinking_budget=6,
    )


def test_top_logprobs_are_in_order_and_name_the_greedy_token(client: openai.OpenAI) -> None:
    reply = ask(client, logprobs=True, top_logprobs=5, temperature=0, max_tokens=10, extra_body=OFF)
    for entry in reply.choices[0].logprobs.content:
        tops = [other.logprob for other in entry.top_logprobs]
        assert len(tops) == 5 and tops == sorted(tops, reverse=True)
        assert (entry.token, entry.logprob) == (entry.top_logprobs[0].token, tops[0])
    plain = ask(client, logprobs=True, temperature=0, max_tokens=10, extra_body=OFF)
    assert [entry.top_logprobs for entry in plain.choices[0].logprobs.content] == [[]] * len(
        plain.choices[0].logprobs.content
    )


def test_top_logprobs_are_streamed(client: openai.OpenAI) -> None:
    wishes = {"logprobs": True, "top_logprobs": 2, "max_tokens": 10, "extra_body": OFF}
    whole = ask(client, **wishes).choices[0].logprobs.content
    stream = ask(client, stream=True, **wishes)
    pieces = [c.choices[0].logprobs.content for c in stream if c.choices[0].logprobs]
    assert [entry for piece in pieces for entry in piece] == whole


def test_the_format_text_asks_for_nothing(client: openai.OpenAI) -> None:
    plain = ask(client, max_tokens=9).choices
    assert ask(client, max_tokens=9, response_format={"type": "text"}).choices == plain


def test_a_schema_that_cannot_be_held_to_is_one_line_of_400(client: openai.OpenAI) -> None:
    wrong = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}
    with pytest.raises(openai.BadRequestError, match="not"):
        ask(client, response_format=wrong)


def test_the_prompts_logprobs_have_the_shape_of_an_answers(checkpoint: Any) -> None:
    tokenizer = Tokenizer.load(checkpoint)
    a, b = tokenizer.encode("a")[0], tokenizer.encode("b")[0]
    choice = Choice(index=0, in_reasoning=False)
    last = Output(
        request_id="r",
        finish_reason="length",
        usage=Usage(prompt_tokens=2, completion_tokens=0, reasoning_tokens=0),
        timings=Timings(queue_s=0, first_token_s=None, decode_tokens_per_s=None),
        prompt_logprobs=(
            PromptLogprob(token=b, logprob=None),
            PromptLogprob(token=a, logprob=-2.0, top=((b, -1.0),)),
        ),
    )
    choice.add(last, tokenizer)
    assert choice.prompt_logprobs(tokenizer) == [
        {"token": "b", "bytes": [98], "logprob": None, "top_logprobs": []},
        {
            "token": "a",
            "bytes": [97],
            "logprob": -2.0,
            "top_logprobs": [{"token": "b", "bytes": [98], "logprob": -1.0}],
        },
    ]


def test_a_request_with_wishes_leaves_the_server_well(served: Any) -> None:
    body = {"model": "tiny", "messages": QUESTION, "response_format": FORMAT, "max_tokens": 3}
    assert served.post(body).status_code == 200
    assert httpx.get(f"{served.url}/ready").status_code == 200
