"""The shape of the baseline file, and the checks that make its content a baseline."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from stream_monitor.baseline.baseline import Baseline, TimeSpan
from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn, NumericColumn
from stream_monitor.capture.schema import Column, Kind, Role
from stream_monitor.capture.table_time import format_time, parse_time
from stream_monitor.capture.times import UNREAD
from stream_monitor.errors import BaselineError

Count = Annotated[int, Meta(ge=0, le=2**62)]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class NumericRecord(_Record, tag_field="kind", tag="numeric", frozen=True):
    """counts: rows in each bin between neighbouring edges; single_valued: the bins (from 0) in which all values are equal."""

    name: str
    role: Role
    missing: Count
    invalid: Count
    distinct: Count
    mean: float
    sd: Annotated[float, Meta(ge=0)]
    moments: tuple[int, int]
    edges: list[float]
    counts: list[Count]
    single_valued: list[Count]


class CategoryRecord(_Record, frozen=True):
    """A named category."""

    value: str
    count: Count


class CategoricalRecord(_Record, tag_field="kind", tag="categorical", frozen=True):
    """other: rows of categories beyond the named ones; distinct counts those too."""

    name: str
    role: Role
    missing: Count
    invalid: Count
    distinct: Count
    other: Count
    categories: list[CategoryRecord]


class BooleanRecord(CategoricalRecord, tag_field="kind", tag="boolean", frozen=True):
    """As a categorical column; the categories are `true` and `false`."""


class TimeRecord(_Record, frozen=True):
    """RFC 3339 times of the first and the last row."""

    column: str
    first: str | None
    last: str | None


class BaselineRecord(_Record, frozen=True):
    """The whole file."""

    format: str
    id: str
    rows: Count
    source: list[str]
    target: str | None
    time: TimeRecord | None
    columns: list[NumericRecord | CategoricalRecord | BooleanRecord]


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
    return head | {"columns": [_column_tree(entry) for entry in baseline.columns]}


def _column_tree(entry: BaselineColumn) -> dict[str, Any]:
    column, (missing, invalid, *counts) = entry.column, entry.counts
    head = {
        "name": column.name,
        "role": column.role,
        "kind": column.kind,
        "missing": missing,
        "invalid": invalid,
        "distinct": entry.distinct,
    }
    if isinstance(entry, NumericColumn):
        bins = {"edges": entry.edges, "counts": counts[1:-1], "single_valued": entry.single_valued}
        return head | {"mean": entry.mean, "sd": entry.sd, "moments": entry.moments, **bins}
    categories = [{"value": value, "count": count} for value, count in zip(entry.categories, counts[1:], strict=True)]
    return head | {"other": counts[0], "categories": categories}


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else format_time(time_ms)


def from_record(record: BaselineRecord, where: str) -> Baseline:
    """Errors: BaselineError naming `where` and the field that cannot be."""
    columns = tuple(_column(each, record.rows, f"{where}: columns[{i}]") for i, each in enumerate(record.columns))
    places = [(entry.column.role, entry.column.name) for entry in columns]
    for place in places:
        _require(places.count(place) == 1, f"{where}: columns", f"names `{place[1]}` twice")
    time = None if record.time is None else _span(record.time, f"{where}: time")
    return Baseline(record.id, record.rows, columns, tuple(record.source), record.target, time)


def _span(record: TimeRecord, where: str) -> TimeSpan:
    ends = {"first": record.first, "last": record.last}
    times = {name: None if text is None else parse_time(text) for name, text in ends.items()}
    for name, time_ms in times.items():
        _require(time_ms != UNREAD, f"{where}.{name}", f"{ends[name]!r} is no RFC 3339 time")
    return TimeSpan(record.column, times["first"], times["last"])


def _column(record: NumericRecord | CategoricalRecord, rows: int, where: str) -> BaselineColumn:
    numeric = isinstance(record, NumericRecord)
    entry = _numeric(record, where) if isinstance(record, NumericRecord) else _categorical(record, where)
    _require(
        sum(entry.counts) == rows,
        f"{where}.{'counts' if numeric else 'categories'}",
        f"with the other counts they make {sum(entry.counts)}, not {rows} rows",
    )
    return entry


def _numeric(record: NumericRecord, where: str) -> NumericColumn:
    edges = tuple(record.edges)
    _require(all(map(math.isfinite, edges)), f"{where}.edges", "must be finite")
    _require(
        len(edges) != 1 and len(record.counts) == max(len(edges) - 1, 0),
        f"{where}.edges",
        f"must be one more than the {len(record.counts)} counts",
    )
    rising = all(low < high for low, high in pairwise(edges[:-1])) and edges[-2:] == tuple(sorted(edges[-2:]))
    _require(rising, f"{where}.edges", "must rise; only the last two may be equal")
    _require(math.isfinite(record.mean) and math.isfinite(record.sd), f"{where}.mean", "must be finite, and sd too")
    single = tuple(record.single_valued)
    _require(single == tuple(sorted({*single} & {*range(len(record.counts))})), f"{where}.single_valued", "must be numbers of bins, rising")
    counts = (record.missing, record.invalid, 0, *record.counts, 0)
    column = Column(record.name, Kind.NUMERIC, record.role)
    return NumericColumn(column, edges, counts, record.mean, record.sd, record.moments, record.distinct, single)


_KINDS: Final = {CategoricalRecord: Kind.CATEGORICAL, BooleanRecord: Kind.BOOLEAN}


def _categorical(record: CategoricalRecord, where: str) -> CategoricalColumn:
    values = [each.value for each in record.categories]
    counts = [each.count for each in record.categories]
    _require(len(set(values)) == len(values), f"{where}.categories", "must differ from each other")
    _require(_falling(counts), f"{where}.categories", "must stand by falling count")
    column = Column(record.name, _KINDS[type(record)], record.role)
    return CategoricalColumn(column, tuple(values), (record.missing, record.invalid, record.other, *counts), record.distinct)


def _falling(counts: Sequence[int]) -> bool:
    return all(high >= low for high, low in pairwise(counts))


def _require(condition: bool, where: str, rule: str) -> None:
    if not condition:
        raise BaselineError(f"{where}: {rule}")
