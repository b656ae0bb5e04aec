"""A member's producing half: one transactional producer."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import confluent_kafka as client
from confluent_kafka import KafkaError, KafkaException, Producer

from stream_monitor.errors import Abortable, BrokerError, Fatal, Fenced, Retriable

from ..broker import Record, TopicPartition, partition_for
from .patience import within
from .settings import LOGGER, KafkaSettings, invalid_setting
from .triage import UNKNOWN, call, error_of, insist, triage

START_S_MAX = 60.0
"""How long a new producer waits for the coordinator: brokers come back from a restart within this, or an operator is needed."""
QUEUE_S_MAX = 60.0
"""How long a full queue may stay full."""
CLOSE_S_MAX = 5.0
GRACE_S = 1.0
"""What a call may take beyond its own time-out before it counts as hung."""
PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}


class Sink:
    """A transactional producer; see `runtime.broker.Member` for the contract."""

    def __init__(self, settings: KafkaSettings, transactional_id: str, partition_count: Callable[[str], int]) -> None:
        self._settings = settings
        self._id = transactional_id
        self._timeout_s = settings.request_timeout_s
        self._partition_count = partition_count
        self._end_s_max = settings.transaction_timeout_ms / 1000 + settings.request_timeout_s
        self._is_open = False
        self._failure: BrokerError | None = None
        self._topics: set[str] = set()
        """What the open transaction writes to: a right that is missing there is told at its end, without the topic's name."""
        self._producer = self._take_over()

    def begin(self) -> None:
        """See `Member.begin`."""
        if self._is_open:
            raise Fatal(f"Producer {self._id!r} has a transaction open already.")
        call(self._producer.begin_transaction, f"Begin a transaction of {self._id!r}")
        self._failure = None
        self._topics.clear()
        self._is_open = True

    def produce(self, records: Iterable[Record]) -> None:
        """See `Member.produce`."""
        self._require_open()
        try:
            for record in records:
                self._topics.add(record.topic)
                enqueue(self._producer, arguments(record, self._partition_count), record)
        except Fatal as error:
            raise self._named(error) from error
        self._producer.poll(0)
        if self._failure is not None:
            raise self._failure

    def commit(self, next_offsets: Mapping[TopicPartition, int], generation: bytes | None) -> None:
        """See `Member.commit`; `generation` is the group metadata under which the messages were polled.

        Retriable comes from the sending of offsets alone, where all can still be undone; see `patience`.
        """
        self._require_open()
        if next_offsets:
            self._send_offsets(next_offsets, generation)
        doing = f"Commit the transaction of {self._id!r} to {', '.join(sorted(self._topics))}"
        self._end(lambda: self._producer.commit_transaction(self._end_s_max), doing)
        self._is_open = False

    def abort(self) -> None:
        """See `Member.abort`; nothing to do where no transaction is open.

        A new producer goes on, for librdkafka up to 2.16 numbers what follows an abort wrongly: a record that the broker has, but whose
        acknowledgement was lost with its connection, is taken for never sent, and the next record of that partition gets its sequence
        number again. Kafka takes it for the same record and drops it, and the commit succeeds. A new epoch counts from 0.
        """
        if self._is_open:
            self._failure = None
            self._end(lambda: self._producer.abort_transaction(self._end_s_max), f"Abort the transaction of {self._id!r}")
            self._is_open = False
            self._producer = self._take_over()

    def flush(self) -> None:
        """Wait until everything produced has reached the broker."""
        self._producer.flush(self._end_s_max)

    def close(self) -> None:
        """Abort what is open, and stop. Never raises."""
        try:
            if self._is_open:
                self._is_open = False
                self._producer.abort_transaction(CLOSE_S_MAX)
            self._producer.purge()
            self._producer.flush(0)
        except KafkaException as exception:
            LOGGER.info("Closing the producer: %s", error_of(exception).str())

    def _take_over(self) -> Producer:
        """A producer in a new epoch of the transactional id; what older ones left open is ended."""
        try:
            made = Producer(self._settings.transactional(self._id) | {"on_delivery": self._on_delivery}, logger=LOGGER)
        except KafkaException as exception:
            raise Fatal(invalid_setting(exception)) from exception
        insist(lambda: made.init_transactions(self._timeout_s), f"Take over transactional id {self._id!r}", START_S_MAX)
        return made

    def _send_offsets(self, next_offsets: Mapping[TopicPartition, int], generation: bytes | None) -> None:
        if generation is None:
            raise Abortable("The group has dropped this member: its session timed out.")
        offsets = [client.TopicPartition(partition.topic, partition.partition, offset) for partition, offset in next_offsets.items()]
        doing = f"Send offsets to the transaction of {self._id!r}"
        send, timeout_s = self._producer.send_offsets_to_transaction, self._timeout_s
        try:
            insist(lambda: within(lambda: send(offsets, generation, timeout_s), timeout_s + GRACE_S), doing, timeout_s)
        except Abortable as error:
            raise (self._failure or error) from error
        except TimeoutError:
            self._is_open = False  # nothing can be done with this producer; its successor aborts the transaction
            raise Retriable(f"{doing}: no answer within {timeout_s:.0f} s.") from None

    def _end(self, action: Callable[[], None], doing: str) -> None:
        """Insist on a step of the transaction's end, for longer than the transaction can live.

        After that the coordinator has ended it one way or the other; a new member learns which (its start waits for that end, and
        the committed offsets tell), so no answer counts as fenced. A record that failed explains an abort better than the abort does.
        """
        try:
            insist(action, doing, self._end_s_max)
        except Retriable as error:
            raise Fenced(
                f"{error} Kafka gave no answer for {self._end_s_max:.0f} s: only a new member can tell what took effect."
            ) from error
        except (Abortable, Fatal) as error:
            self._producer.poll(0)  # lets `_on_delivery` know
            raise (self._failure or error) from error

    def _named(self, error: Fatal) -> BrokerError:
        """`produce` may say of a producer that was fenced no more than that it is beyond use; the transactional calls say why."""
        cause = error.__cause__
        if isinstance(cause, KafkaException) and error_of(cause).code() == KafkaError._FATAL:
            try:
                self._producer.abort_transaction(CLOSE_S_MAX)
            except KafkaException as exception:
                return triage(error_of(exception), f"Write in the transaction of {self._id!r}")
        return error

    def _require_open(self) -> None:
        if not self._is_open:
            raise Fatal(f"Producer {self._id!r} has no transaction open.")

    def _on_delivery(self, error: KafkaError | None, message: Any) -> None:
        if error is not None and error.code() not in PURGED and self._failure is None:
            self._failure = failure_of(error, message.topic(), in_transaction=True)


