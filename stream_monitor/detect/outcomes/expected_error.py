"""How far a regression probably errs on events without labels: what its errors were in the baseline where predictions were alike.

It sees only that predictions moved to where errors were larger, or smaller; beyond the baseline's range these are as at its end. Inputs
that became harder under equal predictions, and a relation that changed, it does not see: that takes labels. Source: NannyML's
documentation, "Direct Loss Estimation", with the bin of the prediction in place of a second model; as a mean over strata that are
weighted anew: Cochran 1977, Sampling Techniques, ch. 5.
"""

from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.outcomes.estimated import ESTIMATED
from stream_monitor.detect.outcomes.intervals import positive, quantile
from stream_monitor.detect.outcomes.measure import NOTHING, Measure, counts_of, measured
from stream_monitor.detect.outcomes.regression import errors_of, kurtosis
from stream_monitor.profile.outcome import SCALE, SQUARE_SCALE, OutcomeLayout, Vector

Floats = NDArray[np.float64]
NAMES: Final = ("mae", "rmse")
KNOWN_MIN: Final = 10
"""Labelled events in a bin, below which its errors are taken from the bins beside it."""


class BinErrors(NamedTuple):
    """By bin of the prediction, float64[B]: mean |z| and z^2 of the baseline's errors, and how many are behind them; kurtosis: of all."""

    absolute: Floats
    squared: Floats
    n: Floats
    kurtosis: float


def fit_errors(layout: OutcomeLayout, vector: Vector) -> BinErrors:
    """From a baseline's outcome; some labelled events. A bin of few, as beyond the baseline's range, is between its neighbours."""
    sums = counts_of(layout, vector, "by_value")[:, 1:].astype(np.float64)
    places = np.arange(len(sums))
    known = sums[:, 0] >= min(KNOWN_MIN, sums[:, 0].max())
    n, absolute, squared = (np.interp(places, places[known], column[known]) for column in sums.T)
    absolute, squared = absolute / n / SCALE, squared / n / SQUARE_SCALE
    return BinErrors(absolute, np.maximum(squared, absolute**2), n, kurtosis(errors_of(layout, vector)))


def expected_errors(layout: OutcomeLayout, vector: Vector, fitted: BinErrors, level: float = 0.99, inflation: float = 1.0) -> list[Measure]:
    """estimated_mae, estimated_rmse of all events with a prediction, labelled or not, in the label's units.

    The interval holds what labels of these very events would show, if errors are what they were: log method, the variance within bins
    (of squares: by the baseline's kurtosis) over the window's events and over the baseline's of each bin.
    """
    events = counts_of(layout, vector, "by_value")[:, 0].astype(np.float64)
    total = float(events.sum())
    if total <= 0:
        return [measured(ESTIMATED + name, NOTHING, 0) for name in NAMES]
    shares, z = events / total, quantile(level, inflation)
    spreads = {"mae": fitted.squared - fitted.absolute**2, "rmse": fitted.squared**2 * (fitted.kurtosis - 1)}
    found = {}
    for name, means in (("mae", fitted.absolute), ("rmse", fitted.squared)):
        value = float(shares @ means)
        variance = float((shares / total + shares**2 / fitted.n) @ spreads[name])
        found[name] = positive(value, variance / value**2 if value > 0 else 0.0, z)
    found["rmse"] = found["rmse"].rising(sqrt)
    return [measured(ESTIMATED + name, each.rising(lambda value: value * layout.scale), total) for name, each in found.items()]
