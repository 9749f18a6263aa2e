"""Instructions whose following a program can check: IFEval's 25 and some of our own.

`follows` checks one, `follow_all` those of a row in IFEval's published form.
"""

from naga.verify.constraints.check import Followed, follow_all, follows, known_instructions

__all__ = ["Followed", "follow_all", "follows", "known_instructions"]
