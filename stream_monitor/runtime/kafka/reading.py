"""Reading a range of one partition without a group."""

import time
from collections.abc import Iterator
from typing import cast

import confluent_kafka as client
from confluent_kafka import Consumer, KafkaError

from stream_monitor.errors import Retriable

from ..broker import Message, TopicPartition
from .settings import LOGGER, KafkaSettings
from .triage import TRANSIENT, call, triage

BATCH_COUNT = 10_000
POLL_S = 0.02
"""`consume` does not return early at the end of a partition: a short read waits at most this long for nothing."""
SILENCE_S_MAX = 30.0
"""A read that brings neither a message nor the partition's end for so long has lost the broker."""


def read_range(settings: KafkaSettings, partition: TopicPartition, start: int, stop: int) -> Iterator[Message]:
    """Messages with start <= offset < stop, where stop is not beyond the last stable offset.

    The range may end in transaction markers and aborted messages, which no consumer returns: the end is also reached by the
    partition's own end, or by a message behind the range.
    """
    consumer = Consumer(settings.reader(), logger=LOGGER)
    try:
        consumer.assign([client.TopicPartition(partition.topic, partition.partition, start)])
        heard = time.monotonic()
        while True:
            batch = call(lambda: consumer.consume(BATCH_COUNT, POLL_S), f"Read {partition.topic}[{partition.partition}]")
            yield from cast(list[Message], [one for one in batch if one.error() is None and cast(int, one.offset()) < stop])
            if any(_is_past(one, stop, partition) for one in batch):
                return
            heard = time.monotonic() if batch else heard
            if time.monotonic() - heard > SILENCE_S_MAX:
                raise Retriable(f"No answer from Kafka on {partition.topic}[{partition.partition}] for {SILENCE_S_MAX:.0f} s.")
    finally:
        consumer.close()


def _is_past(message: "client.Message[bytes, bytes]", stop: int, partition: TopicPartition) -> bool:
    """Whether nothing of the range can follow. Errors: as `triage`, but for what passes by itself."""
    error = message.error()
    if error is None:
        return cast(int, message.offset()) + 1 >= stop
    if error.code() == KafkaError._PARTITION_EOF:
        return cast(int, message.offset()) >= stop  # a new leader may know of less for a moment
    if error.code() not in TRANSIENT:
        raise triage(error, f"Read {partition.topic}[{partition.partition}]")
    return False
