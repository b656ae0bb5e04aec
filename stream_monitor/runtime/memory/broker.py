"""The broker interface over the in-memory cluster."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from stream_monitor.errors import Fatal, UserError

from ..broker import GroupView, Message, Record, TopicPartition, TopicSpec, topic_mismatch
from .log import PartitionLog
from .member import MemoryMember
from .state import Cluster, Faults

READ_COUNT_MAX = 10_000
"""Messages that `read` takes under one hold of the lock."""


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def no_faults(operation: str, transactional_id: str) -> None:
    """Let every operation pass."""


class MemoryBroker:
    """See `runtime.broker.Broker`. `faults` may be replaced at any time.

    `session_timeout_ms` is the longest pause between two polls of a member, `transaction_timeout_ms` the longest life of a
    transaction; both run on `clock` (milliseconds). The defaults are those of Kafka's sessions and of our own transactions.
    """

    def __init__(
        self,
        clock: Callable[[], int] = wall_clock_ms,
        *,
        session_timeout_ms: int = 45_000,
        transaction_timeout_ms: int = 10_000,
        faults: Faults = no_faults,
    ) -> None:
        self.faults = faults
        self._cluster = Cluster(clock, session_timeout_ms, transaction_timeout_ms)

    def ensure_topics(self, specs: Sequence[TopicSpec]) -> None:
        """See `Broker.ensure_topics`."""
        self.faults("ensure_topics", "")
        with self._cluster.locked():
            for spec in specs:
                topic = self._cluster.topics.get(spec.name)
                if topic is None:
                    self._cluster.add_topic(spec.name, spec.partitions, dict(spec.config))
                elif sentence := topic_mismatch(spec, len(topic.partitions), topic.config.get("cleanup.policy", "delete")):
                    raise UserError(sentence)

    def partition_count(self, topic: str) -> int | None:
        """See `Broker.partition_count`."""
        self.faults("partition_count", "")
        with self._cluster.locked():
            found = self._cluster.topics.get(topic)
            return None if found is None else len(found.partitions)

    def member(self, group: str, topics: Sequence[str], transactional_id: str) -> MemoryMember:
        """See `Broker.member`."""
        self.faults("member", transactional_id)
        return MemoryMember(self._cluster, group, topics, transactional_id, self._pass_faults)

    def group(self, name: str, topics: Sequence[str], timeout_s: float) -> GroupView:
        """See `Broker.group`."""
        self.faults("group", "")
        with self._cluster.locked():
            group = self._cluster.group(name)
            logs = [log for topic in topics if topic in self._cluster.topics for log in self._cluster.topics[topic].partitions]
            partitions = [TopicPartition(log.topic, log.partition) for log in logs]
            committed = self._cluster.offsets_or_first(group, partitions)
            lags = {one: max(log.stable_offset - committed[one], 0) for one, log in zip(partitions, logs, strict=True)}
            return GroupView(group.members(), group.is_settled, lags)

    def read(self, partition: TopicPartition, start: int = 0, stop: int | None = None) -> Iterator[Message]:
        """See `Broker.read`."""
        self.faults("read", "")
        with self._cluster.locked():
            log = self._cluster.log(partition)
            end = log.stable_offset if stop is None else min(stop, log.stable_offset)
        return self._read(log, start, end)

    def first_offset(self, partition: TopicPartition) -> int:
        """See `Broker.first_offset`."""
        self.faults("first_offset", "")
        with self._cluster.locked():
            return self._cluster.log(partition).first_offset

    def end_offset(self, partition: TopicPartition) -> int:
        """See `Broker.end_offset`."""
        self.faults("end_offset", "")
        with self._cluster.locked():
            return self._cluster.log(partition).stable_offset

    def publish(self, records: Iterable[Record]) -> None:
        """See `Broker.publish`."""
        self.faults("publish", "")
        with self._cluster.locked() as now_ms:
            for record in records:
                self._cluster.place(record).append(record, now_ms, None)
            self._cluster.changed.notify_all()

    def close(self) -> None:
        """See `Broker.close`; the data stays as long as this object, since it has no other home."""

    def compact(self, topic: str) -> None:
        """Compact every partition of a topic now: the newest message per key stays, tombstones go. Errors: Fatal."""
        with self._cluster.locked():
            found = self._cluster.topics.get(topic)
            if found is None or not found.is_compacted:
                raise Fatal(f"Topic {topic!r} is not compacted.")
            for log in found.partitions:
                log.compact()

    def delete_before(self, partition: TopicPartition, next_offset: int) -> None:
        """Drop the messages of a partition below `next_offset`, as retention does. Errors: Fatal."""
        with self._cluster.locked():
            self._cluster.log(partition).delete_before(next_offset)

    def _pass_faults(self, operation: str, transactional_id: str) -> None:
        self.faults(operation, transactional_id)

    def _read(self, log: PartitionLog, start: int, stop: int) -> Iterator[Message]:
        while True:
            with self._cluster.changed:
                messages = log.read(start, stop, READ_COUNT_MAX)
            yield from messages
            if len(messages) < READ_COUNT_MAX:
                return
            start = messages[-1].offset() + 1
