"""The narrow interface to a broker: what the workers need of Kafka, and nothing more.

Two implementations, `kafka.KafkaBroker` and `memory.MemoryBroker`, are held to each other by `tests/conformance`.
Messages have the shape of `confluent_kafka.Message`, so that no message is copied on the hot path.
All reading is read-committed; all offsets are `next_offset`s, the first offset not yet taken.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes]]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


def partition_for(key: bytes, partition_count: int) -> int:
    """The partition of a record with this key and no partition of its own: CRC-32 modulo the count, as librdkafka's `consistent`."""
    return zlib.crc32(key) % partition_count


class Message(Protocol):
    """A committed record, as confluent-kafka gives it; every accessor is a method."""

    def topic(self) -> str: ...
    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def timestamp(self) -> tuple[int, int]:
        """(type, milliseconds since the epoch); type 0 means that there is no timestamp."""
        ...

    def headers(self) -> list[tuple[str, bytes]] | None: ...


@dataclass(frozen=True, slots=True)
class Record:
    """A record to be written. `partition` None: by hash of the key, or any where there is no key."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: Headers = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic of ours as it must be: created where it is absent, verified where it is there."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    """Topic configs, e.g. `{"cleanup.policy": "compact"}`; only `cleanup.policy` is verified on an existing topic."""


def topic_mismatch(spec: TopicSpec, partitions: int, cleanup_policy: str) -> str | None:
    """One sentence on how an existing topic differs from its spec, None where it does not."""
    wanted_policy = spec.config.get("cleanup.policy", "delete")
    if partitions != spec.partitions:
        return (
            f"Topic {spec.name!r} has {partitions} partitions where {spec.partitions} are needed: delete it or use another topics.prefix."
        )
    if set(cleanup_policy.split(",")) != set(wanted_policy.split(",")):
        return f"Topic {spec.name!r} has cleanup.policy={cleanup_policy} where {wanted_policy} is needed: change it with kafka-configs."
    return None


@dataclass(frozen=True, slots=True)
class Polled:
    """What one `poll` brought. Revocations took place before assignments.

    Messages of a partition that was revoked during the poll are never returned (another member may own them already),
    and those of one that was assigned during it start at its committed offset.
    """

    messages: Sequence[Message] = ()
    assigned: frozenset[TopicPartition] = frozenset()
    revoked: frozenset[TopicPartition] = frozenset()


class GroupMember(NamedTuple):
    """Somebody in a group. name: the transactional id with which it joined."""

    name: str
    host: str
    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A consumer group from outside. is_settled: whether everybody has what is meant for them, or a rebalance is under way."""

    members: tuple[GroupMember, ...]
    is_settled: bool
    lags: Mapping[TopicPartition, int]
    """Offsets from what the group has committed (the first that is kept, where it has nothing) to the last stable one; markers count."""


class Member(Protocol):
    """One member of one consumer group with one transactional producer; used by one thread.

    The loop: `poll`, `begin`, `produce`…, `commit`. No transaction is open while polling.
    """

    def poll(self, messages_max: int, timeout_s: float) -> Polled:
        """At most `messages_max` (>= 1) messages; returns when there are as many or `timeout_s` has passed. Errors: Retriable, Fatal."""
        ...

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions owned since the last poll."""
        ...

    def end_offset(self, partition: TopicPartition) -> int | None:
        """The last known high watermark of an assigned partition, or None before the first fetch; does not block.

        Open transactions count: a partition in which one is open is not read to its end, since what it holds is still to come.
        """
        ...

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The group's next offsets; the partition's first offset where none is committed. Blocks. Errors: Retriable, Fatal."""
        ...

    def position(self, partition: TopicPartition) -> int:
        """The next offset that `poll` may return of an assigned partition.

        It passes transaction markers and aborted messages, so it equals `end_offset` when the partition is read to its end.
        Errors: KeyError where the partition is not assigned.
        """
        ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop returning messages of these assigned partitions; polling goes on and keeps the membership."""
        ...

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Undo `pause`."""
        ...

    def begin(self) -> None:
        """Open a transaction. Errors: Fenced, Fatal."""
        ...

    def produce(self, records: Iterable[Record]) -> None:
        """Queue records into the open transaction; blocks while the queue is full. Errors: Abortable, Fenced, Fatal."""
        ...

    def commit(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the open transaction with these source offsets, under the group generation of the last poll.

        Other readers see it soon, not at once: Kafka answers before it has written the markers. Retries what is retriable.
        Errors: Abortable (call `abort`), Fenced or Retriable (nothing is committed: close this member, make a new one), Fatal.
        """
        ...

    def abort(self) -> None:
        """Abort the open transaction and rewind every assigned partition to its committed offset. Errors: Fenced, Fatal."""
        ...

    def close(self) -> None:
        """Abort what is open, leave the group, release everything. Never raises; may be called twice."""
        ...


class Broker(Protocol):
    """A cluster as one process sees it; may be used by several threads."""

    def ensure_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create the absent topics, verify partition count and cleanup policy of the others. Errors: UserError on a mismatch, Fatal."""
        ...

    def partition_count(self, topic: str) -> int | None:
        """Partitions of a topic, None where it does not exist. Errors: Retriable, Fatal."""
        ...

    def member(self, group: str, topics: Sequence[str], transactional_id: str) -> Member:
        """Join `group`; fences every earlier producer with this `transactional_id`. Errors: Retriable, Fatal."""
        ...

    def group(self, name: str, topics: Sequence[str], timeout_s: float) -> GroupView:
        """Who is in a group, and how far behind it is on every partition of `topics` that exist; nobody where there is no such group.

        Changes nothing; each request that it makes waits at most `timeout_s`. Errors: Retriable, Fatal.
        """
        ...

    def read(self, partition: TopicPartition, start: int = 0, stop: int | None = None) -> Iterator[Message]:
        """Committed messages with start <= offset < stop, without a group.

        `stop` None: the last stable offset at the time of the call. A `start` before the first kept offset means the first kept one.
        Ends by itself. Errors: Retriable, Fatal.
        """
        ...

    def first_offset(self, partition: TopicPartition) -> int:
        """The first offset that is kept. Blocks. Errors: Retriable, Fatal."""
        ...

    def end_offset(self, partition: TopicPartition) -> int:
        """The last stable offset now. Blocks. Errors: Retriable, Fatal."""
        ...

    def publish(self, records: Iterable[Record]) -> None:
        """Write records outside of any transaction, idempotently, and wait until all are acknowledged. Errors: Retriable, Fatal."""
        ...

    def close(self) -> None:
        """Release everything. Never raises."""
        ...
