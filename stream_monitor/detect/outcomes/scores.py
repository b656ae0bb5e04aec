"""The figures of a binary model's scores, from their histograms by label.

Scores are known by their bin, of equal width on the logit. What follows from their order alone is then known to within the pairs that fall
into one bin together; that error is part of the interval: 0.0021, 0.0025, 0.0026 of a ROC area of 0.86 with 10 %, 1 %, 0.1 % positives.
"""

from math import pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.outcomes.intervals import bounded
from stream_monitor.detect.outcomes.intervals import positive as of_positive
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, counts_of, measured
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.profile.score import SCORE_BINS, SCORES, SUMS_SCALE

Floats = NDArray[np.float64]
_BY_BIN: Final[Floats] = SCORES.reshape(SCORE_BINS, -1)
MIDDLES: Final[Floats] = (_BY_BIN[:, 63] + _BY_BIN[:, 64]) / 2
"""float64[SCORE_BINS]: the middle of each bin, within 0.0054 of every score in it."""
_FAR: Final[Floats] = np.stack([_BY_BIN[:, -1], 1 - np.nanmin(_BY_BIN, axis=1)])
"""float64[2, SCORE_BINS]: the largest |score - label| in a bin, labels 0 and 1."""
ECE_BINS: Final = 16
"""As many as Guo et al. use (15), and of equal width, but for whole bins of the histogram: to within 0.0054."""
_ECE_BIN: Final = np.floor(MIDDLES * ECE_BINS).astype(np.int64)


def by_label(layout: OutcomeLayout, vector: Vector) -> Floats:
    """float64[2, SCORE_BINS]: events with a score and a label, negative and positive, by bin."""
    counts: Floats = counts_of(layout, vector, "scores")[1:].sum(axis=1).astype(np.float64)
    return counts


def scores(layout: OutcomeLayout, vector: Vector, z: float) -> list[Measure]:
    """ROC AUC, PR AUC, log loss, Brier score and expected calibration error."""
    counts = by_label(layout, vector)
    n, smaller = float(counts.sum()), float(counts.sum(axis=1).min())
    sums = layout.part(vector, "score_sums") / SUMS_SCALE
    return [
        measured("roc_auc", roc_auc(counts, z), smaller),
        measured("pr_auc", pr_auc(counts, z), smaller),
        measured("log_loss", log_loss(float(sums[1]), counts, z), n),
        measured("brier", brier(float(sums[0]), counts, z), n),
        measured("ece", ece(counts, z), n),
    ]


def roc_auc(counts: Floats, z: float) -> Estimate:
    """The chance that a positive event's score is over a negative one's, ties half; nothing where one class is alone.

    Interval: the larger of DeLong's variance (DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44) and Hanley & McNeil's (1982, Radiology
    143), which also sees what few events do not show; at 0 and 1 as a proportion of the smaller class (van Dantzig 1951); then `roc_error`
    on both sides.
    """
    totals = counts.sum(axis=1)
    if totals.min() <= 0:
        return NOTHING
    value, slopes = roc_area(counts)
    delong = float((counts * slopes**2).sum())
    found = bounded(value, max(delong, _hanley(value, float(totals[1]), float(totals[0]))), float(totals.min()), z)
    return widened(found, roc_error(counts), roc_error(counts))


def roc_area(counts: Floats) -> tuple[float, Floats]:
    """The area in [0, 1], and by how much one more event in a bin moves it, float64[2, SCORE_BINS]; both classes have events."""
    negative, positive = counts
    below = (np.cumsum(negative) - negative / 2) / negative.sum()
    above = 1 - (np.cumsum(positive) - positive / 2) / positive.sum()
    value = float(positive @ below / positive.sum())
    return value, np.stack([(above - value) / negative.sum(), (below - value) / positive.sum()])


def roc_error(counts: Floats) -> float:
    """By how much the ROC area of the raw scores may differ from that of the bins: half of the share of pairs in one bin together."""
    totals = counts.sum(axis=1)
    return float(counts[0] @ counts[1] / (2 * totals[0] * totals[1])) if totals.min() > 0 else 0.5


