"""From two profiles to findings: a difference counts only when it is large and real."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stream_monitor.capture.schema import Column, Role, Schema
from stream_monitor.detect.detector import Detector
from stream_monitor.detect.distances import DISTANCES
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity
from stream_monitor.detect.pair import Padding, Pair
from stream_monitor.detect.quality import RATIOS
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import Profile

DETECTORS: Final[Mapping[str, Detector]] = {**DISTANCES, **RATIOS}
"""Every detector that compares a window's profile with the baseline's, in the order in which scores are given."""
CRITICAL_FACTOR: Final = 2.0
"""A finding of at least this many times the threshold (both counted from the baseline's own score) is critical."""

Threshold = Callable[[str, str], float]
"""(column name, detector name) -> threshold; for ratios the increase allowed over the baseline's."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A `Threshold`: an override for the column, else the config's value for the detector, else the detector's default."""

    by_detector: Mapping[str, float] = field(default_factory=dict)
    by_column: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __call__(self, column: str, detector: str) -> float:
        """Errors: KeyError on an unknown detector."""
        overridden = self.by_column.get(column, {}).get(detector)
        if overridden is not None:
            return overridden
        return self.by_detector.get(detector, DETECTORS[detector].default_threshold)


def scores_per_window(schema: Schema, judged: Set[str]) -> int:
    """How many scores one window of this schema gets: what `gate.alpha` divides the budget by. judged: names of the columns that count."""
    columns = [column for column in schema.columns if column.name in judged]
    return sum(detector.applies_to(column) for column in columns for detector in DETECTORS.values())


class Judge:
    """Compares windows with one baseline; built once per baseline and settings. A pure function of a window's counts.

    schema and layout name the same columns in the same order. alpha: the level of one test, see `gate.alpha`;
    events_min: windows with fewer events are scored, not judged; judged: names of the columns that are looked at (default: all).
    """

    def __init__(
        self,
        layout: Layout,
        baseline: Profile,
        schema: Schema,
        threshold: Threshold,
        alpha: float,
        events_min: int,
        judged: Set[str] | None = None,
    ) -> None:
        names = tuple(column.name for column in schema.columns)
        assert layout.names == names, f"the layout's columns {layout.names} are not the schema's {names}"
        self._schema, self.alpha, self._events_min = schema, alpha, events_min
        self.judged = frozenset(names if judged is None else judged)
        self._padding = Padding(layout)
        self._baseline = self._padding.side(baseline)
        self._bases = {name: detector.base(self._baseline).tolist() for name, detector in DETECTORS.items()}
        self._limits = {name: [threshold(column, name) for column in names] for name in DETECTORS}

    def judge(self, window: Profile, *, complete: bool = True) -> list[Score]:
        """Scores of all columns by all detectors that apply, by column and then in the order of `DETECTORS`."""
        pair = self._pair(window)
        gates = dict.fromkeys(detector.gate for detector in DETECTORS.values())
        p_values = {gate: gate(pair).tolist() for gate in gates}
        values = {name: detector.score(pair).tolist() for name, detector in DETECTORS.items()}
        status = self._status(window, complete)
        return [
            self._score(detector, index, column, values[name][index], p_values[detector.gate][index], status)
            for index, column in enumerate(self._schema.columns)
            for name, detector in DETECTORS.items()
            if column.name in self.judged and detector.applies_to(column)
        ]

    def findings(self, scores: Sequence[Score], window: Profile) -> list[Finding]:
        """Those of the window's scores that are judged, over their threshold and beyond chance, in the same order."""
        large = [score for score in scores if self._is_finding(score)]
        if not large:
            return []
        pair = self._pair(window)
        return [self._finding(score, pair) for score in large]

    def _pair(self, window: Profile) -> Pair:
        return Pair(self._padding.side(window), self._baseline)

    def _status(self, window: Profile, complete: bool) -> ScoreStatus:
        if not complete:
            return ScoreStatus.INCOMPLETE
        return ScoreStatus.TOO_FEW if window.events < self._events_min else ScoreStatus.JUDGED

    def _score(self, detector: Detector, index: int, column: Column, value: float, p_value: float, status: ScoreStatus) -> Score:
        key = Key(_kind(detector, column), column.name, detector.name)
        threshold = self._bases[detector.name][index] + self._limits[detector.name][index]
        if np.isnan(value):
            unjudged = ScoreStatus.TOO_FEW if status is ScoreStatus.JUDGED else status
            return Score(key, index, None, threshold, None, unjudged)
        return Score(key, index, value, threshold, p_value, status)

    def _is_finding(self, score: Score) -> bool:
        if score.status is not ScoreStatus.JUDGED or score.score is None or score.p_value is None:
            return False
        return score.score > score.threshold and score.p_value < self.alpha

    def _finding(self, score: Score, pair: Pair) -> Finding:
        assert score.score is not None
        name = score.key.detector
        base = self._bases[name][score.column]
        is_critical = score.score - base >= CRITICAL_FACTOR * self._limits[name][score.column]
        moved = tuple(DETECTORS[name].moved(pair, score.column).tolist())
        return Finding(score, score.score, base, Severity.CRITICAL if is_critical else Severity.WARNING, moved)


def _kind(detector: Detector, column: Column) -> FindingKind:
    if detector.is_quality:
        return FindingKind.DATA_QUALITY
    return FindingKind.PREDICTION_DRIFT if column.role is Role.PREDICTION else FindingKind.DATA_DRIFT
