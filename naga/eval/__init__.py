"""Evaluation: tasks and something that answers -> accuracies with intervals, samples, a table.

And a model and a text -> perplexity (perplexity.py).
"""

from naga.eval.perplexity import Perplexity, measure_perplexity
from naga.eval.report import Report, Sample, Score, TaskReport, write_samples
from naga.eval.run import Answer, Answerer, engine_answerer, evaluate, evaluate_task

__all__ = [
    "Answer",
    "Answerer",
    "Perplexity",
    "Report",
    "Sample",
    "Score",
    "TaskReport",
    "engine_answerer",
    "evaluate",
    "evaluate_task",
    "measure_perplexity",
    "write_samples",
]
