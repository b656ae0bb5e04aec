"""Creating and verifying topics."""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from stream_monitor.errors import UserError

from ..broker import TopicSpec, topic_mismatch
from .settings import LOGGER, KafkaSettings
from .triage import error_of, triage


def ensure(settings: KafkaSettings, specs: Sequence[TopicSpec], partition_count: Callable[[str], int | None]) -> None:
    """See `Broker.ensure_topics`."""
    admin = AdminClient(settings.common(), logger=LOGGER)
    absent = [spec for spec in specs if partition_count(spec.name) is None]
    created = _create(admin, absent, settings.request_timeout_s)
    present = [spec for spec in specs if spec.name not in created]
    policies = _cleanup_policies(admin, [spec.name for spec in present], settings.request_timeout_s)
    for spec in present:
        if sentence := topic_mismatch(spec, partition_count(spec.name) or 0, policies[spec.name]):
            raise UserError(sentence)


def _create(admin: AdminClient, specs: Sequence[TopicSpec], timeout_s: float) -> set[str]:
    """Create topics with the broker's default replication; the names of those that are new."""
    if not specs:
        return set()
    topics = [NewTopic(spec.name, spec.partitions, -1, config=dict(spec.config)) for spec in specs]
    created = set()
    for name, future in admin.create_topics(topics, operation_timeout=timeout_s, request_timeout=2 * timeout_s).items():
        try:
            future.result()
            created.add(name)
        except KafkaException as exception:
            if error_of(exception).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise triage(error_of(exception), f"Create topic {name!r}") from exception
    return created


def _cleanup_policies(admin: AdminClient, names: Sequence[str], timeout_s: float) -> dict[str, str]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    policies = {}
    for resource, future in admin.describe_configs(resources, request_timeout=timeout_s).items():
        try:
            policies[str(resource.name)] = str(future.result()["cleanup.policy"].value)
        except KafkaException as exception:
            raise triage(error_of(exception), f"Read the configuration of topic {resource.name!r}") from exception
    return policies