def pr_auc(counts: Floats, z: float) -> Estimate:
    """Average precision: the mean over positive events of the precision at their score; nothing without a positive event.

    Source: Boyd, Eng & Page 2013, Area Under the Precision-Recall Curve, ECML PKDD. Interval: delta method on the multinomial
    counts, but no surer than a proportion of the positives (their binomial interval); then `pr_errors` on both sides.
    """
    negative, positive = counts[:, ::-1]
    total = float(positive.sum())
    if total <= 0:
        return NOTHING
    hits, taken = np.cumsum(positive), np.maximum(np.cumsum(positive + negative), 1)
    precision = hits / taken
    value = float(positive @ precision) / total
    later = np.cumsum((positive * precision / taken)[::-1])[::-1] / total
    also = np.cumsum((positive / taken)[::-1])[::-1] / total
    variance = float(positive @ ((precision - value) / total + also - later) ** 2 + negative @ later**2)
    variance = max(variance, value * (1 - value) / total)
    return widened(bounded(min(value, 1.0), variance, total, z), *pr_errors(counts))


def pr_errors(counts: Floats) -> tuple[float, float]:
    """By how much the average precision of the raw scores may be below and above that of the bins: the order in a bin is not known.

    Below: its negative events come first; above: last. Bounds, not reached: each bin's events are all given its worst and best precision.
    """
    negative, positive = counts[:, ::-1]
    total = float(positive.sum())
    if total <= 0:
        return 0.0, 0.0
    hits, misses = np.cumsum(positive), np.cumsum(negative)
    first = hits - positive + 1
    middle = positive @ (hits / np.maximum(hits + misses, 1))
    worst = positive @ (first / (first + misses))
    best = positive @ (hits / np.maximum(hits + misses - negative, 1))
    return float(middle - worst) / total, float(best - middle) / total


def log_loss(total: float, counts: Floats, z: float) -> Estimate:
    """Mean of -ln(score of the label), by its exact sum; nothing at n = 0, no interval below n = 2 and at 0.

    Interval: log method, for its few large terms make it lean to the right; second moment with every event at its bin's far end, which only
    widens.
    """
    n = float(counts.sum())
    if n < 2 or total <= 0:
        return Estimate(total / n) if n > 0 else NOTHING
    squares = float((counts * np.log(1 - _FAR) ** 2).sum())
    return of_positive(total / n, max(squares * n / total**2 - 1, 0.0) / (n - 1), z)


def brier(total: float, counts: Floats, z: float) -> Estimate:
    """Mean of (score - label)^2, by its exact sum; nothing at n = 0. Interval: `bounded`, the second moment as in `log_loss`."""
    n = float(counts.sum())
    if n <= 0:
        return NOTHING
    value = total / n
    return bounded(value, max(float((counts * _FAR**4).sum()) / n - value**2, 0.0) / n, n, z)


def ece(counts: Floats, z: float) -> Estimate:
    """Expected calibration error: the sum over 16 wide bins of |sum of labels - sum of scores| / n; scores as their histogram bin's middle.

    Few events in a bin raise it by chance alone, about sqrt(2 p (1 - p) / (pi n)) there. Interval: the triangle inequality; what chance
    adds to a sum of absolute values has mean sd sqrt(2 / pi) and variance sd^2 (1 - 2 / pi) in each bin; half an event of either label is
    added to the variance of each bin that has any. Source: Naeini, Cooper & Hauskrecht 2015, AAAI; Guo et al. 2017, ICML.
    """
    n = float(counts.sum())
    if n <= 0:
        return NOTHING
    errors = np.stack([-MIDDLES, 1 - MIDDLES])
    gaps, squares = _folded(counts * errors) / n, _folded(counts * errors**2)
    occupied = _folded(counts) > 0
    variance = np.where(occupied, (squares + 0.25) / n - gaps**2, 0.0).clip(0) / n
    value = float(np.abs(gaps).sum())
    chance = float(np.sqrt(variance).sum()) * sqrt(2 / pi) + z * sqrt(float(variance.sum()) * (1 - 2 / pi))
    return Estimate(value, max(value - chance, 0.0), min(value + chance, 1.0))


def _folded(counts: Floats) -> Floats:
    """float64[ECE_BINS] of float64[2, SCORE_BINS]."""
    folded: Floats = np.bincount(_ECE_BIN, weights=counts.sum(axis=0), minlength=ECE_BINS).astype(np.float64)
    return folded


def _hanley(value: float, positive: float, negative: float) -> float:
    one, two, square = value / (2 - value), 2 * value**2 / (1 + value), value**2
    return (value * (1 - value) + (positive - 1) * (one - square) + (negative - 1) * (two - square)) / (positive * negative)


def widened(found: Estimate, below: float, above: float) -> Estimate:
    """The interval of a figure in [0, 1], longer by so much on either side."""
    value, low, high = found
    return found if low is None or high is None else Estimate(value, max(low - below, 0.0), min(high + above, 1.0))
