"""Delays of labels, counted by bins whose width is a quarter of a doubling."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

DELAY_BINS: Final = 96
"""Label delays by quarters of a doubling, from a second to half a year."""


def delay_bin(delay_ms: NDArray[np.int64]) -> NDArray[np.uint8]:
    """uint8[n]: bin 0 below a second (or negative), then four bins for each doubling, the last one open."""
    seconds = np.maximum(delay_ms, 1) / 1000
    bins: NDArray[np.uint8] = np.clip(np.floor(4 * np.log2(np.maximum(seconds, 0.5))) + 1, 0, DELAY_BINS - 1).astype(np.uint8)
    return bins


def delay_of(place: int) -> float:
    """Seconds: the geometric middle of a bin of `delay_bin`, within 9 %."""
    return 0.5 if place == 0 else float(2 ** ((place - 0.5) / 4))
