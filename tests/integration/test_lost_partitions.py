"""A partition that is lost and given back within one poll is read again from its committed offset."""

import pytest

from stream_monitor.runtime.broker import Record, TopicPartition, TopicSpec
from stream_monitor.runtime.kafka import KafkaBroker, KafkaSettings
from tests.integration.stack import SESSION_MS
from tests.integration.waiting import pause, wait_until

pytestmark = pytest.mark.kafka


def test_what_was_dropped_at_a_rebalance_comes_again(kafka_bootstrap: str) -> None:
    """Even where the position was asked for in between: it was found on a real Kafka that this left 6,000 captures out."""
    settings = KafkaSettings(kafka_bootstrap, session_timeout_ms=SESSION_MS, max_poll_interval_ms=SESSION_MS)
    broker = KafkaBroker(settings)
    topic = f"lost-{id(settings)}"
    partition = TopicPartition(topic, 0)
    broker.ensure_topics([TopicSpec(topic, 1)])
    member = broker.member(f"group-{topic}", [topic], f"member-{topic}")
    try:
        wait_until(lambda: partition in member.poll(1, 0.5).assigned, "the partition")
        broker.publish(Record(topic, b"%d" % number, partition=0) for number in range(100))
        pause(SESSION_MS / 1000 + 1.0)  # it does not poll, and is put out of its group
        polled = member.poll(1_000, 5.0)
        assert polled.assigned == polled.revoked == {partition}, "lost and given back in one poll"
        assert polled.messages == []
        assert member.position(partition) == 0
        offsets: list[int] = []

        def all_came() -> bool:
            offsets.extend(message.offset() for message in member.poll(1_000, 0.5).messages)
            return len(offsets) >= 100

        wait_until(all_came, "the messages", 20)
        assert offsets == list(range(100))
    finally:
        member.close()
        broker.close()
