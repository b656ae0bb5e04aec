"""The ready action `investigate`: where a change comes from, as the action's result; nothing outside is touched."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.investigation import investigate, window_scores
from stream_monitor.respond.actions.base import WAIT_MAX_S, Ready, Secret
from stream_monitor.respond.call import Call, Retriable

_AT_ONCE: Final = 1_000
"""Messages."""
_PATIENCE_S: Final = 0.2
"""How long one look waits for messages."""


class Investigate(Ready):
    """Ranks bins, segments, versions, features and sources by what they contribute; reads, and changes nothing: a dry run does the same.

    Without `bootstrap_servers` it knows the alert's own evidence alone, and ranks no features.
    """

    bootstrap_servers: str | None = None
    """Where the window scores are; default: they are not read."""
    topic: str = "stream-monitor.windows"
    """The window scores: `prefix.windows`."""
    properties: Mapping[str, str | int | float | bool | Secret] = Field(default={})
    """Passed to librdkafka; a value may be `{file: PATH}`."""
    messages_max: int = Field(default=50_000, ge=1, le=1_000_000)
    """How many of the newest messages are read, over all partitions: a model of 100 columns and 9 distances has 900 for each window."""

    def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """The investigation. Errors: Retriable, where the scores cannot be read."""
        values = self._newest(alert.model.encode(), call) if self.bootstrap_servers else ()
        found: dict[str, Any] = msgspec.to_builtins(investigate(alert, window_scores(values)))
        return found

    def _newest(self, model: bytes, call: Call) -> Sequence[bytes]:
        """The model's among the newest messages, as many as were there when we came."""
        consumer = Consumer(self._settings())
        try:
            open_until = self._assigned(consumer, call)
            values: list[bytes] = []
            while open_until and call.remaining_s() > 0:
                for message in consumer.consume(_AT_ONCE, min(call.remaining_s(), _PATIENCE_S)):
                    value, partition = message.value(), message.partition() or 0
                    if message.error() is None and message.key() == model and value is not None:
                        values.append(value)
                    if _is_last(message, open_until.get(partition, 0)):
                        open_until.pop(partition, None)
        except KafkaException as failure:
            raise Retriable(f"{self.topic}: {self.hidden(failure.args[0].str())}") from None
        finally:
            consumer.close()
        if open_until:
            raise Retriable(f"{self.topic}: not read to its end in time")
        return values

    def _assigned(self, consumer: Consumer, call: Call) -> dict[int, int]:
        """Partition -> where its end is, of those that hold something; the consumer reads the newest of each."""
        wait_s = min(call.remaining_s(), WAIT_MAX_S)
        known = consumer.list_topics(self.topic, timeout=wait_s).topics[self.topic]
        if known.error is not None:
            raise KafkaException(known.error)
        starts, ends = [], {}
        for partition in known.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=wait_s)
            if low < high:
                starts.append(TopicPartition(self.topic, partition, max(low, high - self.messages_max // len(known.partitions))))
                ends[partition] = high
        consumer.assign(starts)
        return ends

    def _settings(self) -> dict[str, Any]:
        own = {
            "bootstrap.servers": self.bootstrap_servers,
            "group.id": "stream-monitor-investigate",  # asked for by librdkafka; nobody joins it
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "log_level": 0,
        }
        return own | {name: value.read() if isinstance(value, Secret) else value for name, value in self.properties.items()}


def _is_last(message: Message, end: int) -> bool:
    """Whether nothing of its partition can follow: transactions end in markers, which no consumer sees."""
    error = message.error()
    return error.code() == KafkaError._PARTITION_EOF if error is not None else (message.offset() or 0) + 1 >= end
