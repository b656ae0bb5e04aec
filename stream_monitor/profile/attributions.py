"""How much each feature counted in the predictions of some events: a mergeable part of a profile.

Attributions have any scale, so they are counted in parts of one that the baseline fixes: the size of its largest feature's.
"""

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.attributions import Attributed
from stream_monitor.profile.layout import Layout

SIZE_SCALE: Final = 2**20
"""Sizes are whole multiples of 2^-20 of the scale: a mean is right to half of that."""
SIZE_CLIP: Final = 2.0**6
"""Sizes are clipped at 64 times the scale: 2^33 squares of such values still fit into an int64."""
SQUARE_SCALE: Final = 2**18
"""Squares are rounded up to multiples of 2^-18, so that a variance is never too small."""


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """told: events that attribute anything to a feature of the baseline.

    sums: int64[2, C] over them by column: of sizes |attribution| / scale (in 2^-20) and of their squares (in 2^-18); 0 for columns that
    are no feature. int64[2, 0] where no event tells anything. A feature that such an event does not name counts as 0 there: that is
    what explainers mean that send the few largest.

    They form a commutative monoid under `merge`, exactly.
    """

    told: int = 0
    sums: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, 0), dtype=np.int64))

    @classmethod
    def empty(cls) -> Self:
        """Of no event: the zero of `merge`."""
        return cls()

    def merge(self, other: "Attributions") -> "Attributions":
        """Of both sides' events, on the same scale and columns."""
        if not self.told or not other.told:
            return self if self.told else other
        return Attributions(self.told + other.told, self.sums + other.sums)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attributions) and self.told == other.told and np.array_equal(self.sums, other.sums)

    __hash__ = None  # type: ignore[assignment]  # an array inside


class AttributionSizes:
    """The attributions of a batch in whole numbers: made once, then added up for any group of events.

    attributed: see `capture`; scale: over 0, finite.
    """

    def __init__(self, attributed: Attributed, layout: Layout, scale: float) -> None:
        self._columns = [layout.names.index(name) for name in attributed]
        self._sums = np.array([_whole(values, scale) for values in attributed.values()], dtype=np.int64)
        self._told = np.any([np.isfinite(values) for values in attributed.values()], axis=0)
        self._shape = (2, layout.columns)

    def of(self, members: NDArray[np.int64]) -> Attributions:
        """Of the events in these rows."""
        told = int(self._told[members].sum())
        if not told:
            return Attributions.empty()
        sums = np.zeros(self._shape, dtype=np.int64)
        sums[:, self._columns] = self._sums[:, :, members].sum(axis=2).T
        return Attributions(told, sums)


def _whole(values: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """int64[2, n]: each value's size and its square."""
    with np.errstate(over="ignore"):
        sizes = np.minimum(np.abs(np.nan_to_num(values)) / scale, SIZE_CLIP)
    return np.array([np.rint(sizes * SIZE_SCALE), np.ceil(sizes * sizes * SQUARE_SCALE)]).astype(np.int64)
