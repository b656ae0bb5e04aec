"""How good a model of several classes probably is on events without labels, from how sure it was of the class that it predicted.

One score is kept of an event, that of the predicted class. So how often each class is right follows from scores alone, and with it accuracy
and precision. Where the wrong ones belong does not: recall and F1 take it that errors of one prediction are of the classes they were of in
the baseline. Covariate shift only, as in `estimated`: a relation that changed is not seen. Source: Garg et al. 2022 (average confidence);
the confidence of the predicted class as its chance: Guo et al. 2017, On Calibration of Modern Neural Networks, ICML, sec. 2.
"""

from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.outcomes.classes import over_all
from stream_monitor.detect.outcomes.estimated import ESTIMATED, isotonic, realised
from stream_monitor.detect.outcomes.intervals import quantile
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, counts_of, measured
from stream_monitor.detect.outcomes.scores import MIDDLES
from stream_monitor.profile.outcome import CONFIDENCE_BINS, OutcomeLayout, Vector

Floats = NDArray[np.float64]
NAMES: Final = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
HALF: Final = 0.5
"""A class that is not predicted occurs where at least half an event is expected to be of it."""
_MIDDLES: Final[Floats] = MIDDLES.reshape(CONFIDENCE_BINS, -1).mean(axis=1)


class Confidence(NamedTuple):
    """What a baseline says of K classes, all others being the last. right: float64[K, CONFIDENCE_BINS], rising, the chance that a
    prediction of this class and score is right; wrong: float64[K, K], [label, prediction], of those that are not, each column's shares
    (0 on the diagonal); fitted_on: labelled events with a prediction and a score behind it.
    """

    right: Floats
    wrong: Floats
    fitted_on: float


def fit_confidence(layout: OutcomeLayout, vector: Vector) -> Confidence:
    """From a baseline's outcome. right: isotonic regression of each predicted class, of one without events by the scores' own word.

    wrong: by the joint counts, with the labels of all events, a thousandth of an event of them, where a class was never wrong.
    """
    counts = counts_of(layout, vector, "confidence")[1:, 1:].astype(np.float64)
    joint = counts_of(layout, vector, "joint")[1:, 1:].astype(np.float64)
    right = np.stack([isotonic(counts[:, place], _MIDDLES) for place in range(counts.shape[1])])
    others = joint + (joint.sum(axis=1, keepdims=True) + 1) / (joint.sum() + len(joint)) / 1_000
    np.fill_diagonal(others, 0)
    return Confidence(right, others / others.sum(axis=0), float(counts.sum()))


def expected(layout: OutcomeLayout, vector: Vector, fitted: Confidence, level: float = 0.99, inflation: float = 1.0) -> list[Measure]:
    """estimated_accuracy, _macro_precision, _macro_recall, _macro_f1 of all events with a prediction and a score, labelled or not.

    Intervals as in `estimated.estimated`: each label is a draw from its event's chances, the delta method on the expected joint counts;
    variances grow by 1 + n / fitted_on.
    """
    said = counts_of(layout, vector, "confidence").sum(axis=0)[1:].astype(np.float64)
    n = float(said.sum())
    if n <= 0:
        return [measured(ESTIMATED + name, NOTHING, 0) for name in NAMES]
    z = quantile(level, inflation) * sqrt(1 + n / fitted.fitted_on if fitted.fitted_on else 1.0)
    right = (said * fitted.right).sum(axis=1)
    joint = fitted.wrong * (said.sum(axis=1) - right) + np.diag(right)
    occurs = (said.sum(axis=1) > 0) | (joint.sum(axis=1) >= HALF)
    found = [realised(float(right.sum()) / n, _spread(np.eye(len(joint)) / n, said, fitted), z)]
    found += [_mean(joint, name, occurs, said, fitted, z) for name in NAMES[1:]]
    return [measured(ESTIMATED + name, each, n) for name, each in zip(NAMES, found, strict=True)]


def _mean(joint: Floats, name: str, occurs: NDArray[np.bool_], said: Floats, fitted: Confidence, z: float) -> Estimate:
    value, gradient, _ = over_all(joint, name, occurs)
    return realised(value, _spread(gradient, said, fitted), z)


def _spread(gradient: Floats, said: Floats, fitted: Confidence) -> float:
    """The variance of a figure whose labels are drawn: of an event, p_j being its chance to be of class j, sum p g^2 - (sum p g)^2."""
    first, second = (
        fitted.right * np.diag(power)[:, None] + (1 - fitted.right) * (fitted.wrong * power).sum(axis=0)[:, None]
        for power in (gradient, gradient**2)
    )
    return float((said * np.maximum(second - first**2, 0)).sum())
