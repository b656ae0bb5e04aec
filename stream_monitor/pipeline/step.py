"""Phase 2 as a pure function: `step(state, record, plans) -> Outputs`. No clock, no I/O; all time comes in through the log.

The state is advanced in place and belongs to the caller; the same records in the same order give the same state and the same outputs.
Running live, `replay`, restoring after a crash, the tests and the simulator all call this one function.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.grouping import Groups
from stream_monitor.alert.publication import Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.outcomes.judge import OutcomeScore
from stream_monitor.detect.registry import VERSION_CAUSES
from stream_monitor.detect.report import WindowScore
from stream_monitor.errors import CodecError
from stream_monitor.pipeline.affected import affected_by
from stream_monitor.pipeline.beside import Beside
from stream_monitor.pipeline.join.join import Answer, Join
from stream_monitor.pipeline.join.newest import Newest
from stream_monitor.pipeline.join.record import JoinRecord
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.pipeline.report import report_silence, report_window
from stream_monitor.pipeline.unit import Unit, UnitKey, labelled_of
from stream_monitor.profile.codec import Sealed
from stream_monitor.window.progress import Progress, Tracker
from stream_monitor.window.windows import Window

__all__ = ["Dropped", "Outputs", "Plans", "State", "Unit", "UnitKey", "open_events", "step"]

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
    groups: Groups = field(default_factory=Groups)
    """Of alerts that rules want told together."""

    @classmethod
    def empty(cls, plan: Plan) -> "State":
        """The state before the first record."""
        return cls(plan, Tracker(plan.config.engine.idle_lease, frozenset(plan.config.topics.captures)))

    def insert(self, key: UnitKey, unit: Unit) -> None:
        """Add a unit in its place; rare, and a state has few."""
        self.units = dict(sorted([*self.units.items(), (key, unit)], key=lambda item: repr(item[0])))

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


def step(state: State, record: Sealed | Progress | JoinRecord, plans: Plans, is_said: Callable[[Alert], bool] | None = None) -> Outputs:
    """Take in one record of the profiles topic. is_said: whether an alert is, None: all are; for the end of a replay."""
    outputs = _take_in(state, record, plans)
    said = outputs.alerts if is_said is None else [alert for alert in outputs.alerts if is_said(alert)]
    outputs.alerts = state.groups.gather(said)
    return outputs


def _take_in(state: State, record: Sealed | Progress | JoinRecord, plans: Plans) -> Outputs:
    outputs = Outputs()
    if record.revision > state.plan.revision:
        _adopt(state, plans(record.revision), outputs)
    if isinstance(record, Progress):
        state.tracker.apply(record)
        _let_pass(state, outputs)
        for join in state.joins.values():  # last: a window's last telling still asks what its panes' rows stand for
            _age(state, join, outputs)
        return outputs
    try:
        if isinstance(record, JoinRecord):
            _join(state, record, outputs)
        else:
            _merge(state, record, outputs)
    except CodecError as error:
        outputs.unreadable = str(error)
    return outputs


def _join(state: State, record: JoinRecord, outputs: Outputs) -> None:
    """Rows that were coded for another config have no place any more; their events are counted where their profiles are."""
    plan = state.plan.joins.get(record.model)
    if plan is None or plan.layout_id != record.layout_id:
        return
    join = state.joins.get(record.model)
    if join is None:
        join = state.joins[record.model] = Join(plan)
    watermark_ms = state.watermark_ms(state.plan.streams[plan.streams[0]])
    _take_over(state, record.model, join.apply(record, watermark_ms), watermark_ms, outputs)


def _take_over(state: State, model: str, answer: Answer, watermark_ms: int | None, outputs: Outputs) -> None:
    """What a join says reaches the units."""
    for change in answer.changes:
        key = (change.stream, change.segment)
        if key not in state.units:
            state.insert(key, Unit.new(key, state.plan.streams[change.stream], watermark_ms))
        labelled = state.units[key].labelled
        assert labelled is not None, "a model with a join has a task"
        labelled.add(change)
        state.changed.add(key)
    for losses in answer.losses:
        if labelled := state.units[losses.stream, losses.segment].labelled:
            labelled.lose(losses, watermark_ms)
    _count(model, answer, outputs)


def _age(state: State, join: Join, outputs: Outputs) -> None:
    watermark_ms = state.watermark_ms(state.plan.streams[join.plan.streams[0]])
    if watermark_ms is not None:
        _count(join.plan.model, join.advance(watermark_ms), outputs)


def _count(model: str, answer: Answer, outputs: Outputs) -> None:
    if answer.labels or answer.orphans or answer.late or answer.narrowed:
        outputs.joined.append(Joined(model, answer.labels, answer.orphans, answer.late, answer.narrowed))


def _merge(state: State, sealed: Sealed, outputs: Outputs) -> None:
    reason = _unfit(state.plan.streams.get(sealed.stream), sealed)
    if reason is None:
        reason = _add(state, sealed, outputs)
    if reason is not None and not sealed.segment:  # a segment's events are the whole's, and counted there
        outputs.dropped.append(Dropped(sealed.stream, reason, sealed.events))


def _unfit(plan: StreamPlan | None, sealed: Sealed) -> str | None:
    """Why a profile made under another config has no place any more."""
    if plan is None:
        return "model_removed"
    if plan.baseline.id != sealed.baseline_id:
        return "baseline_replaced"
    if plan.spec.pane_ms != sealed.pane_ms:
        return "window_changed"
    return None if sealed.segment in plan.judges else "segment_removed"


def _add(state: State, sealed: Sealed, outputs: Outputs) -> str | None:
    key, plan = (sealed.stream, sealed.segment), state.plan.streams[sealed.stream]
    pane = sealed.open(plan.baseline.layout)
    unit = state.units.get(key)
    if unit is None:
        unit = Unit.new(key, plan, state.watermark_ms(plan))
        state.insert(key, unit)
    state.changed.add(key)
    if unit.windows.is_full and sealed.pane_start_ms not in unit.windows.panes:
        return "panes_full"
    if not unit.windows.add(sealed.pane_start_ms, pane.profile):
        return "late"
    refused = unit.sequential.refused
    late = unit.sequential.add(pane.slices, unit.windows.watermark_ms)
    outputs.refused_values += unit.sequential.refused - refused
    if late and not sealed.segment:
        outputs.late_values.append((sealed.stream, late))
    return None


def _let_pass(state: State, outputs: Outputs) -> None:
    """Time passes in all units: what one is told of beside its own may be another's, so none forgets before all have judged."""
    beside = Beside.of(state.units)
    due = {key: time_ms for key, unit in state.units.items() if (time_ms := state.watermark_ms(unit.plan)) is not None}
    for key, watermark_ms in due.items():
        sequential = state.units[key].sequential
        fed = sequential.fed
        state.units[key].shifts += sequential.advance(watermark_ms)
        if sequential.fed > fed:
            state.changed.add(key)
    for key, watermark_ms in due.items():
        _advance(state, key, watermark_ms, beside, outputs)
    for key, watermark_ms in due.items():
        if state.units[key].forget(watermark_ms - state.units[key].plan.spec.lateness_ms):
            state.changed.add(key)


