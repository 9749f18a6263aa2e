"""Evaluation: problems and something that answers -> accuracies with intervals, samples, a page.

And a model and a text -> perplexity (perplexity.py).
"""

from naga.eval.answers import Answer, Answerer, Ask, engine_answerer
from naga.eval.endpoint import Connection, Endpoint
from naga.eval.estimators import Score
from naga.eval.items import Item, family_items, grid_items, public_items
from naga.eval.pages import write_pages
from naga.eval.perplexity import Perplexity, measure_perplexity
from naga.eval.play import Judge
from naga.eval.report import Report, TaskReport, write_samples
from naga.eval.run import Plan, evaluate, evaluate_items
from naga.eval.samples import Cell, Sample, Store, example_of, open_store

__all__ = [
    "Answer",
    "Answerer",
    "Ask",
    "Cell",
    "Connection",
    "Endpoint",
    "Item",
    "Judge",
    "Perplexity",
    "Plan",
    "Report",
    "Sample",
    "Score",
    "Store",
    "TaskReport",
    "engine_answerer",
    "evaluate",
    "evaluate_items",
    "example_of",
    "family_items",
    "grid_items",
    "measure_perplexity",
    "open_store",
    "public_items",
    "write_pages",
    "write_samples",
]
