"""What rows of a sample stand for: figures count events, intervals are as wide as the rows are few."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.outcome import OutcomeLayout, Vector

Floats = NDArray[np.float64]


class Weights(NamedTuple):
    """For how many events a row stands, on average over events: `events / weight` independent rows would be as sure.

    whole >= 1: of all rows; groups: float64[G] of those of each facet's group, None: as the whole. Source: Kish 1965, Survey Sampling,
    sec. 11.7: the effective size of a weighted sample is (sum w)^2 / sum w^2.
    """

    whole: float = 1.0
    groups: Floats | None = None


EVENTS: Final = Weights()
"""Rows stand for themselves."""


class Weighed:
    """Rows are added up, a vector of those that stand for equally many events at a time."""

    def __init__(self, layout: OutcomeLayout) -> None:
        self.vector: Vector = layout.empty()
        """int64[N], each row counted by what it stands for."""
        self._layout = layout
        self._squares = 0
        self._group_squares = self._by_group(self.vector)

    def add(self, vector: Vector, weight: int) -> None:
        """Each row of `vector` stands for so many events."""
        self.vector += weight * vector
        self._squares += weight * weight * self._layout.events(vector)
        self._group_squares += weight * weight * self._by_group(vector)

    @property
    def weights(self) -> Weights:
        """Of all that was added."""
        events, by_group = self._layout.events(self.vector), self._by_group(self.vector)
        whole = max(self._squares / events, 1.0) if events > 0 else 1.0
        groups = np.where(by_group > 0, np.maximum(self._group_squares / np.maximum(by_group, 1), 1.0), whole)
        return Weights(whole, groups if len(groups) else None)

    def _by_group(self, vector: Vector) -> NDArray[np.int64]:
        if "groups" not in self._layout.shapes:
            return np.zeros(0, dtype=np.int64)
        found: NDArray[np.int64] = self._layout.part(vector, "groups").sum(axis=(1, 2))
        return found
