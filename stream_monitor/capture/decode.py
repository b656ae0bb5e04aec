"""A batch of raw messages to columns and rejects.

The fast path decodes each message with the typed structs (`shape`) of the stream of the message before it. What those refuse, or what looks
doubtful in the columns (`chunk`), takes the slow path (`native`), which alone rejects: a message's outcome never depends on its neighbours.
"""

import gc
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from stream_monitor.capture.batch import Batch
from stream_monitor.capture.columns import Columns, Raw
from stream_monitor.capture.join import joined
from stream_monitor.capture.native import Bounds
from stream_monitor.capture.reject import Reject
from stream_monitor.capture.routes import Routes
from stream_monitor.capture.schema import Schema, StreamKey
from stream_monitor.capture.times import YEAR_2000_MS, YEAR_9999_MS

MESSAGE_BYTES_MAX: Final = 2**20
"""Kafka's own default limit of a message; useful events are a hundredth of it."""
FUTURE_MAX_MS: Final = 60_000
"""How far a producer's clock may run ahead of ours."""
_BLOCK: Final = 1_024
"""Messages turned from structs into arrays together: their values are still in the processor's cache (28 % faster than 10,000)."""
_UNBOUND: Final[Mapping[str, str]] = MappingProxyType({})
_UNNAMED: Final[Mapping[StreamKey, str]] = MappingProxyType({})


class Decoder:
    """Decodes batches of messages of the streams in `schemas`; from batch to batch it keeps only which unknown fields it met.

    message_bytes_max: longer values are rejected unread. future_max_ms: events later than the batch's clock by more are rejected.
    time_min_ms: earlier events are rejected. bound_model: per topic, the model of events that name none.
    positive_class: per stream, the class whose entry in `scores` stands in for an absent `score`.
    """

    def __init__(
        self,
        schemas: Mapping[StreamKey, Schema],
        *,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        future_max_ms: int = FUTURE_MAX_MS,
        time_min_ms: int = YEAR_2000_MS,
        bound_model: Mapping[str, str] = _UNBOUND,
        positive_class: Mapping[StreamKey, str] = _UNNAMED,
    ) -> None:
        self._routes = Routes(schemas, bound_model)
        self._message_bytes_max = message_bytes_max
        self._future_max_ms = future_max_ms
        self._time_min_ms = time_min_ms
        self._positive_class = dict(positive_class)

    @property
    def saturated(self) -> frozenset[StreamKey]:
        """Streams with more unknown names than are learned: the further ones are ignored without being counted."""
        return frozenset(reader.stream for reader in self._routes if reader.saturated)

    def decode(self, messages: Sequence[Raw], clock_ms: int | None) -> tuple[list[Columns], list[Reject]]:
        """One Columns per stream seen, by model and version, and the rejects by row; each message is in exactly one of them.

        clock_ms: our clock in ms since the epoch; None: no bound to the future but the year 9999 (`replay` has its own).
        Raises nothing, whatever the messages hold. Garbage collection is off meanwhile: a batch makes many objects and no cycles.
        """
        latest_ms = YEAR_9999_MS if clock_ms is None else min(YEAR_9999_MS, clock_ms + self._future_max_ms)
        batch = Batch(self._routes, messages, self._message_bytes_max, Bounds(self._time_min_ms, latest_ms))
        collecting = gc.isenabled()
        gc.disable()
        try:
            parts = [part for rows in _blocks(len(messages)) for part in self._block(batch, rows)]
        finally:
            if collecting:
                gc.enable()
        return _by_stream(parts), sorted(batch.rejects, key=lambda reject: reject.row)

    def _block(self, batch: Batch, rows: range) -> list[Columns]:
        batch.read(rows)
        return batch.columns(self._positive_class)


def _blocks(n: int) -> list[range]:
    return [range(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]


def _by_stream(parts: Sequence[Columns]) -> list[Columns]:
    by_stream: dict[StreamKey, list[Columns]] = {}
    for part in parts:
        by_stream.setdefault(part.stream, []).append(part)
    order = sorted(by_stream, key=lambda stream: (stream.model, stream.version is not None, stream.version or ""))
    return [joined(by_stream[stream]) for stream in order]
