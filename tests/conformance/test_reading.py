"""Messages come back as written; a read without a group ends by itself."""

import time

import pytest

from stream_monitor.runtime.broker import Record, TopicPartition, partition_for
from tests.conformance.lab import Lab, expect, next_offsets, read_values, values, wait_for_messages, wait_until

NOW_MS = int(time.time() * 1000) - 12_345
"""Recent: retention goes by the records' own timestamps."""


def test_key_value_headers_and_timestamp_come_back(lab: Lab) -> None:
    topic = lab.topic()
    lab.broker.publish([Record(topic, b"value", b"key", 0, [("a", b"1"), ("a", b"2"), ("b", b"")], NOW_MS)])
    member = lab.member(lab.name("group"), [topic])
    for message in [*lab.broker.read(TopicPartition(topic, 0)), *wait_for_messages(member, 1)]:
        assert (message.topic(), message.partition(), message.offset()) == (topic, 0, 0)
        assert (message.key(), message.value()) == (b"key", b"value")
        assert message.headers() == [("a", b"1"), ("a", b"2"), ("b", b"")]
        assert message.timestamp() == (1, NOW_MS)


def test_a_produced_record_comes_back_too(lab: Lab) -> None:
    topic = lab.topic(2)
    member = lab.member(lab.name("group"), [lab.topic()])
    member.begin()
    member.produce([Record(topic, b"value", b"key", 1, [("a", b"1")], NOW_MS)])
    member.commit({})
    expect(lab.broker, TopicPartition(topic, 1), [b"value"], 2)
    (message,) = lab.broker.read(TopicPartition(topic, 1))
    assert (message.key(), message.value(), message.headers()) == (b"key", b"value", [("a", b"1")])
    assert message.timestamp() == (1, NOW_MS)


def test_tombstones_empty_values_and_absent_parts_differ(lab: Lab) -> None:
    topic = lab.topic()
    lab.broker.publish([Record(topic, None, b"key", 0), Record(topic, b"", b"", 0), Record(topic, b"x", None, 0)])
    messages = list(lab.broker.read(TopicPartition(topic, 0)))
    assert [(message.key(), message.value()) for message in messages] == [(b"key", None), (b"", b""), (None, b"x")]
    assert [message.headers() for message in messages] == [None, None, None]
    assert all(message.timestamp()[0] == 1 and message.timestamp()[1] > 1_600_000_000_000 for message in messages)


def test_a_key_decides_the_partition(lab: Lab) -> None:
    topic, keys = lab.topic(5), [str(number).encode() for number in range(50)]
    member = lab.member(lab.name("group"), [lab.topic()])
    lab.broker.publish(Record(topic, b"published", key) for key in keys)
    member.begin()
    member.produce(Record(topic, b"produced", key) for key in keys)
    member.commit({})
    for number in range(5):
        share = [key for key in keys if partition_for(key, 5) == number]
        partition = TopicPartition(topic, number)
        expect(lab.broker, partition, [b"published"] * len(share) + [b"produced"] * len(share), 2 * len(share) + 1)
        assert [message.key() for message in lab.broker.read(partition)] == share + share


def test_records_without_key_and_partition_arrive(lab: Lab) -> None:
    topic = lab.topic(3)
    lab.broker.publish(Record(topic, str(number).encode()) for number in range(30))
    found = [value for number in range(3) for value in read_values(lab.broker, TopicPartition(topic, number))]
    assert len(found) == len(set(found)) == 30


def test_a_message_of_10_mb_passes(lab: Lab) -> None:
    topic = lab.topic(config={"max.message.bytes": str(32 << 20)})
    value = bytes(range(256)) * (10 * 4096)
    member = lab.member(lab.name("group"), [topic])
    lab.broker.publish([Record(topic, value), Record(topic, b"small")])
    member.begin()
    member.produce([Record(topic, value)])
    member.commit({})
    expect(lab.broker, TopicPartition(topic, 0), [value, b"small", value], 4)
    assert [len(message.value() or b"") for message in wait_for_messages(member, 3)] == [len(value), 5, len(value)]


