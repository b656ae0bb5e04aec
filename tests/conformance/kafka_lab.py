"""The conformance lab on a real Kafka."""

import os
import subprocess
import sys
from pathlib import Path

import confluent_kafka
from confluent_kafka.admin import AdminClient

from stream_monitor.runtime.broker import Member, Record, TopicPartition
from stream_monitor.runtime.kafka import KafkaBroker, KafkaMember, KafkaSettings
from tests.conformance.lab import DEADLINE_S, Lab, wait_until

ROOT = Path(__file__).parents[2]
FILLER_KEY = b"filler"


def short_lived(bootstrap_servers: str) -> KafkaSettings:
    """Settings under which silent members and transactions die soon. A broker of somebody else's allows no session below 6 s."""
    session_timeout_ms = 6_000 if os.environ.get("STREAM_MONITOR_TEST_KAFKA") else 2_500
    return KafkaSettings(
        bootstrap_servers,
        {"topic.metadata.refresh.interval.ms": "1000"},
        session_timeout_ms=session_timeout_ms,
        max_poll_interval_ms=max(4_000, session_timeout_ms),
        transaction_timeout_ms=5_000,
    )


class KafkaLab(Lab):
    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        super().__init__(KafkaBroker(short_lived(bootstrap_servers)))

    def let_timeouts_pass(self) -> None:
        pass  # they do, while the test waits

    def flush(self, member: Member) -> None:
        assert isinstance(member, KafkaMember)
        member.flush()

    def crash_in_transaction(self, group: str, source: str, output: str, transactional_id: str) -> None:
        command = [sys.executable, "-m", "tests.conformance.crashing_member", self._bootstrap_servers, group, source, output]
        with subprocess.Popen([*command, transactional_id], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            process.kill()
        assert said == "in transaction"

    def delete_before(self, partition: TopicPartition, next_offset: int) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap_servers})
        wanted = confluent_kafka.TopicPartition(partition.topic, partition.partition, next_offset)
        for future in admin.delete_records([wanted]).values():
            future.result(DEADLINE_S)

    def compact(self, topic: str, message_count: int) -> None:
        """Kafka compacts closed segments: fillers close the newest one."""
        partition = TopicPartition(topic, 0)

        def compacted() -> bool:
            self.broker.publish([Record(topic, b"", FILLER_KEY)])
            return len(list(self.broker.read(partition))) <= message_count

        wait_until(compacted, "compaction")
