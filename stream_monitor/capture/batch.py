"""One batch on its way from messages to columns and rejects."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from stream_monitor.capture.chunk import Chunk, Envelopes, columns_of, doubtful, envelopes_of
from stream_monitor.capture.columns import Columns, Raw
from stream_monitor.capture.native import Bounds, read_event
from stream_monitor.capture.parse import UNREADABLE, parse
from stream_monitor.capture.reader import Reader
from stream_monitor.capture.reject import Problem, Reason, Reject
from stream_monitor.capture.routes import Routes
from stream_monitor.capture.schema import StreamKey
from stream_monitor.capture.shape import Event, refuse


class _Head(msgspec.Struct, gc=False):
    model: str | None = None
    version: str | None = None


class _Added(NamedTuple):
    chunk: Chunk
    event: Event


_TAG_BYTES_MAX: Final = 300
_head: Final = msgspec.json.Decoder(_Head).decode


class Batch:
    """Messages being decoded. After `read`, `columns`; then `rejects` holds all that was rejected so far."""

    def __init__(self, routes: Routes, messages: Sequence[Raw], bytes_max: int, bounds: Bounds) -> None:
        self._routes = routes
        self._messages = messages
        self._bytes_max = bytes_max
        self._bounds = bounds
        self._chunks: dict[StreamKey, list[Chunk]] = {}
        self._guesses: dict[bytes, _Guess] = {}
        self.rejects: list[Reject] = []

    def read(self, rows: range) -> None:
        """Decode these messages, guessing that each is of the stream of the one before it (that named the same model)."""
        bytes_max = self._bytes_max
        mixed = len(self._routes) > 1
        tag = b""
        guess = _NO_GUESS
        decode, model, version, add_row, add_event = guess
        for row in rows:
            message = self._messages[row]
            value = message.value()
            event = None
            if value and len(value) <= bytes_max:
                if mixed and (present := _tag(value)) != tag:
                    tag = present
                    decode, model, version, add_row, add_event = self._guesses.get(tag, guess)
                try:
                    event = decode(value)
                except UNREADABLE:
                    pass
                else:
                    # Without a model of its own an event's stream hangs on its topic and headers: never taken as guessed.
                    if event.model is not None and event.model == model and event.version == version:
                        add_row(row)
                        add_event(event)
                        continue
            added = self._add(row, message, value, event)
            if added is not None:
                guess = self._guesses[tag] = _guess(added)
                decode, model, version, add_row, add_event = guess

    def columns(self, positive_class: Mapping[StreamKey, str]) -> list[Columns]:
        """What was read since the last call, a part or more per stream, in no order."""
        chunks, self._chunks = self._chunks, {}
        self._guesses.clear()
        return [
            columns_of(stream, chunk, envelopes, positive_class.get(stream))
            for stream, of_stream in chunks.items()
            for chunk in of_stream
            if (envelopes := self._settle(chunk)) is not None
        ]

    def _add(self, row: int, message: Raw, value: bytes | None, event: Event | None) -> _Added | None:
        """Keep or reject a message that was not of the guessed stream; `event` is what the guess made of it."""
        placed = self._place(message, value, event)
        if isinstance(placed, Problem):
            self.rejects.append(Reject.of(row, placed))
            return None
        reader, event = placed
        chunks = self._chunks.setdefault(reader.stream, [])
        if not chunks or chunks[-1].shape is not reader.shape:
            chunks.append(Chunk(reader.schema, reader.shape))
            self._guesses.clear()  # none may add to an earlier chunk of the stream
        chunks[-1].rows.append(row)
        chunks[-1].events.append(event)
        return _Added(chunks[-1], event)

    def _place(self, message: Raw, value: bytes | None, event: Event | None) -> tuple[Reader, Event] | Problem:
        """Find the message's own stream and decode it by that."""
        if not value:
            return Problem(Reason.EMPTY, "no value" if value is None else "a value of zero bytes")
        if len(value) > self._bytes_max:
            return Problem(Reason.TOO_LARGE, f"{len(value)} bytes; at most {self._bytes_max} are read")
        reader = self._reader_by_head(message, value, event)
        if reader is not None and not reader.fresh:
            if not isinstance(event, reader.shape.event):
                event = reader.attempt(value)
            if event is not None:
                return reader, event
        return self._place_slowly(message, value)

    def _place_slowly(self, message: Raw, value: bytes) -> tuple[Reader, Event] | Problem:
        """Parse, learn names that are new, try the typed decode once more, then read field by field."""
        body = parse(value)
        if isinstance(body, Problem):
            return body
        reader = self._routes.reader_of(body, message)
        if isinstance(reader, Problem):
            return reader
        if reader.learn(body) and (event := reader.attempt(value)) is not None:
            return reader, event
        read = read_event(body, message, reader.shape, self._bounds)
        return read if isinstance(read, Problem) else (reader, read)

    def _reader_by_head(self, message: Raw, value: bytes, event: Event | None) -> Reader | None:
        head: Event | _Head | None = event
        if head is None:
            try:
                head = _head(value)
            except UNREADABLE:
                return None
        return self._routes.find(head.model, head.version, message)

    def _settle(self, chunk: Chunk) -> Envelopes | None:
        """Judge the doubtful events the slow way; None where nothing is left."""
        envelopes = envelopes_of(chunk, self._messages)
        doubts = doubtful(envelopes, self._bounds)
        if not doubts:
            return envelopes
        judged = [
            (row, self._judge(chunk, row) if i in doubts else event)
            for i, (row, event) in enumerate(zip(chunk.rows, chunk.events, strict=True))
        ]
        for row, outcome in judged:
            if isinstance(outcome, Problem):
                self.rejects.append(Reject.of(row, outcome))
        kept = [(row, outcome) for row, outcome in judged if not isinstance(outcome, Problem)]
        chunk.rows = [row for row, _ in kept]
        chunk.events = [event for _, event in kept]
        return envelopes_of(chunk, self._messages) if kept else None

    def _judge(self, chunk: Chunk, row: int) -> Event | Problem:
        message = self._messages[row]
        body = parse(message.value() or b"")
        return body if isinstance(body, Problem) else read_event(body, message, chunk.shape, self._bounds)


def _nowhere(_: object) -> None:
    """Takes nothing: before the first event, no guess can be right."""


class _Guess(NamedTuple):
    """How to decode a message, and where its event goes if its model and version are these."""

    decode: Callable[[bytes], Event]
    model: str | None
    version: str | None
    add_row: Callable[[int], None]
    add_event: Callable[[Event], None]


_NO_GUESS: Final = _Guess(refuse, None, None, _nowhere, _nowhere)


def _guess(added: _Added) -> _Guess:
    event, chunk = added.event, added.chunk
    return _Guess(chunk.shape.decode, event.model, event.version, chunk.rows.append, chunk.events.append)


def _tag(value: bytes) -> bytes:
    """The bytes that look like the model's name: a hint that costs a tenth of decoding by the wrong types, and may be wrong."""
    start = value.find(b'"model"')
    return value[start : value.find(b",", start, start + _TAG_BYTES_MAX)]
