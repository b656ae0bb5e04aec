"""How much predictions leave open of the label, whatever they are called: it rises when the relation between the two is lost."""

from math import log2, sqrt

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, counts_of, measured
from stream_monitor.profile.outcome import OutcomeLayout, Vector

Floats = NDArray[np.float64]


def conditional_entropy(layout: OutcomeLayout, vector: Vector, z: float, inflation: float = 1.0) -> Measure:
    """H(label | prediction) in bits, over events with both, classes without a code of their own as one; nothing at n = 0.

    Classes that change names leave it alone, as does a model that is always wrong in the same way: see accuracy for these. Counts of few
    events have too little of it. Interval: delta method on the multinomial counts with half an event more in each cell of labels and
    predictions that occur, at least two of each; from the plain figure down, from the figure with these halves up, so that a rise is told
    late, never early. inflation: as in `quality`; z holds it already, the halves are of so many events as are worth one.

    Sources: Shannon 1948, A Mathematical Theory of Communication; the halves: Krichevsky & Trofimov 1981, IEEE Trans. Inf. Theory 27.
    """
    joint = counts_of(layout, vector, "joint")[1:, 1:].astype(np.float64)
    n = float(joint.sum())
    return measured("conditional_entropy", conditional(joint, z, inflation / 2) if n > 0 else NOTHING, n)


def conditional(joint: Floats, z: float, more: float) -> Estimate:
    """H(row | column) of counts, some over 0, with its interval: see `conditional_entropy`. more: added to each cell that may occur."""
    occur = np.ix_(*(_two_or_more(joint.sum(axis=axis)) for axis in (1, 0)))
    counts = joint[occur]
    value, (upper, variance) = _moments(counts)[0], _moments(counts + more)
    half = z * sqrt(variance / counts.sum())
    return Estimate(value, max(value - half, 0.0), min(max(value, upper) + half, log2(joint.shape[0])))


def _two_or_more(events: Floats) -> NDArray[np.intp]:
    """The places that occur, and where that is one alone, another if there is any."""
    return np.sort(np.argsort(-events, kind="stable")[: max(int((events > 0).sum()), 2)])


def _moments(counts: Floats) -> tuple[float, float]:
    """Mean and variance over events of -log2(share of the label among events of its prediction): the mean is the entropy."""
    n, said = counts.sum(), counts.sum(axis=0)
    shares = counts / np.where(said > 0, said, 1)
    surprise = -np.log2(np.where(shares > 0, shares, 1))
    mean = float((counts * surprise).sum() / n)
    return max(mean, 0.0), max(float((counts * surprise**2).sum() / n) - mean**2, 0.0)


def label_entropy(joint: Floats) -> float:
    """H(label) in bits: what a prediction that is always the same leaves open. joint: [label, prediction], some events."""
    labels = joint.sum(axis=1, keepdims=True)
    return _moments(labels)[0]


def joint_js(layout: OutcomeLayout, vector: Vector, baseline: Vector) -> float | None:
    """Jensen-Shannon distance, base 2, in [0, 1], between a window's and the baseline's counts of label and prediction together.

    None where either has no event with both. There is no interval: chance alone makes it about sqrt(cells / (8 ln 2 n)), and a shift of
    inputs moves it as a lost relation does. Source: Endres & Schindelin 2003, A New Metric for Probability Distributions, IEEE Trans. Inf.
    Theory 49.
    """
    counts = _joint_pair(layout, vector, baseline)
    if counts is None:
        return None
    shares = counts / counts.sum(axis=1, keepdims=True)
    divergence = _bits(shares.mean(axis=0)) - (_bits(shares[0]) + _bits(shares[1])) / 2
    return sqrt(min(max(divergence, 0.0), 1.0))


def joint_kl(layout: OutcomeLayout, vector: Vector, baseline: Vector) -> float | None:
    """Kullback-Leibler divergence of the window's joint counts from the baseline's, in nats, with half an event more in each cell that
    either has, so that it is finite; None and by chance as `joint_js`. Source: Kullback & Leibler 1951, On Information and Sufficiency.
    """
    counts = _joint_pair(layout, vector, baseline)
    if counts is None:
        return None
    smoothed = counts[:, counts.any(axis=0)] + 0.5
    window, before = smoothed / smoothed.sum(axis=1, keepdims=True)
    return max(float(window @ np.log(window / before)), 0.0)


def _joint_pair(layout: OutcomeLayout, vector: Vector, baseline: Vector) -> Floats | None:
    """float64[2, cells]; None where either has no event."""
    counts = np.stack([counts_of(layout, each, "joint")[1:, 1:].ravel() for each in (vector, baseline)]).astype(np.float64)
    return counts if counts.sum(axis=1).min() > 0 else None


def _bits(shares: Floats) -> float:
    return -float((shares * np.log2(np.where(shares > 0, shares, 1))).sum())
