"""Whether the model answers like inputs as it did in training: no label is needed, and inputs that merely come more often are no change.

Events are told apart by a few features' bins at once (`baseline.answers`); what was answered in each combination is held against what was
answered there in training. That is the part of a change of inputs and answers together that a change of inputs leaves over: the chain rule
of relative entropy (Cover & Thomas 2006, Elements of Information Theory, theorem 2.5.3) for the distance, direct standardisation
(Kitagawa 1955, Components of a Difference Between Two Rates, JASA 50) for the entropy. Inputs that move within a combination, or that
are no part of it, may still move the answers.
"""

from dataclasses import dataclass
from functools import cache
from math import log, sqrt
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from stream_monitor.baseline.answers import Answers
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import BaselineColumn, NumericColumn
from stream_monitor.capture.schema import PREDICTION, Role
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, counts_of, measured
from stream_monitor.detect.outcomes.metrics import ANSWERED
from stream_monitor.detect.outcomes.relation import conditional
from stream_monitor.profile.layout import FIRST_VALUE
from stream_monitor.profile.outcome import NO_CLASS, OutcomeLayout, Vector
from stream_monitor.profile.weights import EVENTS, Weights

ROWS_MIN: Final = 20
"""Training rows with an answer in a combination; what is answered to inputs that training hardly knew is not compared."""
_POISSON_MAX: Final = 20
"""Events; where more are expected, what chance makes of the distance is within 1 % of its limit."""

_ENTROPY, _DISTANCE = ANSWERED

Floats = NDArray[np.float64]


class Held(NamedTuple):
    """A figure of a window, and what it is held against: training's for inputs that come as often as now."""

    measure: Measure
    before: Measure


@dataclass(frozen=True, eq=False)
class Usual:
    """What training says. answers: of its features; labels: of answers' codes from 1 on; rows: float64[cells, answers], of combinations of
    fewer than `ROWS_MIN` rows none.
    """

    answers: Answers
    labels: tuple[str, ...]
    rows: Floats

    @classmethod
    def of(cls, layout: OutcomeLayout, baseline: Baseline) -> Self | None:
        """None where the baseline has no answers, or codes them otherwise than the layout."""
        outputs = [entry for entry in baseline.columns if (entry.column.role, entry.column.name) == (Role.PREDICTION, PREDICTION)]
        codes = _codes(layout, outputs[0]) if outputs else None
        if baseline.answers is None or codes is None or not layout.cells:
            return None
        rows = np.zeros((layout.cells, layout.answers))
        for cell, counts in enumerate(baseline.answers.counts):
            np.add.at(rows[cell], codes, counts)
        rows = rows[:, 1:]
        entry = outputs[0]
        bins = [entry.label(code) for code in range(FIRST_VALUE, len(entry.counts) - 1)] if isinstance(entry, NumericColumn) else []
        return cls(
            baseline.answers, tuple(bins) or (*layout.classes, "another class"), rows * (rows.sum(axis=1, keepdims=True) >= ROWS_MIN)
        )

    def compare(self, layout: OutcomeLayout, vector: Vector, z: float, weights: Weights = EVENTS) -> list[Held]:
        """Those of `metrics.ANSWERED`; nothing where no event can be compared. z: see `quantile`; weights: of the sample counted."""
        seen, rows = self._sides(layout, vector)
        n, cells = float(seen.sum()), np.full(len(seen), weights.whole) if weights.cells is None else weights.cells
        usual = _usual_entropy(seen if n else rows, rows, z)
        entropy, distance = (_entropy(seen, z, cells), _distance(seen, rows, z, cells)) if n else (NOTHING, NOTHING)
        return [
            Held(measured(_ENTROPY, entropy, n), measured(_ENTROPY, usual, rows.sum())),
            Held(measured(_DISTANCE, distance, n), measured(_DISTANCE, Estimate(0.0, 0.0, 0.0), rows.sum())),
        ]

    def most(self, layout: OutcomeLayout, vector: Vector) -> str:
        """Where answers changed most, and which: `most for income < 11060: repaid fell from 92 % to 41 %`; there are events to compare."""
        seen, rows = self._sides(layout, vector)
        cell = int((seen.sum(axis=1) * _divergence(seen, rows)).argmax())
        before, now = _shares(rows)[cell], _shares(seen)[cell]
        answer = int(np.abs(now - before).argmax())
        way = "rose" if now[answer] > before[answer] else "fell"
        change = f"{self.labels[answer]} {way} from {100 * before[answer]:.0f} % to {100 * now[answer]:.0f} %"
        return f"most for {self.answers.label(cell)}: {change}"

    def _sides(self, layout: OutcomeLayout, vector: Vector) -> tuple[Floats, Floats]:
        """The window's events that can be compared, and the training rows; those without an answer are in neither."""
        counts = counts_of(layout, vector, "answers")[:, 1:].astype(np.float64)
        return counts * (self.rows.sum(axis=1, keepdims=True) > 0), self.rows


def _codes(layout: OutcomeLayout, entry: BaselineColumn) -> NDArray[np.int64] | None:
    """int64[codes of the column]: each one's code as an answer; None where numbers are cut otherwise."""
    last, none = layout.answers - 1, [NO_CLASS] * FIRST_VALUE
    if isinstance(entry, NumericColumn):
        is_same = layout.task == "regression" and layout.edges == entry.edges
        return np.array(none + [min(place, last) for place in range(1, len(entry.counts) - 1)]) if is_same else None
    return None if layout.task == "regression" else np.array([*none, last, *layout.class_codes(entry.categories).tolist()])


