"""Whether phase 2 reads every profile that phase 1 wrote: the progress that ends a transaction tells how many came before it.

Were a committed record passed over by the client, its events would be gone and nobody would know; with this count they are read again,
before the watermark passes them: no event time of a transaction is told but by its progress. What never reached the log, together with
its progress, is not found by it (see `kafka.sink.Sink.abort`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import structlog

from stream_monitor.errors import CodecError
from stream_monitor.profile.frame import FrameKind, kind_of
from stream_monitor.runtime.broker import Broker, Headers, Message, TopicPartition

_log = structlog.get_logger(__name__)

WRITER: Final = "writer"
"""Header of every record of phase 1: the instance that wrote it, whose transactions follow one another."""
RECORDS: Final = "records"
"""Header of a progress record: how many profile records its transaction wrote to this partition."""
LOOK_BACK: Final = 10_000
"""Offsets to search for what was missed: transactions last seconds."""


def signed(writer: str, records: int | None = None) -> Headers:
    """The headers of a profile record, or of a progress record after so many of them."""
    named = ((WRITER, writer.encode()),)
    return named if records is None else (*named, (RECORDS, str(records).encode()))


class Gap(NamedTuple):
    """Profile records that a transaction announced and that were not read. seen: the offsets of those that were."""

    writer: str
    seen: list[int]
    missing: int


@dataclass(slots=True)
class Reading:
    """Of one profiles partition. unannounced: offsets of profile records, by writer, whose progress has not come yet."""

    unannounced: dict[str, list[int]] = field(default_factory=dict)

    def take(self, message: Message) -> Gap | None:
        """Note one record, in the order of offsets."""
        headers = dict(message.headers() or ())
        writer, kind = headers.get(WRITER, b"").decode(errors="replace"), _kind(message)
        if not writer or kind is None:
            return None
        if kind is not FrameKind.PROGRESS:
            self.unannounced.setdefault(writer, []).append(message.offset())
            return None
        seen, announced = self.unannounced.pop(writer, []), headers.get(RECORDS, b"")
        missing = int(announced) - len(seen) if announced.isdigit() else 0
        return Gap(writer, seen, missing) if missing > 0 else None


def read_again(broker: Broker, progress: Message, gap: Gap) -> list[Message]:
    """The profile records that a gap hides, read anew. Errors: Retriable, Fatal."""
    partition, end = TopicPartition(progress.topic(), progress.partition()), progress.offset()
    found: list[Message] = []
    for message in _of_writer(broker.read(partition, max(end - LOOK_BACK, 0), end), gap.writer):
        if _kind(message) is FrameKind.PROGRESS:
            found = []  # an earlier transaction's
        elif message.offset() not in gap.seen:
            found.append(message)
    facts: Mapping[str, object] = {"partition": partition.partition, "offset": end, "writer": gap.writer, "missing": gap.missing}
    if len(found) < gap.missing:
        _log.error("profiles_lost", **facts, found=len(found), remedy="their events are in no window; see docs/failure_modes.md")
    else:
        _log.warning("profiles_read_again", **facts)
    return found


def _of_writer(messages: Iterator[Message], writer: str) -> Iterator[Message]:
    wanted = (WRITER, writer.encode())
    return (message for message in messages if wanted in (message.headers() or ()))


def _kind(message: Message) -> FrameKind | None:
    try:
        return kind_of(message.value() or b"")
    except CodecError:
        return None
