"""What was committed, as a reader wants it: by model, with the last windows, the last profile and the alerts.

Detect threads write, threads of the HTTP server read; one lock, held for as long as a copy takes.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.report import WindowScore
from stream_monitor.export.board.history import History
from stream_monitor.pipeline.plan import StreamPlan
from stream_monitor.pipeline.step import Outputs, State
from stream_monitor.window.windows import Window

ALERTS_MAX: Final = 500
"""Of all models; the oldest that are over go first."""


@dataclass(slots=True)
class StreamBoard:
    """One stream's whole. window: the last that was judged; watermark_ms: event time that it has reached."""

    plan: StreamPlan
    history: History = field(default_factory=History)
    window: Window | None = None
    watermark_ms: int | None = None


class Board:
    """All streams of this worker; see `runtime.observe.Audience`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._streams: dict[StreamKey, StreamBoard] = {}
        self._alerts: dict[str, Alert] = {}

    def committed(self, outputs: Outputs, states: Iterable[State]) -> None:
        """Take in what one transaction said, and how the owned models stand."""
        with self._lock:
            for state in states:
                self._follow(state)
            for (stream, segment), window in outputs.closed:
                if not segment and stream in self._streams:
                    self._streams[stream].window = window
            for rows in _by_window(outputs.scores):
                board = self._streams.get(StreamKey(rows[0].model, rows[0].version))
                if board is not None:
                    board.history.add(rows)
            for alert in outputs.alerts:
                self._alerts.pop(alert.alert_id, None)
                self._alerts[alert.alert_id] = alert
            self._forget()

    def lost(self, streams: Iterable[StreamKey]) -> None:
        """These are another worker's now."""
        gone = set(streams)
        with self._lock:
            for stream in gone:
                self._streams.pop(stream, None)
            self._alerts = {name: alert for name, alert in self._alerts.items() if StreamKey(alert.model, alert.version) not in gone}

    @contextmanager
    def reading(self) -> Iterator[tuple[dict[StreamKey, StreamBoard], list[Alert]]]:
        """All streams, and the alerts, newest publication first; nothing changes within the block. Copy what you need and leave."""
        with self._lock:
            yield self._streams, list(reversed(self._alerts.values()))

    def _follow(self, state: State) -> None:
        """A config may have changed; after a restart alerts fire of which nothing new was said."""
        for (stream, segment), unit in state.units.items():
            if not segment:
                known = self._streams.get(stream)
                if known is None or known.plan.baseline.id != unit.plan.baseline.id:
                    known = self._streams[stream] = StreamBoard(unit.plan)
                known.plan, known.watermark_ms = unit.plan, state.watermark_ms(unit.plan)
            for alert in unit.book.firing():
                self._alerts.setdefault(alert.alert_id, alert)

    def _forget(self) -> None:
        too_many = len(self._alerts) - ALERTS_MAX
        if too_many > 0:
            fires = {name: alert.status is not AlertStatus.RESOLVED for name, alert in self._alerts.items()}
            for name in sorted(fires, key=fires.__getitem__)[:too_many]:  # sorting keeps the order of age
                del self._alerts[name]


def _by_window(rows: Iterable[WindowScore]) -> Iterator[list[WindowScore]]:
    """Rows of whole streams, window by window."""
    found: dict[tuple[str, str | None, str], list[WindowScore]] = {}
    for row in rows:
        if not row.segment:
            found.setdefault((row.model, row.version, row.window.end), []).append(row)
    return iter(found.values())
