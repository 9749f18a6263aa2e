"""Plain completions as the official openai client sees them."""

import json
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.data.tokenizer import Tokenizer
from naga.engine.request import Output, PromptLogprob, Timings, Usage
from naga.server.protocol import ApiError, CompletionRequest, parse_request
from naga.server.text import TextChoice, TokenLists

PROMPT = "The client shall pay"


def ask(client: openai.OpenAI, **changes: Any) -> Any:
    return client.completions.create(
        **{"model": "tiny", "prompt": PROMPT, "seed": 1, "max_tokens": 12} | changes
    )


def test_reply_has_openai_shape(client: openai.OpenAI) -> None:
    reply = ask(client)
    assert reply.object == "text_completion" and reply.id.startswith("cmpl-")
    (choice,) = reply.choices
    assert choice.text and choice.finish_reason == "length" and choice.logprobs is None
    assert reply.usage.completion_tokens == 12
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 12


def test_without_a_limit_it_says_sixteen_tokens(client: openai.OpenAI) -> None:
    assert ask(client, max_tokens=None).usage.completion_tokens == 16


def test_a_prompt_is_text_or_tokens_one_or_many(client: openai.OpenAI, checkpoint: Any) -> None:
    tokens = Tokenizer.load(checkpoint).encode(PROMPT)
    text = ask(client).choices[0].text
    for same in ([PROMPT], tokens, [tokens]):
        assert ask(client, prompt=same).choices[0].text == text
    two = ask(client, prompt=["When?", PROMPT], n=2)
    assert [choice.index for choice in two.choices] == [0, 1, 2, 3]
    assert two.choices[2].text == text != two.choices[3].text
    both = [ask(client, prompt=prompt).usage.prompt_tokens for prompt in ("When?", PROMPT)]
    assert two.usage.prompt_tokens == sum(both)
    assert two.usage.completion_tokens == 48


@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_joins_to_the_whole(client: openai.OpenAI, echo: bool) -> None:
    wishes: dict[str, Any] = {"prompt": ["When?", PROMPT], "n": 2, "echo": echo}
    whole = ask(client, **wishes)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}, **wishes))
    for choice in whole.choices:
        parts = [c for chunk in chunks for c in chunk.choices if c.index == choice.index]
        assert "".join(part.text for part in parts) == choice.text
        assert [part.finish_reason for part in parts][-1] == choice.finish_reason
    assert chunks[-1].usage == whole.usage and not chunks[-1].choices
    timed = [chunk for chunk in chunks if "timings" in chunk.to_dict()]
    assert timed == [chunks[-2]] and timed[0].choices[0].finish_reason
    assert timed[0].to_dict()["timings"].keys() == whole.to_dict()["timings"].keys()


def test_echo_puts_the_prompt_before_its_completion(client: openai.OpenAI) -> None:
    assert ask(client, echo=True).choices[0].text == PROMPT + ask(client).choices[0].text


def test_logprobs_are_parallel_lists(client: openai.OpenAI) -> None:
    choice = ask(client, logprobs=3, temperature=0).choices[0]
    lists = choice.logprobs
    assert len(lists.tokens) == len(lists.token_logprobs) == len(lists.top_logprobs)
    for token, logprob, top in zip(
        lists.tokens, lists.token_logprobs, lists.top_logprobs, strict=True
    ):
        assert top[token] == logprob == max(top.values())
    for token, offset in zip(lists.tokens, lists.text_offset, strict=True):
        assert token.startswith("bytes:") or choice.text[offset:].startswith(token)
    zero = ask(client, logprobs=0, temperature=0).choices[0].logprobs
    assert zero.token_logprobs == lists.token_logprobs and not any(zero.top_logprobs)


def test_streamed_logprobs_join_to_the_whole(client: openai.OpenAI) -> None:
    whole = ask(client, logprobs=1).choices[0].logprobs
    parts = [chunk.choices[0].logprobs for chunk in ask(client, logprobs=1, stream=True)]
    assert [token for part in parts if part for token in part.tokens] == whole.tokens
    assert [at for part in parts if part for at in part.text_offset] == whole.text_offset


def test_best_of_returns_the_likeliest(client: openai.OpenAI) -> None:
    every = ask(client, n=4, logprobs=0).choices
    mean = [sum(c.logprobs.token_logprobs) / len(c.logprobs.tokens) for c in every]
    ranked = [every[i].text for i in sorted(range(4), key=lambda i: -mean[i])]
    best = ask(client, n=2, best_of=4)
    assert [choice.text for choice in best.choices] == ranked[:2]
    assert best.usage.completion_tokens == 48


