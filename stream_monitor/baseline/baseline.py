"""The baseline: the profile of the training data, on bins of its own making."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn, NumericColumn
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.schema import Kind, Schema
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import Profile

if TYPE_CHECKING:
    from stream_monitor.baseline.encode import Coded

__all__ = ["Baseline", "BaselineColumn", "CategoricalColumn", "NumericColumn", "TimeSpan"]


@dataclass(frozen=True)
class TimeSpan:
    """The training data's column of event times, with the first and last of them in ms since the epoch (None: none could be read)."""

    column: str
    first_ms: int | None
    last_ms: int | None


@dataclass(frozen=True)
class Baseline:
    """What is normal for a model. `id` is made from all the rest but `source` (the names of the files it was built from)."""

    id: str
    rows: int
    columns: tuple[BaselineColumn, ...]
    source: tuple[str, ...] = ()
    target: str | None = None
    time: TimeSpan | None = None

    @cached_property
    def schema(self) -> Schema:
        """What to read from events."""
        return Schema(tuple(entry.column for entry in self.columns))

    @cached_property
    def layout(self) -> Layout:
        """The shape of profiles on this baseline."""
        return Layout(
            names=tuple(entry.column.name for entry in self.columns),
            sizes=tuple(len(entry.counts) for entry in self.columns),
            ordered=tuple(entry.column.kind is Kind.NUMERIC for entry in self.columns),
        )

    @cached_property
    def profile(self) -> Profile:
        """The training data's profile (without samples): the same as encoding and summarising every row of it."""
        counts = np.array([count for entry in self.columns for count in entry.counts], dtype=np.int64)
        moments = [entry.moments if isinstance(entry, NumericColumn) else (0, 0) for entry in self.columns]
        return Profile(self.rows, counts, np.array(moments, dtype=np.int64).reshape(-1, 2).T.copy())

    def label(self, column: int, code: int) -> str:
        """A code of a column in words."""
        return self.columns[column].label(code)

    def encode(self, columns: Columns) -> "Coded":
        """Events of this baseline's schema on its bins."""
        from stream_monitor.baseline.encode import encode  # numba is loaded only where events are counted

        return encode(self, columns)
