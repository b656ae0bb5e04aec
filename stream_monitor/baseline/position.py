"""A value's place in the baseline's distribution: what sequential detectors read, because it knows no unit and no scale.

u = F(x-) + P(x) / 2, the mid-distribution function (Parzen 2004, "Quantile probability and statistical data modeling", sec. 4):
over the training data it has mean 1/2 whatever their distribution, ties and all.
"""

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn, NumericColumn
from stream_monitor.capture.columns import Values
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE


def positions(entry: BaselineColumn, codes: NDArray[np.int32], values: Values) -> NDArray[np.float64]:
    """float64[n] in [0, 1]; NaN for missing and invalid values, and for all of them where the baseline has none.

    codes: int32[n], as `encode` gives them; values: the column's n values, read for numbers only. Numbers lie linearly inside a bin,
    in the middle of its share where the bin holds one value; 0 below and 1 above the range, so that nothing is out of bounds.
    Categories stand in the order of falling frequency, "other" after them all.
    """
    shares = _shares(entry)
    found: NDArray[np.float64] = np.full(len(codes), np.nan)
    if shares is None:
        return found
    before = np.concatenate(([0.0], np.cumsum(shares)))
    if isinstance(entry, CategoricalColumn):
        ranks = np.where(codes == FIRST_VALUE, len(entry.categories), codes - FIRST_BIN)
        known = codes >= FIRST_VALUE
        found[known] = np.minimum((before[ranks[known]] + before[ranks[known] + 1]) / 2, 1.0)
        return found
    last = FIRST_BIN + len(shares)
    found[codes == FIRST_VALUE] = 0.0
    found[codes >= last] = 1.0
    inside = (codes >= FIRST_BIN) & (codes < last)
    bins = codes[inside] - FIRST_BIN
    found[inside] = before[bins] + shares[bins] * _within(entry, bins, np.asarray(values, dtype=np.float64)[inside])
    np.clip(found, 0.0, 1.0, out=found)
    return found


def _shares(entry: BaselineColumn) -> NDArray[np.float64] | None:
    """Each bin's share of the present training values, or each category's with "other" last; None where there was no value."""
    counts = np.array(entry.counts, dtype=np.float64)
    numeric = isinstance(entry, NumericColumn)
    counts = counts[FIRST_BIN:-1] if numeric else np.append(counts[FIRST_BIN:], counts[FIRST_VALUE])
    total = counts.sum()
    return counts / total if total > 0 else None


def _within(entry: NumericColumn, bins: NDArray[np.int32], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far into its bin each value lies, in [0, 1]."""
    edges = entry.edge_array
    low, high = edges[:-1], edges[1:]
    middle = np.isin(np.arange(len(low)), entry.single_valued) | (high <= low)
    with np.errstate(over="ignore", invalid="ignore"):
        width = np.where(middle, 1.0, high / 2 - low / 2)  # halves: edges may be as far apart as floats go
        within = (values / 2 - low[bins] / 2) / width[bins]
    return np.where(middle[bins], 0.5, within)
