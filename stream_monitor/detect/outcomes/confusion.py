"""The four counts of a binary model, and the figures that follow from them."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from stream_monitor.detect.outcomes.intervals import bounded, share
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, counts_of, measured
from stream_monitor.profile.outcome import OutcomeLayout, Vector


class Confusion(NamedTuple):
    """Events with a label and a prediction; real numbers where they are expected counts."""

    tn: float
    fp: float
    fn: float
    tp: float


Rate = Callable[[Confusion], tuple[float, float]]
"""(events that have it, events that could): a proportion's two counts."""
RATES: Final[Mapping[str, Rate]] = {
    "accuracy": lambda c: (c.tp + c.tn, sum(c)),
    "precision": lambda c: (c.tp, c.tp + c.fp),
    "recall": lambda c: (c.tp, c.tp + c.fn),
    "specificity": lambda c: (c.tn, c.tn + c.fp),
}
BETAS: Final[Mapping[str, float]] = {"f1": 1.0, "f0_5": 0.5, "f2": 2.0}


def confusion(layout: OutcomeLayout, vector: Vector) -> Confusion:
    """Of events with a label and a prediction; every class but the positive one is negative."""
    joint = counts_of(layout, vector, "joint")[1:, 1:]
    if layout.positive is None:
        return Confusion(0, 0, 0, 0)
    place = layout.positive
    tp, positive, says = int(joint[place, place]), int(joint[place].sum()), int(joint[:, place].sum())
    return Confusion(int(joint.sum()) - positive - says + tp, says - tp, positive - tp, tp)


def rates(counts: Confusion, z: float) -> list[Measure]:
    """Accuracy, precision, recall, specificity (Wilson) and the F-scores; nothing where nobody could have had it."""
    found = [measured(name, share(*rate(counts), z), rate(counts)[1]) for name, rate in RATES.items()]
    judged = counts.tp + counts.fp + counts.fn
    return found + [measured(name, f_beta(counts, beta, z), judged) for name, beta in BETAS.items()]


def f_beta(counts: Confusion, beta: float, z: float) -> Estimate:
    """(1 + b) tp / ((1 + b) tp + b fn + fp), b = beta^2; nothing where nothing is positive or said to be.

    Interval: delta method on the multinomial counts; for a figure that does not change when all counts double, it is the sum of
    (derivative)^2 x count. At 0 and 1: as a proportion of as many events as a count of true positives would have in it, whole / (1 + b).
    Source: van Rijsbergen 1979; the interval: Takahashi et al. 2022, Confidence Interval for Micro-Averaged F1 and Macro-Averaged F1
    Scores, Applied Intelligence 52.
    """
    b = beta**2
    whole = (1 + b) * counts.tp + b * counts.fn + counts.fp
    if whole <= 0:
        return NOTHING
    variance = ((1 + b) / whole**2) ** 2 * ((b * counts.fn + counts.fp) ** 2 * counts.tp + counts.tp**2 * (b * b * counts.fn + counts.fp))
    return bounded((1 + b) * counts.tp / whole, variance, whole / (1 + b), z)
