"""How the calls of some events went: a mergeable part of a profile."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.calls import MEASURES, Calls
from stream_monitor.profile.extra import EXTRA_MAX, merge_extra
from stream_monitor.profile.logarithmic import LogHistogram, bins_of


@dataclass(frozen=True, slots=True)
class Operations:
    """told: events that say anything of their call; failed: those whose call failed.

    codes: error code ("" for none) -> failed events, names rising, at most `EXTRA_MAX`, the first in the order of the alphabet.
    measures: of `capture.MEASURES` those that some event tells, in their order.

    They form a commutative monoid under `merge`, exactly.
    """

    told: int = 0
    failed: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, LogHistogram] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Self:
        """Of no event: the zero of `merge`."""
        return cls()

    def merge(self, other: "Operations") -> "Operations":
        """Of both sides' events."""
        if not self.told or not other.told:
            return self if self.told else other
        return Operations(
            self.told + other.told,
            self.failed + other.failed,
            merge_extra(self.codes, other.codes),
            {name: self.measure(name).merge(other.measure(name)) for name in MEASURES if name in self.measures or name in other.measures},
        )

    def measure(self, name: str) -> LogHistogram:
        """The histogram of one measure, empty where nobody tells it."""
        return self.measures.get(name) or LogHistogram.empty()


class CallBins:
    """The calls of a batch, each measure's values in their bins: looked up once, then counted by any group of events."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._bins = {name: bins_of(values) for name, values in calls.measures.items()}

    def of(self, members: NDArray[np.int64]) -> Operations:
        """Of the events in these rows."""
        told, failed = int(self._calls.told[members].sum()), members[self._calls.failed[members]]
        if not told:
            return Operations.empty()
        codes = Counter(self._calls.codes[row] for row in failed.tolist())
        found = {name: LogHistogram.of(bins[members]) for name, bins in self._bins.items()}
        measures = {name: found[name] for name in MEASURES if name in found and len(found[name].bins)}
        return Operations(told, len(failed), dict(sorted(codes.items())[:EXTRA_MAX]), measures)
