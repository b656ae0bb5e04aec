"""One version of a model held against the current one, on the same windows: what a canary does otherwise, each side counted on its own.

Nothing here needs a baseline's opinion: a difference is large by its own threshold, and real by a test of two samples.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import hypot
from typing import Final

import numpy as np
from scipy.special import ndtr

from stream_monitor.baseline.baseline import Baseline, BaselineColumn, NumericColumn
from stream_monitor.capture.calls import LATENCY
from stream_monitor.capture.schema import PREDICTION, Role
from stream_monitor.detect.distances import DISTANCES
from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus, Shown
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.outcomes.intervals import difference, mean, quantile, share
from stream_monitor.detect.outcomes.measure import Measure, counts_of, measured
from stream_monitor.detect.outcomes.regression import ROUNDING, Errors, errors_of
from stream_monitor.detect.pair import Floats
from stream_monitor.detect.reference import reference_of
from stream_monitor.detect.transit import homogeneity
from stream_monitor.profile.layout import FIRST_VALUE
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.profile.profile import Profile

DISTANCE, LATENCY_RATIO, ERRORS, ACCURACY, MAE = (
    "version_psi",
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

    judged: the columns that count. Columns are compared where both have one baseline, else the classes of the prediction alone.
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

    def judge(self, mine: Profile, current: Profile) -> list[Score]:
        """Scores of one window of both, by column, then of how calls went; none where either had no event in it."""
        if not mine.events or not current.events:
            return []
        found = self._columns(mine, current) if self.is_alike else self._classes(mine, current)
        return [self._settled(score, mine.events, current.events) for score in (*found, *self._calls(mine, current))]

    def judge_outcome(self, layout: OutcomeLayout, mine: Vector, current: Vector) -> list[tuple[Score, Measure]]:
        """How many more are right, or how much larger errors are, with its interval; nothing where either has no labelled answer."""
        z = quantile(1 - self.alpha)
        if layout.task == "regression":
            return self._errors(errors_of(layout, mine), errors_of(layout, current), layout.scale, z)
        (right, n), (other_right, other_n) = _right(layout, mine), _right(layout, current)
        if not n or not other_n:
            return []
        limit = -self.threshold(None, ACCURACY)
        found = difference(share(right, n, z), share(other_right, other_n, z))
        assert found.bounds is not None
        value, _, high = found.bounds
        shown, events = (Shown(self.current, other_right / other_n, right / n),), (Shown("events", float(other_n), float(n)),)
        score = Score(_key(FindingKind.MODEL_QUALITY, ACCURACY), -1, value, limit, None, ScoreStatus.JUDGED, 0.0, high < limit)
        score = replace(score, shown=shown, measured=events, falls=True, p_value=_chance(value, high, limit, z))
        score = score if min(n, other_n) >= self.events_min else replace(score, status=ScoreStatus.TOO_FEW)
        return [(score, measured(ACCURACY, found, min(n, other_n)))]

    def _errors(self, mine: Errors, current: Errors, scale: float, z: float) -> list[tuple[Score, Measure]]:
        """The difference of the mean absolute errors over `scale`, shown in the label's own unit; not judged without an interval."""
        if not mine.n or not current.n:
            return []
        one, other = (mean(side.absolute, side.squared + side.n * ROUNDING, side.n, z) for side in (mine, current))
        assert one.value is not None
        assert other.value is not None
        limit, found, least = self.threshold(None, MAE), difference(one, other), min(mine.n, current.n)
        score = Score(_key(FindingKind.MODEL_QUALITY, MAE), -1, found.value, limit, None, ScoreStatus.TOO_FEW)
        if found.bounds is not None:
            value, low, _ = found.bounds
            shown, events = (Shown(self.current, other.value * scale, one.value * scale),), (Shown("events", current.n, mine.n),)
            score = replace(score, shown=shown, measured=events, real=low > limit, p_value=_chance(-value, -low, -limit, z))
            score = replace(score, status=ScoreStatus.JUDGED) if least >= self.events_min else score
        return [(score, measured(MAE, found, least))]

    def _settled(self, score: Score, events: int, current: int) -> Score:
        measured = (Shown("events", float(current), float(events)),)
        status = ScoreStatus.JUDGED if score.score is not None and min(events, current) >= self.events_min else ScoreStatus.TOO_FEW
        return replace(score, measured=measured, status=status)

    def _columns(self, mine: Profile, current: Profile) -> Iterator[Score]:
        """The PSI of every column from the current version's window, by the test of two samples, events that come together as fewer."""
        whole = reference_of(self.baseline)
        pair = replace(whole, profile=current, unseen=np.zeros_like(whole.unseen), natural={}).pair(mine)
        values, p_values = DISTANCES["psi"].score(pair).tolist(), DISTANCES["psi"].gate(pair).tolist()
        for index, entry in enumerate(self.baseline.columns):
            if entry.column.name in self.judged:
                codes = DISTANCES["psi"].moved(pair, index).tolist()
                before, now = pair.baseline.shares[index], pair.window.shares[index]
                shown = [
                    Shown(self.baseline.label(index, code), float(before[code - FIRST_VALUE]), float(now[code - FIRST_VALUE]))
                    for code in codes
                ]
                yield self._distance(entry, values[index], p_values[index], shown)

    def _classes(self, mine: Profile, current: Profile) -> Iterator[Score]:
        """The same of the predicted classes, by their names; none where either baseline reads the prediction as a number."""
        one, other = _named(self.baseline, mine), _named(self.current_baseline, current)
        entry = _prediction(self.baseline)
        if entry is None or one is None or other is None:
            return
        names = sorted({*one, *other})
        window, before = (np.array([side.get(name, 0) for name in names], dtype=np.float64) for side in (one, other))
        if not window.sum() or not before.sum():
            return
        moved = sorted(zip(window / window.sum() - before / before.sum(), names, strict=True), key=lambda each: (-abs(each[0]), each[1]))
        shown = [Shown(name, other.get(name, 0) / before.sum(), one.get(name, 0) / window.sum()) for by, name in moved if by]
        yield self._distance(entry, _psi(window, before), homogeneity(window, before, 1.0), shown)

    def _distance(self, entry: BaselineColumn, value: float, p_value: float, shown: Sequence[Shown]) -> Score:
        kind = FindingKind.PREDICTION_DRIFT if entry.column.role is Role.PREDICTION else FindingKind.DATA_DRIFT
        key, limit = Key(kind, entry.column.name, DISTANCE), self.threshold(entry.column.name, DISTANCE)
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


def _psi(one: Floats, other: Floats) -> float:
    """Half an event more in each class, so that none is 0."""
    p, q = (one + 0.5) / (one + 0.5).sum(), (other + 0.5) / (other + 0.5).sum()
    return float(((p - q) * np.log(p / q)).sum())


def _prediction(baseline: Baseline) -> BaselineColumn | None:
    return next((entry for entry in baseline.columns if entry.column.name == PREDICTION and entry.column.role is Role.PREDICTION), None)


def _named(baseline: Baseline, profile: Profile) -> dict[str, int] | None:
    """Events by predicted class."""
    entry = _prediction(baseline)
    if entry is None or isinstance(entry, NumericColumn):
        return None
    index, starts = baseline.columns.index(entry), baseline.layout.starts
    counts = profile.counts[starts[index] + FIRST_VALUE : starts[index + 1]].tolist()
    return {baseline.label(index, code): count for code, count in enumerate(counts, FIRST_VALUE) if count}


def _key(kind: FindingKind, detector: str) -> Key:
    return Key(kind, None, detector)
