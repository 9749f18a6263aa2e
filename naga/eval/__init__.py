"""Evaluation: tasks and something that answers -> accuracies with intervals, samples, a table."""

from naga.eval.report import Report, Sample, Score, TaskReport, write_samples
from naga.eval.run import Answer, Answerer, engine_answerer, evaluate, evaluate_task

__all__ = [
    "Answer",
    "Answerer",
    "Report",
    "Sample",
    "Score",
    "TaskReport",
    "engine_answerer",
    "evaluate",
    "evaluate_task",
    "write_samples",
]
