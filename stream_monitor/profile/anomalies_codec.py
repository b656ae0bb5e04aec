"""`Anomalies` as it stands in records and in snapshots."""

import msgspec
import numpy as np

from stream_monitor.errors import CodecError
from stream_monitor.profile.anomalies import Anomalies, Far, worst_of
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.packing import Packed, pack, unpack


class AnomaliesWire(msgspec.Struct, array_like=True, frozen=True):
    """See `Anomalies`. counts: first outliers, then joint."""

    counts: Packed
    worst: tuple[Far, ...] = ()


def anomalies_to_wire(anomalies: Anomalies) -> AnomaliesWire | None:
    """None for empty ones."""
    if anomalies.is_empty:
        return None
    return AnomaliesWire(pack(np.concatenate([anomalies.outliers, anomalies.joint])), anomalies.worst)


def anomalies_from_wire(wire: AnomaliesWire | None, layout: Layout) -> Anomalies:
    """Back from `anomalies_to_wire`. Errors: CodecError where it does not fit the layout."""
    if wire is None:
        return Anomalies.empty()
    counts = unpack(wire.counts, layout.columns + layout.joint)
    if counts.min(initial=0) < 0 or wire.worst != worst_of(wire.worst):
        raise CodecError("anomalies with counts below 0, or worst events out of order")
    return Anomalies(counts[: layout.columns], counts[layout.columns :], wire.worst)
