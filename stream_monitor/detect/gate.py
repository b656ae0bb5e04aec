"""Is a difference real? Two-sample tests, in which the baseline's own chance counts too, accurate far out in the tail.

The tests are read at p-values of 1e-6 and less, where textbook approximations that serve at 0.05 fail;
`benchmarks/false_alarms.py` shows how those here fare, in alarms per 30 days and far out in the tail.
"""

from typing import Final

import numpy as np
from scipy.special import betainc, chdtrc, kolmogorov, ndtr, xlogy

from stream_monitor.detect.pair import Counts, Floats, Pair

EXPECTED_MIN: Final = 5.0
"""Values that would be expected less often than this in the smaller sample are pooled; Cochran 1954."""
_MONTH_MS: Final = 30 * 24 * 3600 * 1000


def alpha(budget: float, tests_per_window: int, every_ms: int) -> float:
    """The level of one test such that all tests of 30 days raise `budget` false findings at most: Bonferroni.

    budget: false findings per 30 days, over 0; tests_per_window: columns x detectors x segments; every_ms: from window to window.
    """
    assert budget > 0, budget
    assert tests_per_window >= 0, tests_per_window
    assert every_ms > 0, every_ms
    return min(1.0, budget / (max(tests_per_window, 1) * _MONTH_MS / every_ms))


def homogeneity(pair: Pair) -> Floats:
    """The p-value of "both sides draw their values from one distribution": the G-test on pooled counts with Williams' correction.

    float64[C], in [0, 1]; 1 where a side has no value or all values fall into one pool. G = 2 sum O ln(O / E), divided by
    q = 1 + (N/n + N/m - 1) (sum N/t_j - 1) / (6 N (k - 1)), chi-square with k - 1 degrees of freedom.
    Sources: Hoeffding 1965 (why G keeps its level far out), Williams 1976. Where `inflation.values` is over 1, see `_inflated`.
    Where training data was at some distance from itself, p is that of "no further than that": G is then noncentral chi-square, with
    noncentrality 2 n m / (n + m) times the divergence, for which half the natural PSI stands; the larger of both p counts.
    Measured at p < 1e-7 on stationary counts (`benchmarks/false_alarms.py --tail`): G / q is wrong 0.5 to 1.3 times as often as it
    says, Pearson's chi-square 3 to 31 times with 200 events against 100,000 and nothing sparse, 100 times with sparse values.
    """
    window, baseline = _pool(pair)
    n, m = window.sum(axis=1, keepdims=True), baseline.sum(axis=1, keepdims=True)
    total, both = window + baseline, n + m
    safe = np.maximum(both, 1.0)
    statistic = 2 * (_deviance(window, total * n / safe) + _deviance(baseline, total * m / safe)).sum(axis=1)
    freedom = np.maximum((total > 0).sum(axis=1) - 1, 0)
    statistic = np.maximum(statistic, 0) / _williams(total, n, m, freedom)
    p = chdtrc(np.maximum(freedom, 1), statistic)
    inflated = pair.inflation.values > 1
    if inflated.any():
        p = np.where(inflated, _inflated(statistic, np.maximum(freedom, 1), pair.inflation.values), p)
    if "psi" in pair.natural:
        p = np.maximum(p, _noncentral(statistic, np.maximum(freedom, 1), (n * m / np.maximum(both, 1))[:, 0] * pair.natural["psi"]))
    return np.where((freedom > 0) & pair.judgeable, p, 1.0)


def kolmogorov_smirnov(pair: Pair) -> Floats:
    """The p-value of the two-sample Kolmogorov-Smirnov test over the value codes in their order; meaningful for numeric columns alone.

    float64[C], in [0, 1]; 1 where a side has no value. K(sqrt(n m / (n + m)) D), the asymptotic distribution, without Stephens'
    correction: that one gives p up to 28 % too small at n = m = 200 and 1e-7, the plain one is never too small (at most 1.5 times
    too large at 1e-9). Values in bins only make D smaller, so p larger. Both sizes are divided by `inflation.values`. Where parts of the
    training data were at a distance from the whole, D counts from there (triangle inequality).
    """
    n, m = pair.window.present, pair.baseline.present
    effective = n * (m / np.maximum(n + m, 1)) / pair.inflation.values
    p: Floats = kolmogorov(np.sqrt(effective) * np.maximum(shift(pair) - pair.natural.get("ks", 0.0), 0.0))
    return np.where(pair.judgeable, p, 1.0)


def shift(pair: Pair) -> Floats:
    """float64[C]: the largest |difference of cumulative shares|, 0 where a side has no value."""
    difference = pair.window.shares - pair.baseline.shares
    largest = np.abs(np.cumsum(difference, axis=1)).max(axis=1, initial=0)
    return np.where(pair.judgeable, np.minimum(largest, 1.0), 0.0)


def more_often(part: Counts, whole: Counts, baseline_part: Counts, baseline_whole: Counts, inflation: Floats | float = 1.0) -> Floats:
    """One-sided p of "the window's share part / whole is no higher than the baseline's"; all int64[C], 0 <= part <= whole.

    float64[C], in [0, 1]; 1 for an empty side. Given t such events in both samples, the window's are hypergeometric; beyond its
    mean that tail is below the binomial's (Hoeffding 1963), P(Bin(t, n / (n + m)) >= part), counted over these events or
    over all others, whichever is closer. Exact for rare events, at any sample size; never too small where p is small.
    inflation: all counts are divided by it, the tail being that of the beta distribution, which takes parts of an event.
    """
    share = whole / np.maximum(whole + baseline_whole, 1)
    these = _binomial_above(part / inflation, (part + baseline_part) / inflation, share)
    rest, baseline_rest = whole - part, baseline_whole - baseline_part
    others = _binomial_above(baseline_rest / inflation, (rest + baseline_rest) / inflation, 1 - share)
    return np.where((whole > 0) & (baseline_whole > 0), np.minimum(these, others), 1.0)


