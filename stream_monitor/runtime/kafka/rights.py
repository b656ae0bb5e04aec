"""Which rights on topics and groups the cluster does not grant us. For transactional ids Kafka answers no such question."""

from collections.abc import Mapping, Set

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation

from .settings import LOGGER, KafkaSettings
from .triage import insist


def missing_rights(settings: KafkaSettings, topics: Mapping[str, Set[str]], groups: Set[str]) -> list[str]:
    """Sentences, one per right that is missing. topics: existing ones -> names of `AclOperation`s; groups: those that we join.

    Asks again for a while: a new cluster has no coordinator of groups yet, and makes one when it is first asked.
    Errors: as `triage`; Retriable where the cluster does not answer.
    """
    admin = AdminClient(settings.common(), logger=LOGGER)
    granted = insist(lambda: _granted(admin, settings, topics, groups), "Ask for our rights", settings.request_timeout_s)
    wanted = {f"topic {name}": operations for name, operations in topics.items()} | {f"group {name}": {"READ"} for name in groups}
    return [f"{what}: {right.lower()}" for what, rights in wanted.items() for right in sorted(rights) if right not in granted[what]]


def _granted(admin: AdminClient, settings: KafkaSettings, topics: Mapping[str, Set[str]], groups: Set[str]) -> dict[str, set[str]]:
    options = {"include_authorized_operations": True, "request_timeout": settings.request_timeout_s}
    asked = admin.describe_topics(TopicCollection(sorted(topics)), **options)
    described = admin.describe_consumer_groups(sorted(groups), **options)
    parts = (("topic", asked), ("group", described))
    return {f"{what} {name}": _names(done.result().authorized_operations) for what, part in parts for name, done in part.items()}


def _names(operations: list[AclOperation] | None) -> set[str]:
    """Names of operations; a cluster that does not say (None) is taken to allow what we ask for."""
    return {"READ", "WRITE", "DESCRIBE", "CREATE"} if operations is None else {operation.name for operation in operations}
