"""What a profile worker knows of each capture partition that it owns: progress, idleness, alignment."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from stream_monitor.runtime.broker import TopicPartition
from stream_monitor.window.progress import SourceProgress


@dataclass(slots=True)
class Source:
    """One owned capture partition."""

    next_offset: int
    active_ms: int
    """The clock when an event was last accepted, or when the partition was assigned. Rejects do not count: a partition on which
    only rejects come (one producer with a broken clock) tells no time, and must not hold up that of all others."""
    event_time_ms: int | None = None
    """The latest event time seen here."""
    committed_event_time_ms: int | None = None
    """The same as of the last commit: what an abort goes back to. An event time told before its events were counted makes them late."""
    paused: bool = False


@dataclass(slots=True)
class Sources:
    """All owned capture partitions of one member."""

    by_partition: dict[TopicPartition, Source] = field(default_factory=dict)

    def assign(self, committed: dict[TopicPartition, int], clock_ms: int) -> None:
        """Take over partitions at their committed offsets."""
        for partition, next_offset in committed.items():
            self.by_partition[partition] = Source(next_offset, clock_ms)

    def revoke(self, partitions: Iterable[TopicPartition]) -> None:
        """Give partitions up."""
        for partition in partitions:
            self.by_partition.pop(partition, None)

    def saw(self, partition: TopicPartition, next_offset: int, event_time_ms: int | None, clock_ms: int) -> None:
        """Messages up to `next_offset` came, the latest accepted event at `event_time_ms` (None: all were rejected)."""
        source = self.by_partition[partition]
        source.next_offset = next_offset
        if event_time_ms is not None:
            source.active_ms = clock_ms
            source.event_time_ms = max(event_time_ms, source.event_time_ms or event_time_ms)

    def committed(self) -> None:
        """What was seen so far is committed."""
        for source in self.by_partition.values():
            source.committed_event_time_ms = source.event_time_ms

    def next_offsets(self) -> dict[TopicPartition, int]:
        """What to commit: every owned partition, so that a member which lost one of them cannot report on it."""
        return {partition: source.next_offset for partition, source in self.by_partition.items()}

    def rewind(self, committed: dict[TopicPartition, int]) -> None:
        """Go back to the committed offsets, and what was known there, after an abort."""
        for partition, next_offset in committed.items():
            source = self.by_partition.get(partition)
            if source is not None:
                source.next_offset, source.event_time_ms = next_offset, source.committed_event_time_ms

    def progress(self, at_end: Set[TopicPartition], idle_after_ms: int, clock_ms: int) -> tuple[SourceProgress, ...]:
        """What to report. at_end: partitions that are read to their end; those of them that are silent and not paused by us are idle."""
        reports = []
        for partition, source in sorted(self.by_partition.items()):
            idle = partition in at_end and not source.paused and clock_ms - source.active_ms >= idle_after_ms
            reports.append(SourceProgress(*partition, source.next_offset, source.event_time_ms, idle))
        return tuple(reports)

    def pause(self, partitions: Set[TopicPartition], clock_ms: int) -> None:
        """Exactly these are paused now. One that goes on has been silent because of us: its silence begins anew."""
        for partition, source in self.by_partition.items():
            if source.paused and partition not in partitions:
                source.active_ms = clock_ms
            source.paused = partition in partitions

    def ahead(self, at_end: Set[TopicPartition], distance_ms: int, idle_after_ms: int, clock_ms: int) -> set[TopicPartition]:
        """The partitions that run more than `distance_ms` of event time ahead of the slowest one that is behind its end and delivers.

        One that is read to its end, however old its events, is not waited for: waiting would bring nothing.
        """
        times = {partition: source.event_time_ms for partition, source in self.by_partition.items() if source.event_time_ms is not None}
        behind = [
            time
            for partition, time in times.items()
            if partition not in at_end and clock_ms - self.by_partition[partition].active_ms < idle_after_ms
        ]
        slowest = min(behind, default=None)
        return set() if slowest is None else {partition for partition, time in times.items() if time > slowest + distance_ms}
