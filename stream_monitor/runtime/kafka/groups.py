# mypy: disable-error-code="no-untyped-call"
# (the makers of OffsetSpec carry no types)
"""A consumer group from outside, by Kafka's admin requests; the rights that its members need (read the group and the topics) do."""

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import Any

import confluent_kafka as client
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._group import ConsumerGroupDescription
from confluent_kafka.admin._listoffsets import OffsetSpec

from stream_monitor.errors import Retriable

from ..broker import GroupMember, GroupView, TopicPartition
from .triage import call, error_of, triage

_SETTLED = {ConsumerGroupState.STABLE, ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD}


def view(admin: AdminClient, group: str, topics: Sequence[str], timeout_s: float) -> GroupView:
    """See `Broker.group`."""
    found = _description(admin, group, timeout_s)
    members = [] if found is None else [GroupMember(one.client_id, one.host.lstrip("/"), _owned(one.assignment)) for one in found.members]
    partitions = _partitions(admin, topics, timeout_s)
    committed = _committed(admin, group, partitions, timeout_s)
    start = committed | _offsets(admin, partitions - committed.keys(), OffsetSpec.earliest(), timeout_s)
    ends = _offsets(admin, partitions, OffsetSpec.latest(), timeout_s)
    lags = {partition: max(ends[partition] - start[partition], 0) for partition in sorted(partitions)}
    return GroupView(tuple(sorted(members)), found is None or found.state in _SETTLED, lags)


def _description(admin: AdminClient, group: str, timeout_s: float) -> ConsumerGroupDescription | None:
    asked = admin.describe_consumer_groups([group], request_timeout=timeout_s)[group]
    found: ConsumerGroupDescription | None = _answer(asked, f"Describe group {group!r}", timeout_s)
    return found


def _owned(assignment: Any) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(one.topic, one.partition) for one in assignment.topic_partitions)


def _partitions(admin: AdminClient, topics: Sequence[str], timeout_s: float) -> set[TopicPartition]:
    known = call(lambda: admin.list_topics(timeout=timeout_s), "List the topics").topics
    return {TopicPartition(topic, number) for topic in topics if topic in known for number in known[topic].partitions}


def _committed(admin: AdminClient, group: str, partitions: Collection[TopicPartition], timeout_s: float) -> dict[TopicPartition, int]:
    if not partitions:
        return {}
    request = ConsumerGroupTopicPartitions(group, [client.TopicPartition(*one) for one in partitions])
    asked = admin.list_consumer_group_offsets([request], request_timeout=timeout_s)[group]
    found = _answer(asked, f"Read the committed offsets of group {group!r}", timeout_s)
    offsets = {} if found is None else {TopicPartition(one.topic, one.partition): one.offset for one in found.topic_partitions}
    return {partition: offset for partition, offset in offsets.items() if offset >= 0}


def _offsets(admin: AdminClient, partitions: Collection[TopicPartition], which: OffsetSpec, timeout_s: float) -> dict[TopicPartition, int]:
    """Offsets as committed readers see them."""
    if not partitions:
        return {}
    wanted = {client.TopicPartition(*partition): which for partition in partitions}
    asked = admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=timeout_s)
    doing = "Read the offsets of {0.topic}[{0.partition}]"
    return {TopicPartition(one.topic, one.partition): _answer(done, doing.format(one), timeout_s).offset for one, done in asked.items()}


def _answer(asked: "Future[Any]", doing: str, timeout_s: float) -> Any:
    """What was asked for; None for a group that is not there. Errors: as `triage`; Retriable where nothing comes."""
    try:
        return asked.result(timeout_s + 1.0)  # the client's own time-out says more, if it is kept
    except TimeoutError as error:
        raise Retriable(f"{doing}: Kafka did not answer within {timeout_s:.0f} s.") from error
    except KafkaException as exception:
        if error_of(exception).code() == KafkaError.GROUP_ID_NOT_FOUND:
            return None
        raise triage(error_of(exception), doing) from exception
