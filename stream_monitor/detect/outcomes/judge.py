"""From a window's outcome to scores: how good the model was, probably is, and whether it treats groups alike.

What needs no label is judged when the window closes; what needs labels once `coverage_min` of its events have one and no kind of event has
them more than twice as often as another. A figure counts only when its whole interval, at the level of the false-alert budget, is on the
bad side of its threshold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import Final, NamedTuple

from scipy.special import ndtr, ndtri

from stream_monitor.detect.decide import CRITICAL_FACTOR
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity, Shown
from stream_monitor.detect.outcomes.answers import Usual
from stream_monitor.detect.outcomes.bias import BIAS, CONDITIONAL, Allowed, bias, outside
from stream_monitor.detect.outcomes.conditional import Strata
from stream_monitor.detect.outcomes.coverage import Coverage, coverage, final_coverage, final_delay
from stream_monitor.detect.outcomes.estimators import Estimator
from stream_monitor.detect.outcomes.intervals import quantile
from stream_monitor.detect.outcomes.measure import Measure, Segment
from stream_monitor.detect.outcomes.metrics import DROP, METRICS
from stream_monitor.detect.outcomes.quality import quality
from stream_monitor.detect.outcomes.relation import joint_js, joint_kl
from stream_monitor.detect.outcomes.verdict import judge
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.profile.weights import EVENTS, Weights

UNLABELLED_BIAS: Final = ("disparate_impact", "statistical_parity_difference", CONDITIONAL)
"""What predictions alone tell."""
COVERAGE: Final = "label_coverage"
AWAITED: Final = {COVERAGE: final_coverage, "label_delay_p50_s": final_delay}
"""What is told, and judged only where the config has a limit."""


class OutcomeScore(NamedTuple):
    """One figure of one window. segment: the facet's group or the class that it is about, beside the unit.

    finding: what is wrong, if anything is; measure: the figure with its interval, where it has one; before: its value in training.
    """

    score: Score
    segment: Segment = ()
    finding: Finding | None = None
    measure: Measure | None = None
    before: float | None = None

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Low and high, None without one."""
        return (None, None) if self.measure is None else (self.measure.low, self.measure.high)


