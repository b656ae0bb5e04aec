"""Transactional producers: epochs, fencing, time-out."""

from dataclasses import dataclass, field

from stream_monitor.errors import Fatal, Fenced

from .log import PartitionLog


@dataclass(slots=True)
class Producer:
    """The one live producer of a transactional id; `begun_ms` is None while no transaction is open."""

    epoch: int = 0
    begun_ms: int | None = None
    logs: list[PartitionLog] = field(default_factory=list)


class Transactions:
    """Kafka's transaction coordinator: one open transaction per transactional id."""

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._producers: dict[str, Producer] = {}

    def join(self, transactional_id: str) -> int:
        """Fence every earlier producer of this id, abort what it left open, and return the new epoch."""
        producer = self._producers.setdefault(transactional_id, Producer())
        self._fence(transactional_id, producer)
        return producer.epoch

    def expire(self, now_ms: int) -> bool:
        """Abort and fence the transactions that are open for longer than the time-out; True if there was one."""
        late = [
            (transactional_id, producer)
            for transactional_id, producer in self._producers.items()
            if producer.begun_ms is not None and now_ms - producer.begun_ms > self._timeout_ms
        ]
        for transactional_id, producer in late:
            self._fence(transactional_id, producer)
        return bool(late)

    def begin(self, transactional_id: str, epoch: int, now_ms: int) -> None:
        """Open a transaction. Errors: Fenced; Fatal where one is open already."""
        producer = self._live(transactional_id, epoch)
        if producer.begun_ms is not None:
            raise Fatal(f"Producer {transactional_id!r} has a transaction open already.")
        producer.begun_ms = now_ms

    def enlist(self, transactional_id: str, epoch: int, log: PartitionLog) -> None:
        """Note that the open transaction writes to `log`. Errors: Fenced; Fatal where none is open."""
        producer = self.opened(transactional_id, epoch)
        if log not in producer.logs:
            producer.logs.append(log)

    def opened(self, transactional_id: str, epoch: int) -> Producer:
        """The producer, with its transaction open. Errors: Fenced; Fatal where none is open."""
        producer = self._live(transactional_id, epoch)
        if producer.begun_ms is None:
            raise Fatal(f"Producer {transactional_id!r} has no transaction open.")
        return producer

    def commit(self, transactional_id: str, epoch: int) -> None:
        """Make the open transaction visible. Errors: Fenced; Fatal where none is open."""
        self._end(transactional_id, self.opened(transactional_id, epoch), committed=True)

    def abort(self, transactional_id: str, epoch: int) -> None:
        """Undo the open transaction, if there is one. Errors: Fenced."""
        self._end(transactional_id, self._live(transactional_id, epoch), committed=False)

    def _live(self, transactional_id: str, epoch: int) -> Producer:
        producer = self._producers[transactional_id]
        if producer.epoch != epoch:
            raise Fenced(f"Another producer uses the transactional id {transactional_id!r}, or its transaction timed out.")
        return producer

    def _fence(self, transactional_id: str, producer: Producer) -> None:
        self._end(transactional_id, producer, committed=False)
        producer.epoch += 1

    @staticmethod
    def _end(transactional_id: str, producer: Producer, *, committed: bool) -> None:
        for log in producer.logs:
            log.finish(transactional_id, committed=committed)
        producer.logs = []
        producer.begun_ms = None
