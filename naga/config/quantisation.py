"""Quantisation: what matrices are held in where they are held in less than the compute dtype.

One record for what an engine makes at load and for what a converted checkpoint says of itself.
Imports no torch.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from naga.config.base import Config

Weights = Literal["int8", "int4"]
Group = Literal[32, 64, 128, "channel"]
# int8 loses nothing that shows with long groups, and is a fifth faster in prefill.
DEFAULT_GROUPS: dict[Weights, Group] = {"int8": 128, "int4": 32}


class Quantisation(Config):
    """Whole multiples of a bfloat16 scale; embedding and head are int8 whatever the format."""

    format: Weights
    group: Group = Field(
        default_factory=lambda given: DEFAULT_GROUPS[given.get("format", "int8")],
        validate_default=True,
    )
    """Columns that share a scale; "channel": all of a row, for int8."""
    calibrated_on: str | None = None
    """Name of the text whose activations the scales were chosen for; None: rounded to nearest."""
    calibration_tokens: Annotated[int, Field(gt=0)] | None = None
    packing: Literal[1] = 1
    """How the packed bytes lie; another number is for another version of the kernels."""

    @field_validator("group", mode="after")
    @classmethod
    def _check_group(cls, group: Group, info: ValidationInfo) -> Group:
        if group == "channel" and info.data.get("format") == "int4":
            raise ValueError("int4 needs groups: use 32, 64 or 128")
        return group

    def __str__(self) -> str:
        return f"{self.format}c" if self.group == "channel" else f"{self.format}g{self.group}"
