"""Phase 2's state on `prefix.state`: written in the transaction that commits the offset it stands for, read back after a crash.

Per profiles partition (the topics have the same number): one record `manifest` and, per part (a unit, a page of a join), chunks `part/I`
of its bytes. Only parts that changed are written again; one that is gone is tombstoned. All of it is as of the manifest's `next_offset`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stream_monitor.errors import Fatal
from stream_monitor.pipeline.saved import Manifest, changed_parts, decode_manifest, encode_manifest, load_parts, parts_of, was_saved
from stream_monitor.pipeline.state import Plans, State
from stream_monitor.runtime.broker import Broker, Record, TopicPartition
from stream_monitor.runtime.completeness import Reading

CHUNK_BYTES_MAX: Final = 512 * 1024
"""Half of Kafka's default message limit."""
_MANIFEST: Final = b"manifest"


@dataclass(slots=True)
class Snapshots:
    """The snapshots of one profiles partition."""

    partition: TopicPartition
    """On the state topic."""
    chunks: dict[str, int] = field(default_factory=dict)
    """Part -> how many chunks of it are on the topic."""

    def records(self, state: State, next_offset: int, unannounced: Mapping[str, Sequence[int]]) -> Iterator[Record]:
        """What to write so that the topic holds `state` as of `next_offset`; the state counts as saved from then on.

        unannounced: see `completeness.Reading`.
        """
        alive = parts_of(state)
        for name in sorted(changed_parts(state) | (self.chunks.keys() - alive.keys())):
            content = alive[name]() if name in alive else b""
            pieces = [content[start : start + CHUNK_BYTES_MAX] for start in range(0, len(content), CHUNK_BYTES_MAX)]
            for index, piece in enumerate(pieces):
                yield self._record(f"{name}/{index}".encode(), piece)
            for index in range(len(pieces), self.chunks.get(name, 0)):
                yield self._record(f"{name}/{index}".encode(), None)
            self.chunks[name] = len(pieces)
        self.chunks = {name: count for name, count in self.chunks.items() if count}
        yield self._record(_MANIFEST, encode_manifest(Manifest.of(state, next_offset, self.chunks, unannounced)))
        was_saved(state)

    def _record(self, key: bytes, value: bytes | None) -> Record:
        return Record(self.partition.topic, value, key, self.partition.partition)


def restore_snapshot(broker: Broker, partition: TopicPartition, plans: Plans) -> tuple[State, Snapshots, Reading, int] | None:
    """The newest committed snapshot of a partition and its `next_offset`; None where there is none. Errors: Retriable, Fatal."""
    values = {message.key() or b"": message.value() for message in broker.read(partition)}
    content = values.get(_MANIFEST)
    if content is None:
        return None
    manifest = decode_manifest(content)
    state = manifest.state(plans(manifest.revision))
    contents = dict[str, bytes]()
    for name, count in manifest.chunks.items():
        pieces = [values.get(f"{name}/{index}".encode()) for index in range(count)]
        if None in pieces:
            raise Fatal(
                f"{partition.topic} [{partition.partition}] misses a part of the state of {name}; was it compacted by hand or emptied?"
            )
        contents[name] = b"".join(piece for piece in pieces if piece is not None)
    load_parts(state, contents)
    reading = Reading({writer: list(offsets) for writer, offsets in manifest.unannounced.items()})
    return state, Snapshots(partition, dict(manifest.chunks)), reading, manifest.next_offset
