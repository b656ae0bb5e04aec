"""What phase 1 hands to the join: a micro-batch's events and labels of one model as columns, a few bytes a row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.schema import StreamKey
from stream_monitor.errors import CodecError
from stream_monitor.profile.frame import UNREADABLE, FrameKind, seal, unseal

ROWS_MAX: Final = 100_000
"""Rows in one record, 3 MB at most: a batch has no more messages."""
OTHER_SEGMENT: Final = 65_535
"""The place of a segmentation that a stream does not have."""


class CaptureRows(NamedTuple):
    """n events of one stream.

    ids: uint64[n], hashes of event ids, never 0; time_ms: int64[n]; predicted, score: uint16[n], value: float64[n] and groups:
    uint16[F, n] as in `OutcomeRows`; segments: uint16[S, n], each event's place in the stream's S segmentations.
    """

    ids: NDArray[np.uint64]
    time_ms: NDArray[np.int64]
    predicted: NDArray[np.uint16]
    score: NDArray[np.uint16]
    value: NDArray[np.float64]
    groups: NDArray[np.uint16]
    segments: NDArray[np.uint16]


class LabelRows(NamedTuple):
    """n labels of one model. ids, time_ms: as above; label: uint16[n], codes, 0: withdrawn; truth: float64[n], NaN: withdrawn."""

    ids: NDArray[np.uint64]
    time_ms: NDArray[np.int64]
    label: NDArray[np.uint16]
    truth: NDArray[np.float64]


class Captured(NamedTuple):
    """Events of one stream, coded on the baseline with this id."""

    stream: StreamKey
    baseline_id: str
    rows: CaptureRows


@dataclass(frozen=True, slots=True)
class JoinRecord:
    """One record. revision: of the config it was made under; layout_id: of the outcomes' layout, which says what the codes mean."""

    model: str
    revision: int
    layout_id: str
    captures: tuple[Captured, ...]
    labels: LabelRows | None


class _Captures(msgspec.Struct, array_like=True, frozen=True):
    version: str | None
    columns: tuple[bytes, ...]
    facets: int
    segmentations: int
    baseline_id: str = ""
    """Absent in records of version 0.1, whose layouts have other ids."""


class _Wire(msgspec.Struct, array_like=True, frozen=True):
    model: str
    revision: int
    layout_id: str
    captures: list[_Captures]
    labels: tuple[bytes, ...]


_CAPTURE_TYPES: Final = ("<u8", "<i8", "<u2", "<u2", "<f8", "<u2", "<u2")
_LABEL_TYPES: Final = ("<u8", "<i8", "<u2", "<f8")
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Wire)


def encode(record: JoinRecord) -> bytes:
    """A record as one frame. Errors: CodecError where it is too large."""
    captures = [
        _Captures(stream.version, _pack(rows, _CAPTURE_TYPES), len(rows.groups), len(rows.segments), baseline_id)
        for stream, baseline_id, rows in record.captures
    ]
    labels = () if record.labels is None else _pack(record.labels, _LABEL_TYPES)
    return seal(FrameKind.JOIN, _encoder.encode(_Wire(record.model, record.revision, record.layout_id, captures, labels)))


def decode(frame: bytes) -> JoinRecord:
    """Read a frame. Errors: CodecError."""
    try:
        wire = _decoder.decode(unseal(FrameKind.JOIN, frame))
        captures = tuple(Captured(StreamKey(wire.model, each.version), each.baseline_id, _captures(each)) for each in wire.captures)
        labels = LabelRows(*_unpack(wire.labels, _LABEL_TYPES)) if wire.labels else None
    except (*UNREADABLE, ValueError, TypeError) as error:
        raise CodecError(f"a join record that cannot be read: {error}") from None
    if labels is not None and len({len(column) for column in labels}) != 1:
        raise CodecError("a join record whose label columns are not of one length")
    return JoinRecord(wire.model, wire.revision, wire.layout_id, captures, labels)


def _captures(wire: _Captures) -> CaptureRows:
    ids, time_ms, predicted, score, value, groups, segments = _unpack(wire.columns, _CAPTURE_TYPES)
    n = len(ids)
    if any(len(column) != n for column in (time_ms, predicted, score, value)):
        raise ValueError("columns of unequal length")
    facets, segmentations = groups.reshape(wire.facets, n), segments.reshape(wire.segmentations, n)
    return CaptureRows(ids, time_ms, predicted, score, value, facets, segmentations)


def _pack(columns: tuple[NDArray[Any], ...], types: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(column.astype(dtype).tobytes() for column, dtype in zip(columns, types, strict=True))


def _unpack(columns: tuple[bytes, ...], types: tuple[str, ...]) -> Iterator[NDArray[Any]]:
    for column, dtype in zip(columns, types, strict=True):
        array = np.frombuffer(column, dtype=dtype)
        yield array.astype(array.dtype.newbyteorder("="))
