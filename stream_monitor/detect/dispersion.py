"""How much more than chance do runs of one data set differ? Ratios of variances, each with the p-value of "no more than chance".

All functions leave runs without rows out; with fewer than 3 others, or no variance at all, nothing is beyond chance (ratio 1, p 1).
"""

from typing import Final, NamedTuple

import numpy as np
from scipy.special import chdtrc, ndtr

from stream_monitor.detect.pair import Floats

RUNS_MIN: Final = 3


class Dispersion(NamedTuple):
    """A ratio of variances (1: chance alone), at least 0, and the p-value, in [0, 1]."""

    ratio: float
    p_value: float


NO_MORE: Final = Dispersion(1.0, 1.0)


def count_dispersion(counts: Floats, expected: Floats, fitted: float) -> Dispersion:
    """Of counts by value: X^2 / df, the mean of the generalised design effects of Rao & Scott 1981.

    counts: float64[R, K], rows of each run by value; expected: float64[R, K] or [1, K], the shares expected there, rows sum to 1;
    fitted: how many of the runs' sets of shares `expected` was fitted to, in effect (1: it is their mean).
    X^2 = sum n_r (o_rk - e_rk)^2 / p_k, o the shares in a run and p those of all runs, df = (R - fitted)(K - 1). Its variance is that
    of Pearson's under multinomial counts, 2 (K - 1) + (sum 1 / p_k - K^2 - 2 K + 2) / n per run (Haldane 1937), so that rare values
    do not reject of themselves; X^2 is then compared with a gamma of that mean and variance.
    """
    n = counts.sum(axis=1)
    held, used = n > 0, counts.sum(axis=0) > 0
    runs, values = int(held.sum()), int(used.sum())
    if runs - fitted < RUNS_MIN - 1 or values < 2:
        return NO_MORE
    n, counts, expected = n[held, None], counts[held][:, used], np.broadcast_to(expected, counts.shape)[held][:, used]
    share = counts.sum(axis=0) / n.sum()
    statistic = float((n * (counts / n - expected) ** 2 / share).sum())
    rare = float((1 / share).sum()) - values**2 - 2 * values + 2
    variance = 2 * (values - 1) + rare * float((1 / n).mean())
    kept = runs - fitted
    return _ratio(statistic, kept * (values - 1), kept * variance)


def mean_dispersion(n: Floats, means: Floats, variance: float) -> Dispersion:
    """Of the means of successive runs, by the differences of neighbours: what they vary beyond `variance` / n, seasons left out.

    n, means: float64[R], in the order of time; variance: of single values within runs. sum (m_r+1 - m_r)^2 / (1 / n_r+1 + 1 / n_r)
    over (R - 1) variance, of mean 1 and variance 3 / (R - 1) by chance. For values that depend on their neighbours this is the method of
    batch means (Conway 1963): for AR(1) it nears (1 + rho) / (1 - rho). Slow changes hardly show in it (von Neumann 1941).
    """
    n, means = n[n > 0], means[n > 0]
    if len(n) < RUNS_MIN or variance <= 0:
        return NO_MORE
    statistic = float((np.diff(means) ** 2 / (1 / n[1:] + 1 / n[:-1])).sum()) / variance
    return _ratio(statistic, len(n) - 1, 3 * (len(n) - 1))


def slow_range(n: Floats, means: Floats, variance: float, level: float) -> float:
    """Largest less smallest of the runs' means where they vary beyond what neighbours differ by, else 0; chance is shrunk away.

    n, means, variance: as in `mean_dispersion`. variance is that of chance alone: where neighbours differ by more, multiplied by
    their ratio. Then von Neumann's test decides (1 - D / 2 S over its standard error, D and S the mean squares of differences and of
    deviations), else chi-square. Deviations are multiplied by sqrt(1 - 1 / F), F the ratio of their variance to chance (Louis 1984).
    """
    n, means = n[n > 0], means[n > 0]
    noise = mean_dispersion(n, means, variance)
    if noise.p_value >= level:
        return spread_range(n, means, variance, level)
    ratio = _deviation(n, means, variance) / noise.ratio
    z = (1 - 1 / ratio) / np.sqrt((len(n) - 2) / (len(n) ** 2 - 1)) if ratio > 0 else 0.0
    return _shrunk(means, ratio) if ndtr(-z) < level else 0.0


def spread_range(n: Floats, means: Floats, variance: float, level: float) -> float:
    """The same for means in no order: 0 where chi-square does not reject that they differ by chance (`variance` / n) alone."""
    n, means = n[n > 0], means[n > 0]
    if len(n) < 2 or variance <= 0:
        return 0.0
    ratio = _deviation(n, means, variance)
    return _shrunk(means, ratio) if chdtrc(len(n) - 1, ratio * (len(n) - 1)) < level else 0.0


def _deviation(n: Floats, means: Floats, variance: float) -> float:
    """The variance of means about their mean, over that of chance."""
    return float((n * (means - np.average(means, weights=n)) ** 2).sum()) / (len(n) - 1) / variance


def _shrunk(means: Floats, ratio: float) -> float:
    return float(np.ptp(means)) * float(np.sqrt(max(1 - 1 / ratio, 0.0))) if ratio > 0 else 0.0


def _ratio(statistic: float, mean: float, variance: float) -> Dispersion:
    """The statistic over its mean, and its p as a gamma variable of this mean and variance (Satterthwaite 1946)."""
    return Dispersion(statistic / mean, float(chdtrc(2 * mean**2 / variance, statistic * 2 * mean / variance)))
