"""One version of a model held against the current one, on the same windows: what a canary does otherwise, each side counted on its own.

Nothing here needs a baseline's opinion: a difference is large by its own threshold, and real by a test of two samples.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import hypot, sqrt
from typing import Final

import numpy as np
from scipy.special import ndtr

from stream_monitor.baseline.baseline import Baseline, BaselineColumn, CategoricalColumn, NumericColumn
from stream_monitor.capture.calls import LATENCY
from stream_monitor.capture.schema import Role
from stream_monitor.detect.distances import DISTANCES, psi_terms
from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus, Shown
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.outcomes.intervals import difference, mean, quantile, share
from stream_monitor.detect.outcomes.measure import Measure, counts_of, measured
from stream_monitor.detect.outcomes.regression import ROUNDING, Errors, errors_of
from stream_monitor.detect.pair import Counts
from stream_monitor.detect.reference import Reference, reference_of
from stream_monitor.detect.unlike import categories_apart, numbers_apart
from stream_monitor.profile.layout import FIRST_VALUE
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.profile.profile import Profile

DISTANCE, LEAST_DISTANCE, LATENCY_RATIO, ERRORS, ACCURACY, MAE = (
    "version_psi",
    "version_ks",
    "version_latency_p95_ratio",
    "version_error_ratio_difference",
    "version_accuracy_difference",
    "version_mae_difference",
)
LATENCY_RATIO_MAX: Final = 1.5
"""Default threshold: as of a latency beside its own past."""
ERRORS_MAX: Final = 0.01
"""Default threshold: one failed call more in a hundred."""
ACCURACY_DROP: Final = 0.05
"""Default threshold: one event in twenty that is right by the current version and wrong by this one."""
MAE_RISE: Final = 0.1
"""Default threshold: a tenth of a standard deviation of the baseline's predictions."""

Threshold = Callable[[str | None, str], float]


