"""The baseline: the profile of the training data, on bins of its own making."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.columns import INVALID, Columns
from stream_monitor.capture.schema import Column, Kind, Schema
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE, Layout
from stream_monitor.profile.profile import Profile

if TYPE_CHECKING:
    from stream_monitor.baseline.encode import Coded

_RESERVED: Final = {"missing", "invalid", "other"}


@dataclass(frozen=True)
class NumericColumn:
    """Numbers on K bins between K + 1 edges, which are values of the training data: [e_j-1, e_j), the last one [e_K-1, e_K].

    edges: finite, rising, only the last two may be equal (a bin of one value); empty where no value was finite (K = 0).
    counts: K + 4 whole numbers, as `Layout` orders them: missing, invalid, below (0), bins, above (0).
    mean, sd: of the finite values (sd of the population), 0 where there are none; moments: their part of `Profile.moments`.
    distinct: how many different finite values there were.
    """

    column: Column
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float
    sd: float
    moments: tuple[int, int]
    distinct: int

    @property
    def scale(self) -> float:
        """What a deviation from the mean is measured in: sd; for a constant column its size, or 1."""
        return self.sd or abs(self.mean) or 1.0

    @cached_property
    def edge_array(self) -> NDArray[np.float64]:
        """float64[K + 1]."""
        return np.array(self.edges, dtype=np.float64)

    def label(self, code: int) -> str:
        """A value's code in words: `missing`, `invalid`, `< 10`, `[10, 20)`, `[20, 31.5]`, `= 3`, `> 31.5`."""
        bins = len(self.counts) - 4
        if code < FIRST_VALUE:
            return ("missing", "invalid")[code]
        if not self.edges:
            return "any value"
        if code == FIRST_VALUE:
            return f"< {_number(self.edges[0])}"
        if code >= FIRST_BIN + bins:
            return f"> {_number(self.edges[-1])}"
        return _interval(self.edges[code - FIRST_BIN], self.edges[code - FIRST_BIN + 1], closed=code == FIRST_BIN + bins - 1)


@dataclass(frozen=True)
class CategoricalColumn:
    """Categories by falling frequency, ties by name; values beyond the named ones are "other".

    counts: as `Layout` orders them: missing, invalid, other, then one per category. distinct: how many different values there were.
    """

    column: Column
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    distinct: int

    @cached_property
    def codes(self) -> dict[str | None, int]:
        """The code of every value that has one of its own; others have `FIRST_VALUE`."""
        return {None: 0, INVALID: 1} | {category: FIRST_BIN + i for i, category in enumerate(self.categories)}

    def label(self, code: int) -> str:
        """A value's code in words: the category (quoted where it could be mistaken), `missing`, `invalid` or `other`."""
        if code < FIRST_BIN:
            return ("missing", "invalid", "other")[code]
        category = self.categories[code - FIRST_BIN]
        return f'"{category}"' if category in _RESERVED or not category.strip() else category


BaselineColumn = NumericColumn | CategoricalColumn


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


def _number(value: float) -> str:
    return f"{value:.6g}"


def _interval(low: float, high: float, *, closed: bool) -> str:
    if low == high:
        return f"= {_number(low)}"
    ends = (_number(low), _number(high)) if _number(low) != _number(high) else (repr(low), repr(high))
    return f"[{ends[0]}, {ends[1]}{']' if closed else ')'}"
