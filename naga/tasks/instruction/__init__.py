"""Following instructions that a rule can check."""

from naga.tasks.instruction.checks import CHECKS, ChecksConstraint, check_constraint
from naga.tasks.instruction.following import InstructionFollowing

__all__ = ["CHECKS", "ChecksConstraint", "InstructionFollowing", "check_constraint"]
