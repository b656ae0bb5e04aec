"""A profile that its reader passed over is noticed by its transaction's progress, found again, or its loss is said aloud."""

from typing import Any

from structlog.testing import capture_logs

from stream_monitor.profile.frame import FrameKind, seal
from stream_monitor.runtime.broker import Message, Record, TopicPartition, TopicSpec
from stream_monitor.runtime.completeness import Gap, Reading, read_again, signed
from stream_monitor.runtime.memory import MemoryBroker

TOPIC = "profiles"


def written(*names: str) -> tuple[MemoryBroker, list[Message]]:
    """A partition with these records: `a` is a profile of writer a, `a2` its progress that announces two, `?` somebody else's."""
    broker = MemoryBroker()
    broker.ensure_topics([TopicSpec(TOPIC, 1)])
    for name in names:
        writer, count = name[:1], name[1:]
        kind = FrameKind.PROGRESS if count else FrameKind.PROFILE
        headers = signed(writer, int(count) if count else None)
        value, headers = (b"?", ()) if name == "?" else (seal(kind, name.encode()), headers)
        broker.publish([Record(TOPIC, value, b"key", 0, headers)])
    return broker, list(broker.read(TopicPartition(TOPIC, 0)))


def gaps(messages: list[Message], skipped: set[int]) -> tuple[Reading, list[Gap | None]]:
    reading = Reading()
    return reading, [reading.take(message) for message in messages if message.offset() not in skipped]


def test_what_is_complete_leaves_nothing_behind() -> None:
    _, messages = written("a", "b", "a", "a2", "?", "b1", "a0", "b0")
    reading, found = gaps(messages, set())
    assert found == [None] * len(messages)
    assert reading.unannounced == {}


def test_a_missing_profile_is_noticed_and_found_whoever_wrote_in_between() -> None:
    broker, messages = written("a", "a1", "b", "a", "a", "b1", "a2")
    reading, found = gaps(messages, {3})
    assert found[-1] == Gap("a", [4], 1)
    with capture_logs() as logs:
        again = read_again(broker, messages[-1], found[-1])
    assert [message.offset() for message in again] == [3], "not the earlier transaction's, not b's, not the one that was read"
    assert [(log["event"], log["log_level"]) for log in logs] == [("profiles_read_again", "warning")]
    assert reading.unannounced == {}


def test_what_kafka_does_not_have_any_more_is_said_to_be_lost() -> None:
    broker, messages = written("a", "a", "a2")
    broker.delete_before(TopicPartition(TOPIC, 0), 1)
    _, found = gaps(messages, {0})
    with capture_logs() as logs:
        assert read_again(broker, messages[2], found[-1]) == []  # type: ignore[arg-type]
    assert [(log["event"], log["log_level"], log["missing"], log["found"]) for log in logs] == [("profiles_lost", "error", 1, 0)]


def test_records_that_nobody_signed_are_not_counted() -> None:
    _, messages = written("?", "a", "a1")
    other: Any = Record(TOPIC, seal(FrameKind.PROGRESS, b""), None, 0, (("writer", b"a"), ("records", b"many")))
    broker = MemoryBroker()
    broker.ensure_topics([TopicSpec(TOPIC, 1)])
    broker.publish([other])
    reading, found = gaps([*messages, *broker.read(TopicPartition(TOPIC, 0))], set())
    assert found == [None] * 4
    assert reading.unannounced == {}
