"""Topics are created, verified and bounded; what cannot work says why."""

from random import Random

import pytest

from stream_monitor.errors import Fatal, UserError
from stream_monitor.runtime.broker import Record, TopicPartition, TopicSpec
from tests.conformance.lab import Lab, read_values


def test_topics_are_created_once_and_verified_after(lab: Lab) -> None:
    specs = [TopicSpec(lab.name("topic"), 3), TopicSpec(lab.name("topic"), 1, {"cleanup.policy": "compact"})]
    assert [lab.broker.partition_count(spec.name) for spec in specs] == [None, None]
    lab.broker.ensure_topics(specs)
    lab.broker.ensure_topics(specs)
    assert [lab.broker.partition_count(spec.name) for spec in specs] == [3, 1]


def test_another_partition_count_is_a_user_error(lab: Lab) -> None:
    topic = lab.topic(3)
    with pytest.raises(UserError, match=rf"{topic}.* has 3 partitions where 4 are needed"):
        lab.broker.ensure_topics([TopicSpec(topic, 4)])


def test_another_cleanup_policy_is_a_user_error(lab: Lab) -> None:
    topic = lab.topic()
    with pytest.raises(UserError, match=rf"{topic}.*cleanup.policy=delete where compact is needed"):
        lab.broker.ensure_topics([TopicSpec(topic, 1, {"cleanup.policy": "compact"})])


def test_a_published_record_over_the_limit_is_fatal(lab: Lab) -> None:
    topic = lab.topic(config={"max.message.bytes": "2000"})
    with pytest.raises(Fatal, match=rf"max\.message\.bytes.*{topic}"):
        lab.broker.publish([Record(topic, _incompressible(10_000))])
    assert read_values(lab.broker, TopicPartition(topic, 0)) == []


def test_a_produced_record_over_the_limit_is_fatal_and_not_retried_forever(lab: Lab) -> None:
    topic = lab.topic(config={"max.message.bytes": "2000"})
    member = lab.member(lab.name("group"), [lab.topic()])
    member.begin()

    def write() -> None:
        member.produce([Record(topic, _incompressible(10_000))])
        member.commit({})

    with pytest.raises(Fatal, match=rf"max\.message\.bytes.*{topic}"):
        write()
    assert read_values(lab.broker, TopicPartition(topic, 0)) == []


def test_a_compacted_topic_refuses_records_without_key(lab: Lab) -> None:
    topic = lab.topic(config={"cleanup.policy": "compact"})
    with pytest.raises(Fatal, match=topic):
        lab.broker.publish([Record(topic, b"1")])


def _incompressible(size: int) -> bytes:
    return Random(1).randbytes(size)
