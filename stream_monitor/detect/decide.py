"""From two profiles to findings: a difference counts only when it is large and real."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from functools import partial
from math import inf
from typing import Final, NamedTuple

import numpy as np

from stream_monitor.baseline.column import NATURAL_FACTOR
from stream_monitor.capture.schema import Column, Role, Schema
from stream_monitor.detect.anomalies import ANOMALIES
from stream_monitor.detect.attributions import NDCG, Rankings
from stream_monitor.detect.finding import Finding, FindingKind, Judging, Key, Score, ScoreStatus, Severity
from stream_monitor.detect.finding import is_finding as is_finding
from stream_monitor.detect.operations import IDLE, Operating
from stream_monitor.detect.pair import Floats, Pair
from stream_monitor.detect.producers import SILENT, Producers
from stream_monitor.detect.reference import Reference
from stream_monitor.detect.registry import BY_COLUMN, CAPTURE, DISTRIBUTION, NAMES, OPERATIONS, SEQUENTIAL, VERSIONS, VOLUME
from stream_monitor.detect.registry import cause_of as cause_of
from stream_monitor.detect.registry import title_of as title_of
from stream_monitor.detect.rollout import Together
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.detect.transit import TransitWatch
from stream_monitor.detect.volume import Volume
from stream_monitor.detect.whole import WHOLE, WholeScore
from stream_monitor.profile.profile import Profile

CRITICAL_FACTOR: Final = 2.0
"""A finding of at least this many times the threshold (both counted from the baseline's own score) is critical."""
_SERIES: Final = 2
"""Position and spread: each sequential detector tests both."""

Threshold = Callable[[str | None, str], float]
"""(column name or None for the whole, detector name) -> threshold; for ratios the increase allowed over the baseline's."""
Shifts = Mapping[tuple[int, str], Shift]
"""(column, detector) -> the largest shift in a window."""


def count_tests(schema: Schema, judged: Set[str], detectors: Collection[str] | None = None) -> int:
    """How many tests decide on one window: what `gate.alpha` divides the budget by. judged: names of the columns that count.

    Detectors of one column with the same gate share its test, for they share an alert; those of operations share one test out, and so do
    those of captures.
    """
    columns = [column for column in schema.columns if column.name in judged]
    on = [detector for name, detector in BY_COLUMN.items() if detectors is None or name in detectors]
    gates = sum(len({detector.gate for detector in on if detector.applies_to(column)}) for column in columns)
    sequential = sum(detectors is None or name in detectors for name in SEQUENTIAL)
    whole = sum(detectors is None or name in detectors for name in (*WHOLE, *VOLUME))
    operations = any(detectors is None or name in detectors for name in OPERATIONS)
    attributions = bool(schema.attributions) and (detectors is None or NDCG in detectors)
    captures = any(detectors is None or name in detectors for name in CAPTURE)
    return gates + _SERIES * sequential * len(columns) + whole + operations + attributions + captures


class _Row(NamedTuple):
    """One column's score by one detector: what of it is the same in every window. limit: the threshold counted from base."""

    key: Key
    column: int
    base: float
    limit: float


class Judge:
    """Compares windows with one reference; built once per baseline, segment and settings. A pure function of a window's counts and shifts.

    alpha: the level of one test, see `gate.alpha`; events_min: windows with fewer events are scored, not judged;
    judged: names of the columns that are looked at (default: all); detectors: names of those that are on (default: all);
    plugins: names of further sequential detectors.
    """

    def __init__(
        self,
        reference: Reference,
        threshold: Threshold,
        alpha: float,
        events_min: int,
        judged: Set[str] | None = None,
        detectors: Collection[str] | None = None,
        plugins: Sequence[str] = (),
    ) -> None:
        columns = reference.schema.columns
        names = tuple(column.name for column in columns)
        assert reference.layout.names == names, f"the layout's columns {reference.layout.names} are not the schema's {names}"
        self.alpha, self.threshold = alpha, threshold
        self.judged = frozenset(names if judged is None else judged)
        self.detectors = None if detectors is None else frozenset(detectors)
        self._reference, self._events_min = reference, events_min
        self._by_column = {name: detector for name, detector in BY_COLUMN.items() if self._is_on(name)}
        self._sequential = [name for name in (*SEQUENTIAL, *plugins) if name in plugins or self._is_on(name)]
        self._whole = {name: detector for name, detector in WHOLE.items() if self._is_on(name)}
        self._rankings = Rankings(reference, self.judged, threshold(None, NDCG), alpha, events_min)
        bases = {name: detector.base(reference.side).tolist() for name, detector in self._by_column.items()}
        self._rows = [
            [*self._column_rows(index, column, bases), *self._shift_rows(index, column)]
            for index, column in enumerate(columns)
            if column.name in self.judged
        ]

    @property
    def nothing(self) -> Profile:
        """The profile of no events."""
        return Profile.empty(self._reference.layout)

    @property
    def judging(self) -> Set[Judging]:
        """All that may have a score in a window, those beside another version too; of the whole some names more."""
        by_column = {(row.key.feature, row.key.detector) for rows in self._rows for row in rows}
        beside = {(name, detector) for name in self.judged for detector in VERSIONS if self._is_on(detector)}
        return by_column | beside | {(None, name) for name in NAMES if self._is_on(name)}

    @property
    def min_shift(self) -> Floats:
        """float64[C]: the least shift that a sequential detector need report, by column; infinite for those that are not judged."""
        found = np.full(len(self._reference.schema.columns), inf)
        for row in (row for rows in self._rows for row in rows if row.key.detector in self._sequential):
            found[row.column] = min(found[row.column], row.limit)
        return found

    def judge(self, window: Profile, shifts: Sequence[Shift] = (), *, complete: bool = True) -> list[Score]:
        """Scores by column and then, of all detectors that apply, in the order of `registry`; then those of the whole and of attributions.

        shifts: what the sequential detectors found in the part of the window that no earlier one held.
        """
        pair, status = self._reference.pair(window), self._status(window, complete)
        gates = dict.fromkeys(detector.gate for detector in self._by_column.values())
        p_values = {gate: gate(pair).tolist() for gate in gates}
        answers = {name: (each.score(pair).tolist(), p_values[each.gate]) for name, each in self._by_column.items()}
        largest = _largest(shifts)
        scores = [
            self._score(row, answers[row.key.detector], status)
            if row.key.detector in answers
            else self._shift_score(row, largest.get((row.column, row.key.detector)), status)
            for rows in self._rows
            for row in rows
        ]
        scores += [self._whole_score(name, self._judge_whole(name, window), status, scores) for name in self._whole]
        return scores + [score for score in self._rankings.judge(window, status) if self._is_on(score.key.detector)]

    def judge_traffic(self, volume: Volume, start_ms: int, end_ms: int, events: int, together: Together | None = None) -> list[Score]:
        """Scores of the number of events in [start_ms, end_ms), which `volume` then knows; see `Volume.judge`.

        together: of all versions, where there are others.
        """
        own, limits = volume.to_state(), partial(self.threshold, None)
        scores = volume.judge(start_ms, end_ms, events, self.alpha, limits)
        if together is not None:
            scores = together.judge(scores, own, start_ms, end_ms, events, self.alpha, limits)
        return [score for score in scores if self._is_on(score.key.detector)]

    def judge_operations(self, operating: Operating, start_ms: int, end_ms: int, window: Profile) -> list[Score]:
        """Scores of how the calls of [start_ms, end_ms) went, which `operating` then knows; see `Operating.judge`."""
        on = [name for name in OPERATIONS if self._is_on(name)]
        scores = operating.judge(start_ms, end_ms, window, self.alpha / len(on), partial(self.threshold, None)) if on else []
        return [score for score in scores if score.key.detector in on]

    def judge_transit(self, watch: TransitWatch, start_ms: int, end_ms: int, window: Profile) -> list[Score]:
        """Scores of how the events of [start_ms, end_ms) came here, which `watch` then knows; see `TransitWatch.judge`."""
        scores = watch.judge(start_ms, end_ms, window, self._capture_alpha, partial(self.threshold, None))
        return [score for score in scores if self._is_on(score.key.detector)]

    def judge_producers(self, producers: Producers, start_ms: int, end_ms: int, fresh: Profile) -> list[Score]:
        """The score of producers that are silent in [start_ms, end_ms), whose events `fresh` is of; see `Producers.judge`."""
        scores = producers.judge(start_ms, end_ms, fresh, self._capture_alpha, self.threshold(None, SILENT))
        return scores if self._is_on(SILENT) else []

    @property
    def _capture_alpha(self) -> float:
        return self.alpha / max(sum(map(self._is_on, CAPTURE)), 1)

    def findings(self, scores: Sequence[Score], window: Profile, shifts: Sequence[Shift] = ()) -> list[Finding]:
        """Those of the window's scores that are judged, over their threshold and beyond chance, in the same order."""
        large = [score for score in scores if is_finding(score)]
        if not large:
            return []
        pair, largest = self._reference.pair(window), _largest(shifts)
        return [self._finding(score, pair, window, largest) for score in large]

    def _is_on(self, detector: str) -> bool:
        return self.detectors is None or detector in self.detectors

    def _column_rows(self, index: int, column: Column, bases: Mapping[str, Sequence[float]]) -> Iterator[_Row]:
        drift = FindingKind.PREDICTION_DRIFT if column.role is Role.PREDICTION else FindingKind.DATA_DRIFT
        for name, detector in self._by_column.items():
            if detector.applies_to(column):
                kind = FindingKind.DATA_QUALITY if detector.is_quality else FindingKind.ANOMALY if name in ANOMALIES else drift
                yield _Row(Key(kind, column.name, name), index, bases[name][index], self._limit(index, column, name, name))

    def _shift_rows(self, index: int, column: Column) -> Iterator[_Row]:
        kind = FindingKind.PREDICTION_DRIFT if column.role is Role.PREDICTION else FindingKind.DATA_DRIFT
        for name in self._sequential:
            yield _Row(Key(kind, column.name, name), index, 0.0, self._limit(index, column, name, "shift"))

    def _limit(self, index: int, column: Column, detector: str, natural: str) -> float:
        """The configured threshold, or what training data showed by itself where that is more."""
        scores = self._reference.natural.get(natural)
        return max(self.threshold(column.name, detector), 0.0 if scores is None else NATURAL_FACTOR * float(scores[index]))

    def _status(self, window: Profile, complete: bool) -> ScoreStatus:
        if not complete:
            return ScoreStatus.INCOMPLETE
        return ScoreStatus.TOO_FEW if window.events < self._events_min else ScoreStatus.JUDGED

    def _score(self, row: _Row, answer: tuple[Sequence[float], Sequence[float]], status: ScoreStatus) -> Score:
        value, p_value = answer[0][row.column], answer[1][row.column]
        if value != value:  # NaN
            return Score(row.key, row.column, None, row.base + row.limit, None, _unjudged(status), row.base)
        return Score(row.key, row.column, value, row.base + row.limit, p_value, status, row.base, p_value < self.alpha)

    def _shift_score(self, row: _Row, shift: Shift | None, status: ScoreStatus) -> Score:
        """No shift is a score of 0. A shift in a window of few events is one all the same: the detectors remember those before."""
        if shift is None:
            return Score(row.key, row.column, 0.0, row.limit, 1.0, status)
        judged = ScoreStatus.JUDGED if status is ScoreStatus.TOO_FEW else status
        return Score(row.key, row.column, shift.size, row.limit, shift.p_value, judged, 0.0, True)

    def _judge_whole(self, name: str, window: Profile) -> WholeScore:
        return WHOLE[name].judge(window, self._reference)

    def _whole_score(self, name: str, found: WholeScore, status: ScoreStatus, by_column: Sequence[Score]) -> Score:
        natural = self._reference.natural.get(name)
        limit = max(self.threshold(None, name), 0.0 if natural is None else NATURAL_FACTOR * float(natural[0]))
        key, threshold = Key(WHOLE[name].kind, None, name), found.base + limit
        if found.value is None or found.p_value is None:
            return Score(key, -1, None, threshold, None, _unjudged(status), found.base)
        real = found.p_value < self.alpha and not (key.kind is FindingKind.ANOMALY and self._is_explained(by_column))
        return Score(key, -1, found.value, threshold, found.p_value, status, found.base, real)

    def _is_explained(self, scores: Sequence[Score]) -> bool:
        """Whether one of the joint columns moved by itself: then events are far for that alone, and its own alert says so."""
        places = self._reference.joint.places if self._reference.joint else ()
        levels = (score for score in scores if score.column in places and score.key.detector in BY_COLUMN and is_finding(score))
        return any(cause_of(score.key.detector) in (DISTRIBUTION, "range") for score in levels)

    def _finding(self, score: Score, pair: Pair, window: Profile, shifts: Shifts) -> Finding:
        assert score.score is not None
        name = score.key.detector
        if score.column < 0:
            shown = self._judge_whole(name, window).shown if name in WHOLE else score.shown
            is_info = name == IDLE or (name in VOLUME and bool(score.shown))  # another version took over
            severity = Severity.INFO if is_info else severity_of(score)
            return Finding(score, score.score, score.base, severity, (), shown=shown)
        moved = BY_COLUMN[name if name in BY_COLUMN else "tvd"].moved(pair, score.column)
        shift = shifts.get((score.column, name))
        severity = severity_of(score) if shift is None else Severity.INFO
        change_ms = None if shift is None else shift.changed_ms
        return Finding(score, score.score, score.base, severity, tuple(moved.tolist()), change_ms)


def severity_of(score: Score) -> Severity:
    """By the size of the effect: how many times the threshold, both counted from the baseline's own score."""
    is_critical = score.excess >= CRITICAL_FACTOR * score.allowance
    return Severity.CRITICAL if is_critical else Severity.WARNING


def _unjudged(status: ScoreStatus) -> ScoreStatus:
    return ScoreStatus.TOO_FEW if status is ScoreStatus.JUDGED else status


def _largest(shifts: Sequence[Shift]) -> Shifts:
    found: dict[tuple[int, str], Shift] = {}
    for shift in shifts:
        known = found.get((shift.column, shift.detector))
        if known is None or shift.size > known.size:
            found[shift.column, shift.detector] = shift
    return found
