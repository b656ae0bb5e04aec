"""A member of a group with its transactional producer, in memory."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from stream_monitor.errors import Fatal, Fenced

from ..broker import Message, Polled, Record, TopicPartition
from .state import Cluster, Faults

WAIT_S_MAX = 0.1
"""A waiting poll looks at the clock this often: session time-outs of others come without a notification."""


class MemoryMember:
    """See `runtime.broker.Member`. Its session is kept alive by `poll` alone."""

    def __init__(self, cluster: Cluster, group: str, topics: Iterable[str], transactional_id: str, faults: Faults) -> None:
        self._cluster = cluster
        self._topics = frozenset(topics)
        self._transactional_id = transactional_id
        self._faults = faults
        self._owned: frozenset[TopicPartition] = frozenset()
        self._paused: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._polls = 0
        self._gone = False
        with cluster.locked() as now_ms:
            self._epoch = cluster.transactions.join(transactional_id)
            self._group = cluster.group(group)
            self._id = f"{transactional_id}/{self._epoch}"
            self._group.join(self._id, self._topics, now_ms)
            cluster.changed.notify_all()

    def poll(self, messages_max: int, timeout_s: float) -> Polled:
        """See `Member.poll`. With `timeout_s` 0 it never waits."""
        self._enter("poll")
        deadline = time.monotonic() + timeout_s if timeout_s > 0 else None
        assigned: frozenset[TopicPartition] = frozenset()
        revoked: frozenset[TopicPartition] = frozenset()
        with self._cluster.locked() as now_ms:
            while True:
                lost, gained = self._rebalance(now_ms)
                revoked |= lost - assigned
                assigned = (assigned - lost) | gained
                waits = deadline is not None and self._available(messages_max) < messages_max
                left_s = deadline - time.monotonic() if waits and deadline is not None else 0.0
                if left_s <= 0:
                    return Polled(self._take(messages_max), assigned, revoked)
                self._cluster.changed.wait(min(left_s, WAIT_S_MAX))
                now_ms = self._cluster.tick()

    def assignment(self) -> frozenset[TopicPartition]:
        """See `Member.assignment`."""
        return self._owned

    def end_offset(self, partition: TopicPartition) -> int | None:
        """See `Member.end_offset`."""
        with self._cluster.locked():
            return self._cluster.log(partition).end_offset if partition in self._owned else None

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Member.committed`."""
        self._enter("committed_offsets")
        with self._cluster.locked():
            return self._cluster.offsets_or_first(self._group, partitions)

    def position(self, partition: TopicPartition) -> int:
        """See `Member.position`."""
        return self._positions[partition]

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """See `Member.pause`."""
        self._paused |= self._owned.intersection(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """See `Member.resume`."""
        self._paused.difference_update(partitions)

    def begin(self) -> None:
        """See `Member.begin`."""
        self._enter("begin")
        with self._cluster.locked() as now_ms:
            self._cluster.transactions.begin(self._transactional_id, self._epoch, now_ms)

    def produce(self, records: Iterable[Record]) -> None:
        """See `Member.produce`."""
        self._enter("produce")
        with self._cluster.locked() as now_ms:
            self._cluster.transactions.opened(self._transactional_id, self._epoch)
            for record in records:
                log = self._cluster.place(record)
                self._cluster.transactions.enlist(self._transactional_id, self._epoch, log)
                log.append(record, now_ms, self._transactional_id)

    def commit(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """See `Member.commit`."""
        self._enter("commit")
        with self._cluster.locked():
            self._cluster.transactions.opened(self._transactional_id, self._epoch)
            if next_offsets:
                self._group.commit(self._id, dict(next_offsets))
            self._cluster.transactions.commit(self._transactional_id, self._epoch)
            self._cluster.changed.notify_all()
        self._faults("committed", self._transactional_id)

    def abort(self) -> None:
        """See `Member.abort`."""
        self._enter("abort")
        with self._cluster.locked():
            self._cluster.transactions.abort(self._transactional_id, self._epoch)
            self._positions |= self._cluster.offsets_or_first(self._group, self._owned)
            self._cluster.changed.notify_all()

    def close(self) -> None:
        """See `Member.close`."""
        if self._gone:
            return
        self._gone = True
        with self._cluster.locked():
            with suppress(Fenced):  # the new owner of the id has aborted it already
                self._cluster.transactions.abort(self._transactional_id, self._epoch)
            self._group.leave(self._id)
            self._cluster.changed.notify_all()

    def kill(self) -> None:
        """Vanish as after kill -9: the transaction stays open and the session alive until they time out or are fenced."""
        self._gone = True

    def _enter(self, operation: str) -> None:
        if not self._gone:
            self._faults(operation, self._transactional_id)
        if self._gone:
            raise Fatal(f"Member {self._id!r} is closed.")

    def _rebalance(self, now_ms: int) -> tuple[frozenset[TopicPartition], frozenset[TopicPartition]]:
        """Serve the group: what this member lost and what it gained."""
        lost: frozenset[TopicPartition] = frozenset()
        self._cluster.group(self._group.name)
        if not self._group.has(self._id):
            lost = self._owned
            self._group.join(self._id, self._topics, now_ms)
        owned = self._group.sync(self._id, now_ms)
        lost |= self._owned - owned
        gained = owned - (self._owned - lost)
        for partition in lost:
            del self._positions[partition]
        self._paused -= lost
        self._positions |= self._cluster.offsets_or_first(self._group, gained)
        self._owned = owned
        if lost:
            self._cluster.changed.notify_all()
        return lost, gained

    def _available(self, count_max: int) -> int:
        available = 0
        for partition in self._owned - self._paused:
            available += self._cluster.log(partition).count(self._positions[partition])
            if available >= count_max:
                break
        return available

    def _take(self, count_max: int) -> list[Message]:
        """At most `count_max` messages, beginning with another partition each time, so that none starves."""
        self._polls += 1
        active = sorted(self._owned - self._paused)
        first = self._polls % len(active) if active else 0
        messages: list[Message] = []
        for partition in active[first:] + active[:first]:
            if len(messages) < count_max:
                messages += self._advance(partition, count_max - len(messages))
        return messages

    def _advance(self, partition: TopicPartition, count_max: int) -> list[Message]:
        log = self._cluster.log(partition)
        position = max(self._positions[partition], log.first_offset)
        messages = list(log.read(position, log.end_offset, count_max))
        if len(messages) < count_max:  # all that is stable: skip markers and aborted messages too, as `position` promises
            self._positions[partition] = max(position, log.stable_offset)
        else:
            self._positions[partition] = messages[-1].offset() + 1
        return list[Message](messages)
