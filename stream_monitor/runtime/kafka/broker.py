"""The broker interface over one Kafka cluster."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from threading import Lock
from typing import Any

import confluent_kafka as client
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from stream_monitor.config import Config
from stream_monitor.errors import BrokerError, ConfigError, Fatal, Retriable

from ..broker import GroupView, Message, Record, TopicPartition, TopicSpec
from . import groups, topics
from .member import KafkaMember
from .reading import read_range
from .rights import missing_rights
from .settings import LOGGER, KafkaSettings, invalid_setting
from .sink import arguments, enqueue, failure_of
from .triage import insist, triage

PUBLISH_S_MAX = 60.0


class KafkaBroker:
    """See `runtime.broker.Broker`. Making one does not connect. Errors: ConfigError where librdkafka refuses a property."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._counts: dict[str, int] = {}
        self._producer: Producer | None = None
        self._admin: AdminClient | None = None
        try:
            self._query = Consumer(settings.reader(), logger=LOGGER)  # asks for metadata and offsets, reads nothing
        except KafkaException as exception:
            raise ConfigError(invalid_setting(exception)) from exception

    @classmethod
    def of(cls, config: Config) -> "KafkaBroker":
        """The cluster that a config names. Errors: ConfigError."""
        kafka, engine = config.kafka, config.engine
        return cls(
            KafkaSettings(
                kafka.bootstrap_servers,
                kafka.properties,
                session_timeout_ms=engine.session_timeout,
                transaction_timeout_ms=engine.transaction_timeout,
            )
        )

    def ensure_topics(self, specs: Sequence[TopicSpec]) -> None:
        """See `Broker.ensure_topics`."""
        try:
            topics.ensure(self._settings, specs, self.partition_count)
            insist(lambda: self._require_known([spec.name for spec in specs]), "Wait for the new topics", self._settings.request_timeout_s)
        except Retriable as error:
            raise Fatal(str(error)) from error

    def partition_count(self, topic: str) -> int | None:
        """See `Broker.partition_count`."""
        try:
            found = self._query.list_topics(topic, timeout=self._settings.request_timeout_s).topics[topic]
        except KafkaException as exception:
            raise self._unreachable(exception) from exception
        if found.error is not None:
            if found.error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}:
                return None
            raise triage(found.error, f"Look up topic {topic!r}")
        return len(found.partitions)

    def member(self, group: str, topics: Sequence[str], transactional_id: str) -> KafkaMember:
        """See `Broker.member`."""
        self._require_known([])
        return KafkaMember(self._settings, group, topics, transactional_id, self._known_partition_count)

    def group(self, name: str, topics: Sequence[str], timeout_s: float) -> GroupView:
        """See `Broker.group`."""
        return groups.view(self._asker(), name, topics, timeout_s)

    def missing_rights(self, topics: Mapping[str, Set[str]], groups: Set[str]) -> list[str]:
        """See `rights.missing_rights`."""
        return missing_rights(self._settings, topics, groups)

    def read(self, partition: TopicPartition, start: int = 0, stop: int | None = None) -> Iterator[Message]:
        """See `Broker.read`."""
        first, end = self._watermarks(partition)
        start, stop = max(start, first), end if stop is None else min(stop, end)
        return read_range(self._settings, partition, start, stop) if start < stop else iter(())

    def first_offset(self, partition: TopicPartition) -> int:
        """See `Broker.first_offset`."""
        return self._watermarks(partition)[0]

    def end_offset(self, partition: TopicPartition) -> int:
        """See `Broker.end_offset`."""
        return self._watermarks(partition)[1]

    def publish(self, records: Iterable[Record]) -> None:
        """See `Broker.publish`."""
        failures: list[BrokerError] = []

        def note(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                failures.append(failure_of(error, message.topic(), in_transaction=False))

        producer = self._publisher()
        for record in records:
            enqueue(producer, arguments(record, self._known_partition_count) | {"on_delivery": note}, record)
        if producer.flush(PUBLISH_S_MAX) > 0:
            raise Retriable(f"Kafka at {self._settings.bootstrap_servers} did not acknowledge all records in {PUBLISH_S_MAX:.0f} s.")
        if failures:
            raise failures[0]

    def close(self) -> None:
        """See `Broker.close`."""
        with self._lock:
            producer, self._producer = self._producer, None
            self._admin = None
        try:
            self._query.close()
            if producer is not None:
                producer.purge()
                producer.flush(0)
        except (KafkaException, RuntimeError) as error:
            LOGGER.warning("Closing the broker: %s", error)

    def _publisher(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = Producer(self._settings.writer(), logger=LOGGER)
            return self._producer

    def _asker(self) -> AdminClient:
        with self._lock:
            if self._admin is None:
                self._admin = AdminClient(self._settings.common(), logger=LOGGER)
            return self._admin

    def _known_partition_count(self, topic: str) -> int:
        """The partition count, remembered: it places keys, and those topics' counts are pinned. Errors: Fatal where there is no topic."""
        if topic not in self._counts:
            count = insist(lambda: self.partition_count(topic), "Ask for partitions", self._settings.request_timeout_s)
            if count is None:
                raise Fatal(f"There is no topic {topic!r}.")
            self._counts[topic] = count
        return self._counts[topic]

    def _require_known(self, names: Sequence[str]) -> None:
        """Errors: Retriable where the cluster does not answer, or does not know one of these topics yet."""
        try:
            known = self._query.list_topics(timeout=self._settings.request_timeout_s).topics
        except KafkaException as exception:
            raise self._unreachable(exception) from exception
        if missing := [name for name in names if name not in known]:
            raise Retriable(f"Kafka does not show topic {missing[0]!r} yet.")

    def _watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """First offset and last stable offset (the client asks with its isolation level)."""
        asked = client.TopicPartition(*partition)
        doing = f"Read the offsets of {partition.topic}[{partition.partition}]"
        timeout_s = self._settings.request_timeout_s
        return insist(lambda: self._query.get_watermark_offsets(asked, timeout=timeout_s), doing, timeout_s)

    def _unreachable(self, exception: KafkaException) -> Retriable:
        reason = exception.args[0].str() if isinstance(exception.args[0], KafkaError) else str(exception)
        return Retriable(
            f"No Kafka answered at {self._settings.bootstrap_servers} within {self._settings.request_timeout_s:.0f} s ({reason})."
        )
