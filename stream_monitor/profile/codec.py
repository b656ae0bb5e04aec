"""A pane's profile as bytes.

There is no second form for few rows: a profile of one 25-column row is 0.6 of its JSON, and from 5 rows on smaller than the rows in
binary (`benchmarks/profile_size.py` prints the table; the reasons are in `docs/decisions/0002-one-profile-form.md`).
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from stream_monitor.capture.schema import StreamKey
from stream_monitor.errors import CodecError
from stream_monitor.profile.anomalies_codec import AnomaliesWire, anomalies_from_wire, anomalies_to_wire
from stream_monitor.profile.attributions_codec import AttributionsWire, attributions_from_wire, attributions_to_wire
from stream_monitor.profile.extra import EXTRA_MAX
from stream_monitor.profile.frame import UNREADABLE, FrameKind, seal, unseal
from stream_monitor.profile.ids import SAMPLE_MAX, IdSample
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.operations_codec import OperationsWire, operations_from_wire, operations_to_wire
from stream_monitor.profile.packing import Packed, pack, unpack
from stream_monitor.profile.profile import SAMPLES_MAX, Profile, Sample
from stream_monitor.profile.slice_codec import SlicesWire, slices_from_wire, slices_to_wire
from stream_monitor.profile.slices import Slices
from stream_monitor.profile.transit_codec import TransitWire, transit_from_wire, transit_to_wire

Segment = tuple[tuple[str, str], ...]
"""Sorted (name, value) pairs; empty for the whole."""


@dataclass(frozen=True, slots=True)
class PaneProfile:
    """What phase 1 hands to phase 2: one stream's (or one of its segments') profile of one pane, from one micro-batch.

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
    slices: Slices
    """Of the same events."""


class _Wire(msgspec.Struct, array_like=True, frozen=True):
    model: str
    version: str | None
    segment: Segment
    pane_start_ms: int
    pane_ms: int
    baseline_id: str
    revision: int
    profile: "ProfileWire"
    slices: SlicesWire


class ProfileWire(msgspec.Struct, array_like=True, frozen=True):
    """A profile without its coordinates, as it stands in records and in snapshots."""

    events: int
    counts: Packed
    moments: Packed
    samples: tuple[Sample, ...]
    id_hashes: bytes
    id_repeats: Packed
    """How many more events than one had each id: mostly zeros."""
    extra: dict[str, Annotated[int, Meta(ge=0)]]
    operations: OperationsWire | None = None
    """None: empty; records of version 2 have none."""
    attributions: AttributionsWire | None = None
    """None: empty; earlier records have none."""
    transit: TransitWire | None = None
    """None: empty; older records have none."""
    anomalies: AnomaliesWire | None = None
    """The same."""


def to_wire(profile: Profile) -> ProfileWire:
    """A profile in the form that msgspec encodes."""
    ids = profile.ids
    hashes, repeats = ids.hashes.astype("<u8").tobytes(), pack(ids.counts - 1)
    counts, moments = pack(profile.counts), pack(profile.moments.ravel())
    extra, operations, attributions = (
        dict(profile.extra),
        operations_to_wire(profile.operations),
        attributions_to_wire(profile.attributions),
    )
    rest = (operations, attributions, transit_to_wire(profile.transit), anomalies_to_wire(profile.anomalies))
    return ProfileWire(profile.events, counts, moments, profile.samples, hashes, repeats, extra, *rest)


def from_wire(wire: ProfileWire, layout: Layout) -> Profile:
    """Back from `to_wire`. Errors: CodecError where it does not fit the layout."""
    if len(wire.samples) > SAMPLES_MAX or any(len(sample.codes) != 2 * layout.columns for sample in wire.samples):
        raise CodecError("samples that do not fit the baseline")
    if len(wire.extra) > EXTRA_MAX:
        raise CodecError("more unknown features than are counted")
    moments = unpack(wire.moments, 2 * layout.columns).reshape(2, layout.columns)
    counts, operations = unpack(wire.counts, layout.total), operations_from_wire(wire.operations)
    attributions, transit = attributions_from_wire(wire.attributions, layout.columns), transit_from_wire(wire.transit)
    rest = (operations, attributions, transit, anomalies_from_wire(wire.anomalies, layout))
    return Profile(wire.events, counts, moments, wire.samples, _ids(wire), wire.extra, *rest)


def _ids(wire: ProfileWire) -> IdSample:
    if len(wire.id_hashes) % 8 or len(wire.id_hashes) > 8 * SAMPLE_MAX:
        raise CodecError("a sample of ids that cannot be one")
    hashes = np.frombuffer(wire.id_hashes, dtype="<u8").astype(np.uint64)
    repeats = unpack(wire.id_repeats, len(hashes))
    if (hashes[1:] <= hashes[:-1]).any() or repeats.min(initial=0) < 0:
        raise CodecError("a sample of ids that do not rise, or came less than once")
    return IdSample(hashes, repeats + 1)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Wire)


def encode(pane: PaneProfile) -> bytes:
    """A pane's profile as one framed record. Errors: CodecError where it is too large."""
    profile, slices = to_wire(pane.profile), slices_to_wire(pane.slices)
    wire = _Wire(*pane.stream, pane.segment, pane.pane_start_ms, pane.pane_ms, pane.baseline_id, pane.revision, profile, slices)
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
    slices: SlicesWire

    @property
    def events(self) -> int:
        """How many events the profile stands for; known without its baseline."""
        return self.wire.events

    def open(self, layout: Layout) -> PaneProfile:
        """The profile on its baseline's layout. Errors: CodecError where it does not fit."""
        profile, slices = from_wire(self.wire, layout), slices_from_wire(self.slices, layout.columns)
        return PaneProfile(self.stream, self.segment, self.pane_start_ms, self.pane_ms, self.baseline_id, self.revision, profile, slices)


def decode(frame: bytes) -> Sealed:
    """Read a framed record. Errors: CodecError."""
    try:
        wire = _decoder.decode(unseal(FrameKind.PROFILE, frame))
    except UNREADABLE as error:
        raise CodecError(f"a profile that cannot be read: {error}") from None
    stream = StreamKey(wire.model, wire.version)
    return Sealed(stream, wire.segment, wire.pane_start_ms, wire.pane_ms, wire.baseline_id, wire.revision, wire.profile, wire.slices)
