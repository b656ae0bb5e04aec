"""What the conformance tests need of a broker beyond its interface: time that passes, crashes, compaction, unique names."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from uuid import uuid4

from stream_monitor.runtime.broker import Broker, Member, Message, Record, TopicPartition, TopicSpec
from stream_monitor.runtime.memory import MemoryBroker

DEADLINE_S = 60.0
POLL_S = 0.2


class Lab(ABC):
    """One broker under test."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._members: list[Member] = []
        self._run = uuid4().hex[:8]
        self._numbers = count()

    def name(self, kind: str) -> str:
        return f"{kind}-{self._run}-{next(self._numbers)}"

    def topic(self, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        name = self.name("topic")
        self.broker.ensure_topics([TopicSpec(name, partitions, config or {})])
        return name

    def member(self, group: str, topics: Sequence[str], transactional_id: str | None = None) -> Member:
        member = self.broker.member(group, topics, transactional_id or self.name("txn"))
        self._members.append(member)
        return member

    def close(self) -> None:
        for member in self._members:
            member.close()
        self.broker.close()

    @abstractmethod
    def let_timeouts_pass(self) -> None:
        """Time moves on past session and transaction time-outs; a real broker's time does so while the test waits for the effect."""

    @abstractmethod
    def flush(self, member: Member) -> None:
        """Have what the member produced reach the broker now."""

    @abstractmethod
    def crash_in_transaction(self, group: str, source: str, output: str, transactional_id: str) -> None:
        """A member takes all assigned messages of `source`, writes one record to `output` inside a transaction and is killed."""

    @abstractmethod
    def delete_before(self, partition: TopicPartition, next_offset: int) -> None:
        """Drop the messages below an offset, as retention does."""

    @abstractmethod
    def compact(self, topic: str, message_count: int) -> None:
        """Have partition 0 of `topic` compacted down to at most `message_count` messages."""


class MemoryLab(Lab):
    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000
        self._memory = MemoryBroker(lambda: self.now_ms, session_timeout_ms=6_000, transaction_timeout_ms=5_000)
        super().__init__(self._memory)

    def let_timeouts_pass(self) -> None:
        self.now_ms += 6_001

    def flush(self, member: Member) -> None:
        pass  # nothing is queued in memory

    def crash_in_transaction(self, group: str, source: str, output: str, transactional_id: str) -> None:
        member = self._memory.member(group, [source], transactional_id)
        wait_for_messages(member, 1)
        member.begin()
        member.produce([Record(output, b"from the dead")])
        member.kill()

    def delete_before(self, partition: TopicPartition, next_offset: int) -> None:
        self._memory.delete_before(partition, next_offset)

    def compact(self, topic: str, message_count: int) -> None:
        self._memory.compact(topic)


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Call `condition`, which does some waiting of its own, until it holds."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {deadline_s} s in vain: {what}"


def wait_for_messages(member: Member, message_count: int) -> list[Message]:
    """Poll until so many messages have come."""
    messages: list[Message] = []

    def enough() -> bool:
        messages.extend(member.poll(message_count - len(messages), POLL_S).messages)
        return len(messages) >= message_count

    wait_until(enough, f"{message_count} messages")
    return messages


def wait_for_assignment(member: Member, partitions: set[TopicPartition]) -> None:
    """Poll, dropping what comes, until exactly these are assigned."""

    def assigned() -> bool:
        member.poll(100, POLL_S)
        return member.assignment() == partitions

    wait_until(assigned, f"assignment of {partitions}")


def values(messages: Sequence[Message]) -> list[bytes | None]:
    return [message.value() for message in messages]


def read_values(broker: Broker, partition: TopicPartition, start: int = 0, stop: int | None = None) -> list[bytes | None]:
    return values(list(broker.read(partition, start, stop)))


def expect(broker: Broker, partition: TopicPartition, expected: Sequence[bytes | None], end_offset: int) -> None:
    """These values and no others are visible once the log has its expected end.

    Kafka answers a commit before it has written the markers, so that what was committed is seen a moment later.
    """
    wait_until(lambda: broker.end_offset(partition) >= end_offset, f"end offset {end_offset} of {partition}")
    assert read_values(broker, partition) == list(expected)
    assert broker.end_offset(partition) == end_offset


def next_offsets(messages: Sequence[Message]) -> dict[TopicPartition, int]:
    """What to commit when all of these have been taken."""
    return {TopicPartition(message.topic(), message.partition()): message.offset() + 1 for message in messages}
