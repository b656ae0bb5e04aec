"""Is a difference real? Two-sample tests, in which the baseline's own chance counts too, accurate far out in the tail.

The tests are read at p-values of 1e-6 and less, where textbook approximations that serve at 0.05 fail;
`benchmarks/false_alarms.py` shows how those here fare, in alarms per 30 days and far out in the tail.
"""

from typing import Final

import numpy as np
from scipy.special import betainc, chdtrc, kolmogorov, xlogy

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
    Sources: Hoeffding 1965 (why G keeps its level far out), Williams 1976.
    Measured at p < 1e-7 on stationary counts (`benchmarks/false_alarms.py --tail`): G / q is wrong 0.5 to 1.3 times as often as it
    says, Pearson's chi-square 3 to 31 times with 200 events against 100,000 and nothing sparse, 100 times with sparse values.
    """
    window, baseline = _pool(pair)
    n, m = window.sum(axis=1, keepdims=True), baseline.sum(axis=1, keepdims=True)
    total, both = window + baseline, n + m
    safe = np.maximum(both, 1.0)
    statistic = 2 * (_deviance(window, total * n / safe) + _deviance(baseline, total * m / safe)).sum(axis=1)
    freedom = np.maximum((total > 0).sum(axis=1) - 1, 0)
    p = chdtrc(np.maximum(freedom, 1), np.maximum(statistic, 0) / _williams(total, n, m, freedom))
    return np.where((freedom > 0) & pair.judgeable, p, 1.0)


def kolmogorov_smirnov(pair: Pair) -> Floats:
    """The p-value of the two-sample Kolmogorov-Smirnov test over the value codes in their order; meaningful for numeric columns alone.

    float64[C], in [0, 1]; 1 where a side has no value. K(sqrt(n m / (n + m)) D), the asymptotic distribution, without Stephens'
    correction: that one gives p up to 28 % too small at n = m = 200 and 1e-7, the plain one is never too small (at most 1.5 times
    too large at 1e-9). Values in bins only make D smaller, so p larger.
    """
    n, m = pair.window.present, pair.baseline.present
    effective = n * (m / np.maximum(n + m, 1))
    p: Floats = kolmogorov(np.sqrt(effective) * shift(pair))
    return np.where(pair.judgeable, p, 1.0)


def shift(pair: Pair) -> Floats:
    """float64[C]: the largest |difference of cumulative shares|, 0 where a side has no value."""
    difference = np.nan_to_num(pair.window.shares) - np.nan_to_num(pair.baseline.shares)
    largest = np.abs(np.cumsum(difference, axis=1)).max(axis=1, initial=0)
    return np.where(pair.judgeable, np.minimum(largest, 1.0), 0.0)


def more_often(part: Counts, whole: Counts, baseline_part: Counts, baseline_whole: Counts) -> Floats:
    """One-sided p of "the window's share part / whole is no higher than the baseline's"; all int64[C], 0 <= part <= whole.

    float64[C], in [0, 1]; 1 for an empty side. Given t such events in both samples, the window's are hypergeometric; beyond its
    mean that tail is below the binomial's (Hoeffding 1963), P(Bin(t, n / (n + m)) >= part), counted over these events or
    over all others, whichever is closer. Exact for rare events, at any sample size; never too small where p is small.
    """
    share = whole / np.maximum(whole + baseline_whole, 1)
    these = _binomial_above(part, part + baseline_part, share)
    rest, baseline_rest = whole - part, baseline_whole - baseline_part
    others = _binomial_above(baseline_rest, rest + baseline_rest, 1 - share)
    return np.where((whole > 0) & (baseline_whole > 0), np.minimum(these, others), 1.0)


def _binomial_above(successes: Counts, trials: Counts, chance: Floats) -> Floats:
    """P(Bin(trials, chance) >= successes) = I_chance(successes, trials - successes + 1); 1 for no successes."""
    p: Floats = betainc(np.maximum(successes, 1), trials - np.maximum(successes, 1) + 1, chance)
    return np.where(successes > 0, p, 1.0)


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
