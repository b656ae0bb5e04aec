"""Which ids a join holds where it may not hold all: those whose hash begins with so many zero bits, of captures and labels alike.

Events of a facet's rare groups are relieved of some of these bits, so that figures of a group rest on rows enough. How many is fixed by the
group's share in the baseline, so that a pane has one rate, whatever traffic does.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import floor, log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

RELIEF_MAX: Final = 6
"""Bits that a group is relieved of at most: labels that came before their event are held 64 times as often."""


def reliefs_of(facets: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Zero bits that fewer are asked of the events of each group. facets: of each one the training rows of its groups, in order.

    With G groups in all that have rows, each may have 1 / G of the sample before its bits are rounded down: the rows of a relieved group
    are half of an even share at least, and relieved rows come to no more than all others had, whose sample halves at worst. A group
    without rows in training has no relief, for nobody knows how many it will have.
    """
    counts = [list(each) for each in facets]
    groups = sum(n > 0 for each in counts for n in each)
    return tuple(min(max(floor(log2(sum(each) / (groups * n))), 0), RELIEF_MAX) if n > 0 else 0 for each in counts for n in each)


class Sample:
    """rate: k, of 2^k ids one is taken in panes that begin now; rates: pane -> its own k, at least `rate`; none: it is 0."""

    def __init__(self, rate: int = 0, rates: Mapping[int, int] | None = None) -> None:
        self.rate = rate
        self.rates = dict(rates or {})

    @property
    def is_whole(self) -> bool:
        """Whether every id is taken."""
        return not self.rate and not self.rates

    def begin(self, panes: NDArray[np.int64]) -> None:
        """Those that are new have the rate of now, and keep it when there are fewer rows again. panes: int64[n]."""
        if not self.is_whole:
            for pane in np.unique(panes).tolist():
                self.rates.setdefault(pane, self.rate)

    def takes(self, ids: NDArray[np.uint64], panes: NDArray[np.int64], relief: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: whether each capture is in its pane's sample. panes, relief: int64[n]."""
        if self.is_whole:
            return np.ones(len(ids), dtype=np.bool_)
        found, place = np.unique(panes, return_inverse=True)
        rates = np.array([self.rates.get(pane, self.rate) for pane in found.tolist()], dtype=np.int64)[place.reshape(-1)]
        return _begins_with_zeros(ids, rates - relief)

    def holds(self, ids: NDArray[np.uint64], relief: NDArray[np.int64] | int) -> NDArray[np.bool_]:
        """bool[n]: whether each id may be in some pane's sample. relief: int64[n], or one for all."""
        return _begins_with_zeros(ids, np.asarray(self.rate - relief))

    def takes_anywhere(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """bool[n]: whether each id is in the sample of every pane and group."""
        return _begins_with_zeros(ids, np.asarray(max([self.rate, *self.rates.values()])))

    def narrow(self, ids: NDArray[np.uint64], relief: NDArray[np.int64], rows_max: int) -> NDArray[np.bool_]:
        """Ask one more bit of all until no more than `rows_max` stay; which do, bool[n]."""
        kept = np.ones(len(ids), dtype=np.bool_)
        while kept.sum() > rows_max:
            self.rate += 1
            kept = self.holds(ids, relief)
        return kept

    def settle(self, panes: Iterable[int]) -> None:
        """These panes, and all that are known, have the rate of now at least."""
        for pane in {*self.rates, *panes}:
            self.rates[pane] = max(self.rate, self.rates.get(pane, 0))

    def forget(self, horizon_ms: int | None) -> None:
        """Panes that begin before it are asked for no more."""
        self.rates = {pane: rate for pane, rate in self.rates.items() if horizon_ms is None or pane >= horizon_ms}


def _begins_with_zeros(ids: NDArray[np.uint64], bits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bits: int64[n], or int64[] for all: a sweep looks through millions of ids."""
    shift = (64 - np.clip(bits, 1, 63)).astype(np.uint64)
    found: NDArray[np.bool_] = (bits <= 0) | ((ids >> shift) == 0)
    return found
