"""librdkafka configs: what the user may change, what correctness needs, and why."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException

REPEAT_S = 30.0
"""librdkafka says that a broker is away hundreds of times a second, if asked often enough; once in a while is enough."""


class Repeats(logging.Filter):
    """Lets a line of librdkafka through once in `REPEAT_S`, whatever it says in brackets (durations, counts)."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is news."""
        line = record.getMessage().rpartition("]: ")[2].partition("(")[0]
        if record.created - self._last.get(line, 0.0) < REPEAT_S:
            return False
        if len(self._last) >= 100:
            self._last.clear()
        self._last[line] = record.created
        return True


LOGGER = logging.getLogger("stream_monitor.kafka")
LOGGER.addFilter(Repeats())

MESSAGE_BYTES_MAX = 33 << 20
"""Dead letters carry messages of up to 32 MiB whole; one more for headers and framing."""


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach a cluster, and how long to believe in a silent member."""

    bootstrap_servers: str
    properties: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Handed to librdkafka as they are (SASL, TLS, …); they cannot override what correctness needs."""
    session_timeout_ms: int = 10_000
    """A crashed member's partitions are handed over after this; brokers allow 6 s to 30 min by default."""
    max_poll_interval_ms: int = 300_000
    """A member that does not poll for so long leaves its group; restoring large state happens between two polls."""
    transaction_timeout_ms: int = 10_000
    """After a crash, readers wait for the end of the open transaction: at most this long."""
    request_timeout_s: float = 10.0
    """An answer that takes longer counts as none: an unreachable broker is told to the user after this."""

    def common(self) -> dict[str, Any]:
        """For every client."""
        defaults: dict[str, Any] = {
            "client.id": "stream-monitor",
            "topic.metadata.refresh.interval.ms": 10_000,  # new topics and partitions are noticed within this
            "reconnect.backoff.max.ms": 2_000,
            "log.connection.close": False,
        }
        return defaults | dict(self.properties) | {"bootstrap.servers": self.bootstrap_servers, "error_cb": _log_error}

    def reader(self, group: str = "stream-monitor-reader") -> dict[str, Any]:
        """For a consumer that assigns itself and commits nothing; `group` is a name that the client library asks for."""
        tunable = {
            "fetch.queue.backoff.ms": 10,  # default 1000: a full queue would idle for a second
            "fetch.max.bytes": 50 << 20,
            "queued.max.messages.kbytes": 64 << 10,  # bounds the memory of prefetched messages
        }
        needed = {
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,  # the only news of where the last stable offset is
            "receive.message.max.bytes": (50 << 20) + MESSAGE_BYTES_MAX,
            "fetch.message.max.bytes": MESSAGE_BYTES_MAX,
        }
        return tunable | self.common() | needed

    def group_member(self, group: str, name: str = "") -> dict[str, Any]:
        """For a consumer that joins `group`, where others see it as `name`; a client.id of the user's own stays: quotas go by it."""
        named = {"client.id": name} if name and "client.id" not in self.properties else {}
        needed = {
            "group.protocol": "classic",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": self.session_timeout_ms,
            "heartbeat.interval.ms": max(100, min(3_000, self.session_timeout_ms // 5)),
            "max.poll.interval.ms": max(self.max_poll_interval_ms, self.session_timeout_ms),
        }
        return self.reader(group) | named | needed

    def writer(self) -> dict[str, Any]:
        """For an idempotent producer."""
        tunable = {"compression.type": "lz4", "linger.ms": 5, "queue.buffering.max.kbytes": 256 << 10}
        needed = {
            "enable.idempotence": True,
            "acks": "all",
            "message.max.bytes": MESSAGE_BYTES_MAX,
            "delivery.report.only.error": True,  # no Python call per message
        }
        return tunable | self.common() | needed

    def transactional(self, transactional_id: str) -> dict[str, Any]:
        """For a transactional producer; its messages may not outlive their transaction."""
        needed = {"transactional.id": transactional_id, "transaction.timeout.ms": self.transaction_timeout_ms}
        return self.writer() | needed | {"message.timeout.ms": self.transaction_timeout_ms}


def _log_error(error: KafkaError) -> None:
    LOGGER.warning("%s", error.str())


def invalid_setting(exception: KafkaException) -> str:
    """One sentence for a config that librdkafka refuses."""
    return f"kafka.properties: {exception.args[0].str() if isinstance(exception.args[0], KafkaError) else exception}"
