"""Slices as what detectors take in: for every series the number of values of a slice, their mean and their squared deviations."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.sequential.shift import Series
from stream_monitor.profile.slices import POSITION_SCALE, Slices

SERIES: Final = tuple(Series)
"""Series s of 2C is `SERIES[s // C]` of column s % C."""


def entries_of(slices: Slices) -> NDArray[np.float64]:
    """float64[S, 3, 2C]: n, mean in [0, 1] and M2 = sum (u - mean)^2 of each slice and series; mean and M2 are 0 where n is 0.

    n = 1: M2 is exactly 0. Sums are exact integers, so the same values give the same entries, whatever way they were merged.
    """
    n = slices.n
    total, square, spread = slices.sums[:, 0], slices.sums[:, 1], slices.sums[:, 2]
    half = POSITION_SCALE // 2
    spread_square = 4 * (square - POSITION_SCALE * total + half * half * n)  # (2q - 2^20)^2 = 4 (q^2 - 2^20 q + 2^38)
    parts = [_moments(n, total, square), _moments(n, spread, spread_square)]
    return np.ascontiguousarray(np.concatenate(parts, axis=2))


def _moments(n: NDArray[np.int64], total: NDArray[np.int64], square: NDArray[np.int64]) -> NDArray[np.float64]:
    count = np.maximum(n, 1).astype(np.float64)
    mean = total / count
    m2 = np.where(n > 1, np.maximum(square - total * mean, 0.0), 0.0)
    scale = float(POSITION_SCALE)
    return np.stack([n.astype(np.float64), mean / scale, m2 / (scale * scale)], axis=1)
