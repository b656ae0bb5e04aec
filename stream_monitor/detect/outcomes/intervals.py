"""Two-sided intervals, in closed form. z: the normal quantile of the level, see `quantile`; n may be fractional: effective events."""

from math import exp, hypot, log, sqrt
from statistics import NormalDist

from stream_monitor.detect.outcomes.measure import NOTHING, Estimate


def quantile(level: float, inflation: float = 1.0) -> float:
    """Z such that a normal value lies within z sd with chance `level`, in (0, 1); times sqrt(inflation).

    inflation >= 1: events that come together are worth as many fewer independent ones; the same as n / inflation events.
    """
    return NormalDist().inv_cdf((1 + level) / 2) * sqrt(inflation)


def share(count: float, n: float, z: float) -> Estimate:
    """A proportion, Wilson's score interval; nothing at n = 0. Source: Wilson 1927, Probable Inference, JASA 22."""
    return NOTHING if n <= 0 else score_interval(count / n, n, z)


def score_interval(value: float, n: float, z: float) -> Estimate:
    """Wilson's interval of a figure in [0, 1] that is as sure as a proportion of n > 0 independent events."""
    part = z * z / n
    middle, half = value + part / 2, z * sqrt(max(value * (1 - value), 0.0) / n + part / (4 * n))
    return Estimate(value, max(min((middle - half) / (1 + part), value), 0.0), min(max((middle + half) / (1 + part), value), 1.0))


def bounded(value: float, variance: float, n: float, z: float) -> Estimate:
    """A figure in [0, 1] of known variance: Wilson's interval at the n with which a proportion would have that variance.

    n: taken instead where there is no variance to see, as at 0 and 1. Source of the effective n: Korn & Graubard 1998, Confidence Intervals
    for Proportions with Small Expected Number of Positive Counts Estimated from Survey Data, Survey Methodology 24.
    """
    spread = value * (1 - value)
    return score_interval(value, spread / variance if variance > 0 and spread > 0 else n, z)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """First - second of independent samples from their own intervals, square and add; nothing where either is.

    For proportions: Newcombe 1998, Interval Estimation for the Difference between Independent Proportions, method 10; in general (MOVER):
    Zou & Donner 2008, Construction of Confidence Limits about Effect Measures, Statistics in Medicine 27.
    """
    if first.value is None or second.value is None:
        return NOTHING
    one, other, gap = first.bounds, second.bounds, first.value - second.value
    if one is None or other is None:
        return Estimate(gap)
    (value, low, high), (other_value, other_low, other_high) = one, other
    return Estimate(gap, gap - hypot(value - low, other_high - other_value), gap + hypot(high - value, other_value - other_low))


def size(found: Estimate) -> Estimate:
    """The absolute value, with the interval that follows."""
    if found.bounds is None:
        return Estimate(None if found.value is None else abs(found.value))
    value, low, high = found.bounds
    return Estimate(abs(value), max(low, -high, 0.0), max(abs(low), abs(high)))


def ratio(count: float, n: float, other_count: float, other_n: float, z: float) -> Estimate:
    """(count / n) / (other_count / other_n): log method, with half an event more in all four cells, so that none is 0.

    Nothing where n, other_n or other_count is 0. Sources: Katz et al. 1978, Biometrics 34; the halves: Anscombe 1956, Biometrika 43.
    """
    if n <= 0 or other_n <= 0 or other_count <= 0:
        return NOTHING
    a, b = count + 0.5, other_count + 0.5
    variance = 1 / a - 1 / (n + 1) + 1 / b - 1 / (other_n + 1)
    return _log_interval(count / n / (other_count / other_n), a / (n + 1) / (b / (other_n + 1)), variance, z)


def paired_ratio(both: float, first_only: float, second_only: float, z: float) -> Estimate:
    """(both + first_only) / (both + second_only): two counts that share events; log method, halves added as in `ratio`.

    Nothing where the divisor is 0. Source: Bonett & Price 2006, Confidence Intervals for a Ratio of Binomial Proportions Based on Paired
    Data, Statistics in Medicine 25.
    """
    first, second = both + first_only, both + second_only
    if second <= 0:
        return NOTHING
    variance = (first_only + second_only + 1) / ((first + 0.5) * (second + 0.5))
    return _log_interval(first / second, (first + 0.5) / (second + 0.5), variance, z)


def mean(total: float, squares: float, n: float, z: float) -> Estimate:
    """A mean of n values by their sum and sum of squares: normal interval with the sample's variance; none below n = 2, nothing at 0."""
    if n <= 0:
        return NOTHING
    value = total / n
    if n < 2:
        return Estimate(value)
    half = z * sqrt(max(squares / n - value**2, 0.0) / (n - 1))
    return Estimate(value, value - half, value + half)


def positive(value: float, relative_variance: float, z: float) -> Estimate:
    """A figure over 0 whose logarithm is about normal: value exp(± z sqrt(relative variance)), the delta method."""
    return _log_interval(value, value, relative_variance, z)


def _log_interval(value: float, middle: float, variance: float, z: float) -> Estimate:
    if middle <= 0:
        return Estimate(value, value, value)
    half = z * sqrt(variance)
    low, high = exp(max(log(middle) - half, -700.0)), exp(min(log(middle) + half, 700.0))
    return Estimate(value, min(low, value), max(high, value))
