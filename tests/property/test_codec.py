"""Everything binary on our own topics: there and back, damage of any byte is a CodecError and nothing else, and how small it is."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plans
from benchmarks.profile_size import measured
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.operations import OperatingState
from stream_monitor.errors import CodecError, VersionError
from stream_monitor.pipeline.saved import Manifest, decode_manifest, encode_manifest, load_unit, save_unit
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.step import step
from stream_monitor.profile import codec
from stream_monitor.profile.attributions import Attributions
from stream_monitor.profile.frame import FRAME_BYTES_MAX, OLDEST, VERSION, FrameKind, kind_of, seal, unseal
from stream_monitor.profile.logarithmic import LogHistogram
from stream_monitor.profile.operations import Operations
from stream_monitor.profile.packing import pack, unpack
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.slices import Slices
from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.detect_worker import read_record
from stream_monitor.runtime.memory.log import MemoryMessage
from stream_monitor.window import progress
from stream_monitor.window.progress import Progress, SourceProgress
from tests.property.pipeline_world import START_MS, config_of, plan_of, traffic
from tests.property.test_profile_laws import LAYOUT, panes, profiles, slices

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
PLAN = plan_of(config_of())
LOAN = StreamKey("loan", None)


@given(st.lists(st.just(0) | st.integers(-3, 300) | INT64, max_size=60))
def test_packed_arrays_come_back_and_are_never_longer_than_plain(values: list[int]) -> None:
    array = np.array(values, dtype=np.int64)
    packed = pack(array)
    assert np.array_equal(unpack(packed, len(values)), array)
    assert len(packed.values) + len(packed.index) <= array.nbytes


def panes_of() -> st.SearchStrategy[codec.PaneProfile]:
    streams = st.builds(StreamKey, NAMES, st.none() | NAMES)
    segments = st.dictionaries(NAMES, NAMES, max_size=2).map(lambda pairs: tuple(sorted(pairs.items())))
    return st.builds(codec.PaneProfile, streams, segments, INT64, INT64, NAMES, st.integers(0, 2**31), profiles(), slices())


@given(panes_of())
@settings(deadline=None)
def test_profiles_come_back(pane: codec.PaneProfile) -> None:
    sealed = codec.decode(codec.encode(pane))
    assert sealed.open(LAYOUT) == pane
    assert sealed.events == pane.profile.events


SOURCES = st.builds(SourceProgress, NAMES, st.integers(0, 2**31), st.integers(0, 2**62), st.none() | INT64, st.booleans())
PROGRESS = st.builds(
    Progress,
    INT64,
    st.integers(0, 2**31),
    st.lists(SOURCES, max_size=3).map(tuple),
    st.lists(st.tuples(NAMES, st.integers(0, 99)), max_size=2).map(tuple),
)


@given(PROGRESS)
def test_progress_comes_back(record: Progress) -> None:
    assert progress.decode(progress.encode(record)) == record


def stepped(seed: int, events: int) -> State:
    """A state in the midst of its work: open and closed panes, firing alerts, some reports."""
    state = State.empty(PLAN)
    batch = traffic(seed, events, 150_000)
    messages = [MemoryMessage(Record("captures", event.value), 0, n, START_MS) for n, event in enumerate(batch)]
    for (stream, _, start), (profile, held) in panes(messages).items():
        plan = PLAN.streams[stream]
        record = codec.PaneProfile(stream, (), start, plan.spec.pane_ms, plan.baseline.id, PLAN.revision, profile, held)
        step(state, codec.decode(codec.encode(record)), lambda revision: PLAN)
    for time_ms in (START_MS + 40_000, START_MS + 110_000):
        source = SourceProgress("captures", 0, events, time_ms, False)
        step(state, Progress(time_ms, PLAN.revision, (source,), (("captures", 1),)), lambda revision: PLAN)
    return state


@pytest.mark.parametrize("seed", range(3))
def test_states_come_back(seed: int) -> None:
    state = stepped(seed, 400)
    assert any(unit.book.firing() for unit in state.units.values())
    manifest = Manifest.of(state, 17, {"unit": 2}, {"one": [15, 16]})
    restored = decode_manifest(encode_manifest(manifest)).state(PLAN)
    assert decode_manifest(encode_manifest(manifest)) == manifest
    for key in reversed(list(state.units)):
        load_unit(restored, save_unit(state, key))
    assert restored.tracker == state.tracker
    assert list(restored.units) == list(state.units), "units stand in one order, however they were read"
    for key, unit in state.units.items():
        assert save_unit(restored, key) == save_unit(state, key)
        assert restored.units[key].windows == unit.windows


def test_a_state_of_version_2_is_read_without_operations() -> None:
    """As it was written before there were any: the profiles of its panes end before them, and so does the unit."""
    state, restored = stepped(0, 400), State.empty(PLAN)
    key = (StreamKey("fraud", None), ())
    assert state.units[key].operating.to_state().near
    fields = msgspec.msgpack.decode(unseal(FrameKind.SNAPSHOT, save_unit(state, key)))
    panes_before = [(start, profile[:7]) for start, profile in fields[5]]
    old = seal(FrameKind.SNAPSHOT, msgspec.msgpack.encode([*fields[:5], panes_before, *fields[6:12]]))
    load_unit(restored, bytes(signed(old, FrameKind.SNAPSHOT.value, 2)))
    assert restored.units[key].operating.to_state() == OperatingState()
    assert restored.units[key].volume.to_state() == state.units[key].volume.to_state()
    assert all(profile.operations == Operations.empty() for profile in restored.units[key].windows.panes.values())


STATE = stepped(1, 60)
CALLS = Operations(3, 1, {"timeout": 1}, {"latency_ms": LogHistogram(np.array([7, 9]), np.array([2, 1]))})
ATTRIBUTED = Attributions(3, np.array([[7, 0], [9, 0]]))
RECORDS: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    "profile": (
        codec.encode(codec.PaneProfile(LOAN, (), 0, 10, "b", 1, Profile.empty(LAYOUT), Slices.empty(2))),
        lambda frame: codec.decode(frame).open(LAYOUT),
    ),
    "operations": (
        codec.encode(codec.PaneProfile(LOAN, (), 0, 10, "b", 1, replace(Profile.empty(LAYOUT), operations=CALLS), Slices.empty(2))),
        lambda frame: codec.decode(frame).open(LAYOUT),
    ),
    "attributions": (
        codec.encode(codec.PaneProfile(LOAN, (), 0, 10, "b", 1, replace(Profile.empty(LAYOUT), attributions=ATTRIBUTED), Slices.empty(2))),
        lambda frame: codec.decode(frame).open(LAYOUT),
    ),
    "progress": (progress.encode(Progress(1, 1, (SourceProgress("captures", 0, 5, 7, False),), (("captures", 1),))), progress.decode),
    "manifest": (encode_manifest(Manifest.of(STATE, 3, {"unit": 1}, {"one": [2]})), decode_manifest),
    "unit": (save_unit(STATE, next(iter(STATE.units))), lambda frame: load_unit(State.empty(PLAN), frame)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_any_damaged_byte_is_a_codec_error(name: str) -> None:
    """Every byte of small records, and a spread of a large one's, flipped in three ways; every cut; anything behind the end."""
    frame, read = RECORDS[name]
    read(frame)
    places = range(0, len(frame), max(1, len(frame) // 400))
    for place in places:
        for bits in (0x01, 0x80, 0xFF):
            damaged = bytearray(frame)
            damaged[place] ^= bits
            with pytest.raises(CodecError):
                read(bytes(damaged))
        with pytest.raises(CodecError):
            read(frame[:place])
    with pytest.raises(CodecError):
        read(frame + b"\x00")


@given(st.binary(max_size=64))
@settings(max_examples=300)
def test_any_bytes_on_the_profiles_topic_are_ours_or_a_codec_error(value: bytes) -> None:
    """Even with a good checksum: what another program might have sealed."""
    for frame in (value, *(seal(kind, value) for kind in FrameKind)):
        with suppress(CodecError):
            read_record(MemoryMessage(Record("profiles", frame), 0, 0, 0))


@pytest.mark.parametrize("payload", [b"\x98\xa1\x80", b"\x91" * 200_000, b"\xdd\xff\xff\xff\xff"], ids=["not utf-8", "deep", "short"])
@pytest.mark.parametrize("kind", list(FrameKind))
def test_payloads_that_once_got_through(payload: bytes, kind: FrameKind) -> None:
    for read in (codec.decode, progress.decode, decode_manifest):
        with pytest.raises(CodecError):
            read(seal(kind, payload))


TREES = st.recursive(
    st.none() | st.booleans() | INT64 | NAMES | st.binary(max_size=9), lambda inner: st.lists(inner, max_size=9), max_leaves=12
)


@given(st.sampled_from(sorted(RECORDS)), st.data())
@settings(max_examples=300, deadline=None)
def test_a_well_sealed_record_of_another_shape_is_a_codec_error(name: str, data: st.DataObject) -> None:
    """One element of a good record replaced by anything at all, sealed anew: it is read, or it is a CodecError."""
    frame, read = RECORDS[name]
    kind = kind_of(frame)
    tree = msgspec.msgpack.decode(unseal(kind, frame))
    node = tree
    while True:
        place = data.draw(st.integers(0, len(node) - 1))
        if isinstance(node[place], list) and node[place] and data.draw(st.booleans()):
            node = node[place]
            continue
        node[place] = data.draw(TREES)
        break
    with suppress(CodecError):
        read(seal(kind, msgspec.msgpack.encode(tree)))


def test_sizes_are_bounded_on_both_sides() -> None:
    assert unseal(FrameKind.PROFILE, seal(FrameKind.PROFILE, b"x" * FRAME_BYTES_MAX))
    with pytest.raises(CodecError, match="over the limit"):
        seal(FrameKind.PROFILE, b"x" * (FRAME_BYTES_MAX + 1))


def signed(frame: bytes, kind: bytes, version: int) -> bytearray:
    """The same payload as another program would frame it."""
    named = kind + bytes((version,))
    return bytearray(b"SM" + named + zlib.crc32(named + frame[8:]).to_bytes(4, "big") + frame[8:])


@pytest.mark.parametrize(("version", "remedy"), [(VERSION + 1, "upgrade this worker"), (OLDEST - 1, "read its topics to their end")])
def test_another_version_is_named_with_what_to_do(version: int, remedy: str) -> None:
    """Not a CodecError: what is damaged or foreign may be put aside, what another version wrote may not."""
    frame = signed(RECORDS["progress"][0], b"G", version)
    with pytest.raises(VersionError, match=f"record version {version}, where this program reads {OLDEST} to {VERSION}.*{remedy}"):
        progress.decode(bytes(frame))


def test_a_kind_unknown_here_is_newer_only_if_it_is_a_frame() -> None:
    frame = signed(RECORDS["progress"][0], b"X", VERSION + 1)
    with pytest.raises(VersionError, match=r"kind b'X'.*a newer stream-monitor"):
        kind_of(bytes(frame))
    frame[-1] ^= 1
    with pytest.raises(CodecError, match="unknown kind"):
        kind_of(bytes(frame))


def test_a_profile_is_smaller_than_its_rows() -> None:
    """The event of the benchmarks, 25 features: smaller than the messages from one row on, a tenth of them at 50."""
    plan = plans.plan(plans.config("1h"), plans.baseline())
    for rows, ratio_max in ((1, 0.95), (10, 0.35), (50, 0.1), (1_000, 0.01)):
        profile, messages, _ = measured(plan, rows, [1])
        assert profile / messages < ratio_max