def failure_of(error: KafkaError, topic: str, *, in_transaction: bool) -> BrokerError:
    """What a failed delivery means. Inside a transaction nothing can be sent again alone: retriable becomes abortable.

    Where the topic is unknown beginning again at once is no use: it stays retriable, for a new member after a pause, so many times.
    """
    failure = triage(error, f"Write to topic {topic!r}")
    again = in_transaction and isinstance(failure, Retriable) and error.code() not in UNKNOWN
    return Abortable(str(failure)) if again else failure


def arguments(record: Record, partition_count: Callable[[str], int]) -> dict[str, Any]:
    """A record as `Producer.produce` takes it. Errors: as `partition_count`."""
    made: dict[str, Any] = {"topic": record.topic, "value": record.value, "key": record.key}
    if record.headers:
        made["headers"] = list(record.headers)
    if record.timestamp_ms is not None:
        made["timestamp"] = record.timestamp_ms
    if record.partition is not None:
        made["partition"] = record.partition
    elif record.key is not None:
        made["partition"] = partition_for(record.key, partition_count(record.topic))
    return made


def enqueue(producer: Producer, produced: dict[str, Any], record: Record) -> None:
    """Queue one record, waiting while the queue is full. Errors: as `triage`; Retriable where the queue stays full."""
    deadline = time.monotonic() + QUEUE_S_MAX
    while True:
        try:
            producer.produce(**produced)
            return
        except BufferError:
            if time.monotonic() > deadline:
                raise Retriable(f"Nothing could be written to topic {record.topic!r} for {QUEUE_S_MAX:.0f} s.") from None
            producer.poll(0.1)
        except KafkaException as exception:
            raise triage(error_of(exception), f"Write to topic {record.topic!r}") from exception
