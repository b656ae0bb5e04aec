"""Vectors of outcomes as the pipeline makes them: rows through `add_outcomes`, in any split, some taken back again."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.outcomes.measure import Measure, Segment
from stream_monitor.profile.outcome import Group, OutcomeLayout, Vector
from stream_monitor.profile.outcome_rows import OutcomeRows, add_outcomes
from stream_monitor.profile.score import score_codes

Floats = NDArray[np.float64]
Bits = NDArray[np.int64]

BINARY = OutcomeLayout("binary", ("no", "yes"), positive=1)
SCORED = OutcomeLayout("binary", ("no", "yes"), positive=1, scored=True)
REGRESSION = OutcomeLayout("regression", center=10.0, scale=2.5)
EDGES = tuple(np.linspace(4, 16, 13).tolist())
VALUED = OutcomeLayout("regression", center=10.0, scale=2.5, edges=EDGES)
GROUPS = (Group("sex", "f"), Group("sex", "m"), Group("sex", "x"), Group("age", "old"), Group("age", "young"))
GROUPED = OutcomeLayout("binary", ("no", "yes"), positive=1, groups=GROUPS)


def multiclass(k: int) -> OutcomeLayout:
    return OutcomeLayout("multiclass", tuple(f"c{place}" for place in range(k)))


def scored_classes(k: int) -> OutcomeLayout:
    return OutcomeLayout("multiclass", tuple(f"c{place}" for place in range(k)), scored=True)


def rows(
    predicted: NDArray[np.int64],
    label: NDArray[np.int64],
    score: Floats | None = None,
    groups: NDArray[np.int64] | None = None,
    delay: NDArray[np.uint8] | None = None,
) -> OutcomeRows:
    """predicted, label: codes."""
    n = len(predicted)
    none = np.full(n, np.nan)
    return OutcomeRows(
        predicted.astype(np.uint16),
        np.zeros(n, np.uint16) if score is None else score_codes(score),
        none,
        np.zeros((0, n), np.uint16) if groups is None else groups.astype(np.uint16),
        label.astype(np.uint16),
        none,
        np.zeros(n, np.uint8) if delay is None else delay,
    )


def binary(y: Bits, says: Bits, score: Floats | None = None, groups: NDArray[np.int64] | None = None) -> OutcomeRows:
    """y, says: 0 or 1; -1: no label, no prediction."""
    return rows(says + 1, y + 1, score, groups)


def errors(value: Floats, truth: Floats) -> OutcomeRows:
    n = len(value)
    none = np.zeros(n, np.uint16)
    return OutcomeRows(none, none, value, np.zeros((0, n), np.uint16), none, truth, np.zeros(n, np.uint8))


def vector(layout: OutcomeLayout, given: OutcomeRows, panes: int = 4, seed: int = 0) -> Vector:
    """Over random panes, with some rows counted twice and taken back, added up."""
    n = len(given.predicted)
    generator = np.random.default_rng(seed)
    out = np.zeros((panes, layout.size), np.int64)
    place = generator.integers(0, panes, n)
    twice = np.where(generator.random(n) < 0.3, generator.integers(0, panes, n), -1)
    for places, sign in ((place, 1), (twice, 1), (twice, -1)):
        add_outcomes(layout, given, places.astype(np.int64), sign, out)
    total: Vector = out.sum(axis=0)
    return total


def find(measures: Sequence[Measure], name: str, segment: Segment = ()) -> Measure:
    (found,) = [each for each in measures if each.name == name and each.segment == segment]
    return found


def inside(measure: Measure, truth: float) -> bool:
    assert measure.low is not None
    assert measure.high is not None
    return measure.low - 1e-12 <= truth <= measure.high + 1e-12


def covers(hits: Sequence[bool], level: float) -> bool:
    """The nominal share, less three standard errors."""
    return float(np.mean(hits)) >= level - 3 * sqrt(level * (1 - level) / len(hits))
