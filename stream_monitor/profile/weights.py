"""What rows of a sample stand for: figures count events, intervals are as wide as the rows are few."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.outcome import OutcomeLayout, Vector

Floats = NDArray[np.float64]


class Weights(NamedTuple):
    """For how many events a row stands, on average over events: `events / weight` independent rows would be as sure.

    whole >= 1: of all rows; groups: float64[G] of those of each facet's group, cells: float64[C] of each combination of features' bins,
    None: as the whole. Source: Kish 1965, Survey Sampling, sec. 11.7: the effective size of a weighted sample is (sum w)^2 / sum w^2.
    """

    whole: float = 1.0
    groups: Floats | None = None
    cells: Floats | None = None


EVENTS: Final = Weights()
"""Rows stand for themselves."""


class Weighed:
    """Rows are added up, a vector of those that stand for equally many events at a time."""

    def __init__(self, layout: OutcomeLayout) -> None:
        self.vector: Vector = layout.empty()
        """int64[N], each row counted by what it stands for."""
        self._layout = layout
        self._squares = 0
        self._squares_by = {name: self._by(name, self.vector) for name in ("groups", "answers") if name in layout.shapes}

    def add(self, vector: Vector, weight: int) -> None:
        """Each row of `vector` stands for so many events."""
        self.vector += weight * vector
        self._squares += weight * weight * self._layout.events(vector)
        for name, squares in self._squares_by.items():
            squares += weight * weight * self._by(name, vector)

    @property
    def weights(self) -> Weights:
        """Of all that was added."""
        events = self._layout.events(self.vector)
        whole = max(self._squares / events, 1.0) if events > 0 else 1.0
        return Weights(whole, self._weights_by("groups", whole), self._weights_by("answers", whole))

    def _weights_by(self, name: str, whole: float) -> Floats | None:
        if name not in self._squares_by:
            return None
        events = self._by(name, self.vector)
        found: Floats = np.where(events > 0, np.maximum(self._squares_by[name] / np.maximum(events, 1), 1.0), whole)
        return found

    def _by(self, name: str, vector: Vector) -> NDArray[np.int64]:
        """Events by the first axis of a part."""
        part = self._layout.part(vector, name)
        found: NDArray[np.int64] = part.reshape(len(part), -1).sum(axis=1)
        return found
