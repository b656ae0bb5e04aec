"""Phase 1's part of the join: a micro-batch's events and labels as one record per model."""

from collections.abc import Iterator, Sequence

import numpy as np

from stream_monitor.capture.columns import Columns
from stream_monitor.capture.labels import Labels, label_problem
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.join.record import Captured, CaptureRows, JoinRecord, LabelRows
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.summarise import NO_ID, hashes_of


def join_records(plan: Plan, columns: Sequence[Columns], labels: Sequence[Labels] = ()) -> list[JoinRecord]:
    """The rows of these events and labels, for models that have a task; events without an id cannot be joined."""
    return [record for join in plan.joins.values() if (record := _record(plan, join, columns, labels)) is not None]


def _record(plan: Plan, join: JoinPlan, columns: Sequence[Columns], labels: Sequence[Labels]) -> JoinRecord | None:
    mine = [part for part in columns if part.stream.model == join.model and len(part)]
    captures = tuple(Captured(part.stream, join.baselines[part.stream], _captures(join, part)) for part in mine)
    told = [
        join.label_rows(each, hashes_of(each.event_ids)) for each in (*_own(mine, join), *labels) if each.model == join.model and len(each)
    ]
    if not any(len(each.rows.ids) for each in captures) and not told:
        return None
    found = None if not told else LabelRows(*map(np.concatenate, zip(*told, strict=True)))
    return JoinRecord(join.model, plan.revision, join.layout_id, captures, found)


def _captures(join: JoinPlan, part: Columns) -> CaptureRows:
    ids = hashes_of(part.event_ids)
    return join.capture_rows(part, ids, np.flatnonzero(ids != NO_ID) if len(ids) else np.zeros(0, dtype=np.int64))


def _own(parts: Sequence[Columns], join: JoinPlan) -> Iterator[Labels]:
    """Labels that events bring with them: known at the event's own time. One that is no label of the task is left out."""
    for part in parts:
        if part.labels:
            is_number = join.layout.task == "regression"
            fits = (value is not None and label_problem(value, is_number) is None for value in part.labels)
            taken = [row for row, (fit, event_id) in enumerate(zip(fits, part.event_ids, strict=True)) if fit and event_id]
            yield Labels(
                join.model,
                taken,
                [part.event_ids[row] for row in taken],
                part.time_ms[taken].tolist(),
                [part.labels[row] for row in taken],
            )
