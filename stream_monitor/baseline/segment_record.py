"""The segments of the baseline file, and the checks that make them parts of its whole."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta

from stream_monitor.baseline.attribution_record import PartRecord, attributions_of, part_tree
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import CategoricalColumn, NumericColumn
from stream_monitor.baseline.column_record import Count, Record, require
from stream_monitor.baseline.segments import CROSS, CROSSED_MAX, VALUES_MAX, Segmentation, band_names
from stream_monitor.capture.columns import INVALID
from stream_monitor.capture.schema import Role
from stream_monitor.errors import BaselineError
from stream_monitor.profile.anomalies import Anomalies
from stream_monitor.profile.profile import Profile


class ProfileRecord(NamedTuple):
    """As `Profile`: events, counts, sums of z, sums of z squared; outliers by column, and events by distance.

    The last two are empty where all are 0, and in files of older software.
    """

    events: Count
    counts: list[Count]
    sums: list[int]
    squares: list[int]
    outliers: tuple[Count, ...] = ()
    joint: tuple[Count, ...] = ()


class CutRecord(Record, frozen=True):
    """As `Segmentation` without profiles."""

    name: str
    metadata: bool
    values: Annotated[list[str], Meta(max_length=VALUES_MAX)]
    edges: tuple[float, ...] = ()


class SegmentationRecord(CutRecord, frozen=True, kw_only=True):
    """As `Segmentation`. attributions: of each profile; none where the baseline has none. parts: none but for an intersection."""

    parts: Annotated[tuple[CutRecord, ...], Meta(max_length=CROSSED_MAX)] = ()
    profiles: list[ProfileRecord]
    attributions: tuple[PartRecord, ...] = ()


def segmentation_tree(segmentation: Segmentation, baseline: Baseline) -> dict[str, Any]:
    """As plain values."""
    columns = [entry.column for entry in baseline.columns]
    attributed = [part_tree(each.attributions, columns) for each in segmentation.profiles]
    parts = {"parts": [cut_tree(part) for part in segmentation.parts]} if segmentation.parts else {}
    profiles = {"profiles": [_profile_tree(each) for each in segmentation.profiles]}
    return cut_tree(segmentation) | parts | profiles | ({"attributions": attributed} if baseline.attribution else {})


def cut_tree(cut: Segmentation) -> dict[str, Any]:
    """One that is no intersection, without profiles."""
    edges = {"edges": list(cut.edges)} if cut.edges else {}
    return {"name": cut.name, "metadata": cut.is_metadata, "values": list(cut.values)} | edges


def _profile_tree(profile: Profile) -> list[Any]:
    anomalies = profile.anomalies
    counted = [] if anomalies.is_empty else [anomalies.outliers.tolist(), anomalies.joint.tolist()]
    return [profile.events, profile.counts.tolist(), *profile.moments.tolist(), *counted]


def segmentations(records: Sequence[SegmentationRecord], baseline: Baseline, where: str) -> tuple[Segmentation, ...]:
    """Errors: BaselineError naming `where` and the field that cannot be."""
    found = tuple(_segmentation(each, baseline, f"{where}: segments[{i}]") for i, each in enumerate(records))
    require(len({each.name for each in found}) == len(found), f"{where}: segments", "must differ in their names")
    return found


def _segmentation(record: SegmentationRecord, baseline: Baseline, where: str) -> Segmentation:
    parts = tuple(cut_of(part, baseline, f"{where}.parts[{i}]") for i, part in enumerate(record.parts))
    cut = _crossed(record, parts, where) if parts else cut_of(record, baseline, where)
    require(len(record.profiles) == len(cut.values) + 1, f"{where}.profiles", "must be one more than the values")
    profiles = [_profile(each, baseline, f"{where}.profiles[{i}]") for i, each in enumerate(record.profiles)]
    if baseline.attribution:
        require(len(record.attributions) == len(profiles), f"{where}.attributions", "must be as many as the profiles")
        columns, place = [entry.column for entry in baseline.columns], f"{where}.attributions"
        attributed = [attributions_of(each, columns, f"{place}[{i}]") for i, each in enumerate(record.attributions)]
        profiles = [replace(profile, attributions=part) for profile, part in zip(profiles, attributed, strict=True)]
    whole = Profile.empty(baseline.layout)
    for profile in profiles:
        whole = whole.merge(profile)
    require(
        whole == baseline.profile,
        f"{where}.profiles",
        "must add up to the columns' counts" + (", with attributions to their sums" if baseline.attribution else ""),
    )
    return replace(cut, profiles=tuple(profiles))


def cut_of(record: CutRecord, baseline: Baseline, where: str) -> Segmentation:
    """The same back. Errors: BaselineError naming `where` and the field that cannot be."""
    by_name = {entry.column.name: entry for entry in baseline.columns if entry.column.role is Role.FEATURE}
    entry = by_name.get(record.name)
    if record.edges:
        rise = all(low < high for low, high in pairwise(record.edges))
        require(
            rise and not record.metadata and isinstance(entry, NumericColumn), f"{where}.edges", "must be of a numeric feature, and rise"
        )
        require(tuple(record.values) == band_names(record.edges), f"{where}.values", "must be the bands between the edges")
    else:
        fits = entry is None if record.metadata else isinstance(entry, CategoricalColumn)
        require(fits, f"{where}.name", "must be a categorical or boolean feature" + (", or no feature" if record.metadata else ""))
    return Segmentation(record.name, record.metadata, _values(record, where), (), record.edges)


def _crossed(record: CutRecord, parts: tuple[Segmentation, ...], where: str) -> Segmentation:
    named = record.name == CROSS.join(part.name for part in parts) and not record.metadata and not record.edges
    require(named and len(parts) > 1, f"{where}.name", f"must be those of at least two parts with {CROSS} between")
    crossed = Segmentation(record.name, False, _values(record, where), (), parts=parts)
    require({*crossed.values} <= {*crossed.texts}, f"{where}.values", "must be of values of the parts")
    return crossed


def _values(record: CutRecord, where: str) -> tuple[str, ...]:
    require(len({*record.values, INVALID}) == len(record.values) + 1, f"{where}.values", "must differ from each other")
    return tuple(record.values)


def _profile(record: ProfileRecord, baseline: Baseline, where: str) -> Profile:
    layout = baseline.layout
    fits = len(record.counts) == layout.total and len(record.sums) == len(record.squares) == layout.columns
    require(fits, where, f"must have {layout.total} counts and {layout.columns} sums and squares")
    fits = not record.outliers or (len(record.outliers) == layout.columns and len(record.joint) == layout.joint)
    require(fits, where, f"must have {layout.columns} numbers of outliers and {layout.joint} events by distance, or none")
    try:
        counts, moments = np.array(record.counts, dtype=np.int64), np.array([record.sums, record.squares], dtype=np.int64)
    except OverflowError:
        raise BaselineError(f"{where}: sums and squares must be below 2^63") from None
    held = np.add.reduceat(counts, layout.starts[:-1])
    require(bool((held == record.events).all()), where, f"every column's counts must make {record.events} events")
    outliers, joint = (np.array(each, dtype=np.int64) for each in (record.outliers, record.joint))
    return Profile(record.events, counts, moments, anomalies=Anomalies.of(outliers, joint))
