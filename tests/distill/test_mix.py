"""Rows of every kind: stated shares, the right words, and the right tokens learned."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.scripted import attempt, config, question
from naga.config.base import ConfigError
from naga.config.distill import MixConfig
from naga.config.load import parse_config
from naga.data.chat import render, render_prompt
from naga.data.conversations import read_conversation
from naga.data.messages import Message
from naga.data.packing import conversation_samples
from naga.data.tokenizer import END, END_THINK, train_tokenizer
from naga.distill.mix import ROW_KINDS, mix
from naga.distill.samples import make_samples, thought
from naga.distill.types import Quick, Sample, Slow

ASK = (Message(role="user", content="2+2"),)
TOKENIZER = train_tokenizer(["What is 12 + 30? It is 42. /think /no_think"] * 4, 280)


def sample(key: str, *, long: bool = False, decided: bool = True) -> Sample:
    return Sample(
        key=key,
        kind="long" if long else "short",
        decided=decided,
        prompt=ASK,
        reasoning="two and two" if long else "",
        answer="4",
    )


SAMPLES = [sample("a"), sample("b"), sample("c", long=True), sample("d", long=True, decided=False)]


def mixing(**changes: Any) -> MixConfig:
    return parse_config(MixConfig, changes, "test")


def shares(short: float, short_instructed: float, long: float, long_instructed: float) -> Any:
    values = (short, short_instructed, long, long_instructed)
    return dict(zip(ROW_KINDS, values, strict=True))


@pytest.mark.parametrize("kind", ROW_KINDS)
@pytest.mark.parametrize("system_share", [0.0, 1.0])
def test_the_decision_and_the_answer_are_learned_and_nothing_of_the_prompt(
    kind: str, system_share: float
) -> None:
    only = mixing(shares={**shares(0, 0, 0, 0), kind: 1.0}, count=2, system_share=system_share)
    for row in mix(SAMPLES, only, seed=1).rows:
        said = read_conversation(row, "row")
        (learned,) = conversation_samples(TOKENIZER, [said])
        prompt = render_prompt(TOKENIZER, said.messages[:-1])
        assert list(learned.tokens[: len(prompt)]) == prompt
        assert not learned.loss_mask[: len(prompt)].any()
        assert learned.loss_mask[len(prompt) :].all()
        end, stop = TOKENIZER.control_id(END_THINK), TOKENIZER.control_id(END)
        reasoning = TOKENIZER.encode("two and two") if kind.startswith("long") else []
        reply = [*reasoning, end, *TOKENIZER.encode("4"), stop]
        assert list(learned.tokens[len(prompt) :]) == reply
        words = {"short_instructed": "/no_think", "long_instructed": "/think"}
        texts = [message.content for message in said.messages[:-1]]
        if kind not in words:
            assert texts == ["2+2"]
        else:
            told = [words[kind], "2+2"] if system_share else [f"2+2 {words[kind]}"]
            assert texts == told


def test_without_the_mark_the_decision_would_not_be_learned() -> None:
    (row, *_) = mix(SAMPLES, mixing(shares=shares(1, 0, 0, 0), count=1), seed=1).rows
    del row["messages"][-1]["thinking"]
    rendered = render(TOKENIZER, read_conversation(row, "row").messages)
    place = rendered.tokens.index(TOKENIZER.control_id(END_THINK))
    assert not rendered.loss_mask[place]


@given(st.integers(1, 200), st.lists(st.integers(0, 10), min_size=4, max_size=4).filter(any))
def test_shares_are_kept_to_a_row(count: int, weights: list[int]) -> None:
    asked = [weight / sum(weights) for weight in weights]
    mixed = mix(SAMPLES, mixing(shares=shares(*asked), count=count), seed=0)
    assert len(mixed.rows) == count == sum(mixed.counts.values())
    for kind, share in zip(ROW_KINDS, asked, strict=True):
        assert abs(mixed.counts[kind] - share * count) < 1
        rows = [row for row in mixed.rows if row["kind"] == kind]
        assert len(rows) == mixed.counts[kind]
        # Each sample comes as often as the others, give or take once.
        uses = [
            sum(row["question"] == key for row in rows) for key in {r["question"] for r in rows}
        ]
        assert not uses or max(uses) - min(uses) <= 1


def test_every_sample_once_in_each_way_it_may_be_used() -> None:
    mixed = mix(SAMPLES, mixing(), seed=3)
    assert mixed.counts == dict(zip(ROW_KINDS, (2, 2, 1, 2), strict=True))
    assert not any(mixed.repeats.values())
    used = sorted((row["kind"], row["question"]) for row in mixed.rows)
    assert used == [
        *(("long", "c"), ("long_instructed", "c"), ("long_instructed", "d")),
        *(("short", "a"), ("short", "b"), ("short_instructed", "a"), ("short_instructed", "b")),
    ]
    assert mix(SAMPLES, mixing(), seed=3).rows == mixed.rows


def test_rare_kinds_are_repeated_and_counted_and_missing_ones_refused() -> None:
    mixed = mix(SAMPLES, mixing(shares=shares(0.5, 0, 0.5, 0), count=10), seed=0)
    assert mixed.repeats == dict(zip(ROW_KINDS, (3, 0, 4, 0), strict=True))
    short = [each for each in SAMPLES if each.kind == "short"]
    with pytest.raises(ConfigError, match=r"mix\.shares\.long: no sample of that kind"):
        mix(short, mixing(shares=shares(0.5, 0, 0.5, 0)), seed=0)
    with pytest.raises(ConfigError, match="nothing to learn from"):
        mix([], mixing(), seed=0)
    with pytest.raises(ConfigError, match=r"the shares add up to 0\.9"):
        mixing(shares=shares(0.5, 0, 0.4, 0))


def test_other_conversations_join_as_they_are(tmp_path: Path) -> None:
    other = tmp_path / "tools.jsonl"
    call = (
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": null, '
        '"tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]}], '
        '"tools": [{"type": "function", "function": {"name": "f"}}]}\n'
    )
    other.write_text(call * 5, encoding="utf-8")
    mixed = mix(SAMPLES, mixing(extra=[str(other)], extra_share=0.3), seed=0)
    found = [row for row in mixed.rows if row["kind"] == "extra"]
    assert len(found) == mixed.extra == 3
    said = read_conversation(found[0], "row")
    assert said.messages[-1].calls[0].name == said.tools[0].name == "f"


def test_a_thought_is_what_failed_and_then_the_working() -> None:
    asked = question()
    quick = Quick(key=asked.key, attempts=(attempt("5", 0.0), attempt("", None), attempt("6", 0.0)))
    slow = Slow(
        key=asked.key,
        decided=True,
        attempts=(attempt("", None), attempt("7", 0.0, "so?"), attempt("4", 1.0, "2 and 2")),
        answer="4",
        rewritten=False,
    )

    def made(failed: int) -> Sample:
        settings = config(Path("x"), mix={"failed": failed})
        (found,) = make_samples(settings, [asked], [quick], [slow])
        return found

    no = "No, that is wrong." if asked.example.language == "en" else "不，这不对。"
    assert made(0).reasoning == "2 and 2"
    assert made(1).reasoning == f"5\n{no}\n2 and 2"
    assert made(9).reasoning == f"5\n{no}\nso?\n7\n{no}\n2 and 2"
    assert (made(1).kind, made(1).decided, made(1).answer) == ("long", True, "4")
    # A slow model without a think block works in its answer.
    assert thought([], attempt("2 and 2 is 4", 1.0), "en") == "2 and 2 is 4"
