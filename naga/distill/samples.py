"""Attempts -> samples: right quick answers as they are, slow ones with what failed before them.

The thought of a long sample begins with failed attempts, each followed by a word that it is wrong,
and ends with the working that got it right: what TurboS trains on (arXiv 2505.15431, 3.2). A slow
model whose format has no think block works in its answer: then that is the working.
"""

from collections.abc import Mapping, Sequence

from naga.config.distill import DistillConfig
from naga.distill.types import Attempt, Question, Quick, Sample, Slow
from naga.tasks import Language

NOT_RIGHT: Mapping[Language, str] = {"en": "No, that is wrong.", "zh": "不，这不对。"}


def make_samples(
    config: DistillConfig,
    questions: Sequence[Question],
    quick: Sequence[Quick],
    slow: Sequence[Slow],
) -> list[Sample]:
    """Short ones in the questions' order, then long ones in the cases' order."""
    by_key = {question.key: question for question in questions}
    answered = {each.key: each for each in quick}
    short = [
        sample
        for question, answers in zip(questions, quick, strict=True)
        for sample in _short(config, question, answers)
    ]
    long = [
        _long(config, by_key[each.key], answered[each.key], each) for each in slow if each.answer
    ]
    return short + long


def _short(config: DistillConfig, question: Question, quick: Quick) -> list[Sample]:
    """Of a question to think about only the instruction not to think is learned, by one answer."""
    difficulty = quick.difficulty(config.right_at)
    if difficulty is None:
        return []
    right: dict[str, Attempt] = {}
    for attempt in quick.judged:
        if attempt.is_right(config.right_at):
            right.setdefault(attempt.text.strip(), attempt)
    decided = difficulty <= 1 - config.short.enough
    return [
        Sample(
            key=question.key,
            kind="short",
            decided=decided,
            prompt=question.example.prompt,
            reasoning="",
            answer=text,
        )
        for text in list(right)[: config.short.keep if decided else 1]
    ]


def _long(config: DistillConfig, question: Question, quick: Quick, slow: Slow) -> Sample:
    wrong = [each for each in quick.judged if _wrong(each, config)][:1] if slow.decided else []
    failed = [*wrong, *(each for each in slow.attempts[:-1] if _wrong(each, config))]
    return Sample(
        key=question.key,
        kind="long",
        decided=slow.decided,
        prompt=question.example.prompt,
        reasoning=thought(
            failed[: config.mix.failed], slow.attempts[-1], question.example.language
        ),
        answer=slow.answer.strip(),
    )


def _wrong(attempt: Attempt, config: DistillConfig) -> bool:
    """Judged, finished and not right: what is missing was no attempt."""
    return (
        attempt.score is not None
        and not attempt.truncated
        and not attempt.is_right(config.right_at)
    )


def thought(failed: Sequence[Attempt], right: Attempt, language: Language) -> str:
    """Failed attempts, then the working of the right one."""
    parts = []
    for attempt in failed:
        parts += [attempt.reasoning, attempt.text, NOT_RIGHT[language]]
    parts.append(right.reasoning or right.text)
    return "\n".join(part.strip() for part in parts if part.strip())
