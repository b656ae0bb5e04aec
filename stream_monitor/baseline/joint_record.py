"""The joint distances of the baseline file, and the checks that make them those of its columns."""

from itertools import pairwise
from math import isfinite
from typing import Annotated, Any

from msgspec import Meta

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column_record import Count, Record, require
from stream_monitor.baseline.joint import COLUMNS_MAX, FACTOR_MAX, LEVELS, Joint, candidates


class JointRecord(Record, frozen=True):
    """As `Joint`, its columns by name; natural and inflation are absent where they are neutral."""

    columns: Annotated[list[str], Meta(min_length=1, max_length=COLUMNS_MAX)]
    factor: list[list[Annotated[int, Meta(ge=-FACTOR_MAX, le=FACTOR_MAX)]]]
    edges: Annotated[list[Count], Meta(min_length=1, max_length=len(LEVELS) + 1)]
    counts: list[Count]
    natural: Annotated[float, Meta(ge=0)] = 0.0
    inflation: Annotated[float, Meta(ge=1)] = 1.0


def joint_tree(joint: Joint, names: list[str]) -> dict[str, Any]:
    """As plain values. names: of all columns."""
    found: dict[str, Any] = {"columns": [names[place] for place in joint.places], "factor": joint.factor, "edges": joint.edges}
    found["counts"] = joint.counts
    return found | ({"natural": joint.natural} if joint.natural else {}) | ({"inflation": joint.inflation} if joint.inflation > 1 else {})


def joint_of(record: JointRecord, baseline: Baseline, where: str) -> Joint:
    """Errors: BaselineError naming `where` and the field that cannot be."""
    by_name = {baseline.columns[place].column.name: place for place in candidates(baseline.columns, baseline.rows)}
    require({*record.columns} <= by_name.keys(), f"{where}.columns", "must be numeric or boolean features that vary")
    places = tuple(by_name[name] for name in record.columns)
    require(all(low < high for low, high in pairwise(places)), f"{where}.columns", "must stand in the order of the columns")
    require([*map(len, record.factor)] == [*range(1, len(places) + 1)], f"{where}.factor", "must be a triangle with a row for each column")
    require(all(low < high for low, high in pairwise(record.edges)), f"{where}.edges", "must rise")
    fits = len(record.counts) == len(record.edges) + 1 and sum(record.counts) == baseline.rows
    require(fits, f"{where}.counts", f"must be one more than the edges, and make {baseline.rows} rows")
    require(isfinite(record.natural) and isfinite(record.inflation), f"{where}.natural", "must be finite, and inflation too")
    factor = tuple(tuple(row) for row in record.factor)
    return Joint(places, factor, tuple(record.edges), tuple(record.counts), record.natural, record.inflation)
