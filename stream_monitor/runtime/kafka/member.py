"""A member of a group with its transactional producer, on Kafka."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from stream_monitor.errors import Abortable, Fatal

from ..broker import Polled, Record, TopicPartition
from .settings import KafkaSettings
from .sink import Sink
from .source import Source


class KafkaMember:
    """See `runtime.broker.Member`; for what makes `commit` safe against zombies see `generation`."""

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        transactional_id: str,
        partition_count: Callable[[str], int],
    ) -> None:
        self._sink = Sink(settings, transactional_id, partition_count)  # first: it ends what a predecessor left open
        self._source = Source(settings, group, topics, transactional_id)
        self._closed = False

    def poll(self, messages_max: int, timeout_s: float) -> Polled:
        """See `Member.poll`."""
        self._require_life()
        return self._source.poll(messages_max, timeout_s)

    def assignment(self) -> frozenset[TopicPartition]:
        """See `Member.assignment`."""
        return self._source.assignment

    def end_offset(self, partition: TopicPartition) -> int | None:
        """See `Member.end_offset`."""
        return self._source.end_offset(partition)

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Member.committed`."""
        self._require_life()
        return self._source.committed(partitions)

    def position(self, partition: TopicPartition) -> int:
        """See `Member.position`."""
        return self._source.position(partition)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """See `Member.pause`."""
        self._source.pause(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """See `Member.resume`."""
        self._source.resume(partitions)

    def begin(self) -> None:
        """See `Member.begin`."""
        self._require_life()
        self._sink.begin()

    def produce(self, records: Iterable[Record]) -> None:
        """See `Member.produce`."""
        self._require_life()
        self._sink.produce(records)

    def commit(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """See `Member.commit`."""
        self._require_life()
        if strange := next_offsets.keys() - self._source.assignment:
            raise Abortable(f"Not assigned to this member: {sorted(strange)}.")
        self._sink.commit(next_offsets, self._source.generation)

    def abort(self) -> None:
        """See `Member.abort`."""
        self._require_life()
        self._sink.abort()
        self._source.rewind()

    def flush(self) -> None:
        """Wait until everything produced has reached the broker; `commit` does so by itself."""
        self._sink.flush()

    def close(self) -> None:
        """See `Member.close`."""
        if not self._closed:
            self._closed = True
            self._sink.close()
            self._source.close()

    def _require_life(self) -> None:
        if self._closed:
            raise Fatal("This member is closed.")
