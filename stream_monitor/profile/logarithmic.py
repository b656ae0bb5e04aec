"""A histogram with bins of equal ratio: every quantile and mean it tells is right to 1 %, and it merges exactly.

Bin i holds (g^(i-1), g^i], g = 1.01 / 0.99, and stands for 2 g^i / (g + 1), from which no value in it is further than 1 % of itself
(Masson, Rim, Lee 2019, "DDSketch", VLDB 12). Only the bins that hold something are kept.
"""

from dataclasses import dataclass
from math import ceil, floor, log
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

RELATIVE_ERROR: Final = 0.01
LOWEST, HIGHEST = 1e-6, 1e18
"""A value in the lowest bin, none of which is larger than the former, counts as 0; one over the latter as that: a nanosecond in ms, an
exabyte."""
_GROWTH: Final = log((1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR))
_FIRST: Final = floor(log(LOWEST) / _GROWTH)
BINS: Final = ceil(log(HIGHEST) / _GROWTH) - _FIRST + 1
"""2,765: at most so many are kept."""


def bins_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """int64[n], in [0, `BINS`): each value's bin; -1 for NaN. values: float64[n], >= 0."""
    places = np.ceil(np.log(np.clip(np.nan_to_num(values), LOWEST / 2, HIGHEST)) / _GROWTH).astype(np.int64) - _FIRST
    return np.where(np.isnan(values), -1, np.clip(places, 0, BINS - 1))


def value_of(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[k]: what each bin stands for."""
    middle = np.exp((bins + _FIRST) * _GROWTH) * (1 - RELATIVE_ERROR)  # 2 g^i / (g + 1)
    return np.where(bins == 0, 0.0, middle)


@dataclass(frozen=True, slots=True, eq=False)
class LogHistogram:
    """n values >= 0 as counts. bins: int64[k], rising, of those that hold something; counts: int64[k], at least 1.

    Histograms form a commutative monoid under `merge`, exactly.
    """

    bins: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls) -> Self:
        """Of no values: the zero of `merge`."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, bins: NDArray[np.int64]) -> Self:
        """Of values in these bins (see `bins_of`); -1 is left out."""
        found, counts = np.unique(bins[bins >= 0], return_counts=True)
        return cls(found, counts.astype(np.int64))

    def merge(self, other: "LogHistogram") -> "LogHistogram":
        """Of both sides' values."""
        if not len(self.bins) or not len(other.bins):
            return self if len(self.bins) else other
        bins, place = np.unique(np.concatenate([self.bins, other.bins]), return_inverse=True)
        counts = np.zeros(len(bins), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, other.counts]))
        return LogHistogram(bins, counts)

    @property
    def n(self) -> int:
        """How many values."""
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        """The smallest value that at least q n values do not exceed, to 1 %; q in (0, 1]; at least one value."""
        return float(value_of(self.bins[np.searchsorted(np.cumsum(self.counts), ceil(q * self.n))]))

    def sum(self) -> float:
        """Of all values, to 1 %; 0 for none."""
        return float(self.counts @ value_of(self.bins))

    def above(self, limit: float) -> int:
        """How many values are over this one, those in its own bin left out. limit: >= 0."""
        return int(self.counts[self.bins > int(bins_of(np.array([limit]))[0])].sum())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LogHistogram) and np.array_equal(self.bins, other.bins) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # arrays inside
