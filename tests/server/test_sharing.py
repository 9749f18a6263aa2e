"""Over HTTP: what is cached and for whom, what comes first, what ends in time, what is told."""

import re
import threading
import time
from typing import Any

import httpx
import openai

TEXT = "The client shall pay each invoice within 30 days. " * 12


def ask(client: openai.OpenAI, key: str, question: str = "pay", **fields: Any) -> Any:
    """As the owner of `key`."""
    fields = {"seed": 1, "max_tokens": 5} | fields
    messages = [{"role": "system", "content": TEXT}, {"role": "user", "content": question}]
    completions = client.with_options(api_key=key).chat.completions
    return completions.create(model="tiny", messages=messages, **fields)


def cached(reply: Any) -> int:
    return reply.usage.prompt_tokens_details.cached_tokens or 0


def metrics(served: Any) -> dict[str, int]:
    text = httpx.get(f"{served.url}/metrics").text
    return {name: int(value) for name, value in re.findall(r"^naga_(\w+) (\d+)$", text, re.M)}


def test_the_same_question_is_cached_for_the_same_key_alone(client: openai.OpenAI) -> None:
    first, again = ask(client, "a"), ask(client, "a")
    assert (cached(first), cached(again)) == (0, again.usage.prompt_tokens - 2)
    assert again.choices == first.choices
    other = ask(client, "b")
    assert cached(other) == 0 and other.choices == first.choices


def test_another_question_to_the_same_text_reads_the_question_alone(
    client: openai.OpenAI, served: Any
) -> None:
    ask(client, "c")
    text = len(served.engine.tokenizer.encode(TEXT))
    assert cached(ask(client, "c", "days?")) == text + 2


def test_metrics_add_up(client: openai.OpenAI, served: Any) -> None:
    before = metrics(served)
    ask(client, "d")
    asked = ask(client, "d").usage.prompt_tokens
    after = metrics(served)
    grown = {name: after[name] - before[name] for name in after}
    assert grown["tokens_asked_total"] == 2 * asked
    assert grown["tokens_restored_total"] == asked - 2
    assert grown["tokens_matched_total"] == asked - 2
    assert grown["tokens_replayed_total"] == 0
    assert after["slots_free"] == after["slots"] == 4
    assert after["snapshots"] * served.engine.load.state_bytes == after["snapshot_bytes"] > 0


def test_a_deadline_ends_the_answer_with_what_it_has(client: openai.OpenAI) -> None:
    started = time.monotonic()
    # Long enough for a first token on a busy machine, too short for the last one on any.
    reply = ask(client, "e", max_tokens=15_000, extra_body={"deadline_s": 1.0})
    assert reply.choices[0].finish_reason == "deadline"
    assert 0 < reply.usage.completion_tokens < 15_000
    assert time.monotonic() - started < 20


def test_the_urgent_take_the_place_of_others(client: openai.OpenAI, served: Any) -> None:
    ended: list[str] = []

    def run(key: str, **fields: Any) -> None:
        ask(client, key, **fields)
        ended.append(key)

    slow = [
        threading.Thread(target=run, args=(f"slow{n}",), kwargs={"max_tokens": 2500})
        for n in range(6)
    ]
    for thread in slow:
        thread.start()
    while served.engine.load.running < 4:
        time.sleep(0.01)
    run("urgent", max_tokens=20, extra_body={"priority": 5})
    assert ended == ["urgent"]
    for thread in slow:
        thread.join()
    assert len(ended) == 7