@dataclass(frozen=True)
class OutcomeJudge:
    """Built once per baseline, segment and settings; a pure function of a window's outcome.

    baseline: the training data's outcome, None where it has no target; estimator: what it teaches, None: nothing is estimated;
    limits: by metric's name, `NAME` a limit or `NAME_drop` the drop allowed; alpha: level of one test; detectors: names of those that are
    on, None: all; within: facets whose groups are not compared, because all events are of one, or
    that are there for the strata of another; strata: see `conditional`; usual: what training answered to which inputs, None: not known.
    """

    layout: OutcomeLayout
    alpha: float
    events_min: int
    coverage_min: float
    baseline: Vector | None = None
    estimator: Estimator | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    privileged: Mapping[str, str] = field(default_factory=dict)
    detectors: frozenset[str] | None = None
    within: frozenset[str] = frozenset()
    strata: Strata = field(default_factory=dict)
    usual: Usual | None = None

    def at_close(self, vector: Vector, weights: Weights) -> list[OutcomeScore]:
        """What predictions alone tell, and how many labels there are so far. weights: of the sample that it counts."""
        events = self.layout.events(vector)
        status = ScoreStatus.JUDGED if events >= self.events_min else ScoreStatus.TOO_FEW
        found = [self._estimate(each, status) for each in self._estimated(vector, weights)]
        found += [self._bias(each, status) for each in self._bias_of(vector, weights) if each.name in UNLABELLED_BIAS]
        found += self._answers(vector, weights, status)
        seen = coverage(self.layout, vector)
        return [*found, *self._told({"label_coverage": seen.label_coverage, "label_delay_p50_s": seen.label_delay_p50_s})]

    def labelled(self, vector: Vector, weights: Weights) -> list[OutcomeScore]:
        """What labels tell."""
        status = self._status(coverage(self.layout, vector))
        found = [
            self._quality(each, status) for each in quality(self.layout, vector, 1 - self.alpha, weights.whole) if self.is_on(each.name)
        ]
        found += [self._bias(each, status) for each in self._bias_of(vector, weights) if each.name not in UNLABELLED_BIAS]
        if self.baseline is not None and self.layout.task != "regression":
            found += self._told({each.__name__: each(self.layout, vector, self.baseline) for each in (joint_js, joint_kl)})
        return found

    @property
    def awaited(self) -> list[str]:
        """Which of `AWAITED` have a limit."""
        return [name for name in AWAITED if name in self.limits and self.is_on(name)]

    def at_last(self, vector: Vector, weights: Weights) -> list[OutcomeScore]:
        """Whether labels came, and in time, where the config says what that means: no more of them are waited for."""
        status = ScoreStatus.JUDGED if self.layout.events(vector) >= self.events_min else ScoreStatus.TOO_FEW
        found = []
        for name in self.awaited:
            measure, limit, falls = (
                AWAITED[name](self.layout, vector, quantile(1 - self.alpha, weights.whole)),
                self.limits[name],
                name == COVERAGE,
            )
            bad = measure.low is not None and measure.high is not None and (measure.high < limit if falls else measure.low > limit)
            found.append(self._outcome(FindingKind.CAPTURE_HEALTH, measure, status, limit, falls, None, bad, None))
        return found

    def is_ready(self, vector: Vector) -> bool:
        """Whether what labels tell may be judged."""
        return self._status(coverage(self.layout, vector)) is ScoreStatus.JUDGED

    def tests(self) -> int:
        """How many tests decide on one window: of figures that have something to be held against."""
        nothing = self.layout.empty()
        found = [*self.at_close(nothing, EVENTS), *self.labelled(nothing, EVENTS), *self.at_last(nothing, EVENTS)]
        return sum(isfinite(each.score.threshold) for each in found)

    @cached_property
    def _before(self) -> Mapping[tuple[str, Segment], Measure]:
        """The baseline's own figures."""
        if self.baseline is None:
            return {}
        found = [*quality(self.layout, self.baseline, 1 - self.alpha), *self._bias_of(self.baseline, EVENTS)]
        found += self._estimated(self.baseline, EVENTS)
        return {(each.name, each.segment): each for each in found}

    def _estimated(self, vector: Vector, weights: Weights) -> list[Measure]:
        found = [] if self.estimator is None else self.estimator(vector, 1 - self.alpha, weights.whole)
        return [each for each in found if self.is_on(each.name)]

    def _bias_of(self, vector: Vector, weights: Weights) -> list[Measure]:
        found = bias(self.layout, vector, self.privileged, 1 - self.alpha, weights=weights, strata=self.strata)
        return [each for each in found if self.is_on(each.name) and self.within.isdisjoint(facet for facet, _ in each.segment)]

    def is_on(self, name: str) -> bool:
        """Whether the config names this detector, or none."""
        return self.detectors is None or name in self.detectors

    def _status(self, found: Coverage) -> ScoreStatus:
        if found.labelled < self.events_min:
            return ScoreStatus.TOO_FEW
        is_enough = found.label_coverage is not None and found.label_coverage >= self.coverage_min and found.is_balanced
        return ScoreStatus.JUDGED if is_enough else ScoreStatus.INCOMPLETE

    def _quality(self, measure: Measure, status: ScoreStatus) -> OutcomeScore:
        kind = FindingKind.CONCEPT_DRIFT if measure.name == "conditional_entropy" else FindingKind.MODEL_QUALITY
        return self._scored(kind, measure, status)

    def _estimate(self, measure: Measure, status: ScoreStatus) -> OutcomeScore:
        return self._scored(FindingKind.ESTIMATED_QUALITY, measure, status)

    def _answers(self, vector: Vector, weights: Weights, status: ScoreStatus) -> Iterator[OutcomeScore]:
        """Whether like inputs are answered as they were, and where that changed most."""
        if self.usual is None:
            return
        for measure, before in self.usual.compare(self.layout, vector, quantile(1 - self.alpha), weights):
            if self.is_on(measure.name):
                found = self._held(FindingKind.CONCEPT_DRIFT, measure, status, before)
                if found.finding is not None:
                    found = found._replace(finding=replace(found.finding, note=self.usual.most(self.layout, vector)))
                yield found

    def _scored(self, kind: FindingKind, measure: Measure, status: ScoreStatus) -> OutcomeScore:
        return self._held(kind, measure, status, self._before.get((measure.name, measure.segment)))

    def _held(self, kind: FindingKind, measure: Measure, status: ScoreStatus, before: Measure | None) -> OutcomeScore:
        metric = METRICS[measure.name]
        verdict = judge(measure, self.limits.get(measure.name), before, self.limits.get(measure.name + DROP))
        base = None if before is None else before.value
        falls = metric.higher_is_better is True
        return self._outcome(kind, measure, status, verdict.threshold, falls, base, verdict.is_bad, base)

    def _bias(self, measure: Measure, status: ScoreStatus) -> OutcomeScore:
        """Held against the nearer end of the allowed range; how the training data was is told, and excuses nothing."""
        row, before = BIAS[measure.name], self._before.get((measure.name, measure.segment))
        low, high = self.allowed(measure.name)
        fair = 1.0 if row.allowed[0] > 0 else 0.0
        falls = measure.value is not None and measure.value < fair
        threshold, bad = low if falls else high, outside(measure, (low, high))
        return self._outcome(FindingKind.BIAS, measure, status, threshold, falls, fair, bad, None if before is None else before.value)

    def allowed(self, name: str) -> Allowed:
        """Between what a metric of bias may be; KeyError for another."""
        default, limit = BIAS[name].allowed, self.limits.get(name)
        if limit is None:
            return default
        return (min(limit, 1 / limit), max(limit, 1 / limit)) if default[0] > 0 else (-abs(limit), abs(limit))

    def _outcome(
        self,
        kind: FindingKind,
        measure: Measure,
        status: ScoreStatus,
        threshold: float | None,
        falls: bool,
        base: float | None,
        bad: bool,
        before: float | None,
    ) -> OutcomeScore:
        """base: what counts as good; before: what was in training."""
        key = Key(kind, None, measure.name)
        if measure.value is None and status is ScoreStatus.JUDGED:
            status = ScoreStatus.TOO_FEW
        p_value = None if threshold is None else _chance(measure, threshold, falls, self.alpha)
        limit = threshold if threshold is not None else (float("-inf") if falls else float("inf"))
        origin = limit if base is None else max(base, limit) if falls else min(base, limit)
        score = Score(key, -1, measure.value, limit, p_value, status, origin, bad, falls=falls)
        return OutcomeScore(score, measure.segment, _finding(score, measure, before), measure, before)

    def _told(self, figures: Mapping[str, float | None]) -> Iterator[OutcomeScore]:
        """See `told.TOLD`."""
        for name, value in figures.items():
            if self.is_on(name):
                score = Score(Key(FindingKind.CAPTURE_HEALTH, None, name), -1, value, float("inf"), None, ScoreStatus.TOO_FEW)
                yield OutcomeScore(score)


