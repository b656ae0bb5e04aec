"""Over to a newer config: what goes on, what ends, and why."""

from stream_monitor.alert.publication import Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.registry import VERSION_CAUSES
from stream_monitor.pipeline.joining import take_over
from stream_monitor.pipeline.pairing import Pairing
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.pipeline.state import Outputs, State, open_events
from stream_monitor.pipeline.unit import UnitKey, labelled_of


def adopt(state: State, plan: Plan, outputs: Outputs) -> None:
    """Go over to a newer config: what it removes or changes the ground of is resolved and begins anew."""
    old, state.plan = state.plan, plan
    relabelled = {model for model in old.joins if _layout_of(plan, model) != _layout_of(old, model)}  # whether rows came by then or not
    for model, pairing in sorted(state.pairings.items()):
        _adopt_pairing(state, model, pairing, old, outputs)
    state.joins = {model: join for model, join in state.joins.items() if model not in relabelled}
    for model, join in state.joins.items():
        take_over(state, model, join.adopt(plan.joins[model]), state.watermark_ms(plan.streams[join.plan.streams[0]]), outputs)
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
                unit.labelled = labelled_of(key, new, unit.labelled)
            outputs.alerts.extend(unit.resolve_unjudged(new, key[1], at_ms, state.stamp(unit)))
            unit.adopt(new)
        elif reason is not None:
            outputs.alerts.extend(unit.resolve(reason, at_ms, state.stamp(unit)))
            if not key[1]:
                outputs.dropped.extend(open_events(unit, key, reason))
            outputs.removed.append(key)
            del state.units[key]
            if new is not None and key[1] in new.judges:
                state.insert(key, unit.successor(key, new, state.watermark_ms(new)))


def _adopt_pairing(state: State, model: str, pairing: Pairing, old: Plan, outputs: Outputs) -> None:
    """What a join forgets is forgotten here: labels of those events find none, and nothing is wrong."""
    key, before, after = StreamKey(model, None), old.joins[model], state.plan.joins.get(model)
    stream, new = old.streams[key], state.plan.streams.get(key)
    reached_ms = state.watermark_ms(stream)
    reason = _ended(stream, new, (key, ()))
    if reason is None and (after is None or after.layout_id != before.layout_id):
        reason = Reason.LABELS_CHANGED
    at_ms, stamp = reached_ms or state.tracker.clock_ms, Stamp(state.tracker.clock_ms, state.plan.config_id, stream.rules)
    if reason is not None:
        outputs.alerts.extend(pairing.resolve(reason, at_ms, stamp))
    elif new is not None:
        outputs.alerts.extend(pairing.resolve_unjudged(new, at_ms, stamp))
    if after is None or new is None:
        del state.pairings[model]
    elif reason is not None:
        state.pairings[model] = pairing.successor(new.baseline.id, reached_ms)
    elif after.baselines != before.baselines:
        pairing.begin_anew(reached_ms)


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
