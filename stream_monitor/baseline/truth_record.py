"""The truth of the baseline file, and the checks that make it outcomes of the baseline's rows."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import BaselineColumn, NumericColumn
from stream_monitor.baseline.column_record import Count, Record, require
from stream_monitor.baseline.truth import Truth
from stream_monitor.baseline.truth_plan import groups_of
from stream_monitor.capture.schema import PREDICTION, Role
from stream_monitor.profile.outcome import CLASSES_MAX, CONFIDENCE_BINS, ERRORS, Group, OutcomeLayout
from stream_monitor.profile.score import SCORE_BINS

Signed = Annotated[int, Meta(ge=-(2**62), le=2**62)]


class BinsRecord(NamedTuple):
    """The rows of some label and prediction by their score: rising bins, and the rows in each."""

    bins: list[Count]
    rows: list[Count]


class GroupRecord(NamedTuple):
    """A group: rows by label (none, negative, positive) and prediction (not positive, positive)."""

    facet: str
    value: str
    rows: list[list[Count]]


class MulticlassRecord(Record, tag_field="task", tag="multiclass", frozen=True):
    """joint: rows by label (none, each class, others) and prediction (the same); confidence: by label (none, another, as predicted) and
    prediction (as in joint).
    """

    classes: list[str]
    joint: list[list[Count]]
    confidence: list[list[BinsRecord]] | None = None


class BinaryRecord(Record, tag_field="task", tag="binary", frozen=True):
    """scores: by label (none, negative, positive) and prediction (not positive, positive); see `OutcomeLayout` for all."""

    classes: list[str]
    joint: list[list[Count]]
    positive: str | None = None
    scores: list[list[BinsRecord]] | None = None
    score_sums: list[Count] | None = None
    groups: tuple[GroupRecord, ...] = ()


class RegressionRecord(Record, tag_field="task", tag="regression", frozen=True):
    """As `outcome.ERRORS`; by_value: bins of the prediction, as `outcome.BY_VALUE`."""

    events: Count
    labelled: Count
    error: Signed
    absolute: Count
    squared: Count
    label: Signed
    label_squared: Count
    relative: Count
    relative_squared: Count
    relative_n: Count
    by_value: list[list[Count]] | None = None


TruthRecord = MulticlassRecord | BinaryRecord | RegressionRecord


def truth_tree(truth: Truth) -> dict[str, Any]:
    """As plain values, without parts that the layout does not have."""
    layout, vector = truth.layout, truth.vector
    parts = {name: layout.part(vector, name).tolist() for name in layout.shapes if name != "delay"}
    if layout.task == "regression":
        return {"task": layout.task, **dict(zip(ERRORS, parts.pop("errors"), strict=True)), **parts}
    for name in {"scores", "confidence"} & parts.keys():
        parts[name] = [[_sparse(rows) for rows in by_prediction] for by_prediction in layout.part(vector, name)]
    if "groups" in parts:
        parts["groups"] = [[*group, rows] for group, rows in zip(layout.groups, parts["groups"], strict=True)]
    positive = {} if layout.positive is None else {"positive": truth.positive_class}
    return {"task": layout.task, "classes": list(layout.classes), **positive, **parts}


def _sparse(rows: NDArray[np.int64]) -> list[list[int]]:
    bins = np.flatnonzero(rows)
    return [bins.tolist(), rows[bins].tolist()]


def truth_of(record: TruthRecord, baseline: Baseline, where: str) -> Truth:
    """Errors: BaselineError naming `where` and the field that cannot be. The baseline has all else, its segments too."""
    columns = [entry for entry in baseline.columns if (entry.column.role, entry.column.name) == (Role.PREDICTION, PREDICTION)]
    fits = [isinstance(entry, NumericColumn) is isinstance(record, RegressionRecord) for entry in columns]
    require(fits == [True], f"{where}.task", "does not fit the column of the predictions")
    layout, parts = _numbers(record, columns[0], where) if isinstance(record, RegressionRecord) else _classes(record, baseline, where)
    vector = layout.empty()
    for name, part in parts.items():
        layout.part(vector, name)[:] = part
    rows, of = layout.events(vector), f"{where}.{'events' if layout.task == 'regression' else 'joint'}"
    require(rows == baseline.rows, of, f"must make {baseline.rows} rows, not {rows}")
    return Truth(layout, vector)


_Parts = dict[str, NDArray[np.int64]]


def _numbers(record: RegressionRecord, column: BaselineColumn, where: str) -> tuple[OutcomeLayout, _Parts]:
    assert isinstance(column, NumericColumn), "the caller looked"
    require(record.relative_n <= record.labelled <= record.events, f"{where}.labelled", "must be at most events, and at least relative_n")
    require(abs(record.error) <= record.absolute, f"{where}.error", "must be within absolute")
    errors = np.array([getattr(record, name) for name in ERRORS], dtype=np.int64)
    layout = OutcomeLayout("regression", center=column.mean, scale=column.scale, edges=() if record.by_value is None else column.edges)
    if record.by_value is None:
        return layout, {"errors": errors}
    by_value = _array(record.by_value, layout.shapes.get("by_value", (0,)), f"{where}.by_value")
    fits = by_value[:, 0].sum() <= record.events and by_value[:, 1].sum() == record.labelled and (by_value[:, 1] <= by_value[:, 0]).all()
    require(bool(fits), f"{where}.by_value", "must be of the events that there are")
    return layout, {"errors": errors, "by_value": by_value}


def _classes(record: MulticlassRecord | BinaryRecord, baseline: Baseline, where: str) -> tuple[OutcomeLayout, _Parts]:
    classes = tuple(record.classes)
    require(len(set(classes)) == len(classes) <= CLASSES_MAX, f"{where}.classes", f"must differ, and be at most {CLASSES_MAX}")
    joint = _array(record.joint, (len(classes) + 2, len(classes) + 2), f"{where}.joint")
    if not isinstance(record, BinaryRecord):
        layout = OutcomeLayout("multiclass", classes, scored=record.confidence is not None)
        return layout, {"joint": joint, **_confidence(record, joint, where)}
    if record.positive is None:
        require(record.scores is None and record.score_sums is None and not record.groups, f"{where}.positive", "is missing")
        return OutcomeLayout("binary", classes), {"joint": joint}
    require(record.positive in classes, f"{where}.positive", "must be one of the classes")
    positive = classes.index(record.positive)
    groups, by_group = _groups(record.groups, baseline, f"{where}.groups")
    layout = OutcomeLayout("binary", classes, positive, record.scores is not None, groups)
    parts = {"joint": joint, **_scores(record, where), **by_group}
    _check_binary(parts, _folded(joint, layout.positive_code), [len(each.values) + 1 for each in baseline.segments], where)
    return layout, parts


def _confidence(record: MulticlassRecord, joint: NDArray[np.int64], where: str) -> _Parts:
    if record.confidence is None:
        return {}
    confidence = _dense(record.confidence, (3, len(joint), CONFIDENCE_BINS), f"{where}.confidence")
    right = np.diag(joint) * (np.arange(len(joint)) > 0)
    folded = np.stack([joint[0], joint[1:].sum(axis=0) - right, right])
    require(bool((confidence.sum(axis=2) <= folded).all()), f"{where}.confidence", "must be of rows that joint has")
    return {"confidence": confidence}


def _scores(record: BinaryRecord, where: str) -> _Parts:
    require((record.scores is None) is (record.score_sums is None), f"{where}.score_sums", "must stand where scores do")
    if record.scores is None or record.score_sums is None:
        return {}
    scores = _dense(record.scores, (3, 2, SCORE_BINS), f"{where}.scores")
    return {"scores": scores, "score_sums": _array(record.score_sums, (2,), f"{where}.score_sums")}


def _dense(records: Sequence[Sequence[BinsRecord]], shape: tuple[int, int, int], where: str) -> NDArray[np.int64]:
    *outer, size = shape
    require([len(each) for each in records] == [outer[1]] * outer[0], where, f"must be {outer[0]} times {outer[1]}")
    found = np.zeros(shape, dtype=np.int64)
    for place in np.ndindex(*outer):
        bins, rows = records[place[0]][place[1]]
        rising = all(low < high for low, high in pairwise([-1, *bins, size]))
        require(rising and len(bins) == len(rows), where, f"must be rising bins below {size}, and rows for each")
        found[place][bins] = rows
    return found


def _groups(records: Sequence[GroupRecord], baseline: Baseline, where: str) -> tuple[tuple[Group, ...], _Parts]:
    groups = groups_of(baseline.segments)
    require([tuple(each[:2]) for each in records] == list(groups), where, "must be the segments, in their order")
    rows = [_array(each.rows, (3, 2), f"{where}[{i}]") for i, each in enumerate(records)]
    return groups, {"groups": np.stack(rows)} if rows else {}


def _check_binary(parts: _Parts, folded: NDArray[np.int64], segments: Sequence[int], where: str) -> None:
    """folded: int64[3, 2], all rows as groups count them; segments: how many groups each facet has."""
    if "scores" in parts:
        require(bool((parts["scores"].sum(axis=2) <= folded).all()), f"{where}.scores", "must be of rows that joint has")
    start = 0
    for size in segments:
        whole = parts["groups"][start : start + size].sum(axis=0)
        require(bool((whole == folded).all()), f"{where}.groups", "must add up to joint in every facet")
        start += size


def _folded(joint: NDArray[np.int64], positive: int) -> NDArray[np.int64]:
    """int64[3, 2]: label none, negative, positive; prediction not positive, positive."""
    by_label = np.stack([joint[0], joint[1:].sum(axis=0) - joint[positive], joint[positive]])
    says: NDArray[np.int64] = by_label[:, positive]
    return np.stack([by_label.sum(axis=1) - says, says], axis=1)


def _array(values: Any, shape: tuple[int, ...], where: str) -> NDArray[np.int64]:
    """Counts in this shape."""
    try:
        array = np.array(values, dtype=np.int64)
    except ValueError:  # lines of different lengths
        array = np.empty(0, dtype=np.int64)
    require(array.shape == shape, where, f"must be {' times '.join(map(str, shape))} counts")
    return array
