"""The whole cluster behind one lock: topics, transactions, groups, clock."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Condition

from stream_monitor.errors import Fatal

from ..broker import Record, TopicPartition, partition_for
from .groups import Group
from .log import PartitionLog, TopicLog
from .transactions import Transactions

Faults = Callable[[str, str], None]
"""Called as `faults(operation, transactional_id)` before every operation (the id is "" for the broker's own), and as `committed`
after a commit has taken effect. It may raise a BrokerError, or an exception of the test's own that stands for a crash; it may
call `MemoryMember.kill`."""


class Cluster:
    """Shared state; every method but `changing` and the waits expects the lock to be held."""

    def __init__(self, clock: Callable[[], int], session_timeout_ms: int, transaction_timeout_ms: int) -> None:
        self.changed = Condition()
        self.topics: dict[str, TopicLog] = {}
        self.transactions = Transactions(transaction_timeout_ms)
        self._clock = clock
        self._session_timeout_ms = session_timeout_ms
        self._groups: dict[str, Group] = {}
        self._partitions: tuple[TopicPartition, ...] = ()

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock, with all time-outs applied; gives the clock's milliseconds."""
        with self.changed:
            yield self.tick()

    def tick(self) -> int:
        """Apply the time-outs that the clock has reached."""
        now_ms = self._clock()
        expired = [self.transactions.expire(now_ms), *(group.expire(now_ms) for group in self._groups.values())]
        if any(expired):
            self.changed.notify_all()
        return now_ms

    def group(self, name: str) -> Group:
        """The group of this name, made where there is none, aware of the newest partitions."""
        group = self._groups.setdefault(name, Group(name, self._session_timeout_ms))
        group.refresh(self._partitions)
        return group

    def add_topic(self, name: str, partitions: int, config: dict[str, str]) -> None:
        """Create a topic."""
        self.topics[name] = TopicLog(name, partitions, config)
        self._partitions += tuple(TopicPartition(name, number) for number in range(partitions))
        self.changed.notify_all()

    def log(self, partition: TopicPartition) -> PartitionLog:
        """The log of a partition. Errors: Fatal where there is none."""
        topic = self.topics.get(partition.topic)
        if topic is None or not 0 <= partition.partition < len(topic.partitions):
            raise Fatal(f"There is no partition {partition.partition} of topic {partition.topic!r}.")
        return topic.partitions[partition.partition]

    def place(self, record: Record) -> PartitionLog:
        """The log that a record goes to. Errors: Fatal where Kafka would refuse the record for good."""
        topic = self.topics.get(record.topic)
        if topic is None:
            raise Fatal(f"There is no topic {record.topic!r}.")
        if record_bytes(record) > topic.message_bytes_max:
            raise Fatal(f"A record of {record_bytes(record)} bytes is over max.message.bytes of topic {record.topic!r}.")
        if topic.is_compacted and record.key is None:
            raise Fatal(f"Topic {record.topic!r} is compacted: a record needs a key.")
        if record.partition is not None:
            return self.log(TopicPartition(record.topic, record.partition))
        if record.key is not None:
            return topic.partitions[partition_for(record.key, len(topic.partitions))]
        topic.next_keyless = (topic.next_keyless + 1) % len(topic.partitions)
        return topic.partitions[topic.next_keyless]

    def offsets_or_first(self, group: Group, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The group's committed offsets, the first offset where there is none."""
        return {p: group.committed.get(p, self.log(p).first_offset) for p in partitions}


def record_bytes(record: Record) -> int:
    """The bytes of key, value and headers: what `max.message.bytes` is held against here (Kafka: after compression)."""
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