def test_read_takes_a_half_open_range(lab: Lab) -> None:
    partition = TopicPartition(lab.topic(), 0)
    lab.broker.publish([Record(partition.topic, str(number).encode()) for number in range(10)])
    assert read_values(lab.broker, partition, 3, 6) == [b"3", b"4", b"5"]
    assert read_values(lab.broker, partition, 8) == [b"8", b"9"]
    assert read_values(lab.broker, partition, 8, 100) == [b"8", b"9"]
    assert read_values(lab.broker, partition, 4, 4) == []
    assert read_values(lab.broker, partition, 10) == []
    assert read_values(lab.broker, partition, 25) == []


def test_an_empty_partition_reads_as_empty(lab: Lab) -> None:
    partition = TopicPartition(lab.topic(), 0)
    assert read_values(lab.broker, partition) == []
    assert lab.broker.end_offset(partition) == 0


def test_the_end_of_a_read_is_fixed_when_it_is_called(lab: Lab) -> None:
    partition = TopicPartition(lab.topic(), 0)
    lab.broker.publish([Record(partition.topic, b"1")])
    messages = lab.broker.read(partition)
    lab.broker.publish([Record(partition.topic, b"2")])
    assert [message.value() for message in messages] == [b"1"]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4])
def test_a_read_ends_at_markers_and_aborted_messages(lab: Lab, start: int) -> None:
    partition = TopicPartition(lab.topic(), 0)
    member = lab.member(lab.name("group"), [lab.topic()])
    for value, commits in [(b"a", True), (b"b", False), (b"c", False)]:
        member.begin()
        member.produce([Record(partition.topic, value)])
        lab.flush(member)
        if commits:
            member.commit({})
        else:
            member.abort()
    expect(lab.broker, partition, [b"a"], 6)
    assert read_values(lab.broker, partition, start) == ([b"a"] if start == 0 else [])
    assert read_values(lab.broker, partition, 0, 1) == [b"a"]
    assert read_values(lab.broker, partition, 0, 3) == [b"a"]


def test_a_long_read_is_complete_and_in_order(lab: Lab) -> None:
    partition, total = TopicPartition(lab.topic(), 0), 25_000
    lab.broker.publish(Record(partition.topic, str(number).encode()) for number in range(total))
    assert read_values(lab.broker, partition) == [str(number).encode() for number in range(total)]


def test_a_compacted_partition_is_read_over_its_gaps(lab: Lab) -> None:
    config = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"}
    partition = TopicPartition(lab.topic(config=config), 0)
    lab.broker.publish(Record(partition.topic, str(number).encode(), str(number % 3).encode()) for number in range(300))
    lab.compact(partition.topic, 60)
    end_offset = lab.broker.end_offset(partition)
    messages = list(lab.broker.read(partition))
    newest = {message.key(): message.value() for message in messages}
    assert {key: newest[key] for key in (b"0", b"1", b"2")} == {b"0": b"297", b"1": b"298", b"2": b"299"}
    assert messages[0].offset() > 0
    assert [message.value() for message in lab.broker.read(partition, 5, 10)] == []
    assert lab.broker.end_offset(partition) == end_offset >= 300
    member = lab.member(lab.name("group"), [partition.topic])
    assert wait_for_messages(member, 1)[0].offset() == messages[0].offset()


def test_what_retention_took_is_stepped_over(lab: Lab) -> None:
    """By a read that begins before it, by a member that nobody was before, and by one whose committed offset is gone."""
    partition, group = TopicPartition(lab.topic(), 0), lab.name("group")
    lab.broker.publish(Record(partition.topic, str(number).encode()) for number in range(10))
    late = lab.member(group, [partition.topic])
    messages = wait_for_messages(late, 2)
    late.begin()
    late.commit(next_offsets(messages))
    late.close()
    lab.delete_before(partition, 6)
    wait_until(lambda: lab.broker.first_offset(partition) == 6, "the deletion")
    assert read_values(lab.broker, partition, 0) == [b"6", b"7", b"8", b"9"]
    assert read_values(lab.broker, partition, 3, 8) == [b"6", b"7"]
    assert lab.broker.end_offset(partition) == 10
    assert values(wait_for_messages(lab.member(lab.name("group"), [partition.topic]), 4)) == [b"6", b"7", b"8", b"9"]
    assert values(wait_for_messages(lab.member(group, [partition.topic]), 4)) == [b"6", b"7", b"8", b"9"]
