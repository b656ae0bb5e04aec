"""What becomes of rows in a state: they go through the model's join, and what it says reaches the units."""

from stream_monitor.alert.publication import Stamp
from stream_monitor.pipeline.join.join import Join
from stream_monitor.pipeline.join.record import JoinRecord
from stream_monitor.pipeline.join.said import Answer
from stream_monitor.pipeline.pairing import Pairing, PairingState
from stream_monitor.pipeline.state import Joined, Outputs, State
from stream_monitor.pipeline.unit import Unit


def join_rows(state: State, record: JoinRecord, outputs: Outputs) -> None:
    """Rows that were coded for another config have no place any more; their events are counted where their profiles are."""
    plan = state.plan.joins.get(record.model)
    if plan is None or plan.layout_id != record.layout_id:
        return
    join = state.joins.get(record.model)
    if join is None:
        join = state.joins[record.model] = Join(plan)
    watermark_ms = state.watermark_ms(state.plan.streams[plan.streams[0]])
    take_over(state, record.model, join.apply(record, watermark_ms), watermark_ms, outputs)


def take_over(state: State, model: str, answer: Answer, watermark_ms: int | None, outputs: Outputs) -> None:
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


def let_age(state: State, join: Join, outputs: Outputs) -> None:
    """Time passes in a join: its labels are asked whether their event came, then rows are forgotten."""
    model, plan = join.plan.model, state.plan.streams[join.plan.streams[0]]
    watermark_ms = state.watermark_ms(plan)
    if watermark_ms is None:
        return
    pairing = state.pairings.get(model)
    if pairing is None:
        pairing = state.pairings[model] = Pairing(model, PairingState(plan.baseline.id))
    for told in pairing.advance(join, watermark_ms, plan, Stamp(state.tracker.clock_ms, state.plan.config_id, plan.rules)):
        outputs.scores.extend(told.scores)
        outputs.alerts.extend(told.alerts)
    _count(model, join.advance(watermark_ms), outputs)


def _count(model: str, answer: Answer, outputs: Outputs) -> None:
    if answer.labels or answer.orphans or answer.late or answer.narrowed:
        outputs.joined.append(Joined(model, answer.labels, answer.orphans, answer.late, answer.narrowed))
