"""Which rights on topics and groups the cluster does not grant us. For transactional ids Kafka answers no such question."""

from collections.abc import Mapping, Set

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation

from .settings import LOGGER, KafkaSettings
from .triage import error_of, triage


def missing_rights(settings: KafkaSettings, topics: Mapping[str, Set[str]], groups: Set[str]) -> list[str]:
    """Sentences, one per right that is missing. topics: existing ones -> names of `AclOperation`s; groups: those that we join.

    Errors: as `triage`; Retriable where the cluster does not answer.
    """
    admin = AdminClient(settings.common(), logger=LOGGER)
    try:
        asked = admin.describe_topics(
            TopicCollection(sorted(topics)), include_authorized_operations=True, request_timeout=settings.request_timeout_s
        )
        granted = {f"topic {name}": _names(done.result().authorized_operations) for name, done in asked.items()}
        described = admin.describe_consumer_groups(
            sorted(groups), include_authorized_operations=True, request_timeout=settings.request_timeout_s
        )
        granted |= {f"group {name}": _names(done.result().authorized_operations) for name, done in described.items()}
    except KafkaException as exception:
        raise triage(error_of(exception), "Ask for our rights") from exception
    wanted = {f"topic {name}": operations for name, operations in topics.items()} | {f"group {name}": {"READ"} for name in groups}
    return [f"{what}: {right.lower()}" for what, rights in wanted.items() for right in sorted(rights) if right not in granted[what]]


def _names(operations: list[AclOperation] | None) -> set[str]:
    """Names of operations; a cluster that does not say (None) is taken to allow what we ask for."""
    return {"READ", "WRITE", "DESCRIBE", "CREATE"} if operations is None else {operation.name for operation in operations}
