"""What was committed, as a reader wants it: by model, with the last windows, the last profile and the alerts.

Detect threads write, threads of the HTTP server read; one lock, held for as long as a copy takes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import Config
from stream_monitor.detect.outcomes.bias import BIAS
from stream_monitor.detect.report import WindowScore
from stream_monitor.export.board.history import History
from stream_monitor.export.board.part import Closed, Part
from stream_monitor.pipeline.plan import StreamPlan
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.profile.codec import Segment
from stream_monitor.window.windows import Window

ALERTS_MAX: Final = 500
"""Of all models; the oldest that are over go first."""


@dataclass(slots=True)
class StreamBoard:
    """One stream. parts: its whole, (), and the segments of which something was said; window: the whole's last that was judged;
    watermark_ms: event time that it has reached.
    """

    plan: StreamPlan
    parts: dict[Segment, Part] = field(default_factory=lambda: {(): Part(History())})
    window: Window | None = None
    watermark_ms: int | None = None

    @property
    def history(self) -> History:
        """The whole's, with every column."""
        return self.parts[()].history

    @property
    def silent_ms(self) -> int | None:
        """See `Part`, of the whole."""
        return self.parts[()].silent_ms

    def part(self, segment: Segment) -> Part:
        """One of those that the plan names."""
        return self.parts.setdefault(segment, Part())

    def close(self, segment: Segment, window: Window) -> None:
        """A window closed, or an earlier one was revised, which changes nothing here."""
        if segment not in self.plan.judges:
            return
        part = self.part(segment)
        if part.closed is None or window.end_ms >= part.closed.end_ms:
            part.closed, self.window = Closed.of(window), self.window if segment else window


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is to be watched, by this worker or another. own: the streams of this one.

    reached_ms: the event time that the sources have reached, as far as was told here; now_ms: the clock. None: not known.
    """

    config: Config | None
    own: frozenset[StreamKey]
    reached_ms: int | None
    now_ms: int | None

    def streams(self) -> dict[StreamKey, int | None]:
        """Every stream of the config, and its watermark."""
        found: dict[StreamKey, int | None] = {}
        for name, model in self.config.models.items() if self.config else ():
            watermark_ms = None if self.reached_ms is None else self.reached_ms - model.window.watermark_delay
            found |= dict.fromkeys((StreamKey(name, version) for version in (None, *model.versions)), watermark_ms)
        return found

    def behind_s(self, watermark_ms: int | None) -> float | None:
        """How far a watermark is behind the clock, in seconds >= 0."""
        return None if watermark_ms is None or self.now_ms is None else max(0.0, (self.now_ms - watermark_ms) / 1000)


class Board:
    """All streams of this worker; see `runtime.observe.Audience`.

    config: what is to be watched, until a state tells; clock: ms, None where event time is not the time of day.
    """

    def __init__(self, config: Config | None = None, clock: Callable[[], int] | None = None) -> None:
        self._config, self._clock = config, clock
        self._reached_ms: int | None = None
        self._lock = Lock()
        self._streams: dict[StreamKey, StreamBoard] = {}
        self._alerts: dict[str, Alert] = {}

    def committed(self, outputs: Outputs, states: Iterable[State]) -> None:
        """Take in what one transaction said, and how the owned models stand."""
        with self._lock:
            for stream, segment in outputs.removed:
                if not segment:
                    self._streams.pop(stream, None)
            for state in states:
                self._follow(state)
            for (stream, segment), window in outputs.closed:
                if stream in self._streams:
                    self._streams[stream].close(segment, window)
            for rows in _by_window(outputs.scores):
                board = self._streams.get(StreamKey(rows[0].model, rows[0].version))
                segment = tuple(rows[0].segment.items())
                if board is not None and segment in board.plan.judges:  # else a class, or a group of a facet
                    board.part(segment).add(rows)
            for (stream, segment), newest in outputs.newest.items():
                if stream in self._streams and segment in self._streams[stream].plan.judges:
                    self._streams[stream].part(segment).learn(newest)
            for alert in outputs.alerts:
                self._alerts.pop(alert.alert_id, None)
                self._alerts[alert.alert_id] = alert
            self._forget()

    def told(self, config: Config) -> None:
        """What is in force: for a worker that owns no model and is told no more."""
        with self._lock:
            self._config = config

    def follows(self, state: State, streams: Iterable[StreamKey]) -> None:
        """A stream is shown before its first event too."""
        with self._lock:
            self._config, self._reached_ms = state.plan.config, state.tracker.event_time_ms
            for stream in streams:
                self._keep(stream, state.plan.streams[stream], state)
            for stream in [one for one, each in self._streams.items() if each.window is None and one not in state.plan.streams]:
                del self._streams[stream]

    def lost(self, streams: Iterable[StreamKey]) -> None:
        """These are another worker's now."""
        gone = set(streams)
        with self._lock:
            self._reached_ms = None  # whoever owns anything still is told it at the end of this turn
            for stream in gone:
                self._streams.pop(stream, None)
            self._alerts = {name: alert for name, alert in self._alerts.items() if StreamKey(alert.model, alert.version) not in gone}

    @contextmanager
    def reading(self) -> Iterator[tuple[dict[StreamKey, StreamBoard], list[Alert]]]:
        """All streams, and the alerts, newest publication first; nothing changes within the block. Copy what you need and leave."""
        with self._lock:
            yield self._streams, list(reversed(self._alerts.values()))

    def whole(self) -> Whole:
        """The deployment as far as it is known here."""
        with self._lock:
            own, config, reached_ms = frozenset(self._streams), self._config, self._reached_ms
        return Whole(config, own, reached_ms, None if self._clock is None else self._clock())

    def _follow(self, state: State) -> None:
        """A config may have changed; after a restart alerts fire of which nothing new was said."""
        for (stream, segment), unit in state.units.items():
            if not segment:
                self._keep(stream, unit.plan, state)
            self._note_silence(stream, segment, state.silent_since_ms(unit))
        for alert in state.firing():
            self._alerts.setdefault(alert.alert_id, alert)

    def _note_silence(self, stream: StreamKey, segment: Segment, since_ms: int | None) -> None:
        known = self._streams.get(stream)
        if known is not None and segment in known.plan.judges and (since_ms is not None or segment in known.parts):
            known.part(segment).silent_ms = since_ms

    def _keep(self, stream: StreamKey, plan: StreamPlan, state: State) -> None:
        known = self._streams.get(stream)
        if known is None or known.plan.baseline.id != plan.baseline.id or known.plan.spec != plan.spec:
            known = self._streams[stream] = StreamBoard(plan)
        known.plan, known.watermark_ms = plan, state.watermark_ms(plan)
        if len(known.parts) > 1:
            known.parts = {segment: part for segment, part in known.parts.items() if segment in plan.judges}

    def _forget(self) -> None:
        too_many = len(self._alerts) - ALERTS_MAX
        if too_many > 0:
            fires = {name: alert.status is not AlertStatus.RESOLVED for name, alert in self._alerts.items()}
            for name in sorted(fires, key=fires.__getitem__)[:too_many]:  # sorting keeps the order of age
                del self._alerts[name]


def _by_window(rows: Iterable[WindowScore]) -> Iterator[list[WindowScore]]:
    """Rows of whole streams, and of segments those of no one column, window by window."""
    found: dict[tuple[str, str | None, Segment, str], list[WindowScore]] = {}
    for row in rows:
        if not row.segment or (row.feature is None and row.detector not in BIAS):
            found.setdefault((row.model, row.version, tuple(row.segment.items()), row.window.end), []).append(row)
    return iter(found.values())
