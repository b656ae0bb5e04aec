"""A pane's profile as bytes: integers in the narrowest type that holds them, counts sparse or dense, whichever is shorter.

There is no second form for few rows: a profile of one 25-column row is 0.6 of its JSON, and from 5 rows on smaller than the rows in
binary (`benchmarks/profile_size.py` prints the table; the reasons are in `docs/decisions/0002-one-profile-form.md`).
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.schema import StreamKey
from stream_monitor.errors import CodecError
from stream_monitor.profile.frame import UNREADABLE, FrameKind, seal, unseal
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import SAMPLES_MAX, Profile, Sample

_WIDTHS: Final = {"u": ("<u1", "<u2", "<u4", "<i8"), "i": ("<i1", "<i2", "<i4", "<i8")}

Segment = tuple[tuple[str, str], ...]
"""Sorted (name, value) pairs; empty for the whole."""


@dataclass(frozen=True, slots=True)
class PaneProfile:
    """What phase 1 hands to phase 2: one stream's profile of one pane, from one micro-batch.

    Times in ms since the epoch; the pane is [pane_start_ms, pane_start_ms + pane_ms).
    """

    stream: StreamKey
    segment: Segment
    pane_start_ms: int
    pane_ms: int
    baseline_id: str
    revision: int
    """Of the config it was made under."""
    profile: Profile


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """An integer array in its narrowest little-endian type; `index` holds the places of the non-zero values, None: all values stand."""

    size: int
    dtype: str
    values: bytes
    index_dtype: str | None = None
    index: bytes = b""


class _Wire(msgspec.Struct, array_like=True, frozen=True):
    model: str
    version: str | None
    segment: Segment
    pane_start_ms: int
    pane_ms: int
    baseline_id: str
    revision: int
    profile: "ProfileWire"


class ProfileWire(msgspec.Struct, array_like=True, frozen=True):
    """A profile without its coordinates, as it stands in records and in snapshots."""

    events: int
    counts: Packed
    moments: Packed
    samples: tuple[Sample, ...]


def pack(array: NDArray[np.int64]) -> Packed:
    """Pack int64[n], sparse where that is shorter."""
    index = np.flatnonzero(array)
    dtype, values = _narrow(array[index])
    index_dtype, places = _narrow(index)
    if len(index) * (values.itemsize + places.itemsize) < array.size * values.itemsize:
        return Packed(array.size, dtype, values.tobytes(), index_dtype, places.tobytes())
    dtype, values = _narrow(array)
    return Packed(array.size, dtype, values.tobytes())


def unpack(packed: Packed, size: int) -> NDArray[np.int64]:
    """int64[size]. Errors: CodecError where the bytes do not give exactly that."""
    try:
        values = np.frombuffer(packed.values, dtype=_checked(packed.dtype)).astype(np.int64)
        if packed.size != size:
            raise CodecError(f"an array of {packed.size} values where the baseline has {size}")
        if packed.index_dtype is None:
            if len(values) != size:
                raise CodecError("an array shorter or longer than it says")
            return values
        array = np.zeros(size, dtype=np.int64)
        array[np.frombuffer(packed.index, dtype=_checked(packed.index_dtype)).astype(np.int64)] = values
    except (ValueError, IndexError) as error:
        raise CodecError(f"a packed array that cannot be read: {error}") from None
    return array


def _narrow(array: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for dtype in _WIDTHS["u" if low >= 0 else "i"]:
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return dtype, array.astype(dtype)
    raise AssertionError("an int64 fits into an int64")


def _checked(dtype: str) -> str:
    if dtype not in _WIDTHS["u"] and dtype not in _WIDTHS["i"]:
        raise CodecError(f"unknown array type {dtype!r}")
    return dtype


def to_wire(profile: Profile) -> ProfileWire:
    """A profile in the form that msgspec encodes."""
    return ProfileWire(profile.events, pack(profile.counts), pack(profile.moments.ravel()), profile.samples)


def from_wire(wire: ProfileWire, layout: Layout) -> Profile:
    """Back from `to_wire`. Errors: CodecError where it does not fit the layout."""
    if len(wire.samples) > SAMPLES_MAX or any(len(sample.codes) != 2 * layout.columns for sample in wire.samples):
        raise CodecError("samples that do not fit the baseline")
    moments = unpack(wire.moments, 2 * layout.columns).reshape(2, layout.columns)
    return Profile(wire.events, unpack(wire.counts, layout.total), moments, wire.samples)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Wire)


def encode(pane: PaneProfile) -> bytes:
    """A pane's profile as one framed record. Errors: CodecError where it is too large."""
    wire = _Wire(*pane.stream, pane.segment, pane.pane_start_ms, pane.pane_ms, pane.baseline_id, pane.revision, to_wire(pane.profile))
    return seal(FrameKind.PROFILE, _encoder.encode(wire))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A decoded record whose profile still waits for the layout of its baseline."""

    stream: StreamKey
    segment: Segment
    pane_start_ms: int
    pane_ms: int
    baseline_id: str
    revision: int
    wire: ProfileWire

    @property
    def events(self) -> int:
        """How many events the profile stands for; known without its baseline."""
        return self.wire.events

    def open(self, layout: Layout) -> PaneProfile:
        """The profile on its baseline's layout. Errors: CodecError where it does not fit."""
        profile = from_wire(self.wire, layout)
        return PaneProfile(self.stream, self.segment, self.pane_start_ms, self.pane_ms, self.baseline_id, self.revision, profile)


def decode(frame: bytes) -> Sealed:
    """Read a framed record. Errors: CodecError."""
    try:
        wire = _decoder.decode(unseal(FrameKind.PROFILE, frame))
    except UNREADABLE as error:
        raise CodecError(f"a profile that cannot be read: {error}") from None
    stream = StreamKey(wire.model, wire.version)
    return Sealed(stream, wire.segment, wire.pane_start_ms, wire.pane_ms, wire.baseline_id, wire.revision, wire.profile)
