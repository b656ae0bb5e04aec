"""Distances between the window's and the baseline's shares of values; missing and invalid are left out of both.

Each measure takes a `Pair` and gives float64[C], NaN for a column without values on either side (n = 0). With n = 1 it is
defined, and large; that is what the gate is for. To add a distance, write its function and its row in `DISTANCES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import rel_entr

from stream_monitor.capture.schema import Column, Kind
from stream_monitor.detect.detector import Gate
from stream_monitor.detect.gate import homogeneity, kolmogorov_smirnov, shift
from stream_monitor.detect.pair import Counts, Floats, Pair, Side
from stream_monitor.profile.layout import FIRST_VALUE


def psi_terms(pair: Pair) -> Floats:
    """float64[C, K]: (p - q) ln(p / q) per value, smoothed."""
    p, q = _smoothed(pair)
    return (p - q) * np.log(p / q)


def psi(pair: Pair) -> Floats:
    """Population stability index: sum of (p - q) ln(p / q), smoothed; at least 0, finite.

    Source: Kullback & Leibler 1951 (their symmetric divergence J); bands 0.1 and 0.25: Siddiqi 2006, Credit Risk Scorecards.
    """
    return _judged(pair, psi_terms(pair).sum(axis=1))


def kl_terms(pair: Pair) -> Floats:
    """float64[C, K]: p ln(p / q) - p + q per value, smoothed; at least 0, with the same sum as p ln(p / q)."""
    p, q = _smoothed(pair)
    return rel_entr(p, q) - p + q  # type: ignore[no-any-return]


def kl(pair: Pair) -> Floats:
    """Kullback-Leibler divergence of the window from the baseline: sum of p ln(p / q), smoothed; at least 0, finite.

    Source: Kullback & Leibler 1951.
    """
    return _judged(pair, kl_terms(pair).sum(axis=1))


def js_terms(pair: Pair) -> Floats:
    """float64[C, K]: (p log2(p / m) + q log2(q / m)) / 2 per value, m = (p + q) / 2; at least 0."""
    p, q = _shares(pair)
    middle = (p + q) / 2
    terms: Floats = (rel_entr(p, middle) + rel_entr(q, middle)) / (2 * np.log(2))
    return terms


def js(pair: Pair) -> Floats:
    """Jensen-Shannon distance, base 2, of the plain shares: the square root of the divergence; in [0, 1], symmetric, a metric.

    Sources: Lin 1991, Divergence Measures Based on the Shannon Entropy; Endres & Schindelin 2003 (the root is a metric).
    """
    return _judged(pair, np.sqrt(np.clip(js_terms(pair).sum(axis=1), 0, 1)))


def hellinger_terms(pair: Pair) -> Floats:
    """float64[C, K]: (sqrt(p) - sqrt(q))^2 / 2 per value."""
    p, q = _shares(pair)
    terms: Floats = (np.sqrt(p) - np.sqrt(q)) ** 2 / 2
    return terms


def hellinger(pair: Pair) -> Floats:
    """Hellinger distance of the plain shares: the root of half the sum of (sqrt(p) - sqrt(q))^2; in [0, 1], symmetric, a metric.

    Source: Hellinger 1909; in this form Le Cam & Yang 2000, Asymptotics in Statistics, sec. 4.2.
    """
    return _judged(pair, np.sqrt(np.clip(hellinger_terms(pair).sum(axis=1), 0, 1)))


def tvd(pair: Pair) -> Floats:
    """Total variation distance of the plain shares: half the sum of |p - q|; in [0, 1]: the share of events that would have to change.

    Source: Levin, Peres & Wilmer 2009, Markov Chains and Mixing Times, prop. 4.2.
    """
    return _judged(pair, np.minimum(share_terms(pair).sum(axis=1) / 2, 1))


def linf(pair: Pair) -> Floats:
    """L-infinity distance of the plain shares: the largest |p - q|; in [0, 1]: how far the one value moved that moved most.

    Source: the Chebyshev distance of two histograms; Deza & Deza 2009, Encyclopedia of Distances, ch. 14.
    """
    return _judged(pair, share_terms(pair).max(axis=1, initial=0))


def chi2_terms(pair: Pair) -> Floats:
    """float64[C, K]: (p - q)^2 / (2 (p + q)) per value, 0 where both are 0."""
    p, q = _shares(pair)
    return (p - q) ** 2 / np.where(p + q > 0, 2 * (p + q), 1.0)


def chi2(pair: Pair) -> Floats:
    """Chi-square distance of the plain shares: half the sum of (p - q)^2 / (p + q); in [0, 1], symmetric.

    Pearson's two-sample statistic at equal sizes, over their sum: so it does not grow with n, and no empty bin makes it infinite.
    Source: Le Cam 1986, Asymptotic Methods in Statistical Decision Theory, ch. 4; as "triangular discrimination" Topsoe 2000.
    """
    return _judged(pair, chi2_terms(pair).sum(axis=1))


def ks(pair: Pair) -> Floats:
    """Kolmogorov-Smirnov: the largest |difference of cumulative shares| over the ordered values, in [0, 1].

    On bins it is at most that of the raw values. Source: Smirnov 1939.
    """
    return _judged(pair, shift(pair))


def wasserstein(pair: Pair) -> Floats:
    """First Wasserstein distance of positions: the integral of |F - G| dG over the ordered values, times sqrt(12); in [0, 1.74].

    Normalised by the baseline: values are measured by their place in its distribution, which knows no unit and no outlier, in standard
    deviations of such places. F is taken as linear inside a bin. A normal value that shifts by d < 1 sd gives about d.
    Source: Ramdas, Garcia Trillos & Cuturi 2017, On Wasserstein Two-Sample Testing, sec. 4 (the distribution-free variant).
    """
    p, q = _shares(pair)
    ends = np.cumsum(p - q, axis=1)
    starts = np.concatenate([np.zeros((len(ends), 1)), ends[:, :-1]], axis=1)
    both = np.abs(starts) + np.abs(ends)
    crossing = (starts**2 + ends**2) / np.where(both > 0, both, 1.0)
    areas = np.where(starts * ends < 0, crossing, both) / 2 * q
    return _judged(pair, areas.sum(axis=1) * np.sqrt(12))


def share_terms(pair: Pair) -> Floats:
    """float64[C, K]: |difference of shares| per value; how a distance without terms of its own ranks what moved."""
    terms: Floats = np.abs(np.subtract(*_shares(pair)))
    return terms


@dataclass(frozen=True, slots=True)
class Distance:
    """One row of `DISTANCES`: a `detector.Detector`. `terms` ranks the values that moved; `ordered_only`: numeric columns alone."""

    name: str
    title: str
    measure: Callable[[Pair], Floats]
    default_threshold: float
    gate: Gate
    terms: Callable[[Pair], Floats] = share_terms
    ordered_only: bool = False
    is_quality: bool = False
    cause: str = "distribution"

    def applies_to(self, column: Column) -> bool:
        """Every column, or every numeric one."""
        return not self.ordered_only or column.kind is Kind.NUMERIC

    def score(self, pair: Pair) -> Floats:
        """The distances, float64[C]; NaN where a side has no value."""
        return self.measure(pair)

    def base(self, baseline: Side) -> Floats:
        """Zeros: a distance of 0 is no difference."""
        return np.zeros(len(baseline.events))

    def moved(self, pair: Pair, column: int) -> Counts:
        """Codes by falling contribution; equal ones in code order."""
        terms = self.terms(pair)[column]
        order = np.argsort(-terms, kind="stable")
        codes: Counts = order[terms[order] > 0] + FIRST_VALUE
        return codes


def _shares(pair: Pair) -> tuple[Floats, Floats]:
    """P and q, float64[C, K]: the window's and the baseline's shares, 0 where a side has no value."""
    return pair.window.shares, pair.baseline.shares


def _smoothed(pair: Pair) -> tuple[Floats, Floats]:
    """P and q, float64[C, K], over 0: p = (c + 1/2) / (n + k/2), q likewise; both 1 for a value that neither side holds.

    k counts the values that either side holds: one that both lack says nothing, and smoothing it would only
    measure that the two samples differ in size.
    """
    window, baseline = pair.window.values, pair.baseline.values
    occupied = (window > 0) | (baseline > 0)
    half = np.maximum(occupied.sum(axis=1, keepdims=True) / 2, 0.5)
    p = (window + 0.5) / (pair.window.present[:, None] + half)
    q = (baseline + 0.5) / (pair.baseline.present[:, None] + half)
    return np.where(occupied, p, 1.0), np.where(occupied, q, 1.0)


def _judged(pair: Pair, scores: Floats) -> Floats:
    return np.where(pair.judgeable, scores, np.nan)


_ROWS: Final = (
    Distance("psi", "PSI", psi, 0.2, homogeneity, psi_terms),
    Distance("js", "Jensen-Shannon distance", js, 0.2, homogeneity, js_terms),
    Distance("kl", "Kullback-Leibler divergence", kl, 0.1, homogeneity, kl_terms),
    Distance("hellinger", "Hellinger distance", hellinger, 0.16, homogeneity, hellinger_terms),
    Distance("tvd", "total variation distance", tvd, 0.18, homogeneity),
    Distance("linf", "L-infinity distance", linf, 0.1, homogeneity),
    Distance("chi2", "chi-square distance", chi2, 0.05, homogeneity, chi2_terms),
    Distance("ks", "Kolmogorov-Smirnov distance", ks, 0.15, kolmogorov_smirnov, ordered_only=True),
    Distance("wasserstein", "Wasserstein distance", wasserstein, 0.4, kolmogorov_smirnov, ordered_only=True),
)
DISTANCES: Final[Mapping[str, Distance]] = {row.name: row for row in _ROWS}
"""By name. A shift of a normal value by 0.4 to 0.45 sd, on 20 bins, crosses each default threshold but that of `linf`."""