@dataclass(frozen=True)
class Versus:
    """How one version is compared. current: the other's name; alpha: of one test; baseline, current_baseline: of the two.

    judged: the columns that count. Where the two have unlike bins, see `unlike`, those that both read in the same way are compared.
    """

    current: str
    alpha: float
    events_min: int
    threshold: Threshold
    baseline: Baseline
    current_baseline: Baseline
    judged: frozenset[str]

    @property
    def is_alike(self) -> bool:
        """Whether both count on the same bins."""
        return self.baseline.id == self.current_baseline.id

    @cached_property
    def _own(self) -> Reference:
        return reference_of(self.baseline)

    @cached_property
    def _others(self) -> Reference:
        return reference_of(self.current_baseline)

    def judge(self, mine: Profile, current: Profile) -> list[Score]:
        """Scores of one window of both, by column, then of how calls went; none where either had no event in it."""
        if not mine.events or not current.events:
            return []
        found = self._columns(mine, current) if self.is_alike else self._unlike(mine, current)
        return [self._settled(score, mine.events, current.events) for score in (*found, *self._calls(mine, current))]

    def judge_outcome(
        self, layout: OutcomeLayout, mine: Vector, current: Vector, weights: tuple[float, float] = (1.0, 1.0)
    ) -> list[tuple[Score, Measure]]:
        """How many more are right, or how much larger errors are, with its interval; nothing where either has no labelled answer.

        weights: for how many events a row of each stands, see `Weights.whole`.
        """
        z = quantile(1 - self.alpha)
        if layout.task == "regression":
            return self._errors(errors_of(layout, mine), errors_of(layout, current), layout.scale, z, weights)
        (right, n), (other_right, other_n) = _right(layout, mine), _right(layout, current)
        if not n or not other_n:
            return []
        limit = -self.threshold(None, ACCURACY)
        found = difference(share(right, n, z * sqrt(weights[0])), share(other_right, other_n, z * sqrt(weights[1])))
        assert found.bounds is not None
        value, _, high = found.bounds
        shown, events = (Shown(self.current, other_right / other_n, right / n),), (Shown("events", float(other_n), float(n)),)
        score = Score(_key(FindingKind.MODEL_QUALITY, ACCURACY), -1, value, limit, None, ScoreStatus.JUDGED, 0.0, high < limit)
        score = replace(score, shown=shown, measured=events, falls=True, p_value=_chance(value, high, limit, z))
        rows = min(n / weights[0], other_n / weights[1])
        score = score if rows >= self.events_min else replace(score, status=ScoreStatus.TOO_FEW)
        return [(score, measured(ACCURACY, found, min(n, other_n)))]

    def _errors(self, mine: Errors, current: Errors, scale: float, z: float, weights: tuple[float, float]) -> list[tuple[Score, Measure]]:
        """The difference of the mean absolute errors over `scale`, shown in the label's own unit; not judged without an interval."""
        if not mine.n or not current.n:
            return []
        sides = zip((mine, current), weights, strict=True)
        one, other = (mean(side.absolute, side.squared + side.n * ROUNDING, side.n, z * sqrt(weight)) for side, weight in sides)
        assert one.value is not None
        assert other.value is not None
        limit, found, least = self.threshold(None, MAE), difference(one, other), min(mine.n, current.n)
        score = Score(_key(FindingKind.MODEL_QUALITY, MAE), -1, found.value, limit, None, ScoreStatus.TOO_FEW)
        if found.bounds is not None:
            value, low, _ = found.bounds
            shown, events = (Shown(self.current, other.value * scale, one.value * scale),), (Shown("events", current.n, mine.n),)
            score = replace(score, shown=shown, measured=events, real=low > limit, p_value=_chance(-value, -low, -limit, z))
            is_enough = min(mine.n / weights[0], current.n / weights[1]) >= self.events_min
            score = replace(score, status=ScoreStatus.JUDGED) if is_enough else score
        return [(score, measured(MAE, found, least))]

    def _settled(self, score: Score, events: int, current: int) -> Score:
        measured = (Shown("events", float(current), float(events)),)
        status = ScoreStatus.JUDGED if score.score is not None and min(events, current) >= self.events_min else ScoreStatus.TOO_FEW
        return replace(score, measured=measured, status=status)

    def _columns(self, mine: Profile, current: Profile) -> Iterator[Score]:
        """The PSI of every column from the current version's window, by the test of two samples, events that come together as fewer."""
        whole = self._own
        pair = replace(whole, profile=current, unseen=np.zeros_like(whole.unseen), natural={}).pair(mine)
        values, p_values, terms = (each(pair) for each in (DISTANCES["psi"].score, DISTANCES["psi"].gate, psi_terms))
        before, now = pair.baseline.shares, pair.window.shares
        for index, entry in enumerate(self.baseline.columns):
            if entry.column.name in self.judged:
                moved = [at for at in np.argsort(-terms[index], kind="stable").tolist() if terms[index, at] > 0]
                names = (self.baseline.label(index, at + FIRST_VALUE) for at in moved)
                shown = [Shown(name, float(before[index, at]), float(now[index, at])) for name, at in zip(names, moved, strict=True)]
                yield self._distance(entry, DISTANCE, float(values[index]), float(p_values[index]), shown)

    def _unlike(self, mine: Profile, current: Profile) -> Iterator[Score]:
        """Of every column that both read in the same way: numbers by what their bins say for sure, categories by their names."""
        places = {entry.column: index for index, entry in enumerate(self.current_baseline.columns)}
        ratios = self._own.inflation_of(mine.events).values, self._others.inflation_of(current.events).values
        for index, entry in enumerate(self.baseline.columns):
            place = places.get(entry.column)
            if entry.column.name not in self.judged or place is None:
                continue
            other, ratio = self.current_baseline.columns[place], max(float(ratios[0][index]), float(ratios[1][place]))
            counts, other_counts = _counts(self.baseline, mine, index), _counts(self.current_baseline, current, place)
            if isinstance(entry, NumericColumn) and isinstance(other, NumericColumn):
                yield self._distance(entry, LEAST_DISTANCE, *numbers_apart(entry, counts, other, other_counts, ratio))
            elif isinstance(entry, CategoricalColumn) and isinstance(other, CategoricalColumn):
                yield self._distance(entry, DISTANCE, *categories_apart(entry, counts, other, other_counts, ratio))

    def _distance(self, entry: BaselineColumn, detector: str, value: float, p_value: float, shown: Sequence[Shown]) -> Score:
        kind = FindingKind.PREDICTION_DRIFT if entry.column.role is Role.PREDICTION else FindingKind.DATA_DRIFT
        key, limit = Key(kind, entry.column.name, detector), self.threshold(entry.column.name, detector)
        if value != value:  # NaN: a side has no value
            return Score(key, -1, None, limit, None, ScoreStatus.TOO_FEW)
        return Score(key, -1, value, limit, p_value, ScoreStatus.JUDGED, 0.0, p_value < self.alpha, tuple(shown))

    def _calls(self, mine: Profile, current: Profile) -> Iterator[Score]:
        """Whether calls are slower, by those over the current version's 95th percentile on both sides, and whether more fail."""
        one, other = mine.operations, current.operations
        slow, usual = one.measure(LATENCY), other.measure(LATENCY)
        if slow.n and usual.n:
            value, before = slow.quantile(0.95), usual.quantile(0.95)
            limit = self.threshold(None, LATENCY_RATIO)
            ratio = value / before if before > 0 else None
            p_value = _more(slow.above(before), slow.n, usual.above(before), usual.n)
            score = Score(_key(FindingKind.OPERATIONAL, LATENCY_RATIO), -1, ratio, limit, p_value, ScoreStatus.JUDGED, 1.0)
            yield replace(score, real=p_value < self.alpha, shown=(Shown(LATENCY, before, value),))
        if one.told and other.told:
            rate, before = one.failed / mine.events, other.failed / current.events
            p_value = _more(one.failed, mine.events, other.failed, current.events)
            key, limit = _key(FindingKind.OPERATIONAL, ERRORS), self.threshold(None, ERRORS)
            score = Score(key, -1, rate - before, limit, p_value, ScoreStatus.JUDGED, 0.0, p_value < self.alpha)
            yield replace(score, shown=(Shown("errors", before, rate),))


def tests_of(judged: int) -> int:
    """How many tests one window of a version is: its columns, latency, errors, accuracy or MAE."""
    return judged + 3


def _more(part: int, whole: int, other_part: int, other_whole: int) -> float:
    counts = np.array([[part], [whole], [other_part], [other_whole]], dtype=np.int64)
    return float(more_often(counts[0], counts[1], counts[2], counts[3])[0])


def _right(layout: OutcomeLayout, vector: Vector) -> tuple[int, int]:
    """Of the answers that have a label: how many are right, and how many there are."""
    joint, classes = counts_of(layout, vector, "joint")[1:, 1:], len(layout.classes)
    return int(np.trace(joint[:classes, :classes])), int(joint.sum())


def _chance(value: float, high: float, limit: float, z: float) -> float:
    """Two-sided p of "no further than the limit", the interval read as a normal one's; 1 where it is not."""
    return float(2 * ndtr(z * (value - limit) / hypot(high - value, 1e-12))) if value < limit else 1.0


def _counts(baseline: Baseline, profile: Profile, column: int) -> Counts:
    starts = baseline.layout.starts
    return profile.counts[starts[column] : starts[column + 1]]


def _key(kind: FindingKind, detector: str) -> Key:
    return Key(kind, None, detector)