def _advance(state: State, key: UnitKey, watermark_ms: int, beside: Beside, outputs: Outputs) -> None:
    unit = state.units[key]
    for window in unit.windows.advance(watermark_ms):
        _silence(state, key, window.end_ms - 1, beside, outputs)
        _close(state, key, window, beside, outputs)
        state.changed.add(key)
    _silence(state, key, min(watermark_ms, state.tracker.clock_ms), beside, outputs)
    _advance_labelled(state, key, watermark_ms, beside, outputs)


def _advance_labelled(state: State, key: UnitKey, watermark_ms: int, beside: Beside, outputs: Outputs) -> None:
    unit = state.units[key]
    labelled = unit.labelled
    if labelled is None:
        return
    join, fed = state.joins.get(key[0].model), labelled.concept.fed
    compared = partial(beside.outcome_scores, unit, key)
    for said in labelled.advance(watermark_ms, join.rates if join else {}, state.stamp(unit), unit.drifting(), compared):
        outputs.scores.extend(said.scores)
        outputs.alerts.extend(said.alerts)
        outputs.show(key, said.newest)
        state.changed.add(key)
    if labelled.concept.fed > fed:
        state.changed.add(key)


def _close(state: State, key: UnitKey, window: Window, beside: Beside, outputs: Outputs) -> None:
    unit = state.units[key]
    revision = unit.revisions.get(window.end_ms, 0) + 1
    unit.revisions[window.end_ms] = revision
    is_first = revision == 1 and unit.book.goes_on_to(window.end_ms)
    affected, estimates = affected_by(state.units, key, window), partial(_estimates, state, key, window.end_ms)
    said = report_window(unit, key, window, revision, state.stamp(unit), affected, beside, estimates, is_first=is_first)
    outputs.scores.extend(said.scores)
    outputs.alerts.extend(said.alerts)
    outputs.closed.append((key, window))


