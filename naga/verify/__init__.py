"""Judging an answer against a reference by rule; `match` runs the rules in order.

Torch-free. Model text is never executed or handed to sympy in this process: what needs computer
algebra runs in a child with limits (symbolic.py).
"""

from naga.verify.judge import kind_of, match, rules_abstain
from naga.verify.result import Kind, Match, Mode

__all__ = ["Kind", "Match", "Mode", "kind_of", "match", "rules_abstain"]
