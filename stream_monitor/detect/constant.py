"""A feature that stopped moving: every event has one and the same value, as when a sensor sticks or a default stands in."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from stream_monitor.capture.schema import Column
from stream_monitor.detect.detector import Gate
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.pair import Counts, Flags, Floats, Pair, Side
from stream_monitor.profile.layout import FIRST_VALUE
from stream_monitor.profile.profile import MOMENT_SCALE, SQUARE_SCALE

SPREAD_MAX: Final = 0.03
"""Numbers count as one value while their sd is under this share of the baseline's: jitter is no movement, and a bin may be wide."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A `detector.Detector`: 1 where the window's values are all one and the baseline's are not, else 0; NaN for no values."""

    name: str = "constant"
    title: str = "had one value only"
    cause: str = "constant"
    default_threshold: float = 0.5
    is_quality: bool = True

    @property
    def gate(self) -> Gate:
        """`follow_the_first`."""
        return follow_the_first

    def applies_to(self, column: Column) -> bool:
        """Every column."""
        return True

    def score(self, pair: Pair) -> Floats:
        """float64[C]: 1 or 0."""
        stuck = _one_code(pair.window) & ~_others(pair.window) & ~_one_code(pair.baseline) & _narrow(pair)
        return np.where(pair.judgeable, stuck.astype(np.float64), np.nan)

    def base(self, baseline: Side) -> Floats:
        """Zeros."""
        return np.zeros(len(baseline.events))

    def moved(self, pair: Pair, column: int) -> Counts:
        """The one code."""
        codes: Counts = np.flatnonzero(pair.window.values[column]) + FIRST_VALUE
        return codes


CONSTANT: Final = Constant()


def follow_the_first(pair: Pair) -> Floats:
    """The p-value of "n - 1 values have the code of the first by chance": `more_often` of that code; 1 unless all n have one code.

    The first value chooses the code, so that it counts for nothing. At n = 1 p is 1. The baseline's own chance counts too: a value
    in 198 of 200 rows may well be that of 10,000 events in a row.
    """
    code = pair.window.values.argmax(axis=1)
    others = np.maximum(pair.window.present - 1, 0)
    baseline_part = np.take_along_axis(pair.baseline.values, code[:, None], axis=1)[:, 0]
    p = more_often(others, others, baseline_part, pair.baseline.present, pair.inflation.values)
    return np.where(_one_code(pair.window) & pair.judgeable, p, 1.0)


def _one_code(side: Side) -> Flags:
    flags: Flags = (side.values > 0).sum(axis=1) == 1
    return flags


def _others(side: Side) -> Flags:
    """bool[C]: categories without a name of their own, which may be many. Numbers below the range have moments."""
    flags: Flags = (side.values[:, 0] > 0) & (side.moments[1] == 0)
    return flags


def _narrow(pair: Pair) -> Flags:
    """bool[C]: numbers whose variance is under `SPREAD_MAX`^2 of the baseline's, as far as rounded moments tell; True for categories."""
    (window, rounding), (baseline, _) = _variance(pair.window), _variance(pair.baseline)
    return window <= SPREAD_MAX**2 * baseline + rounding


def _variance(side: Side) -> tuple[Floats, Floats]:
    """Of z, float64[C], and by how much rounding may raise it: z^2 is kept to 2^-11, z to 2^-21 and so its square to |z| 2^-20."""
    n = np.maximum(side.present, 1)
    mean, square = side.moments[0] / MOMENT_SCALE / n, side.moments[1] / SQUARE_SCALE / n
    return np.maximum(square - mean**2, 0.0), 0.5 / SQUARE_SCALE + np.abs(mean) / MOMENT_SCALE
