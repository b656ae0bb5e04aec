"""river's own detectors on the rows of a series, and what any detector's alarms are worth against the changes that people agree on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from river import drift

Rows = Sequence[Mapping[str, float]]

RIVER: Final[Mapping[str, Callable[[], Any]]] = {
    "river ADWIN": drift.ADWIN,
    "river PageHinkley": drift.PageHinkley,
    "river KSWIN": lambda: drift.KSWIN(seed=0),
}
"""With river's defaults."""


class Worth(NamedTuple):
    """found: changes behind which an alarm comes within the reach; false: groups of alarms that lie behind none."""

    found: int
    changes: int
    false: int

    @property
    def f1(self) -> float:
        """2 found / (2 found + false + missed), 0 where nothing was found."""
        return 2 * self.found / (self.found + self.false + self.changes) if self.found else 0.0


def river_alarms(make: Callable[[], Any], rows: Rows, training: int, *, standardised: bool) -> list[int]:
    """The rows, from `training` on, at which a detector of any feature alarms; it reads the training rows too.

    standardised: values less the training rows' mean, over their standard deviation; else as they are.
    """
    found: set[int] = set()
    for name in sorted({name for row in rows for name in row}):
        values = np.array([row.get(name, np.nan) for row in rows])
        known = values[:training][~np.isnan(values[:training])]
        if standardised and len(known):
            values = (values - known.mean()) / (known.std() or 1.0)
        found.update(row for row in _alarms(make(), values) if row >= training)
    return sorted(found)


def _alarms(detector: Any, values: Any) -> Iterator[int]:
    for row, value in enumerate(values.tolist()):
        if value == value:
            detector.update(value)
            if detector.drift_detected:
                yield row


def worth(alarms: Sequence[int], changes: Sequence[int], reach: int) -> Worth:
    """Alarms (rows, rising) against changes: one in (change, change + reach] finds it.

    All others are false; those closer together than `reach` count as one.
    """
    hits = [change for change in changes if any(change < alarm <= change + reach for alarm in alarms)]
    stray = [alarm for alarm in alarms if not any(change < alarm <= change + reach for change in changes)]
    false = sum(later - earlier > reach for earlier, later in pairwise(stray)) + bool(stray)
    return Worth(len(hits), len(changes), false)
