"""How much each feature counted in training: the scale of attributions, and their sums over all rows and those of each segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import frexp, fsum, ldexp, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.attributions import Attributed
from stream_monitor.profile.attributions import Attributions, AttributionSizes
from stream_monitor.profile.layout import Layout

_LOWEST: Final = -1_073
"""Of the exponents that float64 has by `frexp`; the highest is 1,024."""
_EXPONENTS: Final = 1_024 - _LOWEST + 1
_SCALE_MIN: Final = ldexp(1.0, -1_000)


@dataclass(frozen=True)
class Attribution:
    """scale: what sizes are measured in, a power of 2, so that dividing by it loses nothing; whole: of all rows."""

    scale: float
    whole: Attributions


class ScaleCollector:
    """Counts values by the power of 2 below them, so that the scale hangs on the rows alone, not on their order."""

    def __init__(self) -> None:
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._told: dict[str, int] = {}

    def add(self, attributed: Attributed) -> None:
        """Those of more rows."""
        for name, values in attributed.items():
            finite = values[np.isfinite(values)]
            counts = np.bincount(np.frexp(finite[finite != 0])[1] - _LOWEST, minlength=_EXPONENTS)
            self._counts[name] = self._counts.get(name, 0) + counts
            self._told[name] = self._told.get(name, 0) + len(finite)

    def scale(self) -> float | None:
        """Within half and twice the largest root mean square of a feature's attributions; None where there are none, or all are 0."""
        return max((_scale(counts, self._told[name]) for name, counts in self._counts.items() if counts.any()), default=None)


def _scale(counts: NDArray[np.int64], told: int) -> float:
    """A value in [2^(e - 1), 2^e) counts as the first: that makes half to once the root mean square; the next power of 2 is the scale."""
    held = np.flatnonzero(counts)
    top = int(held[-1])
    squares = fsum(int(counts[place]) * ldexp(1.0, 2 * (int(place) - top)) for place in held)
    mantissa, exponent = frexp(sqrt(squares / told))
    return max(ldexp(mantissa if mantissa == 0.5 else 1.0, exponent + top + _LOWEST - 1), _SCALE_MIN)


class AttributionCounts:
    """The sums of all rows and of each part of each cut of them. cuts: how many parts each has."""

    def __init__(self, scale: float, layout: Layout, cuts: Sequence[int]) -> None:
        self._scale, self._layout = scale, layout
        self.whole = Attributions.empty()
        self.cuts = [[Attributions.empty()] * parts for parts in cuts]

    def add(self, attributed: Attributed, n: int, places: Sequence[NDArray[np.int32]]) -> None:
        """Those of n more rows; places: for each cut int32[n], the part of each row."""
        if not attributed:
            return
        sizes = AttributionSizes(attributed, self._layout, self._scale)
        self.whole = self.whole.merge(sizes.of(np.arange(n)))
        for parts, place in zip(self.cuts, places, strict=True):
            for part in np.unique(place).tolist():
                parts[part] = parts[part].merge(sizes.of(np.flatnonzero(place == part)))

    def attribution(self) -> Attribution:
        """What stands in the baseline."""
        return Attribution(self._scale, self.whole)
