"""A pane's outcome as it is held, and what it says of how long labels take."""

from collections.abc import Iterable
from itertools import product
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.delay import DELAY_BINS, delay_of
from stream_monitor.profile.outcome import OutcomeLayout, Vector

MOST: Final = 0.9
PATIENCE: Final = 1.25
"""Labels had time to come once a quarter longer has passed than nine in ten of those before took: where labels come once a day they are
up to a day old, and then all of them are there."""


class Packed(NamedTuple):
    """A vector without its zeros, of which most panes of most units have many. at: int32[m], places; by: int64[m]."""

    at: NDArray[np.int32]
    by: Vector

    @classmethod
    def of(cls, vector: Vector) -> "Packed":
        """The same vector."""
        at = np.flatnonzero(vector)
        return cls(at.astype(np.int32), vector[at])

    def on(self, size: int) -> Vector:
        """The whole vector, a new one. size: its length."""
        vector = np.zeros(size, dtype=np.int64)
        vector[self.at] = self.by
        return vector


NOTHING: Final = Packed(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64))
"""A vector of zeros."""


def patience_ms(layout: OutcomeLayout, panes: Iterable[Packed], vectors: int = 1) -> int:
    """How long labels are given to come, in ms, as these panes' first labels say, by their `time`; 0 without any.

    vectors: how many a pane has, one behind another.
    """
    counts = np.zeros(DELAY_BINS, dtype=np.int64)
    starts = [layout.starts["delay"] + place * layout.size for place in range(vectors)]
    for pane, start in product(panes, starts):
        first, end = np.searchsorted(pane.at, (start, start + DELAY_BINS))
        counts[pane.at[first:end] - start] += pane.by[first:end]
    running = np.cumsum(counts)
    return round(1_000 * PATIENCE * delay_of(int(np.searchsorted(running, MOST * running[-1])))) if running[-1] > 0 else 0
