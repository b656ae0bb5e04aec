"""A value's place in the baseline's distribution: what sequential detectors read, because it knows no unit and no scale.

u = F(x-) + P(x) / 2, the mid-distribution function (Parzen 2004, "Quantile probability and statistical data modeling", sec. 4):
over the training data it has mean 1/2 whatever their distribution, ties and all.
"""

import weakref
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn, NumericColumn
from stream_monitor.capture.columns import Values
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE
from stream_monitor.profile.slices import POSITION_SCALE


@dataclass(frozen=True, slots=True)
class Places:
    """One column's positions by code: u = clip(places[code] + slopes[code] (x / 2 - lows[code]), 0, 1).

    All float64[K], K the number of the column's codes. places: NaN for codes without a position; slopes: 0 where every value of
    the code stands at one place. Halves, because edges may be as far apart as floats go.
    """

    places: NDArray[np.float64]
    slopes: NDArray[np.float64]
    lows: NDArray[np.float64]

    @property
    def ranks(self) -> NDArray[np.int64]:
        """int64[K]: the places in 1 / `POSITION_SCALE`, 0 where there is none."""
        return np.rint(np.nan_to_num(self.places) * POSITION_SCALE).astype(np.int64)


def positions(entry: BaselineColumn, codes: NDArray[np.int32], values: Values) -> NDArray[np.float64]:
    """float64[n] in [0, 1]; NaN for missing and invalid values, and for all of them where the baseline has none.

    codes: int32[n], as `encode` gives them; values: the column's n values, read for numbers only. Numbers lie linearly inside a bin,
    in the middle of its share where the bin holds one value; 0 below and 1 above the range, so that nothing is out of bounds.
    Categories stand in the order of falling frequency, "other" after them all.
    """
    by_code = places_of(entry)
    if by_code is None:
        return np.full(len(codes), np.nan)
    found = by_code.places[codes]
    if isinstance(entry, NumericColumn):
        with np.errstate(invalid="ignore"):  # infinite ones have no place anyhow
            found += by_code.slopes[codes] * (np.asarray(values, dtype=np.float64) / 2 - by_code.lows[codes])
    return np.clip(found, 0.0, 1.0, out=found)


_known: Final[dict[int, Places | None]] = {}
"""By identity, since a column's hash costs more than its places; a column takes its entry with it when it goes."""


def places_of(entry: BaselineColumn) -> Places | None:
    """Where the column's values stand, made once per column object; None where the baseline has no value of it."""
    key = id(entry)
    if key not in _known:
        _known[key] = _places(entry)
        weakref.finalize(entry, _known.pop, key, None)
    return _known[key]


def _places(entry: BaselineColumn) -> Places | None:
    counts = np.array(entry.counts, dtype=np.float64)
    places, slopes, lows = np.full(len(counts), np.nan), np.zeros(len(counts)), np.zeros(len(counts))
    if counts[FIRST_VALUE:].sum() == 0:
        return None
    if isinstance(entry, CategoricalColumn):
        before, share = _shares(np.append(counts[FIRST_BIN:], counts[FIRST_VALUE]))
        middles = np.minimum(before + share / 2, 1.0)
        places[FIRST_BIN:], places[FIRST_VALUE] = middles[:-1], middles[-1]
        return Places(places, slopes, lows)
    before, share = _shares(counts[FIRST_BIN:-1])
    slope, low = _slopes(entry, share)
    places[FIRST_VALUE], places[-1] = 0.0, 1.0
    places[FIRST_BIN:-1] = np.where(slope > 0, before, before + share / 2)
    slopes[FIRST_BIN:-1], lows[FIRST_BIN:-1] = slope, low
    return Places(places, slopes, lows)


def _shares(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of all training values that come before each code's, and its own."""
    share = counts / counts.sum()
    return np.concatenate(([0.0], np.cumsum(share[:-1]))), share


def _slopes(entry: NumericColumn, share: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How fast the position rises in each bin per half unit, 0 in bins of one value; and half of its lower edge."""
    halves = entry.edge_array / 2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = share / np.diff(halves)
    steep = ~np.isfinite(slope) | np.isin(np.arange(len(share)), entry.single_valued)
    return np.where(steep, 0.0, slope), halves[:-1]
