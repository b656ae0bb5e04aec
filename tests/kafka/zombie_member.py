"""A process that takes a message and commits it in a transaction when told to: BOOTSTRAP GROUP SOURCE OUTPUT TRANSACTIONAL_ID.

Stopped in between, it is a zombie that knows nothing of its death; told "when noticed", it waits until its client library has
learned of it in the background, which is when that hands out group metadata that Kafka does not check. It says what became of it.
"""

import sys
import threading

from stream_monitor.errors import BrokerError
from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.kafka import KafkaBroker, KafkaMember
from tests.conformance.kafka_lab import short_lived
from tests.conformance.lab import next_offsets, wait_for_messages, wait_until


def metadata(member: KafkaMember) -> bytes:
    return bytes(member._source._consumer.consumer_group_metadata())


if __name__ == "__main__":
    bootstrap_servers, group, source, output, transactional_id = sys.argv[1:]
    member = KafkaBroker(short_lived(bootstrap_servers)).member(group, [source], transactional_id)
    messages = wait_for_messages(member, 1)
    polled_under = metadata(member)
    print("has a message", flush=True)  # noqa: T201 the parent waits for it
    if sys.stdin.readline() == "when noticed\n":
        tick = threading.Event()
        wait_until(lambda: tick.wait(0.01) or metadata(member) != polled_under, "the news of the lost session")
    try:
        member.begin()
        member.produce([Record(output, b"zombie")])
        member.commit(next_offsets(messages))
        print("committed", metadata(member))  # noqa: T201
    except BrokerError as error:
        print(type(error).__name__)  # noqa: T201
    member.close()
