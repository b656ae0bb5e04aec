"""The state of phase 2 as bytes: one manifest for a partition, one record per unit."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from stream_monitor.alert.life import AlertBook, BookState
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.operations import Operating, OperatingState
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.detect.sequential.watch import Sequential
from stream_monitor.detect.volume import Volume, VolumeState
from stream_monitor.errors import CodecError
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.step import State, UnitKey
from stream_monitor.pipeline.unit import Traffic, Unit
from stream_monitor.profile.codec import ProfileWire, Segment, from_wire, to_wire
from stream_monitor.profile.frame import UNREADABLE, FrameKind, seal, unseal
from stream_monitor.window.progress import Report
from stream_monitor.window.windows import Windows

T = TypeVar("T")


class Manifest(msgspec.Struct, array_like=True, frozen=True):
    """What a partition's snapshot holds besides its units, and which units there are (name -> number of chunks)."""

    next_offset: int
    revision: int
    chunks: dict[str, int]
    clock_ms: int
    event_time_ms: int | None
    partition_counts: dict[str, int]
    reports: list[tuple[str, int, Report]]
    unannounced: dict[str, list[int]] = {}
    """Offsets of profiles by writer whose transaction had not told its progress yet; see `runtime.completeness`."""

    @classmethod
    def of(cls, state: State, next_offset: int, chunks: dict[str, int], unannounced: Mapping[str, Sequence[int]]) -> "Manifest":
        """The manifest of a state as of `next_offset` in the profiles topic."""
        tracker = state.tracker
        reports = [(topic, partition, report) for (topic, partition), report in sorted(tracker.reports.items())]
        return cls(
            next_offset=next_offset,
            revision=state.plan.revision,
            chunks=dict(chunks),
            clock_ms=tracker.clock_ms,
            event_time_ms=tracker.event_time_ms,
            partition_counts=tracker.partition_counts,
            reports=reports,
            unannounced={writer: list(offsets) for writer, offsets in unannounced.items()},
        )

    def state(self, plan: Plan) -> State:
        """The state without its units."""
        state = State.empty(plan)
        state.tracker.clock_ms, state.tracker.event_time_ms = self.clock_ms, self.event_time_ms
        state.tracker.partition_counts = dict(self.partition_counts)
        state.tracker.reports = {(topic, partition): report for topic, partition, report in self.reports}
        return state


class _UnitWire(msgspec.Struct, array_like=True, frozen=True):
    model: str
    version: str | None
    segment: Segment
    baseline_id: str
    dirty: list[int]
    panes: list[tuple[int, ProfileWire]]
    revisions: dict[int, int]
    book: BookState
    sequential: bytes
    volume: VolumeState
    shifts: list[Shift]
    traffic: Traffic
    operating: OperatingState = OperatingState()
    """Absent in records of version 2."""


def unit_name(key: UnitKey) -> str:
    """A unit's name in the state topic: stream and segment as JSON."""
    return msgspec.json.encode((key[0].model, key[0].version, key[1])).decode()


def encode_manifest(manifest: Manifest) -> bytes:
    """A manifest as a framed record."""
    return seal(FrameKind.SNAPSHOT, msgspec.msgpack.encode(manifest))


def decode_manifest(content: bytes) -> Manifest:
    """Read a framed manifest. Errors: CodecError."""
    return _decode(content, Manifest)


def save_unit(state: State, key: UnitKey) -> bytes:
    """One unit as a framed record."""
    unit, (stream, segment) = state.units[key], key
    windows = unit.windows
    panes = [(start, to_wire(windows.panes[start])) for start in windows.starts]
    wire = _UnitWire(
        model=stream.model,
        version=stream.version,
        segment=segment,
        baseline_id=unit.plan.baseline.id,
        dirty=sorted(windows.dirty),
        panes=panes,
        revisions=unit.revisions,
        book=unit.book.to_state(),
        sequential=unit.sequential.encode(),
        volume=unit.volume.to_state(),
        shifts=unit.shifts,
        traffic=unit.traffic,
        operating=unit.operating.to_state(),
    )
    return seal(FrameKind.SNAPSHOT, msgspec.msgpack.encode(wire))


def load_unit(state: State, content: bytes) -> None:
    """Put a saved unit back into its state. Errors: CodecError where it does not fit the state's plan."""
    wire = _decode(content, _UnitWire)
    stream = StreamKey(wire.model, wire.version)
    plan = state.plan.streams.get(stream)
    if plan is None or plan.baseline.id != wire.baseline_id or wire.segment not in plan.judges:
        raise CodecError(
            f"saved state of {stream} {dict(wire.segment)} on baseline {wire.baseline_id}, which config revision {state.plan.revision} "
            "does not name"
        )
    layout = plan.baseline.layout
    panes = {start: from_wire(profile, layout) for start, profile in wire.panes}
    windows = Windows(plan.spec, layout, panes, state.watermark_ms(plan), set(wire.dirty), sorted(panes))
    book = AlertBook(stream, dict(wire.segment), wire.baseline_id, wire.book)
    sequential = Sequential.decode(plan.sequential, wire.sequential)
    operating = Operating(wire.operating)
    unit = Unit(plan, windows, sequential, Volume(wire.volume), book, dict(wire.revisions), list(wire.shifts), wire.traffic, operating)
    state.insert((stream, wire.segment), unit)


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(unseal(FrameKind.SNAPSHOT, content), type=kind)
    except UNREADABLE as error:
        raise CodecError(f"a snapshot that cannot be read: {error}") from None
