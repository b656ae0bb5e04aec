"""Bins from training values: edges at quantiles, heavy values in bins of their own.

All functions take float64[n], finite and sorted, so results depend on the values alone, never on the order of rows.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS_DEFAULT: Final = 20
BINS_MAX: Final = 200
"""Edges are scanned for every value; beyond this a search would be faster, and no test has rows enough."""
ROWS_PER_BIN: Final = 10
"""A bin's own share must be known: with fewer rows the count's error is above 30 %."""
FAR_FENCE: Final = 3.0
"""Interquartile ranges: of a million normal values two are beyond."""
HEAVY: Final = 2.0
"""A value with so many times an even share has a bin of its own: the zeros of zero-inflated amounts."""


def quantile_edges(values: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """At most about `bins` bins (heavy values may add a few) whose edges are values of the data.

    n = 0: no edges; a constant: (c, c); at most `bins` different values: one bin each, the last one degenerate.
    Fewer rows, fewer bins: `ROWS_PER_BIN` each, but 2 bins wherever there are two different values.
    """
    n = len(values)
    if n == 0:
        return ()
    bins = min(bins, max(2, n // ROWS_PER_BIN))
    first = distinct_starts(values)
    starts = first if len(first) <= bins else _starts(first, np.diff(first, append=n), bins)
    return (*values[starts].tolist(), float(values[-1]))


def distinct_starts(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first row of each different value: int64[distinct], rising."""
    return np.flatnonzero(np.concatenate(([len(values) > 0], values[1:] != values[:-1])))


def _starts(first: NDArray[np.int64], mass: NDArray[np.int64], bins: int) -> NDArray[np.int64]:
    """Rows at which bins begin. first: each distinct value's first row; mass: its number of rows."""
    n = int(mass.sum())
    heavy = np.flatnonzero(mass * bins >= HEAVY * n)
    share = max((n - int(mass[heavy].sum())) / max(bins - len(heavy), 1), ROWS_PER_BIN)
    starts = [*first[heavy].tolist()]
    for low, high in _gaps(first[heavy], mass[heavy], n):
        if high - low < share / 2 and starts:
            starts = _swallow(starts, low, high)
            continue
        parts = max(round((high - low) / share), 1)
        cuts = low + np.ceil(np.arange(parts) * (high - low) / parts).astype(np.int64)
        starts += first[np.searchsorted(first, cuts, side="right") - 1].tolist()
    return np.unique(np.array(starts, dtype=np.int64))


def _gaps(start: NDArray[np.int64], mass: NDArray[np.int64], n: int) -> list[tuple[int, int]]:
    """The runs of rows between heavy values, empty ones left out."""
    ends = [0, *(start + mass).tolist()]
    return [(low, high) for low, high in zip(ends, [*start.tolist(), n], strict=True) if low < high]


def _swallow(starts: list[int], low: int, high: int) -> list[int]:
    """A few rows before the first heavy value join its bin; those after one are in its bin anyhow."""
    return [low if start == high else start for start in starts] if low == 0 else starts


def bin_counts(values: NDArray[np.float64], edges: tuple[float, ...]) -> tuple[int, ...]:
    """Rows in each of the K bins; values within the edges."""
    if not edges:
        return ()
    starts = np.searchsorted(values, np.array(edges[:-1]), side="left")
    return tuple(np.diff(starts, append=len(values)).tolist())


def single_valued(values: NDArray[np.float64], edges: tuple[float, ...]) -> tuple[int, ...]:
    """Which of the K bins hold one value only, as numbers from 0: discrete columns, and heavy values of others."""
    if not edges:
        return ()
    starts = np.searchsorted(values, np.array(edges[:-1]), side="left")
    ends = np.append(starts[1:], len(values))
    return tuple(np.flatnonzero(values[starts] == values[ends - 1]).tolist())


def fences(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Tukey's far fences, Q1 - 3 IQR and Q3 + 3 IQR (1977, "Exploratory Data Analysis", sec. 2D), of the quartiles that are values.

    None where half of the values are alike, for n = 0, and where a fence is no float. Fences for skewed data (Hubert & Vandervieren 2008)
    would only put fewer training values beyond; since live values are compared with those, it is enough that they are few.
    """
    n = len(values)
    if n == 0:
        return None
    low, high = float(values[(n - 1) // 4]), float(values[n - 1 - (n - 1) // 4])
    with np.errstate(over="ignore"):
        found = (low - FAR_FENCE * (high - low), high + FAR_FENCE * (high - low))
    return found if low < high and np.isfinite(found).all() else None


def beyond(values: NDArray[np.float64], limits: tuple[float, float] | None) -> int:
    """How many of the values are below the first or above the second; 0 for none."""
    if limits is None:
        return 0
    return int(np.searchsorted(values, limits[0], "left")) + len(values) - int(np.searchsorted(values, limits[1], "right"))


def centre_and_spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and population standard deviation; (0, 0) for n = 0; exact 0 spread for a constant; no overflow up to 1.8e308."""
    if len(values) == 0:
        return 0.0, 0.0
    if values[0] == values[-1]:
        return float(values[0]), 0.0
    size = max(abs(float(values[0])), abs(float(values[-1])))
    scaled = values / size
    mean = float(scaled.mean())
    spread = float(np.sqrt(np.square(scaled - mean).mean()))
    return mean * size, min(spread * size, float(np.finfo(np.float64).max))
