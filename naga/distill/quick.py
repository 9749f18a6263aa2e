"""The quick model: so many answers without a thought to each question, graded."""

from collections.abc import Mapping, Sequence

from naga.config.distill import DistillConfig
from naga.distill.answers import Answerer, Ask
from naga.distill.grading import judged, refuse_silence, seed_of
from naga.distill.types import Question, Quick
from naga.tasks import Task


def answer_quickly(
    config: DistillConfig,
    tasks: Mapping[str, Task],
    answerer: Answerer,
    questions: Sequence[Question],
) -> list[Quick]:
    asks = [
        Ask(
            messages=question.example.prompt,
            thinking=False,
            seed=seed_of(config.seed, "quick", question.key),
            choice=choice,
        )
        for question in questions
        for choice in range(config.short.samples)
    ]
    answers = answerer.answer(asks)
    refuse_silence(answers, config.short.answerer.model)
    size = config.short.samples
    return [
        Quick(
            key=question.key,
            attempts=tuple(
                judged(tasks, question, answer)
                for answer in answers[place * size : (place + 1) * size]
            ),
        )
        for place, question in enumerate(questions)
    ]
