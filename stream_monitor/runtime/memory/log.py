"""One partition's log: messages, offset gaps, open transactions and the last stable offset."""

from bisect import bisect_left
from collections.abc import Sequence

from ..broker import Record


class MemoryMessage:
    """A stored message with the accessors of `confluent_kafka.Message`."""

    __slots__ = ("_headers", "_key", "_offset", "_partition", "_timestamp_ms", "_topic", "_value")

    def __init__(self, record: Record, partition: int, offset: int, now_ms: int) -> None:
        self._topic = record.topic
        self._partition = partition
        self._offset = offset
        self._key = record.key
        self._value = record.value
        self._timestamp_ms = now_ms if record.timestamp_ms is None else record.timestamp_ms
        self._headers = list(record.headers)

    def topic(self) -> str:
        """The topic's name."""
        return self._topic

    def partition(self) -> int:
        """The partition's number."""
        return self._partition

    def offset(self) -> int:
        """Where the message is."""
        return self._offset

    def key(self) -> bytes | None:
        """The key, None where there is none."""
        return self._key

    def value(self) -> bytes | None:
        """The value, None for a tombstone."""
        return self._value

    def timestamp(self) -> tuple[int, int]:
        """(1, milliseconds since the epoch): 1 is Kafka's CreateTime."""
        return (1, self._timestamp_ms)

    def headers(self) -> list[tuple[str, bytes]] | None:
        """The headers, None where there are none, as confluent-kafka has it."""
        return self._headers or None

    def __repr__(self) -> str:
        return f"MemoryMessage({self._topic}[{self._partition}]@{self._offset})"


class PartitionLog:
    """Messages by rising offset. A transaction's end takes an offset too, so that offsets have gaps as in Kafka."""

    __slots__ = ("_messages", "_open", "end_offset", "first_offset", "partition", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.first_offset = 0
        self.end_offset = 0
        self._messages: list[MemoryMessage] = []
        self._open: dict[str, list[int]] = {}

    @property
    def stable_offset(self) -> int:
        """The last stable offset: every transaction before it has ended."""
        return min((offsets[0] for offsets in self._open.values()), default=self.end_offset)

    def append(self, record: Record, now_ms: int, transactional_id: str | None) -> None:
        """Add a message, as part of the open transaction of `transactional_id` or of none."""
        self._messages.append(MemoryMessage(record, self.partition, self.end_offset, now_ms))
        if transactional_id is not None:
            self._open.setdefault(transactional_id, []).append(self.end_offset)
        self.end_offset += 1

    def finish(self, transactional_id: str, *, committed: bool) -> None:
        """Write the marker that ends this transaction here; the messages of an aborted one are gone for every reader."""
        offsets = self._open.pop(transactional_id)
        if not committed:
            first = self._index(offsets[0])
            aborted = set(offsets)
            self._messages[first:] = [message for message in self._messages[first:] if message.offset() not in aborted]
        self.end_offset += 1

    def read(self, start: int, stop: int, count_max: int) -> Sequence[MemoryMessage]:
        """At most `count_max` committed messages with start <= offset < stop."""
        first = self._index(start)
        last = self._index(min(stop, self.stable_offset))
        return self._messages[first : min(last, first + count_max)]

    def count(self, start: int) -> int:
        """How many committed messages there are from `start` on."""
        return max(0, self._index(self.stable_offset) - self._index(start))

    def compact(self) -> None:
        """Keep only the newest message of each key among the stable ones, and no tombstones; offsets stay."""
        stable = self._index(self.stable_offset)
        newest = {message.key(): message.offset() for message in self._messages[:stable]}
        self._messages[:stable] = [
            message for message in self._messages[:stable] if newest[message.key()] == message.offset() and message.value() is not None
        ]

    def delete_before(self, next_offset: int) -> None:
        """Drop the messages below `next_offset`, as retention does; never beyond the last stable offset."""
        self.first_offset = max(self.first_offset, min(next_offset, self.stable_offset))
        del self._messages[: self._index(self.first_offset)]

    def _index(self, offset: int) -> int:
        return bisect_left(self._messages, offset, key=MemoryMessage.offset)


class TopicLog:
    """A topic: its partitions and its configs."""

    __slots__ = ("config", "next_keyless", "partitions")

    def __init__(self, name: str, partitions: int, config: dict[str, str]) -> None:
        self.config = config
        self.partitions = [PartitionLog(name, partition) for partition in range(partitions)]
        self.next_keyless = 0

    @property
    def is_compacted(self) -> bool:
        """Whether `cleanup.policy` has `compact` in it."""
        return "compact" in self.config.get("cleanup.policy", "delete")

    @property
    def message_bytes_max(self) -> int:
        """`max.message.bytes`; Kafka's default is 1 MiB and 12 bytes."""
        return int(self.config.get("max.message.bytes", "1048588"))
