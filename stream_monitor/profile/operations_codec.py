"""`Operations` as it stands in records and in snapshots."""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from stream_monitor.capture.calls import MEASURES
from stream_monitor.errors import CodecError
from stream_monitor.profile.extra import EXTRA_MAX
from stream_monitor.profile.logarithmic import BINS, LogHistogram
from stream_monitor.profile.operations import Operations
from stream_monitor.profile.packing import Packed, pack, unpack

Count = Annotated[int, Meta(ge=0)]


class OperationsWire(msgspec.Struct, array_like=True, frozen=True):
    """See `Operations`. measures: name -> the counts of all `BINS`."""

    told: Count
    failed: Count
    codes: dict[str, Count]
    measures: dict[str, Packed]


def operations_to_wire(operations: Operations) -> OperationsWire | None:
    """None for empty ones."""
    if not operations.told:
        return None
    measures = {name: pack(dense(histogram)) for name, histogram in operations.measures.items()}
    return OperationsWire(operations.told, operations.failed, dict(operations.codes), measures)


def operations_from_wire(wire: OperationsWire | None) -> Operations:
    """Back from `operations_to_wire`. Errors: CodecError where it cannot be one's."""
    if wire is None:
        return Operations.empty()
    if len(wire.codes) > EXTRA_MAX or not wire.measures.keys() <= set(MEASURES):
        raise CodecError("operations with more error codes than are counted, or an unknown measure")
    return Operations(wire.told, wire.failed, wire.codes, {name: sparse(packed) for name, packed in wire.measures.items()})


def dense(histogram: LogHistogram) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64[`BINS`]: the counts of all bins."""
    counts = np.zeros(BINS, dtype=np.int64)
    counts[histogram.bins] = histogram.counts
    return counts


def sparse(packed: Packed | None) -> LogHistogram:
    """Back from `dense` and `pack`; None is of no values. Errors: CodecError for counts below 0."""
    if packed is None:
        return LogHistogram.empty()
    counts = unpack(packed, BINS)
    if counts.min() < 0:
        raise CodecError("a histogram with counts below 0")
    bins = np.flatnonzero(counts)
    return LogHistogram(bins, counts[bins])
