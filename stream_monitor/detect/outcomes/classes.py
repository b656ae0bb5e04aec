"""The figures of a model with several classes, by class and over all of them.

Events with a label and a prediction. Classes without a code of their own are one class here: that one is not shown, but counts as right
where both the label and the prediction are of it.
"""

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.outcomes.confusion import Confusion, f_beta
from stream_monitor.detect.outcomes.intervals import bounded, share
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, counts_of, measured
from stream_monitor.profile.outcome import OutcomeLayout, Vector

Floats = NDArray[np.float64]
OVER_ALL = ("macro_precision", "macro_recall", "macro_f1", "weighted_precision", "weighted_f1")
"""`weighted_recall` would be the accuracy again."""


def classes(layout: OutcomeLayout, vector: Vector, z: float) -> list[Measure]:
    """Accuracy, macro and weighted figures, then precision, recall and f1 of every class with `segment` (("class", name),)."""
    joint = counts_of(layout, vector, "joint")[1:, 1:].astype(np.float64)
    n = float(joint.sum())
    found = [measured("accuracy", share(float(np.trace(joint)), n, z), n)]
    found += [measured(name, _over_all(joint, name, z), n) for name in OVER_ALL]
    return found + [each for place, name in enumerate(layout.classes) for each in _of_class(joint, place, name, z)]


def parts(joint: Floats, metric: str) -> tuple[Floats, Floats, Floats, Floats]:
    """(top, whole, rows, columns), each float64[K]: the metric of a class is top / whole, and one more event of its row or column
    (a label or a prediction of it) adds so much to whole.
    """
    label, said, right = joint.sum(axis=1), joint.sum(axis=0), np.diag(joint)
    one, zero = np.ones(len(right)), np.zeros(len(right))
    if metric == "recall":
        return right, label, one, zero
    return (right, said, zero, one) if metric == "precision" else (2 * right, label + said, one, one)


def over_all(joint: Floats, name: str, occurs: NDArray[np.bool_]) -> tuple[float, Floats, float]:
    """Mean over the classes that occur, some at least, with 0 for one that is never right; weighted by labels, or not.

    Also by how much one more event moves it, float64[K, K], and of how many events a proportion would be as sure at 0 and 1.
    """
    average, metric = name.split("_")
    label = joint.sum(axis=1)
    top, whole, rows, columns = parts(joint, metric)
    safe = np.where(whole > 0, whole, 1)
    values = top / safe
    weights = label / label.sum() if average == "weighted" else occurs / occurs.sum()
    value = float((weights * values).sum())
    slopes, factor = weights * values / safe, 2 if metric == "f1" else 1
    gradient = np.diag(weights * factor / safe) - (rows * slopes)[:, None] - (columns * slopes)[None, :]
    if average == "weighted":
        gradient += (values[:, None] - value) / label.sum()
    return min(value, 1.0), gradient, 1 / float((weights**2 * factor / safe)[occurs].sum())


def _over_all(joint: Floats, name: str, z: float) -> Estimate:
    """Interval: delta method on the multinomial joint counts, as in `confusion.f_beta`; at 0 and 1 as a mean of proportions."""
    occurs = joint.sum(axis=1) + joint.sum(axis=0) > 0
    if not occurs.any():
        return NOTHING
    value, gradient, n = over_all(joint, name, occurs)
    return bounded(value, float((gradient**2 * joint).sum()), n, z)


def _of_class(joint: Floats, place: int, name: str, z: float) -> list[Measure]:
    right, label, said = float(joint[place, place]), float(joint[place].sum()), float(joint[:, place].sum())
    segment = (("class", name),)
    f1 = f_beta(Confusion(0, said - right, label - right, right), 1.0, z)
    return [
        measured("precision", share(right, said, z), said, segment),
        measured("recall", share(right, label, z), label, segment),
        measured("f1", f1, label + said - right, segment),
    ]
