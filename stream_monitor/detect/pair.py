"""A window's and the baseline's counts side by side: C columns padded to one width, so that every detector sees all columns at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.layout import FIRST_VALUE, Layout
from stream_monitor.profile.profile import Profile

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]

_Number = TypeVar("_Number", float, Floats)
_WIDTH_MIN: Final = FIRST_VALUE + 1


@dataclass(frozen=True, eq=False)
class Side:
    """One profile's counts as a matrix. What most detectors ask for is computed once.

    events: int64[C], the same number in every column, but for outputs that failed calls do not owe;
    counts: int64[C, FIRST_VALUE + K], by code, 0 where a column has no such code;
    moments: int64[2, C], as in `Profile`. unseen: int64[C], of a reference: how many of its rows stand for what it has not seen, as
    Good and Turing estimate it: categories seen once, and for numbers 2, below the smallest and above the largest. 0 for a window.
    outliers: int64[C], values beyond the baseline's fences; of a reference -1 where it has none.
    """

    events: Counts
    counts: Counts
    moments: Counts
    unseen: Counts
    outliers: Counts

    @property
    def values(self) -> Counts:
        """int64[C, K]: the counts of values, without missing and invalid."""
        return self.counts[:, FIRST_VALUE:]

    @cached_property
    def present(self) -> Counts:
        """int64[C]: how many events had a value."""
        present: Counts = self.values.sum(axis=1)
        return present

    @cached_property
    def shares(self) -> Floats:
        """float64[C, K]: each value's share of the present ones, in [0, 1]; 0 where none is present."""
        return self.values / np.maximum(self.present, 1)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Inflation:
    """How many times the variance of counts is that of independent events, float64[C] each, at least 1; see `Natural.inflation`."""

    values: Floats
    missing: Floats
    invalid: Floats
    outside: Floats

    @classmethod
    def none(cls, columns: int) -> Self:
        """Events are independent."""
        ones = np.ones(columns)
        return cls(ones, ones, ones, ones)

    def of_size(self, events: int, rows: float) -> "Inflation":
        """That of `events` where this is that of `rows` > 1, see `design_effect`."""
        return Inflation(*(design_effect(ratio, events, rows) for ratio in (self.values, self.missing, self.invalid, self.outside)))


@dataclass(frozen=True, eq=False)
class Pair:
    """Two samples to compare: a window and the baseline, over the same columns and codes.

    natural: detector -> float64[C], how far parts of the training data were from the whole; those not named were not.
    """

    window: Side
    baseline: Side
    inflation: Inflation
    natural: Mapping[str, Floats] = field(default_factory=dict)

    @cached_property
    def judgeable(self) -> Flags:
        """bool[C]: whether both sides have a value, without which there is no distance."""
        flags: Flags = (self.window.present > 0) & (self.baseline.present > 0)
        return flags


class Padding:
    """The way from a layout's flat counts to a matrix; built once per baseline."""

    def __init__(self, layout: Layout) -> None:
        width = max(layout.sizes, default=_WIDTH_MIN)
        sizes = np.array(layout.sizes, dtype=np.int64)
        codes = np.arange(width)
        self._held = codes[None, :] < sizes[:, None]
        self._index = np.where(self._held, layout.starts[:-1, None] + codes[None, :], 0)

    def side(self, profile: Profile, unseen: Counts | None = None, fenced: Flags | None = None) -> Side:
        """One profile as a side of a pair. unseen: of a reference; fenced: bool[C], which of its columns have fences."""
        columns = len(self._index)
        counts = np.where(self._held, profile.counts[self._index], 0) if columns else self._index
        events = np.full(columns, profile.events, dtype=np.int64)
        nothing = np.zeros(columns, dtype=np.int64)
        outliers = nothing if profile.anomalies.is_empty else profile.anomalies.outliers
        outliers = outliers if fenced is None else np.where(fenced, outliers, -1)
        return Side(events, counts, profile.moments, nothing if unseen is None else unseen, outliers)


def design_effect(inflation: _Number, events: int, rows: float) -> _Number:
    """That of `events` where `inflation` is that of `rows` > 1: 1 + icc (n - 1), the design effect of clusters (Kish 1965, sec. 5.4).

    Rows that came together are alike by an intraclass correlation, whatever their number; so more of them add less.
    """
    return 1 + (inflation - 1) * (max(events - 1, 0) / (rows - 1))


def ratio(part: Counts, whole: Counts) -> Floats:
    """Part / whole as float64, NaN (and no warning) where the whole is 0."""
    result = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
