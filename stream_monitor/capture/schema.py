"""The columns of one model's events, as its baseline declares them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

PREDICTION = "prediction"
SCORE = "prediction.score"
PRODUCER = "producer"
"""The metadata field that names who sent an event; it is always read."""


class Kind(StrEnum):
    """How a column's values are read."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"


class Role(StrEnum):
    """What a column is to the model."""

    FEATURE = "feature"
    PREDICTION = "prediction"


class StreamKey(NamedTuple):
    """Events judged together: a model, and a version where that version has a baseline of its own (else None: all others)."""

    model: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Column:
    """One judged column. `name` is the feature's name, `prediction` (label or value) or `prediction.score`."""

    name: str
    kind: Kind
    role: Role = Role.FEATURE


@dataclass(frozen=True, slots=True)
class Schema:
    """Columns in the baseline's order; names are unique per role. metadata: names of the metadata fields that are read.

    attributions: names of the features whose attributions are read: all of them, or none.
    """

    columns: tuple[Column, ...]
    metadata: tuple[str, ...] = ()
    attributions: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[Column, ...]:
        """The input columns, in order."""
        return tuple(column for column in self.columns if column.role is Role.FEATURE)
