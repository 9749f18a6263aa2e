"""Pairs of a reference and a response, labelled match, no match or invalid: made procedurally.

They train and measure the classifier that judges where the rules of naga.verify abstain.
"""

from naga.tasks.pairs.making import make_pairs, write_pairs
from naga.tasks.pairs.pair import LABELS, PAIR_SETS, Label, Pair, PairSet
from naga.tasks.pairs.rendering import VERDICTS, is_cut, pair_messages

__all__ = [
    "LABELS",
    "PAIR_SETS",
    "VERDICTS",
    "Label",
    "Pair",
    "PairSet",
    "is_cut",
    "make_pairs",
    "pair_messages",
    "write_pairs",
]