def _shares(counts: Floats) -> Floats:
    """Of each answer in its combination."""
    shares: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    return shares


def _apart(seen: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """What tells either side's answers from the other's, in nats, [cells, answers]: half the logarithm of a share by the mean of both.

    The mean over a combination's events and that over its training rows together are the Jensen-Shannon divergence there.
    """
    sides = np.stack([_shares(seen), _shares(rows)])
    by_event, by_row = np.log(np.where(sides > 0, sides / np.maximum(sides.mean(axis=0), 1e-300), 1)) / 2
    return by_event, by_row


def _divergence(seen: Floats, rows: Floats) -> Floats:
    """float64[cells]."""
    by_event, by_row = _apart(seen, rows)
    found: Floats = (_shares(seen) * by_event + _shares(rows) * by_row).sum(axis=1)
    return found


def _distance(seen: Floats, rows: Floats, z: float, weights: Floats) -> Estimate:
    """The root of the mean over events of the Jensen-Shannon divergence, base 2, of the answers in their combination, less what chance
    alone makes of it. In [0, 1]. Interval: delta method on the counts of both sides, and the tail of the chi-square that chance makes
    (Laurent & Massart 2000, Adaptive Estimation of a Quadratic Functional by Model Selection, lemma 1). weights: float64[cells], for how
    many events a row of each combination stands.
    """
    n, held, before = float(seen.sum()), np.maximum(rows.sum(axis=1), 1), _shares(rows)
    share, (by_event, by_row) = seen.sum(axis=1) / n, _apart(seen, rows)
    of_rows = (before * by_row).sum(axis=1)
    by_event += of_rows[:, None]
    mean = float((seen * by_event).sum()) / n
    variance = float(weights @ (seen * (by_event - mean) ** 2).sum(axis=1)) / n**2
    variance += float(share**2 @ (((before * by_row**2).sum(axis=1) - of_rows**2) / held))
    chance, independent = _by_chance(seen, rows, weights), n / float(weights @ share)
    half = z * (sqrt(max(variance, 0.0)) + sqrt(chance / (4 * independent))) + z * z / (8 * independent)
    return Estimate(*(sqrt(min(max(value / log(2), 0.0), 1.0)) for value in (mean - chance, mean - chance - half, mean - chance + half)))


def _by_chance(seen: Floats, rows: Floats, weights: Floats) -> float:
    """The mean that the divergence of like sides has, in nats: of the window's counts as Poisson draws, of training's as of many rows."""
    n, events, before, worth = seen.sum(), seen.sum(axis=1, keepdims=True), _shares(rows), weights[:, None]
    of_window = worth * _poisson_mean(events * before / worth) / n
    of_rows = events / np.maximum(rows.sum(axis=1, keepdims=True), 1) / (8 * n)
    return float(((of_window + of_rows * (before > 0)) * (1 - before)).sum())


def _poisson_mean(expected: Floats) -> Floats:
    """The mean of (k ln(k / m) + e ln(e / m)) / 2 with m = (k + e) / 2, over Poisson draws k of mean e >= 0; 1/8 where e is large."""
    found: Floats = np.interp(expected, *_poisson_means(), right=1 / 8)
    return found


@cache
def _poisson_means() -> tuple[Floats, Floats]:
    """At means that are near enough to be joined by straight lines, and these."""
    e, k = np.linspace(0, _POISSON_MAX, 50 * _POISSON_MAX + 1)[:, None], np.arange(3.0 * _POISSON_MAX)
    chance, middle = np.exp(xlogy(k, e) - e - gammaln(k + 1)), np.maximum((k + e) / 2, 1e-300)
    return e[:, 0], (chance * (xlogy(k, k / middle) + xlogy(e, e / middle))).sum(axis=1) / 2


def _entropy(seen: Floats, z: float, weights: Floats) -> Estimate:
    """H(answer | combination) in bits, corrected for few events as training's is; its interval as that of `conditional_entropy`."""
    events = seen.sum(axis=1)
    n = float(events.sum())
    whole = float(weights @ events) / n
    plain = conditional(seen.T, z * sqrt(whole), whole / 2)
    assert plain.low is not None
    assert plain.high is not None
    value = float(events @ _open(seen, weights)) / n
    return Estimate(value, min(plain.low, value), max(plain.high, value))


def _usual_entropy(seen: Floats, rows: Floats, z: float) -> Estimate:
    """That of training, if inputs came as often as in the window; interval: delta method on the counts of training."""
    weight, shares = seen.sum(axis=1) / max(float(seen.sum()), 1.0), _shares(rows)
    bits = -np.log2(np.where(shares > 0, shares, 1))
    variance = (shares * bits**2).sum(axis=1) - (shares * bits).sum(axis=1) ** 2
    half = z * sqrt(max(float(weight**2 @ (variance / np.maximum(rows.sum(axis=1), 1))), 0.0))
    value = float(weight @ _open(rows, np.ones(len(rows))))
    return Estimate(value, max(value - half, 0.0), value + half)


def _open(counts: Floats, weights: Floats) -> Floats:
    """float64[cells]: the entropy of the answers in bits, with as much more as few events have too little (Miller 1955, Note on the Bias of
    Information Estimates).
    """
    shares, events = _shares(counts), np.maximum(counts.sum(axis=1), 1)
    lacking = weights * np.maximum((counts > 0).sum(axis=1) - 1, 0) / (2 * events)
    found: Floats = np.minimum(lacking - xlogy(shares, shares).sum(axis=1), log(max(counts.shape[1], 1))) / log(2)
    return found