def test_who_said_nothing_by_the_deadline_is_not_the_likeliest(checkpoint: Any) -> None:
    tokenizer = Tokenizer.load(checkpoint)

    def likelihood(*logprobs: float) -> float:
        choice = TextChoice(tokenizer=tokenizer, lists=TokenLists(tokenizer))
        for logprob in logprobs:
            choice.add(Output(request_id="r", token=40, logprob=logprob, content="x"))
        usage = Usage(prompt_tokens=1, completion_tokens=len(logprobs), reasoning_tokens=0)
        choice.add(Output(request_id="r", finish_reason="deadline", usage=usage))
        return choice.likelihood

    assert likelihood(-3.0, -1.0) == -2.0
    assert likelihood() < likelihood(-50.0)


def test_stop_bias_and_structure_hold_here_too(client: openai.OpenAI) -> None:
    text = ask(client, extra_body={"structured_outputs": {"regex": "in [a-f]{3} days"}})
    assert text.choices[0].text.startswith("in ")
    whole = ask(client, max_tokens=60).choices[0].text
    stop = whole[5:7]
    assert ask(client, max_tokens=60, stop=stop).choices[0].text == whole[: whole.index(stop)]


REFUSED = [
    ({"suffix": "x"}, "suffix"),
    ({"prompt": ""}, None),
    ({"prompt": []}, "prompt"),
    ({"prompt": [1.5]}, "prompt"),
    ({"prompt": ["a", [1]]}, "prompt"),
    ({"prompt": [[]]}, "prompt"),
    ({"prompt": [-1]}, "prompt"),
    ({"prompt": [99_999]}, "prompt"),
    ({"prompt": ["a"] * 33}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"prompt": "7" * 17_000}, "prompt"),
    ({"top_k": 2**80}, "top_k"),
    ({"logprobs": 21}, "logprobs"),
    ({"logprobs": True}, "logprobs"),
    ({"best_of": 1, "n": 2}, None),
    ({"best_of": 2, "stream": True}, None),
    ({"echo": True, "logprobs": 1, "stream": True}, None),
    ({"messages": []}, "messages"),
    ({"thinking_budget": 4}, "thinking_budget"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
]


@pytest.mark.parametrize(("changes", "param"), REFUSED, ids=str)
def test_a_wrong_field_is_named(served: Any, changes: dict[str, Any], param: str | None) -> None:
    body = {"model": "tiny", "prompt": PROMPT, "max_tokens": 2} | changes
    response = httpx.post(f"{served.url}/v1/completions", json=body, timeout=60)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert "\n" not in error["message"] and len(error["message"]) < 400
    if param:
        assert error["param"] == param and param in error["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*CompletionRequest.model_fields]) | st.text(), JSON))
def test_any_object_is_parsed_or_refused(data: dict[str, Any]) -> None:
    body = json.dumps({"model": "m", "prompt": "p"} | data).encode("utf-8", "surrogatepass")
    try:
        assert isinstance(parse_request(body, CompletionRequest), CompletionRequest)
    except ApiError as error:
        assert error.status == 400 and error.message


def test_echoed_logprobs_begin_with_the_prompts(checkpoint: Any) -> None:
    tokenizer = Tokenizer.load(checkpoint)
    a, b = tokenizer.encode("a")[0], tokenizer.encode("b")[0]
    choice = TextChoice(tokenizer=tokenizer, lists=TokenLists(tokenizer))
    prompt = (
        PromptLogprob(token=a, logprob=None, top=()),
        PromptLogprob(token=b, logprob=-2.0, top=((a, -1.0),)),
    )
    choice.add(
        Output(
            request_id="r",
            token=a,
            logprob=-0.5,
            top_logprobs=((a, -0.5),),
            content="a",
            finish_reason="length",
            usage=Usage(prompt_tokens=2, completion_tokens=1, reasoning_tokens=0),
            timings=Timings(queue_s=0, first_token_s=None, decode_tokens_per_s=None),
            prompt_logprobs=prompt,
        )
    )
    assert choice.after_prompt("ab") == {
        "tokens": ["a", "b", "a"],
        "token_logprobs": [None, -2.0, -0.5],
        "top_logprobs": [None, {"a": -1.0}, {"a": -0.5}],
        "text_offset": [0, 1, 2],
    }
