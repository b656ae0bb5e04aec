"""Phase 2 as a pure function: `step(state, record, plans) -> Outputs`. No clock, no I/O; all time comes in through the log.

The state is advanced in place and belongs to the caller; the same records in the same order give the same state and the same outputs.
Running live, `replay`, restoring after a crash, the tests and the simulator all call this one function.
"""

from collections.abc import Callable, Sequence
from functools import partial

from stream_monitor.alert.alert import Alert
from stream_monitor.detect.outcomes.judge import OutcomeScore
from stream_monitor.errors import CodecError
from stream_monitor.pipeline.adopt import adopt
from stream_monitor.pipeline.affected import affected_by
from stream_monitor.pipeline.beside import Beside
from stream_monitor.pipeline.join.record import JoinRecord
from stream_monitor.pipeline.joining import join_rows, let_age
from stream_monitor.pipeline.plan import StreamPlan
from stream_monitor.pipeline.report import report_silence, report_window
from stream_monitor.pipeline.state import Dropped, Outputs, Plans, State
from stream_monitor.pipeline.unit import Unit, UnitKey
from stream_monitor.profile.codec import Sealed
from stream_monitor.window.progress import Progress
from stream_monitor.window.windows import Window


def step(state: State, record: Sealed | Progress | JoinRecord, plans: Plans, is_said: Callable[[Alert], bool] | None = None) -> Outputs:
    """Take in one record of the profiles topic. is_said: whether an alert is, None: all are; for the end of a replay."""
    outputs = _take_in(state, record, plans)
    said = outputs.alerts if is_said is None else [alert for alert in outputs.alerts if is_said(alert)]
    outputs.alerts = state.groups.gather(said)
    return outputs


def _take_in(state: State, record: Sealed | Progress | JoinRecord, plans: Plans) -> Outputs:
    outputs = Outputs()
    if record.revision > state.plan.revision:
        adopt(state, plans(record.revision), outputs)
    if isinstance(record, Progress):
        state.tracker.apply(record)
        _let_pass(state, outputs)
        for _, join in sorted(state.joins.items()):  # last: a window's last telling still asks what its panes' rows stand for
            let_age(state, join, outputs)
        return outputs
    try:
        if isinstance(record, JoinRecord):
            join_rows(state, record, outputs)
        else:
            _merge(state, record, outputs)
    except CodecError as error:
        outputs.unreadable = str(error)
    return outputs


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
    rates = join.sample.rates if join else {}
    compared = partial(beside.outcome_scores, unit, key, rates)
    for said in labelled.advance(watermark_ms, rates, state.stamp(unit), unit.drifting(), compared):
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
    return unit.labelled.estimates(end_ms, join.sample.rates if join else {})


def _silence(state: State, key: UnitKey, until_ms: int, beside: Beside, outputs: Outputs) -> None:
    """Judge the traffic of windows without events; the clock bounds it, for at the end of a replay the watermark runs ahead of the data."""
    unit = state.units[key]
    for end_ms in unit.silent_ends(until_ms):
        said = report_silence(unit, key, end_ms, state.stamp(unit), beside)
        unit.revisions[end_ms] = 1
        outputs.scores.extend(said.scores)
        outputs.alerts.extend(said.alerts)
        state.changed.add(key)
