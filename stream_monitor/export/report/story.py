"""What a run said, in the order in which a person wants to know it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

import msgspec

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.alert.notification import held_text
from stream_monitor.detect.finding import Severity
from stream_monitor.detect.registry import PAIRS, falls
from stream_monitor.detect.report import WindowScore, ms_of
from stream_monitor.export.pictures import Point
from stream_monitor.export.report.figures import ModelFigures

CASES_MAX: Final = 60
"""Alerts that are told with pictures; the others are counted."""
QUIET_MAX: Final = 200
"""Columns without an alert that are listed, those nearest to their thresholds first."""
_decoder: Final = msgspec.json.Decoder(WindowScore)
_RANK: Final = list(Severity)

ALL: Final = "all traffic"
"""Stands for a feature where an alert or a score is about none."""

SeriesKey = tuple[str, str | None, str, str | None, str]
"""Model, version, segment as text, column, detector."""


@dataclass(slots=True)
class Case:
    """One alert from its first publication to its last. peak: the one of the highest severity and score, whose evidence is shown."""

    first: Alert
    last: Alert
    peak: Alert
    held: dict[str, None] = field(default_factory=dict)
    """Why nobody was told of publications of it, in words, each once."""
    points: dict[int, Point] = field(default_factory=dict)
    """Its detector's scores over the whole run, by end of window: a revision replaces the one before."""

    @property
    def subject(self) -> str:
        """`amount`, or what stands for the whole."""
        return self.first.feature or ALL

    @property
    def began_ms(self) -> int:
        """The change point where there is one, else the start of the first firing window."""
        return ms_of(self.last.change_point or self.first.started_at)

    @property
    def ended_ms(self) -> int | None:
        """None: it still fires."""
        return None if self.last.resolved_at is None else ms_of(self.last.resolved_at)

    @property
    def series(self) -> list[Point]:
        """In the order of time."""
        return [self.points[end] for end in sorted(self.points)]


@dataclass(slots=True)
class Quiet:
    """A column that raised no alert, by the score that came nearest to its threshold. ratio: of the two."""

    model: str
    column: str
    detector: str
    ratio: float
    score: float
    threshold: float


@dataclass(slots=True)
class Story:
    """Everything that the page shows. start_ms, end_ms: of the windows; judged: windows of whole streams in which any column was."""

    cases: list[Case]
    quiet: list[Quiet]
    models: list[str]
    start_ms: int
    end_ms: int
    windows: int
    judged: int
    left_out: int = 0
    figures: dict[str, ModelFigures] = field(default_factory=dict)
    """By model."""

    @classmethod
    def of(cls, alerts: Iterable[Alert], rows: Iterable[bytes]) -> Self:
        """From all publications of alerts, in order, and the lines of windows.jsonl, which are read once."""
        cases = _cases(alerts)
        telling = _Telling(cases[:CASES_MAX])
        for row in map(_decoder.decode, rows):
            telling.add(row)
        loud = {(case.first.model, case.subject) for case in cases}
        quiet = sorted((each for each in telling.nearest.values() if (each.model, each.column) not in loud), key=lambda each: -each.ratio)
        return cls(
            cases[:CASES_MAX],
            quiet[:QUIET_MAX],
            sorted(telling.models),
            telling.start_ms,
            telling.end_ms,
            len(telling.windows),
            sum(telling.windows.values()),
            max(len(cases) - CASES_MAX, 0),
            {model: found for model, found in sorted(telling.figures.items()) if found.by},
        )


@dataclass(slots=True)
class _Telling:
    """Folds the window scores."""

    cases: list[Case]
    models: set[str] = field(default_factory=set)
    windows: dict[tuple[str, str | None, str], bool] = field(default_factory=dict)
    nearest: dict[tuple[str, str], Quiet] = field(default_factory=dict)
    figures: dict[str, ModelFigures] = field(default_factory=dict)
    start_ms: int = 0
    end_ms: int = 0
    _points: dict[SeriesKey, dict[int, Point]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for case in self.cases:
            case.points = self._points.setdefault(_key(case.first), {})

    def add(self, row: WindowScore) -> None:
        end_ms, start_ms = ms_of(row.window.end), ms_of(row.window.start)
        self.start_ms = min(self.start_ms or start_ms, start_ms)
        self.end_ms = max(self.end_ms, end_ms)
        model = row.model if row.version is None else f"{row.model}@{row.version}"
        self.models.add(model)
        self.figures.setdefault(model, ModelFigures()).add(row, end_ms)
        is_judged = row.status == "judged"
        points = self._points.get(_key(row))
        if points is not None:
            points[end_ms] = Point(end_ms, row.score if is_judged else None, row.threshold)
        if row.segment:
            return
        window = (row.model, row.version, row.window.end)
        if row.detector not in PAIRS:  # its windows are of labels
            self.windows[window] = self.windows.get(window, False) or (is_judged and row.feature is not None)
        if is_judged and row.score and row.threshold:
            is_least = falls(row.detector) and row.threshold > 0
            self._compare(row, row.threshold / row.score if is_least else row.score / row.threshold)

    def _compare(self, row: WindowScore, ratio: float) -> None:
        column = row.feature or ALL
        known = self.nearest.get((row.model, column))
        if known is None or ratio > known.ratio:
            self.nearest[row.model, column] = Quiet(row.model, column, row.detector, ratio, row.score or 0.0, row.threshold or 0.0)


def _cases(alerts: Iterable[Alert]) -> list[Case]:
    """Worst first, then in the order in which they began."""
    found: dict[str, Case] = {}
    for alert in alerts:
        case = found.setdefault(alert.alert_id, Case(alert, alert, alert))
        case.last = alert
        if (held := held_text(alert)) is not None:
            case.held[held] = None
        if alert.status is not AlertStatus.RESOLVED and _weight(alert) > _weight(case.peak):
            case.peak = alert
    return sorted(found.values(), key=lambda case: (-_RANK.index(case.peak.severity), case.first.started_at, case.subject))


def _weight(alert: Alert) -> tuple[int, float]:
    return _RANK.index(alert.severity), alert.score or 0.0


def _key(said: Alert | WindowScore) -> SeriesKey:
    return said.model, said.version, segment_text(said.segment), said.feature, said.detector


def segment_text(segment: dict[str, str]) -> str:
    """`region=eu, channel=web`; empty for the whole."""
    return ", ".join(f"{name}={value}" for name, value in sorted(segment.items()))
