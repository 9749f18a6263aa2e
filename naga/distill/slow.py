"""The slow teacher: told the question and what was wrong, until it is right or has no rounds left.

A model goes on in a conversation: question, wrong answer, "that is not right", and so on, with
thinking on. The gold trace is no model: the worked answer that the question came with. The right
answer is then rewritten in the short style by a model, if there is one, and kept as it was if the
rewriting is not right any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from naga.config.distill import DistillConfig
from naga.data.messages import Message
from naga.distill.answers import Answered, Answerer, Ask, Failed
from naga.distill.grading import judged, refuse_silence, seed_of
from naga.distill.types import Attempt, Question, Quick, Slow
from naga.tasks import Language, Task

RETRY: Mapping[Language, str] = {
    "en": "That is not right. Think about it step by step and answer once more.",
    "zh": "这不对。请一步一步地想，然后重新回答。",
}
SHORTEN: Mapping[Language, str] = {
    "en": "That is right. Give the same answer once more, as short as can be, without any working.",
    "zh": "对了。请再给出同样的答案，尽量简短，不要过程。",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question for the slow teacher."""

    question: Question
    wrong: tuple[Attempt, ...]
    """Wrong answers without a thought, different ones, none where it was answered well."""
    decided: bool


def make_cases(
    config: DistillConfig, questions: Sequence[Question], quick: Sequence[Quick]
) -> list[Case]:
    """Those that were not answered well enough, and easy_share of the others."""
    cases = []
    for question, answers in zip(questions, quick, strict=True):
        difficulty = answers.difficulty(config.right_at)
        if difficulty is None:
            continue
        if hard := difficulty > 1 - config.short.enough:
            wrong = _wrong(answers, config.right_at)
            cases.append(Case(question=question, wrong=wrong, decided=True))
        chance = Random(seed_of(config.seed, "easy", question.key)).random()
        if not hard and chance < config.slow.easy_share:
            cases.append(Case(question=question, wrong=(), decided=False))
    return cases


def _wrong(answers: Quick, right_at: float) -> tuple[Attempt, ...]:
    found: dict[str, Attempt] = {}
    for attempt in answers.judged:
        if not attempt.is_right(right_at) and not attempt.truncated:
            found.setdefault(attempt.text.strip(), attempt)
    return tuple(found.values())


def gold_traces(
    config: DistillConfig, tasks: Mapping[str, Task], cases: Sequence[Case]
) -> list[Slow]:
    """One attempt each; missing where the question came without a trace."""
    return [_slow(config, case, (_gold(tasks, case.question),)) for case in cases]


def _gold(tasks: Mapping[str, Task], question: Question) -> Attempt:
    gold = question.example.messages[-1]
    if not gold.reasoning:
        return judged(tasks, question, Failed(reason="the question came without a worked trace"))
    return judged(
        tasks,
        question,
        Answered(text=gold.content, reasoning=gold.reasoning, tokens=0, truncated=False),
    )


@dataclass(kw_only=True)
class _Pursuit:
    """One case on its way."""

    case: Case
    messages: tuple[Message, ...]
    attempts: list[Attempt] = field(default_factory=list)
    right: bool = False


def pursue(
    config: DistillConfig, tasks: Mapping[str, Task], answerer: Answerer, cases: Sequence[Case]
) -> list[Slow]:
    """By the slow model, round after round."""
    assert config.slow.answerer is not None
    told = config.slow.told
    pursuits = [_Pursuit(case=case, messages=_opening(case, told)) for case in cases]
    for round_ in range(config.slow.rounds):
        open_ = [pursuit for pursuit in pursuits if not pursuit.right]
        asks = [
            Ask(
                messages=pursuit.messages,
                thinking=True,
                seed=seed_of(config.seed, "slow", pursuit.case.question.key),
                choice=round_,
            )
            for pursuit in open_
        ]
        answers = answerer.answer(asks)
        refuse_silence(answers, config.slow.answerer.model)
        for pursuit, answer in zip(open_, answers, strict=True):
            attempt = judged(tasks, pursuit.case.question, answer)
            _take(pursuit, attempt, config.right_at, told)
    return [_slow(config, pursuit.case, pursuit.attempts) for pursuit in pursuits]


def _opening(case: Case, told: bool) -> tuple[Message, ...]:
    prompt = case.question.example.prompt
    return _told(prompt, case.wrong[0], case.question) if case.wrong and told else prompt


def _told(messages: tuple[Message, ...], wrong: Attempt, question: Question) -> tuple[Message, ...]:
    return (
        *messages,
        Message(role="assistant", content=wrong.text),
        Message(role="user", content=RETRY[question.example.language]),
    )


def _take(pursuit: _Pursuit, attempt: Attempt, right_at: float, told: bool) -> None:
    pursuit.attempts.append(attempt)
    pursuit.right = attempt.is_right(right_at)
    wrong = attempt.score is not None and not pursuit.right and not attempt.truncated
    if wrong and told:
        pursuit.messages = _told(pursuit.messages, attempt, pursuit.case.question)


def _slow(config: DistillConfig, case: Case, attempts: Sequence[Attempt]) -> Slow:
    right = bool(attempts) and attempts[-1].is_right(config.right_at)
    return Slow(
        key=case.question.key,
        decided=case.decided,
        attempts=tuple(attempts),
        answer=attempts[-1].text if right else "",
        rewritten=False,
    )


def rewrite(
    config: DistillConfig,
    tasks: Mapping[str, Task],
    answerer: Answerer,
    cases: Sequence[Case],
    found: Sequence[Slow],
) -> list[Slow]:
    """The answers that are right, in the short style; as they were where that went wrong."""
    assert config.rewriter is not None
    pairs = [(case, slow) for case, slow in zip(cases, found, strict=True) if slow.answer]
    asks = [
        Ask(
            messages=(
                *case.question.example.prompt,
                Message(role="assistant", content=slow.answer),
                Message(role="user", content=SHORTEN[case.question.example.language]),
            ),
            thinking=False,
            seed=seed_of(config.seed, "rewrite", slow.key),
        )
        for case, slow in pairs
    ]
    answers = answerer.answer(asks)
    refuse_silence(answers, config.rewriter.model)
    shorter: dict[str, str] = {}
    for (case, slow), answer in zip(pairs, answers, strict=True):
        attempt = judged(tasks, case.question, answer)
        if attempt.is_right(config.right_at) and len(attempt.text) <= len(slow.answer):
            shorter[slow.key] = attempt.text
    return [
        replace(slow, answer=shorter[slow.key], rewritten=True) if slow.key in shorter else slow
        for slow in found
    ]
