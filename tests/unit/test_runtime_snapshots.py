"""Snapshots on the state topic: what is written again, what is taken away, large units in chunks, and back."""

from collections.abc import Iterator

import numpy as np
import pytest

from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import Config, parse_config
from stream_monitor.errors import CodecError, Fatal
from stream_monitor.pipeline.saved import load_unit, save_unit, unit_name
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.step import step
from stream_monitor.pipeline.unit import UnitKey
from stream_monitor.profile.codec import PaneProfile, decode, encode
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.slices import Slices
from stream_monitor.runtime.broker import Record, TopicPartition, TopicSpec
from stream_monitor.runtime.completeness import Reading
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.snapshots import CHUNK_BYTES_MAX, Snapshots, restore_snapshot
from stream_monitor.runtime.topics import STATE, prepare_topics
from stream_monitor.window.progress import Progress, SourceProgress
from tests.property.pipeline_world import START_MS, config_of, config_tree, plan_of

CONFIG = config_of()
PLAN = plan_of(CONFIG)
LOAN: UnitKey = (StreamKey("loan", None), ())
FRAUD: UnitKey = (StreamKey("fraud", None), ())


class Topic:
    """The state topic of one partition, on a broker."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.broker = MemoryBroker(lambda: START_MS)
        self.broker.ensure_topics([TopicSpec("captures", 1)])
        prepare_topics(self.broker, config)
        self.partition = TopicPartition(config.topics.own(STATE), 0)

    def write(self, records: Iterator[Record]) -> list[str]:
        """Publish, and name what was written: `-` before a tombstone."""
        taken = list(records)
        self.broker.publish(taken)
        return [("-" if record.value is None else "") + (record.key or b"").decode() for record in taken]

    def restored(self) -> tuple[State, Snapshots, Reading, int]:
        found = restore_snapshot(self.broker, self.partition, lambda revision: PLAN)
        assert found is not None
        return found


def add(state: State, key: UnitKey, pane: int, events: int = 1, seed: int = 0) -> None:
    """One profile, as from phase 1, with random counts."""
    stream = PLAN.streams[key[0]]
    layout = stream.baseline.layout
    random = np.random.default_rng(seed)
    profile = Profile(events, random.integers(0, 2**40, layout.total), random.integers(-(2**40), 2**40, (2, layout.columns)))
    start = START_MS + pane * stream.spec.pane_ms
    record = PaneProfile(
        key[0], key[1], start, stream.spec.pane_ms, stream.baseline.id, PLAN.revision, profile, Slices.empty(layout.columns)
    )
    step(state, decode(encode(record)), lambda revision: PLAN)


def advance(state: State, time_ms: int) -> None:
    source = SourceProgress("captures", 0, 1, time_ms, False)
    step(state, Progress(time_ms, PLAN.revision, (source,), (("captures", 1),)), lambda revision: PLAN)


def units(state: State) -> dict[UnitKey, bytes]:
    return {key: save_unit(state, key) for key in state.units}


def test_no_snapshot_no_state() -> None:
    assert restore_snapshot(Topic().broker, Topic().partition, lambda revision: PLAN) is None


def test_only_what_changed_is_written_again() -> None:
    topic, state = Topic(), State.empty(PLAN)
    snapshots = Snapshots(topic.partition)
    add(state, LOAN, 0)
    add(state, FRAUD, 0)
    loan, fraud = unit_name(LOAN), unit_name(FRAUD)
    assert topic.write(snapshots.records(state, 10, {})) == [f"{fraud}/0", f"{loan}/0", "manifest"]
    assert topic.write(snapshots.records(state, 11, {})) == ["manifest"]
    add(state, FRAUD, 1)
    assert topic.write(snapshots.records(state, 12, {"first": [10, 11]})) == [f"{fraud}/0", "manifest"]
    restored, again, reading, next_offset = topic.restored()
    assert (units(restored), next_offset, again.chunks) == (units(state), 12, snapshots.chunks)
    assert reading.unannounced == {"first": [10, 11]}
    assert not restored.changed
    assert topic.write(again.records(restored, 13, {})) == ["manifest"]


def test_a_unit_that_only_forgets_is_written_again() -> None:
    """The watermark passes the lateness of its last window: nothing closes, but panes and revisions go."""
    topic, state = Topic(), State.empty(PLAN)
    snapshots = Snapshots(topic.partition)
    add(state, LOAN, 0, events=1_000)
    advance(state, START_MS + 30_000)
    topic.write(snapshots.records(state, 2, {}))
    advance(state, START_MS + 30_000 + 2 * 86_400_000)
    assert not state.units[LOAN].windows.panes
    assert topic.write(snapshots.records(state, 3, {})) == [f"{unit_name(LOAN)}/0", "manifest"]
    assert units(topic.restored()[0]) == units(state)


def test_large_units_come_in_chunks_and_go_as_tombstones() -> None:
    topic, state = Topic(), State.empty(PLAN)
    snapshots, name = Snapshots(topic.partition), unit_name(LOAN)
    for pane in range(1_500):
        add(state, LOAN, pane, seed=pane)
    content = save_unit(state, LOAN)
    assert CHUNK_BYTES_MAX < len(content) <= 2 * CHUNK_BYTES_MAX
    assert topic.write(snapshots.records(state, 1, {})) == [f"{name}/0", f"{name}/1", "manifest"]
    assert units(topic.restored()[0]) == units(state)

    for start in state.units[LOAN].windows.starts[100:]:
        del state.units[LOAN].windows.panes[start]
    del state.units[LOAN].windows.starts[100:]
    state.changed.add(LOAN)
    assert topic.write(snapshots.records(state, 2, {})) == [f"{name}/0", f"-{name}/1", "manifest"]
    assert units(topic.restored()[0]) == units(state)

    del state.units[LOAN]
    assert topic.write(snapshots.records(state, 3, {})) == [f"-{name}/0", "manifest"]
    assert topic.restored()[0].units == {}
    topic.broker.compact(topic.partition.topic)
    assert [message.key() for message in topic.broker.read(topic.partition)] == [b"manifest"]


def test_a_missing_chunk_is_fatal_and_named() -> None:
    topic, state = Topic(), State.empty(PLAN)
    add(state, LOAN, 0)
    topic.write(Snapshots(topic.partition).records(state, 1, {}))
    topic.broker.publish([Record(topic.partition.topic, None, f"{unit_name(LOAN)}/0".encode(), 0)])
    with pytest.raises(Fatal, match="loan"):
        topic.restored()


def test_a_state_of_another_baseline_is_refused() -> None:
    state = State.empty(PLAN)
    add(state, LOAN, 0)
    content = save_unit(state, LOAN)
    tree = config_tree()
    tree["models"]["loan"]["baseline"] = "other"
    with pytest.raises(CodecError, match="does not name"):
        load_unit(State.empty(plan_of(parse_config(tree, "test"))), content)
