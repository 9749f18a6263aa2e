"""Logic: zebra puzzles, knights and knaves, propositional formulas."""

from naga.tasks.logic.knights import Knights
from naga.tasks.logic.propositional import Propositional
from naga.tasks.logic.zebra import Zebra, grade_houses

__all__ = ["Knights", "Propositional", "Zebra", "grade_houses"]
