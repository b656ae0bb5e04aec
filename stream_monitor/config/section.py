"""What all sections of the config have in common, and the types of their values."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from stream_monitor.config.duration import format_duration, parse_duration

Duration = Annotated[int, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""Milliseconds inside, `10m` outside."""
Limit = Annotated[float, Field(allow_inf_nan=False)]
"""A threshold: JSON, in which the config travels, has no NaN and no infinity."""


class Section(BaseModel):
    """Frozen; unknown keys are errors; the docstring beneath a field is its meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True, use_attribute_docstrings=True)
