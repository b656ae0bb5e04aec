"""The columns of the baseline file, and the checks that make them columns."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn, Natural, NumericColumn
from stream_monitor.capture.schema import Column, Kind, Role
from stream_monitor.errors import BaselineError

Count = Annotated[int, Meta(ge=0, le=2**62)]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all objects of the file are."""


class NaturalRecord(Record, frozen=True):
    """As `Natural`."""

    scores: dict[str, Annotated[float, Meta(gt=0)]]
    inflation: dict[str, Annotated[float, Meta(gt=1)]]


class NumericRecord(Record, tag_field="kind", tag="numeric", frozen=True):
    """counts: rows in each bin between neighbouring edges; single_valued: the bins (from 0) in which all values are equal.

    fences, outliers: as in `NumericColumn`; absent in files of older software.
    """

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
    natural: NaturalRecord | None = None
    fences: tuple[float, float] | None = None
    outliers: Count = 0


class CategoryRecord(Record, frozen=True):
    """A named category."""

    value: str
    count: Count


class CategoricalRecord(Record, tag_field="kind", tag="categorical", frozen=True):
    """other: rows of categories beyond the named ones; distinct and singletons (absent: 0) count those too."""

    name: str
    role: Role
    missing: Count
    invalid: Count
    distinct: Count
    other: Count
    categories: list[CategoryRecord]
    singletons: Count = 0
    natural: NaturalRecord | None = None


class BooleanRecord(CategoricalRecord, tag_field="kind", tag="boolean", frozen=True):
    """As a categorical column; the categories are `true` and `false`."""


def column_tree(entry: BaselineColumn) -> dict[str, Any]:
    """A column as plain values."""
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
        bins: dict[str, Any] = {"edges": entry.edges, "counts": counts[1:-1], "single_valued": entry.single_valued}
        bins |= {} if entry.fences is None else {"fences": entry.fences, "outliers": entry.outliers}
        return head | {"mean": entry.mean, "sd": entry.sd, "moments": entry.moments, **bins, **_natural_tree(entry)}
    categories = [{"value": value, "count": count} for value, count in zip(entry.categories, counts[1:], strict=True)]
    singletons = {"singletons": entry.singletons} if entry.singletons else {}
    return head | singletons | {"other": counts[0], "categories": categories, **_natural_tree(entry)}


def _natural_tree(entry: BaselineColumn) -> dict[str, Any]:
    natural = entry.natural
    return {} if natural is None else {"natural": {"scores": dict(natural.scores), "inflation": dict(natural.inflation)}}


def column_of(record: NumericRecord | CategoricalRecord, rows: int, where: str) -> BaselineColumn:
    """Errors: BaselineError naming `where` and the field that cannot be."""
    numeric = isinstance(record, NumericRecord)
    entry = _numeric(record, where) if isinstance(record, NumericRecord) else _categorical(record, where)
    require(
        sum(entry.counts) == rows,
        f"{where}.{'counts' if numeric else 'categories'}",
        f"with the other counts they make {sum(entry.counts)}, not {rows} rows",
    )
    return entry


def _numeric(record: NumericRecord, where: str) -> NumericColumn:
    edges = tuple(record.edges)
    require(all(map(math.isfinite, edges)), f"{where}.edges", "must be finite")
    require(
        len(edges) != 1 and len(record.counts) == max(len(edges) - 1, 0),
        f"{where}.edges",
        f"must be one more than the {len(record.counts)} counts",
    )
    rising = all(low < high for low, high in pairwise(edges[:-1])) and edges[-2:] == tuple(sorted(edges[-2:]))
    require(rising, f"{where}.edges", "must rise; only the last two may be equal")
    require(math.isfinite(record.mean) and math.isfinite(record.sd), f"{where}.mean", "must be finite, and sd too")
    single = tuple(record.single_valued)
    require(single == tuple(sorted({*single} & {*range(len(record.counts))})), f"{where}.single_valued", "must be numbers of bins, rising")
    counts = (record.missing, record.invalid, 0, *record.counts, 0)
    column = Column(record.name, Kind.NUMERIC, record.role)
    natural = _natural(record.natural, where)
    fences, outliers = record.fences, record.outliers
    require(fences is None or (fences[0] < fences[1] and all(map(math.isfinite, fences))), f"{where}.fences", "must be finite and rise")
    require(outliers <= (0 if fences is None else sum(counts)), f"{where}.outliers", "must be values beyond the fences")
    return NumericColumn(column, edges, counts, record.mean, record.sd, record.moments, record.distinct, single, natural, fences, outliers)


def _natural(record: NaturalRecord | None, where: str) -> Natural | None:
    if record is None:
        return None
    finite = all(map(math.isfinite, (*record.scores.values(), *record.inflation.values())))
    require(finite, f"{where}.natural", "must be finite")
    return Natural(record.scores, record.inflation)


_KINDS: Final = {CategoricalRecord: Kind.CATEGORICAL, BooleanRecord: Kind.BOOLEAN}


def _categorical(record: CategoricalRecord, where: str) -> CategoricalColumn:
    values = [each.value for each in record.categories]
    counts = [each.count for each in record.categories]
    require(len(set(values)) == len(values), f"{where}.categories", "must differ from each other")
    require(_falling(counts), f"{where}.categories", "must stand by falling count")
    column = Column(record.name, _KINDS[type(record)], record.role)
    counts = [record.missing, record.invalid, record.other, *counts]
    return CategoricalColumn(column, tuple(values), tuple(counts), record.distinct, record.singletons, _natural(record.natural, where))


def _falling(counts: Sequence[int]) -> bool:
    return all(high >= low for high, low in pairwise(counts))


def require(condition: bool, where: str, rule: str) -> None:
    """Errors: BaselineError where the condition does not hold."""
    if not condition:
        raise BaselineError(f"{where}: {rule}")
