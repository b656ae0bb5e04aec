"""What a Kafka error means for us: again, abort, a new member, or out."""

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from stream_monitor.errors import Abortable, BrokerError, Fatal, Fenced, Retriable

FENCED = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,  # what an old epoch gets from partition leaders
    KafkaError.INVALID_TXN_STATE,  # after the coordinator has timed the transaction out
    KafkaError.INVALID_PRODUCER_ID_MAPPING,  # the transactional id has expired
    KafkaError.TRANSACTION_COORDINATOR_FENCED,
}
GROUP_MOVED_ON = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._ASSIGNMENT_LOST,
}
RIGHTS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the right to read, write or describe this topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the right to read (join and commit for) this group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "the right to write with this transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the right to act on the cluster (create topics, or IdempotentWrite)",
}
HOPELESS = {
    KafkaError.MSG_SIZE_TOO_LARGE: "a record is over max.message.bytes",
    KafkaError.RECORD_LIST_TOO_LARGE: "a batch is over segment.bytes",
    KafkaError.INVALID_RECORD: "Kafka refuses a record (a compacted topic takes none without a key)",
    KafkaError.INVALID_MSG: "Kafka refuses a record (a compacted topic takes none without a key)",
    KafkaError.INVALID_TIMESTAMP: "Kafka refuses a record's timestamp",
    KafkaError.POLICY_VIOLATION: "a policy of the cluster refuses this",
    KafkaError._AUTHENTICATION: "Kafka refuses the credentials",
    KafkaError.SASL_AUTHENTICATION_FAILED: "Kafka refuses the credentials",
}
UNKNOWN = {
    # All topics that we use were seen when we started, and a broker that shuts down or starts leaves topics out of its metadata.
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
TRANSIENT = UNKNOWN | {
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._DESTROY_BROKER,  # the client has let go of a broker that was away, with the requests to it
    KafkaError._WAIT_COORD,
    KafkaError._RESOLVE,
    KafkaError._IN_PROGRESS,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.CONCURRENT_TRANSACTIONS,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_CONTROLLER,
    # What a cluster whose leaders are moving answers; all of it is retriable to Kafka's own clients.
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.UNKNOWN_TOPIC_ID,
}

Result = TypeVar("Result")


def error_of(exception: KafkaException) -> KafkaError:
    """The error inside a KafkaException."""
    error = exception.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._FAIL, str(error))


def triage(error: KafkaError, doing: str) -> BrokerError:
    """The exception that this error stands for; `doing` names what was tried, and on what, for the sentence.

    What would fail the same way for ever comes first: librdkafka calls a record that is too large "abortable", and a worker that
    aborts and begins again would never get past it.
    """
    code = error.code()
    if code in RIGHTS:
        return Fatal(f"Not allowed: {doing}. Kafka wants {RIGHTS[code]} granted ({error.str()}).")
    if code in HOPELESS:
        return Fatal(f"{HOPELESS[code][0].upper()}{HOPELESS[code][1:]}: {doing} ({error.str()}).")
    if code in FENCED:
        return Fenced(f"{doing}: another producer has this transactional id, or the transaction timed out ({error.str()}).")
    if error.fatal():
        return Fatal(f"{doing}: {error.str()}.")
    if error.txn_requires_abort() or code in GROUP_MOVED_ON:
        return Abortable(f"{doing}: {error.str()}.")
    if error.retriable() or code in TRANSIENT:
        return Retriable(f"{doing}: {error.str()}.")
    return Fatal(f"{doing}: {error.str()} ({error.name()}).")


def call(action: Callable[[], Result], doing: str) -> Result:
    """Call once. Errors: as `triage`."""
    try:
        return action()
    except KafkaException as exception:
        raise triage(error_of(exception), doing) from exception


def insist(action: Callable[[], Result], doing: str, deadline_s: float, pause_s: float = 0.05) -> Result:
    """Call until it works, stops being retriable, or `deadline_s` has passed. Errors: as `triage`; Retriable after the deadline."""
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            return call(action, doing)
        except Retriable:
            if time.monotonic() + pause_s > deadline:
                raise
            time.sleep(pause_s)
