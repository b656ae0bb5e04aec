"""The baseline file as a whole: its shape, and the checks that make its content a baseline."""

from dataclasses import asdict, replace
from typing import Any, Literal

from stream_monitor.baseline.answers_record import AnswersRecord, answers_of, answers_tree
from stream_monitor.baseline.attribution_record import AttributionRecord, attribution_of, attribution_tree
from stream_monitor.baseline.baseline import Baseline, Runs, TimeSpan
from stream_monitor.baseline.column_record import (
    BooleanRecord,
    CategoricalRecord,
    Count,
    NumericRecord,
    Record,
    column_of,
    column_tree,
    require,
)
from stream_monitor.baseline.joint_record import JointRecord, joint_of, joint_tree
from stream_monitor.baseline.segment_record import SegmentationRecord, segmentation_tree, segmentations
from stream_monitor.baseline.truth_record import TruthRecord, truth_of, truth_tree
from stream_monitor.capture.table_time import format_time, parse_time
from stream_monitor.capture.times import UNREAD


class TimeRecord(Record, frozen=True):
    """RFC 3339 times of the first and the last row."""

    column: str
    first: str | None
    last: str | None


class RunsRecord(Record, frozen=True):
    """As `Runs`."""

    by: Literal["time", "rows"]
    window_ms: Count | None
    rows_min: Count
    count: Count
    folds: list[tuple[str, Count]]
    windows: Count = 0


class BaselineRecord(Record, frozen=True):
    """The whole file; what is absent was not looked for."""

    format: str
    id: str
    rows: Count
    source: list[str]
    target: str | None
    time: TimeRecord | None
    columns: list[NumericRecord | CategoricalRecord | BooleanRecord]
    left_out: tuple[str, ...] = ()
    runs: RunsRecord | None = None
    segments: tuple[SegmentationRecord, ...] = ()
    truth: TruthRecord | None = None
    attributions: AttributionRecord | None = None
    joint: JointRecord | None = None
    answers: AnswersRecord | None = None


def to_tree(baseline: Baseline, file_format: str) -> dict[str, Any]:
    """The file as plain values, keys in the order in which they are written."""
    span = baseline.time
    time = None if span is None else {"column": span.column, "first": _time(span.first_ms), "last": _time(span.last_ms)}
    head = {
        "format": file_format,
        "id": baseline.id,
        "rows": baseline.rows,
        "source": list(baseline.source),
        "target": baseline.target,
        "time": time,
    }
    left_out = {} if not baseline.left_out else {"left_out": list(baseline.left_out)}
    runs = {} if baseline.runs is None else {"runs": asdict(baseline.runs)}
    segments = {} if not baseline.segments else {"segments": [segmentation_tree(each, baseline) for each in baseline.segments]}
    truth = {} if baseline.truth is None else {"truth": truth_tree(baseline.truth)}
    names = [entry.column for entry in baseline.columns]
    attributions = {} if baseline.attribution is None else {"attributions": attribution_tree(baseline.attribution, names)}
    joint = {} if baseline.joint is None else {"joint": joint_tree(baseline.joint, [column.name for column in names])}
    answers = {} if baseline.answers is None else {"answers": answers_tree(baseline.answers)}
    columns = {"columns": [column_tree(entry) for entry in baseline.columns]}
    return head | left_out | runs | columns | segments | truth | attributions | joint | answers


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else format_time(time_ms)


def from_record(record: BaselineRecord, where: str) -> Baseline:
    """Errors: BaselineError naming `where` and the field that cannot be."""
    columns = tuple(column_of(each, record.rows, f"{where}: columns[{i}]") for i, each in enumerate(record.columns))
    places = [(entry.column.role, entry.column.name) for entry in columns]
    for place in places:
        require(places.count(place) == 1, f"{where}: columns", f"names `{place[1]}` twice")
    time = None if record.time is None else _span(record.time, f"{where}: time")
    source, runs = tuple(record.source), _runs(record.runs)
    baseline = Baseline(record.id, record.rows, columns, source, record.target, time, record.left_out, runs=runs)
    if record.attributions is not None:
        names = [entry.column for entry in columns]
        baseline = replace(baseline, attribution=attribution_of(record.attributions, names, record.rows, f"{where}: attributions"))
    if record.joint is not None:
        baseline = replace(baseline, joint=joint_of(record.joint, baseline, f"{where}: joint"))
    if record.answers is not None:
        baseline = replace(baseline, answers=answers_of(record.answers, baseline, f"{where}: answers"))
    if record.segments:
        baseline = replace(baseline, segments=segmentations(record.segments, baseline, where))
    return baseline if record.truth is None else replace(baseline, truth=truth_of(record.truth, baseline, f"{where}: truth"))


def _runs(record: RunsRecord | None) -> Runs | None:
    if record is None:
        return None
    return Runs(record.by, record.window_ms, record.rows_min, record.count, tuple(record.folds), record.windows)


def _span(record: TimeRecord, where: str) -> TimeSpan:
    ends = {"first": record.first, "last": record.last}
    times = {name: None if text is None else parse_time(text) for name, text in ends.items()}
    for name, time_ms in times.items():
        require(time_ms != UNREAD, f"{where}.{name}", f"{ends[name]!r} is no RFC 3339 time")
    return TimeSpan(record.column, times["first"], times["last"])
