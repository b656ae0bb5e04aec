"""A window's and the baseline's counts side by side: C columns padded to one width, so that every detector sees all columns at once."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.layout import FIRST_VALUE, Layout
from stream_monitor.profile.profile import Profile

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]

_WIDTH_MIN: Final = FIRST_VALUE + 1


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One profile's counts as a matrix.

    events: int64[C], the same number in every column; counts: int64[C, FIRST_VALUE + K], by code, 0 where a column has no such code.
    """

    events: Counts
    counts: Counts

    @property
    def values(self) -> Counts:
        """int64[C, K]: the counts of values, without missing and invalid."""
        return self.counts[:, FIRST_VALUE:]

    @property
    def present(self) -> Counts:
        """int64[C]: how many events had a value."""
        present: Counts = self.values.sum(axis=1)
        return present

    @property
    def shares(self) -> Floats:
        """float64[C, K]: each value's share of the present ones, in [0, 1]; NaN where none is present."""
        return ratio(self.values, self.present[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two samples to compare: a window and the baseline, over the same columns and codes."""

    window: Side
    baseline: Side

    @property
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

    def side(self, profile: Profile) -> Side:
        """One profile as a side of a pair."""
        columns = len(self._index)
        counts = np.where(self._held, profile.counts[self._index], 0) if columns else self._index
        return Side(np.full(columns, profile.events, dtype=np.int64), counts)


def ratio(part: Counts, whole: Counts) -> Floats:
    """Part / whole as float64, NaN (and no warning) where the whole is 0."""
    result = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
