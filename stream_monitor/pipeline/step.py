"""Phase 2 as a pure function: `step(state, record, plans) -> Outputs`. No clock, no I/O; all time comes in through the log.

The state is advanced in place and belongs to the caller; the same records in the same order give the same state and the same outputs.
Running live, `replay`, restoring after a crash, the tests and the simulator all call this one function.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.life import AlertBook
from stream_monitor.alert.publication import Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.report import WindowScore
from stream_monitor.errors import CodecError
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.pipeline.report import report_window
from stream_monitor.profile.codec import Sealed, Segment
from stream_monitor.window.progress import Progress, Tracker
from stream_monitor.window.windows import Window, Windows

Plans = Callable[[int], Plan]
"""The plan of a revision; what a record refers to is always in the config log before it."""

UnitKey = tuple[StreamKey, Segment]


@dataclass(slots=True)
class Unit:
    """What is judged on its own: a stream's whole, or one of its segments."""

    plan: StreamPlan
    windows: Windows
    book: AlertBook
    revisions: dict[int, int] = field(default_factory=dict)
    """End of a window that may still be revised -> how often it was reported."""


@dataclass(slots=True)
class State:
    """All of one profiles partition."""

    plan: Plan
    tracker: Tracker
    units: dict[UnitKey, Unit] = field(default_factory=dict)
    """In the order of their keys, so that outputs come in one order however the profiles came."""
    changed: set[UnitKey] = field(default_factory=set)
    """Units touched, made or removed since the last snapshot."""

    @classmethod
    def empty(cls, plan: Plan) -> "State":
        """The state before the first record."""
        return cls(plan, Tracker(plan.config.engine.idle_lease, frozenset(plan.config.topics.captures)))

    def insert(self, key: UnitKey, unit: Unit) -> None:
        """Add a unit in its place; rare, and a state has few."""
        self.units = dict(sorted([*self.units.items(), (key, unit)], key=lambda item: repr(item[0])))

    def stamp(self) -> Stamp:
        """What every alert of this step carries."""
        return Stamp(self.tracker.clock_ms, self.plan.config_id, labels={})

    def watermark_ms(self, stream: StreamPlan) -> int | None:
        """Event time that a stream's windows have reached; None before every source partition has reported one."""
        event_time_ms = self.tracker.event_time_ms
        return None if event_time_ms is None else event_time_ms - stream.spec.watermark_delay_ms


@dataclass(frozen=True, slots=True)
class Dropped:
    """Events that entered no window: `late`, `panes_full`, `baseline_replaced`, `window_changed` or `model_removed`."""

    stream: StreamKey
    reason: str
    events: int


@dataclass(slots=True)
class Outputs:
    """What one step says to the world."""

    scores: list[WindowScore] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    closed: list[tuple[UnitKey, Window]] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    removed: list[UnitKey] = field(default_factory=list)
    """Units that a newer config ended."""
    unreadable: str | None = None
    """Why the record's profile could not be read, where it could not."""

    def extend(self, other: "Outputs") -> None:
        """Take over what a later step said."""
        self.scores.extend(other.scores)
        self.alerts.extend(other.alerts)
        self.closed.extend(other.closed)
        self.dropped.extend(other.dropped)
        self.removed.extend(other.removed)
        self.unreadable = self.unreadable or other.unreadable


def step(state: State, record: Sealed | Progress, plans: Plans) -> Outputs:
    """Take in one record of the profiles topic."""
    outputs = Outputs()
    if record.revision > state.plan.revision:
        _adopt(state, plans(record.revision), outputs)
    if isinstance(record, Progress):
        state.tracker.apply(record)
        for key in state.units:
            _advance(state, key, outputs)
        return outputs
    try:
        _merge(state, record, outputs)
    except CodecError as error:
        outputs.unreadable = str(error)
    return outputs


