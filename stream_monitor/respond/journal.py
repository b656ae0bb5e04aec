"""The actions topic and the dead letters, read and written through the broker."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar
from uuid import uuid4

import structlog

from stream_monitor.alert.alert import Alert
from stream_monitor.errors import CodecError, Retriable, RunError
from stream_monitor.respond.result import ActionResult
from stream_monitor.runtime.broker import Broker, Message, Record, TopicPartition

_log = structlog.get_logger(__name__)

TRIES_MAX: Final = 60
"""A broker that is away is waited for, for a minute at least and some ten where each attempt times out; then the supervisor decides."""
PAUSE_S: Final = 1.0

Answer = TypeVar("Answer")


class Journal:
    """What responders of one prefix say. `write` may be called by any thread, the others by one at a time.

    stop: set when waiting for a broker that is away is to end.
    """

    def __init__(self, broker: Broker, topic: str, stop: threading.Event) -> None:
        self._broker, self._topic, self._stop = broker, topic, stop
        self._writer = uuid4().hex.encode()
        self._next_offset = 0

    def read_all(self) -> Iterator[ActionResult]:
        """Every message that is kept, to the end at the time of the call. Errors: RunError."""
        self._next_offset = 0
        return self._read()

    def news(self) -> list[ActionResult]:
        """What others have said since the last reading. Errors: RunError."""
        if self._insist(lambda: self._broker.end_offset(TopicPartition(self._topic, 0))) <= self._next_offset:
            return []
        return list(self._read(others_only=True))

    def alerts(self, topic: str, offset: int) -> Iterator[Alert]:
        """All of the alerts topic that can be read, from this offset on. Errors: RunError."""
        for message in self._messages(topic, offset):
            try:
                yield Alert.from_json(message.value() or b"")
            except CodecError:
                continue  # a dead letter already

    def write(self, results: Iterable[ActionResult], letters: Iterable[Record] = ()) -> None:
        """Put on record, and wait until it is; tries again while the broker is away. Errors: RunError."""
        headers = (("writer", self._writer),)
        records = [*letters, *(Record(self._topic, *each.message, 0, headers) for each in results)]
        if records:
            self._insist(lambda: self._broker.publish(records))

    def _read(self, *, others_only: bool = False) -> Iterator[ActionResult]:
        for message in self._messages(self._topic, self._next_offset):
            self._next_offset = message.offset() + 1
            if not (others_only and ("writer", self._writer) in (message.headers() or ())) and (found := _decoded(message)) is not None:
                yield found

    def _messages(self, topic: str, start: int) -> Iterator[Message]:
        """From this offset to the end, one at a time however many there are; goes on where it was when the broker was away."""
        attempt = 0
        while True:
            try:
                for message in self._broker.read(TopicPartition(topic, 0), start):
                    start, attempt = message.offset() + 1, 0
                    yield message
            except Retriable as error:
                attempt += 1
                self._pause(attempt, error)
            else:
                return

    def _insist(self, action: Callable[[], Answer]) -> Answer:
        attempt = 0
        while True:
            try:
                return action()
            except Retriable as error:
                attempt += 1
                self._pause(attempt, error)

    def _pause(self, attempt: int, error: Retriable) -> None:
        _log.warning("broker_is_away", error=str(error), attempt=attempt)
        if self._stop.wait(PAUSE_S) or attempt == TRIES_MAX:
            raise RunError(f"{self._topic}: gave up after {attempt} attempts: {error}") from error


def _decoded(message: Message) -> ActionResult | None:
    value = message.value()
    try:
        return None if value is None else ActionResult.from_json(value)
    except CodecError as error:
        _log.warning("unreadable_action_result", offset=message.offset(), error=str(error))
        return None
