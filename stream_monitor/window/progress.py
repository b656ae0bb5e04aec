"""From what every source partition's owner reports to one event time that all have passed.

Every phase-1 transaction writes one `Progress` to every profiles partition. `Tracker` folds them: per source partition it
keeps the furthest report, and gives the event time up to which nothing more is expected (less each model's own `watermark_delay`).
"""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from stream_monitor.errors import CodecError
from stream_monitor.profile.frame import UNREADABLE, FrameKind, seal, unseal


class SourceProgress(msgspec.Struct, array_like=True, frozen=True):
    """One owned source partition: what is committed, the latest event time seen (None: none yet), and whether it has gone quiet.

    `idle` is said only of a partition that is read to its end, not paused by us, and without a message for `idle_after`.
    """

    topic: str
    partition: int
    next_offset: int
    event_time_ms: int | None
    idle: bool


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """One transaction's report: the owner's clock, its partitions, all source topics' partition counts, the config's revision."""

    clock_ms: int
    revision: int
    sources: tuple[SourceProgress, ...]
    partition_counts: tuple[tuple[str, int], ...]


class Report(msgspec.Struct, array_like=True):
    """The furthest that is known of one source partition. clock_ms: its owner's clock at its latest report; seen_ms: the tracker's then.

    The lease of an idle flag runs from seen_ms: against the owner's own clock, a second member whose clock is ahead would end it at once.
    """

    next_offset: int
    event_time_ms: int | None
    idle: bool
    clock_ms: int
    seen_ms: int


_decoder: Final = msgspec.msgpack.Decoder(Progress)


def encode(progress: Progress) -> bytes:
    """A Progress as one framed record."""
    return seal(FrameKind.PROGRESS, msgspec.msgpack.encode(progress))


def decode(frame: bytes) -> Progress:
    """Read a framed record. Errors: CodecError."""
    try:
        return _decoder.decode(unseal(FrameKind.PROGRESS, frame))
    except UNREADABLE as error:
        raise CodecError(f"a progress record that cannot be read: {error}") from None


@dataclass(slots=True)
class Tracker:
    """The fold of all Progress records of one profiles partition. `event_time_ms` never goes back."""

    lease_ms: int
    """An idle flag is believed this long after its report, against the newest clock: a dead owner's flag expires."""
    topics: frozenset[str]
    """The source topics of the config in force; a report on another one, which no one will follow up, holds nothing back."""
    reports: dict[tuple[str, int], Report] = field(default_factory=dict)
    partition_counts: dict[str, int] = field(default_factory=dict)
    clock_ms: int = 0
    """The newest clock of any owner."""
    event_time_ms: int | None = None

    def apply(self, progress: Progress) -> None:
        """Take in one record."""
        self.clock_ms = max(self.clock_ms, progress.clock_ms)
        for topic, count in progress.partition_counts:
            self.partition_counts[topic] = max(count, self.partition_counts.get(topic, 0))
        for source in progress.sources:
            self._report(source, progress.clock_ms)
        reached = self._reached()
        if reached is not None:
            self.event_time_ms = reached if self.event_time_ms is None else max(self.event_time_ms, reached)

    def _report(self, source: SourceProgress, clock_ms: int) -> None:
        key = (source.topic, source.partition)
        known = self.reports.get(key)
        if known is None:
            self.reports[key] = Report(source.next_offset, source.event_time_ms, source.idle, clock_ms, self.clock_ms)
            return
        known.next_offset = max(known.next_offset, source.next_offset)
        if source.event_time_ms is not None:
            known.event_time_ms = max(source.event_time_ms, known.event_time_ms or source.event_time_ms)
        known.idle, known.clock_ms, known.seen_ms = source.idle, max(known.clock_ms, clock_ms), self.clock_ms

    def _reached(self) -> int | None:
        """The event time that every partition has passed, or None while one has not reported any."""
        counts = {topic: count for topic, count in self.partition_counts.items() if topic in self.topics}
        expected = {(topic, partition) for topic, count in counts.items() for partition in range(count)}
        if not expected or not expected <= self.reports.keys():
            return None
        reports = [self.reports[key] for key in expected]
        active = [report for report in reports if not self._is_idle(report)]
        if not active:
            return min(report.clock_ms for report in reports)
        times = [report.event_time_ms for report in active]
        return None if None in times else min(time for time in times if time is not None)

    def _is_idle(self, report: Report) -> bool:
        return report.idle and report.seen_ms + self.lease_ms > self.clock_ms
