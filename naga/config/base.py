"""The base of every config record: frozen, strict types, an unknown key is an error.

Does not read files (see load.py) and imports nothing of naga.
"""

from pydantic import BaseModel, ConfigDict


class ConfigError(ValueError):
    """A user's mistake in a config, flag, file or checkpoint; one line names it and the fix."""


class Config(BaseModel):
    """Frozen record; attribute docstrings are the documentation of its fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
