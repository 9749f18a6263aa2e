"""One problem played out: a single answer, an agent among its tools, or a dialogue of two turns.

Tokens of a dialogue are those of all its answers; one answer that is missing makes the dialogue
missing. Who judges open questions (MT-bench) is a function given in: without it they have no score.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from naga.data.chat import Message
from naga.eval.answers import Answer, Answerer, Ask
from naga.eval.samples import Turn, turn_of
from naga.tasks import Example, Task, Verdict
from naga.tasks.public import MtBench
from naga.tasks.public.base import unpacked
from naga.tasks.public.mt_bench import DialogueAnswer
from naga.tasks.tools import ToolUse

MOST_TURNS = 24

Judge = Callable[[Example, Sequence[str]], Verdict]
"""The generative judge: a question and the answers to its turns -> a verdict from 0 to 1."""
Played = tuple[Answer, Verdict, tuple[Turn, ...]]


def play(
    answerer: Answerer,
    task: Task,
    example: Example,
    *,
    thinking: bool,
    number: int,
    judge: Judge | None = None,
) -> Played:
    """Answer number `number` to a problem, its verdict, and of a dialogue all that was said."""
    ask = Ask(messages=example.prompt, thinking=thinking, number=number)
    if isinstance(task, ToolUse):
        return _act(answerer, task, example, ask)
    if isinstance(task, MtBench):
        return _converse(answerer, example, ask, judge)
    answer = answerer.answer(ask)
    verdict = _missing(answer) if answer.error else task.grade(example, answer.content)
    return answer, verdict, ()


def _missing(answer: Answer) -> Verdict:
    return Verdict(score=None, reason=f"no answer: {answer.error}")


def _act(answerer: Answerer, task: ToolUse, example: Example, ask: Ask) -> Played:
    environment, messages, before = task.environment(example), ask.messages, Answer(content="")
    while True:
        answer = _added(before, answerer.answer(replace(ask, messages=messages)))
        before = answer
        if answer.error:
            return answer, _missing(answer), _after(ask, messages)
        step = environment.step(answer.content)
        messages = (*messages, _said(answer))
        if environment.verdict is not None:
            return answer, environment.verdict, _after(ask, messages)
        messages = (*messages, Message(role="user", content=step.text))


def _converse(answerer: Answerer, example: Example, ask: Ask, judge: Judge | None) -> Played:
    messages, said, answer = ask.messages, list[str](), Answer(content="")
    for turn in ("", *unpacked(example, DialogueAnswer).turns[1:MOST_TURNS]):
        if turn:
            messages = (*messages, Message(role="user", content=turn))
        answer = _added(answer, answerer.answer(replace(ask, messages=messages)))
        if answer.error:
            return answer, _missing(answer), _after(ask, messages)
        messages = (*messages, _said(answer))
        said.append(answer.content)
    if judge is None:
        return answer, Verdict(score=None, reason="no judge was given"), _after(ask, messages)
    return answer, judge(example, said), _after(ask, messages)


def _added(before: Answer, answer: Answer) -> Answer:
    """With the tokens of the answers before it."""
    if answer.completion_tokens is None:
        return answer
    return replace(
        answer, completion_tokens=(before.completion_tokens or 0) + answer.completion_tokens
    )


def _said(answer: Answer) -> Message:
    return Message(role="assistant", content=answer.content, reasoning=answer.reasoning)


def _after(ask: Ask, messages: Sequence[Message]) -> tuple[Turn, ...]:
    return tuple(turn_of(message) for message in messages[len(ask.messages) :])
