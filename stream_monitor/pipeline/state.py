"""All that phase 2 keeps of one profiles partition, and what one step says of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.grouping import Groups
from stream_monitor.alert.publication import Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.report import WindowScore
from stream_monitor.pipeline.join.join import Join
from stream_monitor.pipeline.join.newest import Newest
from stream_monitor.pipeline.pairing import Pairing
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.pipeline.unit import Unit, UnitKey
from stream_monitor.window.progress import Tracker
from stream_monitor.window.windows import Window

Plans = Callable[[int], Plan]
"""The plan of a revision; what a record refers to is always in the config log before it."""


@dataclass(slots=True)
class State:
    """All of one profiles partition."""

    plan: Plan
    tracker: Tracker
    units: dict[UnitKey, Unit] = field(default_factory=dict)
    """In the order of their keys, so that outputs come in one order however the profiles came."""
    changed: set[UnitKey] = field(default_factory=set)
    """Units touched, made or removed since the last snapshot."""
    joins: dict[str, Join] = field(default_factory=dict)
    """By model; made when its first events or labels come."""
    pairings: dict[str, Pairing] = field(default_factory=dict)
    """Whether labels find their events, by model."""
    groups: Groups = field(default_factory=Groups)
    """Of alerts that rules want told together."""

    @classmethod
    def empty(cls, plan: Plan) -> "State":
        """The state before the first record."""
        return cls(plan, Tracker(plan.config.engine.idle_lease, frozenset(plan.config.topics.captures)))

    def insert(self, key: UnitKey, unit: Unit) -> None:
        """Add a unit in its place; rare, and a state has few."""
        self.units = dict(sorted([*self.units.items(), (key, unit)], key=lambda item: repr(item[0])))

    def firing(self) -> Iterator[Alert]:
        """The last publication of every alert that fires."""
        for unit in self.units.values():
            yield from unit.firing()
        for _, pairing in sorted(self.pairings.items()):
            yield from pairing.firing()

    def stamp(self, unit: Unit) -> Stamp:
        """What every alert of a unit rests on in this step."""
        return Stamp(self.tracker.clock_ms, self.plan.config_id, unit.plan.rules)

    def watermark_ms(self, stream: StreamPlan) -> int | None:
        """Event time that a stream's windows have reached; None before every source partition has reported one."""
        event_time_ms = self.tracker.event_time_ms
        return None if event_time_ms is None else event_time_ms - stream.spec.watermark_delay_ms

    def silent_since_ms(self, unit: Unit) -> int | None:
        """Since when nothing came, where a whole window without an event has passed since; the clock bounds it as it does `_silence`."""
        reached_ms, heard_ms = self.watermark_ms(unit.plan), unit.heard_ms
        if reached_ms is None or heard_ms is None:
            return None
        return heard_ms if min(reached_ms, self.tracker.clock_ms) >= heard_ms + unit.plan.spec.size_ms else None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Events that entered no window: `late`, `panes_full`, `baseline_replaced`, `window_changed` or `model_removed`."""

    stream: StreamKey
    reason: str
    events: int


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of a model's labels and events in the join; see `join.Answer`."""

    model: str
    labels: int
    orphans: int
    late: int
    narrowed: int


@dataclass(slots=True)
class Outputs:
    """What one step says to the world."""

    scores: list[WindowScore] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    closed: list[tuple[UnitKey, Window]] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    late_values: list[tuple[StreamKey, int]] = field(default_factory=list)
    """Values in slices that came after their second was read: their windows have them, the sequential detectors do not."""
    refused_values: int = 0
    """Values in slices for which there was no room; the same holds for them."""
    removed: list[UnitKey] = field(default_factory=list)
    """Units that a newer config ended."""
    joined: list[Joined] = field(default_factory=list)
    newest: dict[UnitKey, Newest] = field(default_factory=dict)
    """Of the units whose outcomes were told of."""
    unreadable: str | None = None
    """Why the record's profile could not be read, where it could not."""

    def extend(self, other: "Outputs") -> None:
        """Take over what a later step said."""
        self.scores.extend(other.scores)
        self.alerts.extend(other.alerts)
        self.closed.extend(other.closed)
        self.dropped.extend(other.dropped)
        self.late_values.extend(other.late_values)
        self.refused_values += other.refused_values
        self.removed.extend(other.removed)
        self.joined.extend(other.joined)
        for key, newest in other.newest.items():
            self.show(key, newest)
        self.unreadable = self.unreadable or other.unreadable

    def show(self, key: UnitKey, newest: Newest) -> None:
        """Keep the newest of a unit's outcomes."""
        known = self.newest.get(key)
        self.newest[key] = newest if known is None else known.then(newest)


def open_events(unit: Unit, key: UnitKey, reason: str) -> Iterator[Dropped]:
    """Events of panes that no window was closed on yet."""
    watermark_ms = unit.windows.watermark_ms
    open_panes = [start for start in unit.windows.starts if watermark_ms is None or unit.plan.spec.window_ends(start)[0] > watermark_ms]
    events = sum(unit.windows.panes[start].events for start in open_panes)
    if events:
        yield Dropped(key[0], reason, events)
