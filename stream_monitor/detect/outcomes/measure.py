"""What every metric answers: a value, and between what it surely lies."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.outcome import OutcomeLayout, Vector

Segment = tuple[tuple[str, str], ...]
"""(("class", name),) for one class's figures, ((facet, group),) for bias."""


class Estimate(NamedTuple):
    """A figure and its two-sided interval. value None: not computable; low and high None: no interval, so that nothing follows from it."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def bounds(self) -> tuple[float, float, float] | None:
        """(value, low, high), where there is an interval."""
        return None if self.value is None or self.low is None or self.high is None else (self.value, self.low, self.high)

    def rising(self, function: Callable[[float], float]) -> "Estimate":
        """A rising function of the figure: of its value and of both ends."""
        return Estimate(*(None if each is None else function(each) for each in self))

    def falling(self, function: Callable[[float], float]) -> "Estimate":
        """A falling function of the figure: its ends change places."""
        return Estimate(*(None if each is None else function(each) for each in (self.value, self.high, self.low)))


NOTHING = Estimate(None)
"""What is not computable: no labels, one class alone, an empty group."""


class Measure(NamedTuple):
    """One metric of one window.

    name: the detector's name, see `metrics.METRICS` and `bias.BIAS`; value, low, high: as `Estimate`; events: the events that the figure
    rests on: those in its denominator, of the smaller side where it compares two.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    events: int
    feature: str | None = None
    segment: Segment = ()


def counts_of(layout: OutcomeLayout, vector: Vector, part: str) -> NDArray[np.int64]:
    """One part of counts. Below 0, where something was taken back that had come too late to be added, is 0: no figure is worth a crash."""
    return np.maximum(layout.part(vector, part), 0)


def measured(name: str, found: Estimate, events: float, segment: Segment = ()) -> Measure:
    """An estimate with its name."""
    return Measure(name, *found, events=round(events), segment=segment)