def _estimates(state: State, key: UnitKey, end_ms: int) -> Sequence[OutcomeScore]:
    unit, join = state.units[key], state.joins.get(key[0].model)
    if unit.labelled is None or not unit.plan.severity_by_estimate:
        return ()
    return unit.labelled.estimates(end_ms, join.rates if join else {})


def _silence(state: State, key: UnitKey, until_ms: int, beside: Beside, outputs: Outputs) -> None:
    """Judge the traffic of windows without events; the clock bounds it, for at the end of a replay the watermark runs ahead of the data."""
    unit = state.units[key]
    for end_ms in unit.silent_ends(until_ms):
        said = report_silence(unit, key, end_ms, state.stamp(unit), beside)
        unit.revisions[end_ms] = 1
        outputs.scores.extend(said.scores)
        outputs.alerts.extend(said.alerts)
        state.changed.add(key)


def _adopt(state: State, plan: Plan, outputs: Outputs) -> None:
    """Go over to a newer config: what it removes or changes the ground of is resolved and begins anew."""
    relabelled = {model for model, join in state.joins.items() if _layout_of(plan, model) != join.plan.layout_id}
    state.plan = plan
    state.joins = {model: join for model, join in state.joins.items() if model not in relabelled}
    for model, join in state.joins.items():
        _take_over(state, model, join.adopt(plan.joins[model]), state.watermark_ms(plan.streams[join.plan.streams[0]]), outputs)
    state.tracker.lease_ms, state.tracker.topics = plan.config.engine.idle_lease, frozenset(plan.config.topics.captures)
    for key in list(state.units):
        unit, new = state.units[key], plan.streams.get(key[0])
        state.changed.add(key)
        at_ms = unit.windows.watermark_ms or state.tracker.clock_ms
        reason = _ended(unit.plan, new, key)
        if new is not None and reason is None:
            for feature in sorted(unit.plan.judge.judged - new.judge.judged):
                outputs.alerts.extend(unit.book.resolve(Reason.FEATURE_REMOVED, at_ms, state.stamp(unit), feature))
            if _compared(unit.plan) not in (None, _compared(new)):
                outputs.alerts.extend(unit.resolve(Reason.VERSIONS_CHANGED, at_ms, state.stamp(unit), VERSION_CAUSES))
            if key[0].model in relabelled or (unit.labelled is None) != (key[1] not in new.labels):
                outputs.alerts.extend(unit.labelled.resolve(Reason.LABELS_CHANGED, at_ms, state.stamp(unit)) if unit.labelled else [])
                unit.labelled = labelled_of(key, new)
            unit.adopt(new)
        elif reason is not None:
            outputs.alerts.extend(unit.resolve(reason, at_ms, state.stamp(unit)))
            if not key[1]:
                outputs.dropped.extend(open_events(unit, key, reason))
            outputs.removed.append(key)
            del state.units[key]
            if new is not None and key[1] in new.judges:
                state.insert(key, unit.successor(key, new, state.watermark_ms(new)))


def _compared(plan: StreamPlan) -> tuple[str, str] | None:
    """With which version, by which baseline."""
    return None if plan.versus is None else (plan.versus.current, plan.versus.current_baseline.id)


def _layout_of(plan: Plan, model: str) -> str | None:
    join = plan.joins.get(model)
    return None if join is None else join.layout_id


def _ended(old: StreamPlan, new: StreamPlan | None, key: UnitKey) -> Reason | None:
    if new is None:
        return Reason.MODEL_REMOVED
    if new.baseline.id != old.baseline.id:
        return Reason.BASELINE_REPLACED
    if new.spec != old.spec:
        return Reason.WINDOW_CHANGED
    return None if key[1] in new.judges else Reason.SEGMENT_REMOVED


def open_events(unit: Unit, key: UnitKey, reason: str) -> Iterator[Dropped]:
    """Events of panes that no window was closed on yet."""
    watermark_ms = unit.windows.watermark_ms
    open_panes = [start for start in unit.windows.starts if watermark_ms is None or unit.plan.spec.window_ends(start)[0] > watermark_ms]
    events = sum(unit.windows.panes[start].events for start in open_panes)
    if events:
        yield Dropped(key[0], reason, events)
