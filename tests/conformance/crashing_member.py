"""A process that opens a transaction and waits to be killed: BOOTSTRAP GROUP SOURCE OUTPUT TRANSACTIONAL_ID."""

import sys

from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.kafka import KafkaBroker
from tests.conformance.kafka_lab import short_lived
from tests.conformance.lab import wait_for_messages

if __name__ == "__main__":
    bootstrap_servers, group, source, output, transactional_id = sys.argv[1:]
    member = KafkaBroker(short_lived(bootstrap_servers)).member(group, [source], transactional_id)
    wait_for_messages(member, 1)
    member.begin()
    member.produce([Record(output, b"from the dead")])
    member.flush()
    print("in transaction", flush=True)  # noqa: T201 the parent waits for it
    sys.stdin.read()
