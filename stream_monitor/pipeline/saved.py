"""The state of phase 2 as bytes: one manifest for a partition, one record per unit and per page of a join."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from stream_monitor.alert.life import AlertBook, BookState
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.operations import Operating, OperatingState
from stream_monitor.detect.producers import Producers, ProducerState
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.detect.sequential.watch import Sequential
from stream_monitor.detect.transit import TransitState, TransitWatch
from stream_monitor.detect.volume import Volume, VolumeState
from stream_monitor.errors import CodecError
from stream_monitor.pipeline.join.join import Join, JoinState
from stream_monitor.pipeline.join.labelled import LabelledState
from stream_monitor.pipeline.pairing import Pairing, PairingState
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.unit import Traffic, Unit, UnitKey, labelled_of
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
    joins: dict[str, JoinState] = {}
    """By model."""
    pairings: dict[str, PairingState] = {}

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
            joins={model: join.to_state() for model, join in sorted(state.joins.items())},
            pairings={model: pairing.to_state() for model, pairing in sorted(state.pairings.items())},
        )

    def state(self, plan: Plan) -> State:
        """The state without its units and rows. Errors: CodecError where the plan has no such join."""
        state = State.empty(plan)
        state.tracker.clock_ms, state.tracker.event_time_ms = self.clock_ms, self.event_time_ms
        state.tracker.partition_counts = dict(self.partition_counts)
        state.tracker.reports = {(topic, partition): report for topic, partition, report in self.reports}
        for model, saved in self.joins.items():
            if model not in plan.joins:
                raise CodecError(f"saved labels of {model}, which has no task in config revision {plan.revision}")
            state.joins[model] = Join(plan.joins[model], saved)
        for model, paired in self.pairings.items():
            state.pairings[model] = Pairing(model, paired)
            state.groups.take_up(state.pairings[model].firing())
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
    labelled: LabelledState | None = None
    transit: TransitState = TransitState()
    producers: dict[str, ProducerState] = {}
    together: VolumeState = VolumeState()


class _PageWire(msgspec.Struct, array_like=True, frozen=True):
    model: str
    layout_id: str
    rows: bytes


Parts = dict[str, Callable[[], bytes]]


def parts_of(state: State) -> Parts:
    """All that a snapshot of a state holds beside its manifest: name on the state topic -> its bytes, when they are asked for."""
    units: Parts = {unit_name(key): partial(save_unit, state, key) for key in state.units}
    pages = [(model, join, page) for model, join in state.joins.items() for page in join.store.pages()]
    return units | {page_name(model, page): partial(_save_page, join, page) for model, join, page in pages}


def changed_parts(state: State) -> set[str]:
    """Names of those that changed since the last snapshot; some may be gone."""
    pages = {page_name(model, page) for model, join in state.joins.items() for page in join.store.changed}
    return {unit_name(key) for key in state.changed} | pages


def was_saved(state: State) -> None:
    """From now on what changes is new."""
    state.changed.clear()
    for join in state.joins.values():
        join.store.saved()


def load_parts(state: State, contents: Mapping[str, bytes]) -> None:
    """Put all parts back. Errors: CodecError where one does not fit the state's plan."""
    pages: dict[str, dict[int, bytes]] = {model: {} for model in state.joins}
    for name, content in contents.items():
        page = msgspec.json.decode(name)[2]
        if isinstance(page, int):
            wire = _read_page(state, content)
            pages[wire.model][page] = wire.rows
        else:
            load_unit(state, content)
    for model, join in state.joins.items():
        join.load(pages[model])
    for join in state.joins.values():
        for change in join.outcomes(state.watermark_ms(state.plan.streams[join.plan.streams[0]])):
            unit = state.units.get((change.stream, change.segment))
            if unit is not None and unit.labelled is not None:
                unit.labelled.outcomes.restore(change)


def page_name(model: str, page: int) -> str:
    """The name in the state topic of a page of rows of a model's join."""
    return msgspec.json.encode(("join", model, page)).decode()


def _save_page(join: Join, page: int) -> bytes:
    wire = _PageWire(join.plan.model, join.plan.layout_id, join.store.save(page))
    return seal(FrameKind.SNAPSHOT, msgspec.msgpack.encode(wire))


def _read_page(state: State, content: bytes) -> _PageWire:
    wire = _decode(content, _PageWire)
    join = state.joins.get(wire.model)
    if join is None or join.plan.layout_id != wire.layout_id:
        raise CodecError(f"saved labels of {wire.model}, which config revision {state.plan.revision} reads another way")
    return wire


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
        labelled=None if unit.labelled is None else unit.labelled.to_state(),
        transit=unit.transit.to_state(),
        producers=unit.producers.to_state(),
        together=unit.together.to_state(),
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
    unit.transit, unit.producers, unit.together = TransitWatch(wire.transit), Producers(wire.producers), Volume(wire.together)
    unit.labelled = labelled_of((stream, wire.segment), plan)
    if unit.labelled is not None and wire.labelled is not None:
        unit.labelled.load(wire.labelled)
    state.insert((stream, wire.segment), unit)
    state.groups.take_up(unit.firing())


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(unseal(FrameKind.SNAPSHOT, content), type=kind)
    except UNREADABLE as error:
        raise CodecError(f"a snapshot that cannot be read: {error}") from None
