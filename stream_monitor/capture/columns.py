"""Decoded events as a struct of arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.attributions import NOTHING, Attributed
from stream_monitor.capture.calls import Calls
from stream_monitor.capture.schema import Schema, StreamKey


class Raw(Protocol):
    """A message as it came, in the shape of `confluent_kafka.Message`."""

    def topic(self) -> str:
        """Where it was read."""
        ...

    def partition(self) -> int:
        """Of the topic."""
        ...

    def offset(self) -> int:
        """Its place in the partition."""
        ...

    def key(self) -> bytes | None:
        """None where there is none."""
        ...

    def value(self) -> bytes | None:
        """None for a tombstone."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """(type, milliseconds since the epoch); type 0 means that there is no timestamp."""
        ...

    def headers(self) -> list[tuple[str, bytes]] | None:
        """In the order in which they were written; None where there are none."""
        ...


class _Invalid(StrEnum):
    INVALID = "\x00invalid"


INVALID: Final = _Invalid.INVALID
"""Stands in a categorical column for a value of the wrong type; compare with `is`."""

Values = NDArray[np.float64] | list[str | None]
"""One column of n values.

Numeric: float64[n]; NaN is missing, +inf is invalid (wrong type, infinite, beyond float64).
Categorical and boolean: n strings (booleans as "true" and "false", numbers in their shortest JSON form); None is missing,
`INVALID` is invalid.
"""


@dataclass(frozen=True, slots=True)
class Columns:
    """n events of one stream, in the order in which they came.

    rows: int64[n], each event's index in the batch of messages; time_ms: int64[n], event time;
    values: one entry per column of `schema`, in its order; event_ids: n strings;
    unknown_fields: how many fields (top level and features) the schema does not know, over all n events.
    metadata: for each field of `schema.metadata` n values (a scalar that is no string as its JSON form; None: absent or null);
    extra: for each unknown *feature* name that some event holds, bool[n], which ones do (any value but an absent one counts).
    calls: how the n calls went; None where no event says anything of it.
    labels: n labels that the events bring with them, JSON scalars, None: has none; empty where no event has one.
    attributions: of those that the schema asks for.
    """

    stream: StreamKey
    schema: Schema
    rows: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    values: tuple[Values, ...]
    event_ids: Sequence[str] = field(default=())
    unknown_fields: int = 0
    metadata: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    extra: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    calls: Calls | None = None
    labels: Sequence[Any] = ()
    attributions: Attributed = field(default_factory=lambda: NOTHING)

    def __len__(self) -> int:
        return len(self.rows)
