"""Stop strings, end tokens, the split of reasoning and content, counts and times of one answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.config.base import ConfigError
from naga.data.tokenizer import END, END_OF_TEXT, END_THINK, Tokenizer
from naga.engine.answer import Answer, StopFilter, own_stop_ids
from naga.engine.constraint import Constraint
from naga.engine.request import Output, PromptLogprob, Request, SamplingParams
from naga.ops.sampling import Sample

letters = st.text("abc", max_size=30)
stop_strings = st.lists(st.text("abc", min_size=1, max_size=4), max_size=3)


def cut(text: str, stops: list[str]) -> tuple[str, bool]:
    """The definition: up to the stop string that is complete first, the longest among equals."""
    for end in range(len(text) + 1):
        matches = [stop for stop in stops if text[:end].endswith(stop)]
        if matches:
            return text[: end - max(map(len, matches))], True
    return text, False


@given(letters, stop_strings, st.lists(st.integers(1, 5), max_size=30))
def test_text_ends_before_the_first_stop_string_however_it_is_cut(
    text: str, stops: list[str], lengths: list[int]
) -> None:
    stop_filter, shown, rest = StopFilter(stops), "", text
    expected, stopped = cut(text, stops)
    for length in [*lengths, len(text)]:
        shown += stop_filter.feed(rest[:length])
        rest = rest[length:]
        assert expected.startswith(shown), "text that belongs to a stop string was shown"
    assert stop_filter.stopped == stopped
    assert shown + stop_filter.flush() == expected


def test_only_what_may_begin_a_stop_string_is_held_back() -> None:
    stop_filter = StopFilter(["\n\nQ:"])
    assert [stop_filter.feed(part) for part in ("one\n", "two\n", "\n", "Q", "x")] == [
        "one",
        "\ntwo",
        "",
        "",
        "\n\nQx",
    ]


class Replies:
    """An answer fed with text or control tokens at given times."""

    def __init__(self, tokenizer: Tokenizer, **fields: object) -> None:
        self.tokenizer = tokenizer
        request = Request(id="r", prompt=(1, 2, 3), **fields)
        self.answer = Answer(request, tokenizer, own_stop_ids(tokenizer), submitted=10.0)
        self.outputs: list[Output] = []

    def feed(self, text: str, *, now: float = 12.0) -> Output:
        control = text in (END, END_OF_TEXT, END_THINK)
        tokenizer = self.tokenizer
        tokens = [tokenizer.control_id(text)] if control else tokenizer.encode(text)
        for token in tokens:
            self.outputs.append(self.answer.add(Sample(token=token, logprob=-1.5), now))
        return self.outputs[-1]

    @property
    def reasoning(self) -> str:
        return "".join(output.reasoning for output in self.outputs)

    @property
    def content(self) -> str:
        return "".join(output.content for output in self.outputs)


@pytest.mark.parametrize("end", [END, END_OF_TEXT])
def test_an_end_token_stops_and_is_no_text(tokenizer: Tokenizer, end: str) -> None:
    replies = Replies(tokenizer)
    replies.feed("rent")
    last = replies.feed(end)
    assert (replies.content, last.finish_reason) == ("rent", "stop")
    assert (last.token, last.logprob) == (tokenizer.control_id(end), -1.5)


def test_stop_strings_are_matched_on_content_only(tokenizer: Tokenizer) -> None:
    replies = Replies(tokenizer, thinking=True, sampling=SamplingParams(stop=("pay",)))
    replies.feed("pay first")
    replies.feed(END_THINK)
    last = replies.feed("shall pay")
    assert (replies.reasoning, replies.content) == ("pay first", "shall ")
    assert last.finish_reason == "stop"


def test_max_tokens_ends_with_length_and_gives_out_what_was_held(tokenizer: Tokenizer) -> None:
    tokens = len(tokenizer.encode("shall pa"))
    sampling = SamplingParams(stop=("pay",), max_tokens=tokens)
    replies = Replies(tokenizer, sampling=sampling)
    last = replies.feed("shall pa")
    assert (replies.content, last.finish_reason) == ("shall pa", "length")
    assert all(output.finish_reason is None for output in replies.outputs[:-1])


def test_a_broken_character_at_the_end_is_given_out(tokenizer: Tokenizer) -> None:
    request = Request(id="r", prompt=(1,), sampling=SamplingParams(max_tokens=1))
    answer = Answer(request, tokenizer, frozenset(), submitted=0.0)
    first_byte = next(i for i in range(300) if tokenizer.token_bytes(i) == "甲".encode()[:1])
    assert answer.add(Sample(token=first_byte, logprob=0.0), 1.0).content == "\ufffd"


def test_the_last_output_counts_and_times(tokenizer: Tokenizer) -> None:
    replies = Replies(tokenizer, thinking=True)
    replies.answer.admit(11.0, 2)
    # After giving way: told once.
    replies.answer.admit(12.0, 5)
    replies.feed("a", now=12.0)
    replies.feed(END_THINK, now=13.0)
    replies.feed("b", now=14.0)
    last = replies.feed(END, now=15.0)
    assert last.usage is not None and last.timings is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (3, 4)
    assert (last.usage.reasoning_tokens, last.usage.cached_tokens) == (2, 2)
    assert (last.timings.queue_s, last.timings.first_token_s) == (1.0, 2.0)
    assert last.timings.decode_tokens_per_s == 1.0


def test_an_answer_without_a_token_has_no_first_token_time(tokenizer: Tokenizer) -> None:
    output = Replies(tokenizer).answer.end("cancelled", 13.0)
    assert output.timings is not None and output.usage is not None
    assert (output.timings.queue_s, output.timings.first_token_s) == (3.0, None)
    assert (output.finish_reason, output.usage.completion_tokens) == ("cancelled", 0)


def test_ignored_end_tokens_end_nothing(tokenizer: Tokenizer) -> None:
    replies = Replies(tokenizer, sampling=SamplingParams(ignore_eos=True, max_tokens=9))
    assert replies.feed(END).finish_reason is None
    replies.feed("a")
    assert replies.content == "a"


def test_an_answer_ends_when_its_constraint_is_met(tokenizer: Tokenizer) -> None:
    constraint = Constraint(kind="regex", text="ab")
    replies = Replies(tokenizer, sampling=SamplingParams(constraint=constraint))
    assert replies.feed("a").finish_reason is None
    assert replies.feed("b").finish_reason == "stop"


def test_an_answer_that_breaks_its_constraint_fails_alone(tokenizer: Tokenizer) -> None:
    constraint = Constraint(kind="regex", text="ab")
    last = Replies(tokenizer, sampling=SamplingParams(constraint=constraint)).feed("x")
    assert last.finish_reason == "error" and last.error


def test_the_most_likely_tokens_come_with_each(tokenizer: Tokenizer) -> None:
    replies = Replies(tokenizer)
    top = ((9, -0.5), (50, -1.0))
    sample = Sample(token=50, logprob=-1.0, top=top)
    assert replies.answer.add(sample, 12.0).top_logprobs == top


def test_prompt_logprobs_come_with_the_last_output(tokenizer: Tokenizer) -> None:
    replies = Replies(tokenizer, sampling=SamplingParams(prompt_logprobs=1))
    draws = [replies.answer.prompt_draw(position) for position in (1, 2)]
    assert [draw and (draw.forced, draw.top) for draw in draws] == [(2, 1), (3, 1)]
    for token in (2, 3):
        replies.answer.add_prompt(Sample(token=token, logprob=-1.0, top=((7, -0.5),)))
    assert replies.feed("a").prompt_logprobs is None
    first = PromptLogprob(token=1, logprob=None)
    expected = [PromptLogprob(token=token, logprob=-1.0, top=((7, -0.5),)) for token in (2, 3)]
    assert replies.feed(END).prompt_logprobs == (first, *expected)


def test_prompt_logprobs_nobody_asked_for_are_not_computed(tokenizer: Tokenizer) -> None:
    assert Replies(tokenizer).answer.prompt_draw(1) is None


def test_a_bias_on_no_token_is_refused(tokenizer: Tokenizer) -> None:
    beyond = tokenizer.vocab_size
    with pytest.raises(ConfigError, match=str(beyond)):
        Replies(tokenizer, sampling=SamplingParams(logit_bias=((beyond, 1.0),)))
