"""What a request wishes of its tokens becomes Draws: held-back ends, budgets, constraints."""

from math import inf
from pathlib import Path

import pytest
from data.talkers import nano_folder

from naga.config.base import ConfigError
from naga.data.formats import ready
from naga.data.tokenizer import END, END_OF_TEXT, END_THINK, Tokenizer
from naga.engine.answer import own_stop_ids
from naga.engine.choosing import CLOSING_CHINESE, CLOSING_ENGLISH, Chooser
from naga.engine.constraint import Constraint
from naga.engine.request import Request, SamplingParams
from naga.ops.sampling import Draw

YES_OR_NO = Constraint(kind="regex", text="yes|no")


def chooser(
    tokenizer: Tokenizer, sampling: SamplingParams, *, thinking: bool = False, choice: int = 0
) -> Chooser:
    request = Request(id="a", prompt=(1, 2), sampling=sampling, thinking=thinking, choice=choice)
    return Chooser(request, tokenizer, own_stop_ids(tokenizer))


def allows(draw: Draw, token: int) -> bool:
    forbidden = {token for token, amount in draw.bias if amount == -inf}
    in_mask = draw.mask is None or bool(draw.mask[token // 8] >> token % 8 & 1)
    return in_mask and token not in forbidden


def test_a_plain_request_gives_a_plain_draw(tokenizer: Tokenizer) -> None:
    sampling = SamplingParams(temperature=0.5, top_p=0.9, top_k=7, seed=-3)
    assert chooser(tokenizer, sampling, choice=2).draw(11) == Draw(
        temperature=0.5, top_p=0.9, top_k=7, seed=-3, choice=2, position=11
    )


def test_bias_and_top_are_handed_on(tokenizer: Tokenizer) -> None:
    draw = chooser(tokenizer, SamplingParams(logit_bias=((5, 2.0),), top_logprobs=4)).draw(3)
    assert draw.bias == ((5, 2.0),) and draw.top == 4


def test_end_tokens_are_held_back_before_min_tokens(tokenizer: Tokenizer) -> None:
    ends = [tokenizer.control_id(name) for name in (END, END_OF_TEXT)]
    one = chooser(tokenizer, SamplingParams(min_tokens=2))
    for allowed in (False, False, True, True):
        assert all(allows(one.draw(0), end) == allowed for end in ends)
        one.take(50)


@pytest.mark.parametrize(
    ("thought", "closing"),
    [("The rent is due", CLOSING_ENGLISH), ("甲方支付租金", CLOSING_CHINESE)],
)
def test_a_thought_closes_at_its_budget_in_its_own_language(
    tokenizer: Tokenizer, thought: str, closing: str
) -> None:
    tokens = tokenizer.encode(thought)
    sampling = SamplingParams(thinking_budget=len(tokens))
    one = chooser(tokenizer, sampling, thinking=True)
    for token in tokens:
        assert one.draw(0).forced is None
        one.take(token)
    expected = (*tokenizer.encode(closing), tokenizer.control_id(END_THINK))
    assert one.forced == expected
    for token in expected:
        assert one.draw(0).forced == token
        one.take(token)
    assert one.forced == () and one.draw(0).forced is None


def test_no_budget_closes_the_thought_at_once(tokenizer: Tokenizer) -> None:
    one = chooser(tokenizer, SamplingParams(thinking_budget=0), thinking=True)
    assert one.forced == (tokenizer.control_id(END_THINK),)


def test_a_thought_that_ends_by_itself_is_let_be(tokenizer: Tokenizer) -> None:
    one = chooser(tokenizer, SamplingParams(thinking_budget=3), thinking=True)
    for token in (50, tokenizer.control_id(END_THINK), 51, 52, 53):
        one.take(token)
        assert one.forced == ()


def test_a_constraint_begins_after_the_thought_which_must_come_to_its_end(
    tokenizer: Tokenizer,
) -> None:
    yes, other, end = tokenizer.encode("y")[0], tokenizer.encode("m")[0], tokenizer.control_id(END)
    one = chooser(tokenizer, SamplingParams(constraint=YES_OR_NO), thinking=True)
    assert allows(one.draw(0), other) and not allows(one.draw(0), end)
    one.take(other)
    one.take(tokenizer.control_id(END_THINK))
    assert allows(one.draw(0), yes) and not allows(one.draw(0), other)


def test_a_constraint_is_complete_when_nothing_can_follow(tokenizer: Tokenizer) -> None:
    one = chooser(tokenizer, SamplingParams(constraint=YES_OR_NO))
    for token in tokenizer.encode("yes"):
        assert not one.complete and allows(one.draw(0), token)
        one.take(token)
    assert one.complete and one.failed is None


def test_a_token_that_no_mask_allowed_is_a_failure(tokenizer: Tokenizer) -> None:
    one = chooser(tokenizer, SamplingParams(constraint=YES_OR_NO))
    one.take(tokenizer.encode("m")[0])
    assert one.failed and "\n" not in one.failed


def test_draws_ahead_are_those_that_come_if_the_drafts_do(tokenizer: Tokenizer) -> None:
    constraint = Constraint(kind="json_object")
    drafts = tokenizer.encode('{"a": "rent"')
    ahead = chooser(tokenizer, SamplingParams(constraint=constraint)).draws(9, drafts)
    one = chooser(tokenizer, SamplingParams(constraint=constraint))
    stepped = [one.draw(9)]
    for index, token in enumerate(drafts):
        one.take(token)
        stepped.append(one.draw(10 + index))
    assert ahead == stepped


def test_draws_ahead_end_where_a_draft_cannot_come(tokenizer: Tokenizer) -> None:
    one = chooser(tokenizer, SamplingParams(constraint=YES_OR_NO))
    before = one.draw(4)
    yes = tokenizer.encode("yes")
    assert len(one.draws(4, tokenizer.encode("m") + yes)) == 1
    assert len(one.draws(4, [*yes, 50])) == len(yes)
    assert len(one.draws(4, [tokenizer.control_id(END), 50])) == 1
    assert one.draw(4) == before


def test_a_copy_goes_its_own_way(tokenizer: Tokenizer) -> None:
    one = chooser(tokenizer, SamplingParams(constraint=YES_OR_NO, thinking_budget=2), thinking=True)
    other = one.copy()
    other.take(50)
    other.take(51)
    assert other.forced and not one.forced


def test_a_constraint_of_no_use_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ConfigError, match="regex"):
        chooser(tokenizer, SamplingParams(constraint=Constraint(kind="regex", text="(")))


def test_a_thought_that_ends_with_text_has_no_budget_and_no_form_after_it(tmp_path: Path) -> None:
    talker = ready(Tokenizer.load(nano_folder(tmp_path, tags=False)))
    assert chooser(talker, SamplingParams(), thinking=True).draw(0).mask is None
    for sampling in (SamplingParams(thinking_budget=3), SamplingParams(constraint=YES_OR_NO)):
        with pytest.raises(ConfigError, match="ends its thoughts with text, not a token"):
            chooser(talker, sampling, thinking=True)
