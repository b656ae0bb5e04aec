"""What an operator relies on when things are not as they should be."""

from time import monotonic

import pytest

from stream_monitor.capture.schema import StreamKey
from stream_monitor.errors import CodecError
from stream_monitor.pipeline.state import State
from stream_monitor.profile.frame import FRAME_BYTES_MAX, FrameKind, seal, unseal
from stream_monitor.runtime.broker import Record, TopicPartition
from stream_monitor.runtime.detect_meter import DetectMeter
from stream_monitor.runtime.process import HUNG_S, Process, Role
from stream_monitor.runtime.topics import DEAD_LETTERS, PROFILES, WINDOWS, topic_specs
from stream_monitor.window import windows
from tests.property.pipeline_world import Numbers, World, config_of, plan_of, traffic

WINDOW = {"size": "20s", "watermark_delay": "5s", "lateness": "30s", "events_min": 1}


def test_the_watermarks_delay_grows_though_nobody_reports() -> None:
    """No profile worker is alive: no record comes, and still the gauge rises, before and after the first watermark."""
    config, meter, now_ms = config_of(WINDOW), Numbers(), 1_000_000
    told: dict[str, float] = {}
    meter.set = lambda metric, labels, value: told.update({f"{metric} {labels['model']}": value})  # type: ignore[method-assign]
    state = State.empty(plan_of(config))
    watch = DetectMeter(meter, lambda: now_ms, started_ms=990_000)
    watch.tick(state, [StreamKey("loan", None)])
    assert told == {"watermark_delay_seconds loan": 10.0}
    state.tracker.event_time_ms = 998_000
    watch.tick(state, [StreamKey("loan", None)])
    assert told == {"watermark_delay_seconds loan": 7.0}, "two seconds, and five of watermark_delay"


def test_a_role_that_makes_no_turn_is_unhealthy() -> None:
    role = Role("detect", lambda: pytest.fail("not started"), "one")
    process = Process([role])
    assert process.unhealthy() is None
    role.beat = monotonic() - HUNG_S - 1
    assert "no turn of detect" in (process.unhealthy() or "")


def test_a_foreign_record_on_the_profiles_topic_is_a_dead_letter_and_stops_nothing() -> None:
    world = World(config_of(WINDOW), 1).staff(1, 1)
    topic = world.config.topics.own(PROFILES)
    world.broker.publish([Record(topic, b"what is this", b"key", 0), Record(topic, seal(FrameKind.PROFILE, b"\xc1"), None, 1)])
    events = traffic(3, 200, 100_000)
    world.play(events)
    world.settle()
    letters = world.read(DEAD_LETTERS)
    foreign = [letter for letter in letters if ("reason", b"not_a_record") in (letter.headers() or [])]
    assert {letter.value() for letter in foreign} == {b"what is this", seal(FrameKind.PROFILE, b"\xc1")}
    assert world.outcome().lines(), "the windows were closed"


def test_more_panes_than_the_limit_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watermark stands (a partition never reports), and panes pile up: the further ones are dropped, to the event."""
    monkeypatch.setattr(windows, "PANES_MAX", 2)
    world = World(config_of(WINDOW), 1).staff(1, 1)
    world.play(traffic(3, 300, 200_000, (("fraud", None),)), batch_max=300)
    world.settle()
    dropped = world.meter.total("dropped_events_total")
    assert dropped > 0
    assert world.meter.total("limit_hits_total") == dropped


def test_a_snapshot_may_be_larger_than_a_profile_may() -> None:
    content = bytes(FRAME_BYTES_MAX + 1)
    assert unseal(FrameKind.SNAPSHOT, seal(FrameKind.SNAPSHOT, content)) == content
    with pytest.raises(CodecError, match="over the limit"):
        seal(FrameKind.PROFILE, content)


def test_the_state_topic_is_compacted_while_it_is_young() -> None:
    """A restore reads all of it: Kafka's defaults would keep a week of snapshots."""
    (state,) = (spec for spec in topic_specs(config_of(WINDOW)) if spec.name.endswith(".state"))
    assert int(state.config["segment.bytes"]) <= 50 << 20
    assert int(state.config["segment.ms"]) <= 600_000


def test_a_producer_with_a_broken_clock_alone_on_its_partition_stops_nobody() -> None:
    """Every event of partition 1 is of 2070; the windows of partition 0's events close all the same."""
    world = World(config_of(WINDOW), 2).staff(1, 1)
    events = traffic(5, 300, 100_000)
    broken = events[0].value.replace(str(events[0].time_ms).encode(), b"3155760000000") if events[0].value else b""
    for start in range(0, len(events), 30):
        world.now_ms = max(world.now_ms, events[min(start + 29, len(events) - 1)].time_ms)
        world.broker.publish([Record("captures", event.value, partition=0) for event in events[start : start + 30]])
        world.broker.publish([Record("captures", broken, partition=1)] * 3)
        for name in list(world.workers):
            world.turn(name)
    world.settle()
    windows_seen = {score.window.end for score in map(_row, world.read(WINDOWS))}
    assert len(windows_seen) >= 4
    assert world.broker.end_offset(TopicPartition("captures", 1)) == 30


def _row(message: object):  # type: ignore[no-untyped-def]
    import msgspec

    from stream_monitor.detect.report import WindowScore

    return msgspec.json.decode(message.value(), type=WindowScore)  # type: ignore[attr-defined]
