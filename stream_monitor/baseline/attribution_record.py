"""Attributions in the baseline file, and the checks that make them ones of the baseline's rows."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta

from stream_monitor.baseline.attribution import Attribution
from stream_monitor.baseline.column_record import Count, Record, require
from stream_monitor.capture.schema import Column, Role
from stream_monitor.profile.attributions import Attributions


class FeatureRecord(NamedTuple):
    """A feature's column of `Attributions.sums`."""

    name: str
    sizes: Count
    squares: Count


class AttributionRecord(Record, frozen=True):
    """As `Attribution`."""

    scale: Annotated[float, Meta(gt=0)]
    told: Annotated[int, Meta(gt=0)]
    features: list[FeatureRecord]


class PartRecord(NamedTuple):
    """As `Attributions`, of one segment; by feature."""

    told: Count
    sizes: list[Count]
    squares: list[Count]


def attribution_tree(attribution: Attribution, columns: Sequence[Column]) -> dict[str, Any]:
    """As plain values."""
    rows = zip(_features(columns).values(), *_sums(attribution.whole, columns), strict=True)
    return {"scale": attribution.scale, "told": attribution.whole.told, "features": [list(row) for row in rows]}


def part_tree(part: Attributions, columns: Sequence[Column]) -> list[Any]:
    """As plain values."""
    return [part.told, *_sums(part, columns)]


def attribution_of(record: AttributionRecord, columns: Sequence[Column], rows: int, where: str) -> Attribution:
    """Errors: BaselineError naming `where` and the field that cannot be."""
    require(record.scale < float("inf"), f"{where}.scale", "must be finite")
    require(record.told <= rows, f"{where}.told", f"must be at most the {rows} rows")
    require([each.name for each in record.features] == list(_features(columns).values()), f"{where}.features", "must be the baseline's")
    sizes, squares = [each.sizes for each in record.features], [each.squares for each in record.features]
    return Attribution(record.scale, attributions_of(PartRecord(record.told, sizes, squares), columns, where))


def attributions_of(record: PartRecord, columns: Sequence[Column], where: str) -> Attributions:
    """Errors: BaselineError naming `where` and what cannot be."""
    features = list(_features(columns))
    require([len(each) for each in record[1:]] == [len(features)] * 2, where, f"must have {len(features)} sizes and squares")
    if not record.told:
        return Attributions.empty()
    sums = np.zeros((2, len(columns)), dtype=np.int64)
    sums[:, features] = record[1:]
    return Attributions(record.told, sums)


def _features(columns: Sequence[Column]) -> dict[int, str]:
    return {place: column.name for place, column in enumerate(columns) if column.role is Role.FEATURE}


def _sums(attributions: Attributions, columns: Sequence[Column]) -> list[list[int]]:
    features = list(_features(columns))
    return attributions.sums[:, features].tolist() if attributions.told else [[0] * len(features)] * 2