def _binomial_above(successes: Floats, trials: Floats, chance: Floats) -> Floats:
    """P(Bin(trials, chance) >= successes) = I_chance(successes, trials - successes + 1); 1 for no successes."""
    some = np.where(successes > 0, successes, 1.0)
    p: Floats = betainc(some, np.maximum(trials - some, 0) + 1, chance)
    return np.where(successes > 0, p, 1.0)


def _inflated(statistic: Floats, freedom: Counts, inflation: Floats) -> Floats:
    """A bound on P(X + inflation Y >= statistic), X chi-square with freedom - 1 degrees of freedom, Y with one; all of shape [C].

    That is G where events depend on each other and all the excess variance lies in one direction, as with a mean that wanders; of all
    ways to spread it this has the heaviest tail. Chernoff: exp(K(s) - s g) for any s in (0, 1 / 2 inflation), K the logarithm of the
    moment generating function, at the s where K'(s) = g, which solves a quadratic. Never too small; 1 up to the mean.
    """
    d, g = freedom - 1.0, np.maximum(statistic, freedom - 1 + inflation)
    a, b, c = g * inflation, inflation * (d + 1) - g * (1 + inflation), g - d - inflation
    x = np.clip((-b - np.sqrt(np.maximum(b * b - 4 * a * c, 0))) / (2 * a), 0, 1 / inflation)
    log_p = -(d * np.log1p(-x) + np.log1p(-np.minimum(inflation * x, 1 - 1e-15)) + x * g) / 2
    p: Floats = np.exp(np.minimum(log_p, 0))
    return p


def _noncentral(statistic: Floats, freedom: Counts, noncentrality: Floats) -> Floats:
    """P(noncentral chi-square >= statistic), by Sankaran's normal approximation (1963, Biometrika 50, pp. 199-204); all of shape [C].

    Right to a few percent of the exponent in the tail; at noncentrality 0 it is Wilson and Hilferty's.
    """
    k, spread = freedom + noncentrality, freedom + 2 * noncentrality
    h = 1 - 2 * k * (freedom + 3 * noncentrality) / (3 * spread**2)
    p, m = spread / k**2, (h - 1) * (1 - 3 * h)
    centre = 1 + h * p * (h - 1 - (2 - h) * m * p / 2)
    z = ((statistic / k) ** h - centre) / (h * np.sqrt(2 * p) * (1 + m * p / 2))
    upper: Floats = ndtr(-z)
    return np.where(noncentrality > 0, upper, 0.0)


def _pool(pair: Pair) -> tuple[Floats, Floats]:
    """Counts with sparse values pooled, float64[C, 2K] twice: first each value that stands alone, then the pools.

    Sparse values join their neighbours in code order (categories: by falling frequency) until 5 are expected in the smaller sample.
    Cutting their running sum at every 10 does that at once: each is below 5, so every full pool has more than 5.
    What remains at the end joins the smallest of the rest.
    """
    window, baseline = pair.window.values.astype(np.float64), pair.baseline.values.astype(np.float64)
    n, m = window.sum(axis=1, keepdims=True), baseline.sum(axis=1, keepdims=True)
    scale = np.minimum(n, m) / np.maximum(n + m, 1)
    expected = (window + baseline) * scale
    columns, width = expected.shape
    sparse = expected < EXPECTED_MIN
    pools = np.floor(np.cumsum(np.where(sparse, expected, 0), axis=1) / (2 * EXPECTED_MIN)).astype(np.int64)
    target = np.where(sparse, width + pools, np.arange(width)) + np.arange(columns)[:, None] * 2 * width
    window, baseline = (_sums(target, side, 2 * width) for side in (window, baseline))
    return _absorb(window, baseline, scale)


def _sums(target: Counts, counts: Floats, width: int) -> Floats:
    """float64[C, width]: counts added up at their flat targets."""
    columns = len(counts)
    sums: Floats = np.bincount(target.ravel(), counts.ravel(), columns * width).astype(np.float64).reshape(columns, width)
    return sums


def _absorb(window: Floats, baseline: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Add each column's one pool that is still too small to the smallest that is not, where there is one."""
    total = window + baseline
    small = (total > 0) & (total * scale < EXPECTED_MIN)
    large = np.where(small | (total == 0), np.inf, total)
    rows = np.flatnonzero(small.any(axis=1) & np.isfinite(large).any(axis=1))
    into = large[rows].argmin(axis=1)
    for side in (window, baseline):
        side[rows, into] += (side[rows] * small[rows]).sum(axis=1)
        side[rows] = np.where(small[rows], 0.0, side[rows])
    return window, baseline


def _deviance(observed: Floats, expected: Floats) -> Floats:
    """O ln(O / E), 0 where O is 0."""
    terms: Floats = xlogy(observed, observed / np.where(expected > 0, expected, 1.0))
    return terms


def _williams(total: Floats, n: Floats, m: Floats, freedom: Counts) -> Floats:
    """Williams' divisor of G, float64[C], at least 1."""
    both = np.maximum(n + m, 1.0)
    by_sample = both / np.maximum(n, 1) + both / np.maximum(m, 1) - 1
    by_value = np.where(total > 0, both / np.maximum(total, 1), 0).sum(axis=1, keepdims=True) - 1
    divisor: Floats = (1 + by_sample * np.maximum(by_value, 0) / (6 * both * np.maximum(freedom, 1)[:, None]))[:, 0]
    return divisor
