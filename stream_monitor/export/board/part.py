"""What a board keeps of a stream's whole, and of each of its segments: scores of the last windows, and the newest outcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from stream_monitor.detect.finding import ScoreStatus
from stream_monitor.detect.outcomes.estimated import ESTIMATED
from stream_monitor.detect.outcomes.metrics import ANSWERED, METRICS
from stream_monitor.detect.registry import OUTCOMES
from stream_monitor.detect.report import WindowScore
from stream_monitor.export.board.history import History
from stream_monitor.export.pictures import Point
from stream_monitor.pipeline.join.newest import Newest
from stream_monitor.window.windows import Window

SEGMENT_CELLS_MAX: Final = 20_000
"""Scores kept per segment, 160 kB: of fifty detectors two hundred windows."""
CODES_MAX: Final = 20
"""Error codes kept of a window, the most frequent ones."""
SHOWN: Final = ("accuracy", "rmse", "label_coverage")
"""Of the figures that labels tell, those with a history; of each the estimate's too."""


class Closed(NamedTuple):
    """The last window: [start_ms, end_ms), its events, and how many failed by code."""

    start_ms: int
    end_ms: int
    events: int
    codes: Mapping[str, int]

    @classmethod
    def of(cls, window: Window) -> Self:
        """Without the profile."""
        codes = sorted(window.profile.operations.codes.items(), key=lambda item: (-item[1], item[0]))
        return cls(window.judged_from_ms, window.end_ms, window.profile.events, dict(codes[:CODES_MAX]))


class Seen(NamedTuple):
    """A copy, for who shows it. series: by detector of no one column, in time's order; labelled: of windows whose labels were judged."""

    closed: Closed | None
    newest: Newest | None
    series: Mapping[str, list[Point]]
    labelled: Mapping[str, list[Point]]


@dataclass(slots=True)
class Part:
    """labelled: the history of the windows whose labels could be judged, which may be long past."""

    history: History = field(default_factory=lambda: History(SEGMENT_CELLS_MAX))
    labelled: History = field(default_factory=lambda: History(SEGMENT_CELLS_MAX))
    closed: Closed | None = None
    newest: Newest | None = None
    silent_ms: int | None = None
    """Since when nothing came, where that is a whole window or more."""

    def add(self, rows: Iterable[WindowScore]) -> None:
        """The rows of one window."""
        rows = list(rows)
        self.history.add(rows)
        told = [row for row in rows if row.feature is None and row.detector in OUTCOMES]
        if any(row.status == ScoreStatus.JUDGED and _needs_labels(row.detector) for row in told):
            self.labelled.add(told)

    def learn(self, newest: Newest) -> None:
        """What was told of outcomes."""
        self.newest = newest if self.newest is None else self.newest.then(newest)

    def seen(self) -> Seen:
        """As it is now."""
        return Seen(self.closed, self.newest, _series(self.history), _series(self.labelled))


def _needs_labels(detector: str) -> bool:
    return detector in METRICS and detector not in ANSWERED and not detector.startswith(ESTIMATED)


def _series(history: History) -> dict[str, list[Point]]:
    names = [name for column, name in history.series if column is None]
    return {name: history.of((None, name)) for name in names if name not in OUTCOMES or name.removeprefix(ESTIMATED) in SHOWN}
