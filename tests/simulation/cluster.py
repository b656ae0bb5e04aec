"""The in-memory broker as the simulator runs it: it notes what each transaction wrote, and what each commit took."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stream_monitor.runtime.broker import Message, Polled, Record, TopicPartition
from stream_monitor.runtime.memory import MemoryBroker, MemoryMember


@dataclass
class Transaction:
    """One transaction of one member. wrote: (offset, value) by partition, of records that name theirs; took: source offsets, half-open.

    ends: where its source partitions ended when it began, at `begun_ms`.
    """

    transactional_id: str
    group: str
    begun_ms: int = 0
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    wrote: dict[TopicPartition, list[tuple[int, bytes]]] = field(default_factory=dict)
    took: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    committed: bool = False


class SimMember(MemoryMember):
    """A member that notes its transactions in its broker's ledger."""

    def __init__(self, broker: "SimBroker", group: str, topics: Sequence[str], transactional_id: str) -> None:
        super().__init__(broker._cluster, group, topics, transactional_id, self._hook)
        self._broker, self._current = broker, Transaction(transactional_id, group)

    def _hook(self, operation: str, transactional_id: str) -> None:
        if operation == "committed":
            self._current.committed = True
        self._broker.faults(operation, transactional_id)

    def poll(self, messages_max: int, timeout_s: float) -> Polled:
        polled = super().poll(messages_max, timeout_s)
        return replace(polled, messages=[message for message in polled.messages if not self._broker.passes_over(message)])

    def begin(self) -> None:
        super().begin()
        ends = {partition: self._cluster.log(partition).end_offset for partition in self._owned}
        self._current = Transaction(self._transactional_id, self._group.name, self._broker.clock(), ends)
        self._broker.ledger.append(self._current)

    def produce(self, records: Iterable[Record]) -> None:
        records = list(records)
        super().produce(records)
        placed: dict[TopicPartition, list[bytes]] = {}
        for record in records:
            if record.partition is not None:
                placed.setdefault(TopicPartition(record.topic, record.partition), []).append(record.value or b"")
        for partition, values in placed.items():
            first = self._cluster.log(partition).end_offset - len(values)
            self._current.wrote.setdefault(partition, []).extend(enumerate(values, first))

    def commit(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        before = self._cluster.offsets_or_first(self._group, next_offsets)
        self._current.took = {partition: (before[partition], offset) for partition, offset in next_offsets.items()}
        super().commit(next_offsets)


class SimBroker(MemoryBroker):
    """See `MemoryBroker`. ledger: all transactions that were begun, in that order."""

    def __init__(self, clock: Callable[[], int], *, session_timeout_ms: int, transaction_timeout_ms: int) -> None:
        super().__init__(clock, session_timeout_ms=session_timeout_ms, transaction_timeout_ms=transaction_timeout_ms)
        self.clock = clock
        self.ledger: list[Transaction] = []
        self.passes_over: Callable[[Message], bool] = lambda message: False
        """Whether the client loses this message on its way to whoever reads."""

    def member(self, group: str, topics: Sequence[str], transactional_id: str) -> MemoryMember:
        self.faults("member", transactional_id)
        return SimMember(self, group, topics, transactional_id)

    def read(self, partition: TopicPartition, start: int = 0, stop: int | None = None) -> Iterator[Message]:
        return (message for message in super().read(partition, start, stop) if not self.passes_over(message))
