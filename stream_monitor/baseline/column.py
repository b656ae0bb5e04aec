"""The columns of a baseline: the bins or categories of each, the training data's counts on them, and their names for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.columns import INVALID
from stream_monitor.capture.schema import Column
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE

NATURAL_FACTOR: Final = 1.2
"""A score counts as drift from this many times the largest natural one on: training data has not seen everything."""
_RESERVED: Final = {"missing", "invalid", "other"}


@dataclass(frozen=True)
class Natural:
    """What a column of the training data showed over time by itself: neither is drift. Found by `detect.natural`.

    scores: detector -> the largest score over its base that a run of the training data had and that is beyond chance; "shift": the
    range of the means of the positions, or of their spread, over runs. All over 0; a detector that is not named: 0.
    inflation: "values", "missing", "invalid", "outside", "position", "spread" -> how many times the variance of the runs' counts
    (or means) is that of independent events, over 1; one that is not named: 1.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    inflation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class NumericColumn:
    """Numbers on K bins between K + 1 edges, which are values of the training data: [e_j-1, e_j), the last one [e_K-1, e_K].

    edges: finite, rising, only the last two may be equal (a bin of one value); empty where no value was finite (K = 0).
    counts: K + 4 whole numbers, as `Layout` orders them: missing, invalid, below (0), bins, above (0).
    mean, sd: of the finite values (sd of the population), 0 where there are none; moments: their part of `Profile.moments`.
    distinct: how many different finite values there were; single_valued: the bins (from 0) in which all values are equal.
    natural: None where it was not looked for. fences: below the first and above the second a value is an outlier, None: there are none
    (`binning.fences`); outliers: how many of the values are.
    """

    column: Column
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float
    sd: float
    moments: tuple[int, int]
    distinct: int
    single_valued: tuple[int, ...] = ()
    natural: Natural | None = None
    fences: tuple[float, float] | None = None
    outliers: int = 0

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

    counts: as `Layout` orders them: missing, invalid, other, then one per category. distinct: how many different values there were;
    singletons: how many of them stood in one row only; natural: None where it was not looked for.
    """

    column: Column
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    distinct: int
    singletons: int = 0
    natural: Natural | None = None

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


def _number(value: float) -> str:
    return f"{value:.6g}"


def _interval(low: float, high: float, *, closed: bool) -> str:
    if low == high:
        return f"= {_number(low)}"
    ends = (_number(low), _number(high)) if _number(low) != _number(high) else (repr(low), repr(high))
    return f"[{ends[0]}, {ends[1]}{']' if closed else ')'}"