def by_segment(scores: Sequence[OutcomeScore]) -> dict[Segment, list[OutcomeScore]]:
    """Those of the whole first: each has alerts of its own."""
    found: dict[Segment, list[OutcomeScore]] = {(): []}
    for each in scores:
        found.setdefault(each.segment, []).append(each)
    return found


def _finding(score: Score, measure: Measure, before: float | None) -> Finding | None:
    if not (score.real and score.status is ScoreStatus.JUDGED) or measure.low is None or measure.high is None or measure.value is None:
        return None
    shown = (Shown(measure.name, before, measure.value),)
    interval = (measure.low, measure.high)
    return Finding(score, measure.value, score.base, _severity(score), (), shown=shown, interval=interval, events=measure.events)


def _severity(score: Score) -> Severity:
    is_critical = score.allowance > 0 and score.excess >= CRITICAL_FACTOR * score.allowance
    return Severity.CRITICAL if is_critical else Severity.WARNING


def _chance(measure: Measure, threshold: float, falls: bool, alpha: float) -> float | None:
    """Two-sided p of "as good as the threshold", the interval read as a normal one's on the side of the threshold; 1 where it is good."""
    if measure.value is None or measure.low is None or measure.high is None:
        return None
    distance = threshold - measure.value if falls else measure.value - threshold
    half = (measure.high - measure.value) if falls else (measure.value - measure.low)
    if distance <= 0 or half <= 0:
        return 1.0 if distance <= 0 else 0.0
    return float(2 * ndtr(ndtri(alpha / 2) * distance / half))
