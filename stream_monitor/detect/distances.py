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
    """float64[C, K]: (p - q) ln(p / q) per value, with p = (c + 1/2) / (n + k/2), q likewise.

    k counts the values that either side holds: one that both lack says nothing, and smoothing it would only
    measure that the two samples differ in size.
    """
    window, baseline = pair.window.values, pair.baseline.values
    occupied = (window > 0) | (baseline > 0)
    half = occupied.sum(axis=1, keepdims=True) / 2
    total = np.maximum(half, 0.5)
    p = (window + 0.5) / (pair.window.present[:, None] + total)
    q = (baseline + 0.5) / (pair.baseline.present[:, None] + total)
    return np.where(occupied, (p - q) * np.log(p / q), 0.0)


def psi(pair: Pair) -> Floats:
    """Population stability index, natural logarithm, add-1/2 smoothing: sum of (p - q) ln(p / q); at least 0, finite.

    Source: Kullback & Leibler 1951 (their symmetric divergence J); bands 0.1 and 0.25: Siddiqi 2006, Credit Risk Scorecards.
    """
    return _judged(pair, psi_terms(pair).sum(axis=1))


def js_terms(pair: Pair) -> Floats:
    """float64[C, K]: (p log2(p / m) + q log2(q / m)) / 2 per value, m = (p + q) / 2; at least 0."""
    p, q = np.nan_to_num(pair.window.shares), np.nan_to_num(pair.baseline.shares)
    middle = (p + q) / 2
    terms: Floats = (rel_entr(p, middle) + rel_entr(q, middle)) / (2 * np.log(2))
    return terms


def js(pair: Pair) -> Floats:
    """Jensen-Shannon distance, base 2, of the plain shares: the square root of the divergence; in [0, 1], symmetric, a metric.

    Sources: Lin 1991, Divergence Measures Based on the Shannon Entropy; Endres & Schindelin 2003 (the root is a metric).
    """
    return _judged(pair, np.sqrt(np.clip(js_terms(pair).sum(axis=1), 0, 1)))


def ks(pair: Pair) -> Floats:
    """Kolmogorov-Smirnov: the largest |difference of cumulative shares| over the ordered values, in [0, 1].

    On bins it is at most that of the raw values. Source: Smirnov 1939.
    """
    return _judged(pair, shift(pair))


def share_terms(pair: Pair) -> Floats:
    """float64[C, K]: |difference of shares| per value; how a distance without terms of its own ranks what moved."""
    return np.abs(np.nan_to_num(pair.window.shares) - np.nan_to_num(pair.baseline.shares))


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


def _judged(pair: Pair, scores: Floats) -> Floats:
    return np.where(pair.judgeable, scores, np.nan)


_ROWS: Final = (
    Distance("psi", "PSI", psi, 0.2, homogeneity, psi_terms),
    Distance("js", "Jensen-Shannon distance", js, 0.2, homogeneity, js_terms),
    Distance("ks", "Kolmogorov-Smirnov distance", ks, 0.15, kolmogorov_smirnov, ordered_only=True),
)
DISTANCES: Final[Mapping[str, Distance]] = {row.name: row for row in _ROWS}
"""A shift by 0.45 sd of a normal value is PSI 0.2, JS 0.19 and KS 0.18; JS 0.2 is about PSI 0.22."""
