"""The ready action `kafka`: the alert on another topic, of this cluster or another."""

from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.base import DRY_MAX, WAIT_MAX_S, Ready, Secret
from stream_monitor.respond.call import Call, Refused, Retriable

_FOR_GOOD: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.POLICY_VIOLATION,
    }
)


class KafkaTopic(Ready):
    """The same bytes, key and CloudEvents headers as on the alerts topic, and the header `idempotency-key`.

    The producer is idempotent, so that its own retries write once; an attempt that is repeated after a crash writes the message again.
    """

    topic: str = Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")
    """Must exist."""
    bootstrap_servers: str
    """Brokers to begin with, `host:port`, separated by commas."""
    properties: Mapping[str, str | int | float | bool | Secret] = Field(default={})
    """Passed to librdkafka; a value may be `{file: PATH}`."""

    def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """Produce, and wait until it is there. Errors: Refused, Retriable."""
        if call.dry_run:
            return {"would_send": self.hidden(alert.to_json().decode(), DRY_MAX)}
        delivered: list[tuple[KafkaError | None, Message]] = []
        wait_s = min(call.remaining_s(), WAIT_MAX_S)
        producer = self._producer(wait_s)
        headers: list[tuple[str, str | bytes | None]] = [*alert.headers(), ("idempotency-key", call.idempotency_key)]
        try:
            producer.produce(
                self.topic,
                alert.to_json(),
                alert.fingerprint,
                headers=headers,
                on_delivery=lambda error, message: delivered.append((error, message)),
            )
            producer.flush(wait_s)
        except KafkaException as failure:
            raise self._failed(failure.args[0]) from None
        if not delivered:
            raise Retriable(f"{self.topic}: no answer within {wait_s:.1f} s")
        error, message = delivered[0]
        if error is not None:
            raise self._failed(error)
        return {"topic": self.topic, "partition": message.partition(), "offset": message.offset()}

    def _producer(self, wait_s: float) -> Producer:
        own = {
            "bootstrap.servers": self.bootstrap_servers,
            "enable.idempotence": True,
            "message.timeout.ms": max(1, int(wait_s * 1000)),
            "log_level": 0,  # what fails is told in the result
        }
        given = {name: value.read() if isinstance(value, Secret) else value for name, value in self.properties.items()}
        try:
            return Producer({**own, **given})
        except KafkaException as error:
            raise Refused(f"properties: {self.hidden(error.args[0].str())}") from None

    def _failed(self, error: KafkaError) -> Exception:
        sentence = f"{self.topic}: {self.hidden(error.str())}"
        return Refused(sentence) if error.code() in _FOR_GOOD else Retriable(sentence)
