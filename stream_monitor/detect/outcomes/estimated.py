"""How good a model probably is on events without labels, from its own calibrated scores (confidence-based performance estimation, CBPE).

It sees covariate shift only: events that are harder, where scores say so. When the truth behind equal scores changes (pure concept drift),
it sees nothing, and goes on saying what the baseline's calibration says. Source: Garg et al. 2022, Leveraging Unlabeled Data to Predict
Out-of-Distribution Performance, ICLR, sec. 4 (average confidence); as CBPE: NannyML's documentation, "How it works".
"""

from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.outcomes.intervals import quantile
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, counts_of, measured
from stream_monitor.detect.outcomes.scores import MIDDLES, by_label, roc_area, roc_error, widened
from stream_monitor.profile.outcome import OutcomeLayout, Vector

Floats = NDArray[np.float64]
ESTIMATED: Final = "estimated_"
_FORMULAS: Final = {
    "accuracy": ((1, 0, 0, 1), (1, 1, 1, 1)),
    "precision": ((0, 0, 0, 1), (0, 1, 0, 1)),
    "recall": ((0, 0, 0, 1), (0, 0, 1, 1)),
    "specificity": ((1, 0, 0, 0), (1, 1, 0, 0)),
    "f1": ((0, 0, 0, 2), (0, 1, 1, 2)),
}
"""What of tn, fp, fn, tp is above the line, and below."""


def fit_calibration(layout: OutcomeLayout, vector: Vector) -> Floats:
    """float64[SCORE_BINS], rising: the chance of the positive label by score bin, from a baseline's events with a score and a label.

    See `isotonic`. Source: Zadrozny & Elkan 2002, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD.
    """
    return isotonic(by_label(layout, vector), MIDDLES)


def isotonic(counts: Floats, middles: Floats) -> Floats:
    """float64[B], rising: the share of the second row by bin. counts: float64[2, B]; middles: of the bins' scores, float64[B].

    Isotonic regression, weighted by events (pool adjacent violators); bins without events between the two beside them, by their middles.
    Without any event: the middle of each bin, scores taken at their word.
    """
    n = counts.sum(axis=0)
    known = n > 0
    if not known.any():
        return middles.copy()
    from scipy.optimize import isotonic_regression  # loads for a third of a second that nobody without scores waits for

    fitted = isotonic_regression(counts[1, known] / n[known], weights=n[known]).x
    found: Floats = np.interp(middles, middles[known], fitted)
    return found


def estimated(
    layout: OutcomeLayout,
    vector: Vector,
    calibration: Floats,
    level: float = 0.99,
    fitted_on: float | None = None,
    inflation: float = 1.0,
) -> list[Measure]:
    """estimated_accuracy, _precision, _recall, _specificity, _f1, _roc_auc of all events with a score, labelled or not.

    Empty where the layout has no scores. calibration: of `fit_calibration`; fitted_on: the labelled events with a score behind it, None:
    many. The interval holds what labels of these very events would show (each label is a coin with its bin's chance: Poisson-binomial), by
    the delta method; variances grow by 1 + n / fitted_on, for a calibration of as few events as that is as uncertain. inflation as in
    `quality`.
    """
    if not layout.scored or layout.task != "binary":
        return []
    says = counts_of(layout, vector, "scores").sum(axis=0).astype(np.float64)
    n = float(says.sum())
    if n <= 0:
        return [measured(ESTIMATED + name, NOTHING, 0) for name in (*_FORMULAS, "roc_auc")]
    z = quantile(level, inflation) * sqrt(1 + n / fitted_on if fitted_on else 1.0)
    positives = says * calibration
    counts = np.array([*(says - positives).sum(axis=1), *positives.sum(axis=1)])
    variances = (positives * (1 - calibration)).sum(axis=1)
    found = {name: _figure(counts, variances, *formula, z) for name, formula in _FORMULAS.items()}
    found["roc_auc"] = _roc_auc(says.sum(axis=0), calibration, z)
    return [measured(ESTIMATED + name, each, n) for name, each in found.items()]


def _figure(counts: Floats, variances: Floats, top: tuple[int, ...], whole: tuple[int, ...], z: float) -> Estimate:
    """(top . counts) / (whole . counts), counts: tn, fp, fn, tp expected. variances: of the positives not said and said to be.

    A positive more among events of one prediction is a negative less: fn + 1 is tn - 1, tp + 1 is fp - 1.
    """
    below = float(counts @ whole)
    if below <= 0:
        return NOTHING
    value = float(counts @ top) / below
    slopes = (np.array(top) - value * np.array(whole)) / below
    moves = slopes[2:] - slopes[:2]
    return realised(value, float(moves**2 @ variances), z)


def _roc_auc(events: Floats, calibration: Floats, z: float) -> Estimate:
    positive = events * calibration
    counts = np.stack([events - positive, positive])
    if counts.sum(axis=1).min() <= 0:
        return NOTHING
    value, slopes = roc_area(counts)
    found = realised(value, float((slopes[1] - slopes[0]) ** 2 @ (positive * (1 - calibration))), z)
    return widened(found, roc_error(counts), roc_error(counts))


def realised(value: float, variance: float, z: float) -> Estimate:
    """A figure in [0, 1] and between what labels of these events would show it."""
    half = z * sqrt(variance)
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))