def _merge(state: State, sealed: Sealed, outputs: Outputs) -> None:
    plan = state.plan.streams.get(sealed.stream)
    if plan is None:
        outputs.dropped.append(Dropped(sealed.stream, "model_removed", sealed.events))
        return
    if plan.baseline.id != sealed.baseline_id or plan.spec.pane_ms != sealed.pane_ms:
        reason = "window_changed" if plan.baseline.id == sealed.baseline_id else "baseline_replaced"
        outputs.dropped.append(Dropped(sealed.stream, reason, sealed.events))
        return
    key = (sealed.stream, sealed.segment)
    profile = sealed.open(plan.baseline.layout).profile
    unit = state.units.get(key)
    if unit is None:
        unit = _new_unit(key, plan, state)
        state.insert(key, unit)
    state.changed.add(key)
    if unit.windows.is_full and sealed.pane_start_ms not in unit.windows.panes:
        outputs.dropped.append(Dropped(sealed.stream, "panes_full", sealed.events))
    elif not unit.windows.add(sealed.pane_start_ms, profile):
        outputs.dropped.append(Dropped(sealed.stream, "late", sealed.events))


def _new_unit(key: UnitKey, plan: StreamPlan, state: State) -> Unit:
    windows = Windows(plan.spec, plan.baseline.layout, watermark_ms=state.watermark_ms(plan))
    stream, segment = key
    return Unit(plan, windows, AlertBook(stream, dict(segment), plan.baseline.id))


def _advance(state: State, key: UnitKey, outputs: Outputs) -> None:
    unit = state.units[key]
    watermark_ms = state.watermark_ms(unit.plan)
    if watermark_ms is None:
        return
    panes = len(unit.windows.panes)
    for window in unit.windows.advance(watermark_ms):
        _close(state, key, window, outputs)
        state.changed.add(key)
    horizon = watermark_ms - unit.plan.spec.lateness_ms
    final = [end for end in unit.revisions if end <= horizon and end not in unit.windows.dirty]
    for end in final:
        del unit.revisions[end]
    if final or len(unit.windows.panes) < panes:
        state.changed.add(key)


def _close(state: State, key: UnitKey, window: Window, outputs: Outputs) -> None:
    unit = state.units[key]
    revision = unit.revisions.get(window.end_ms, 0) + 1
    unit.revisions[window.end_ms] = revision
    is_first = revision == 1 and unit.book.goes_on_to(window.end_ms)
    scores, alerts = report_window(unit.plan, key[1], window, revision, unit.book, state.stamp(), is_first=is_first)
    outputs.scores.extend(scores)
    outputs.alerts.extend(alerts)
    outputs.closed.append((key, window))


def _adopt(state: State, plan: Plan, outputs: Outputs) -> None:
    """Go over to a newer config: what it removes or changes the ground of is resolved and begins anew."""
    state.plan = plan
    state.tracker.lease_ms, state.tracker.topics = plan.config.engine.idle_lease, frozenset(plan.config.topics.captures)
    for key in list(state.units):
        unit, new = state.units[key], plan.streams.get(key[0])
        state.changed.add(key)
        at_ms = unit.windows.watermark_ms or state.tracker.clock_ms
        reason = _ended(unit.plan, new)
        if new is not None and reason is None:
            for feature in sorted(unit.plan.judge.judged - new.judge.judged):
                outputs.alerts.extend(unit.book.resolve(Reason.FEATURE_REMOVED, at_ms, state.stamp(), feature))
            unit.plan = new
        elif reason is not None:
            outputs.alerts.extend(unit.book.resolve(reason, at_ms, state.stamp()))
            outputs.dropped.extend(open_events(unit, key, reason))
            outputs.removed.append(key)
            del state.units[key]
            if new is not None:
                state.insert(key, _successor(unit, key, new, state))


def _ended(old: StreamPlan, new: StreamPlan | None) -> Reason | None:
    if new is None:
        return Reason.MODEL_REMOVED
    if new.baseline.id != old.baseline.id:
        return Reason.BASELINE_REPLACED
    return Reason.WINDOW_CHANGED if new.spec != old.spec else None


def _successor(unit: Unit, key: UnitKey, plan: StreamPlan, state: State) -> Unit:
    """A unit on new ground; a late event of a window that its predecessor reported makes the next revision of it, not a second first."""
    successor = _new_unit(key, plan, state)
    successor.revisions = dict(unit.revisions)
    return successor


def open_events(unit: Unit, key: UnitKey, reason: str) -> Iterator[Dropped]:
    """Events of panes that no window was closed on yet."""
    watermark_ms = unit.windows.watermark_ms
    open_panes = [start for start in unit.windows.starts if watermark_ms is None or unit.plan.spec.window_ends(start)[0] > watermark_ms]
    events = sum(unit.windows.panes[start].events for start in open_panes)
    if events:
        yield Dropped(key[0], reason, events)
