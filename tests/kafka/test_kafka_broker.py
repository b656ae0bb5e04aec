"""What only a real cluster can show: zombies, restarts, and the sentences for people."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from stream_monitor.errors import Abortable, BrokerError, ConfigError, Fatal, Fenced, Retriable
from stream_monitor.runtime.broker import Record, TopicPartition, TopicSpec
from stream_monitor.runtime.kafka import KafkaBroker, KafkaSettings
from stream_monitor.runtime.kafka.generation import usable
from stream_monitor.runtime.kafka.triage import RIGHTS, triage
from tests.conformance.kafka_lab import short_lived
from tests.conformance.lab import POLL_S, next_offsets, wait_for_messages, wait_until
from tests.conformance.test_groups import transfer
from tests.kafka.server import KafkaServer

ROOT = Path(__file__).parents[2]


@pytest.mark.kafka
@pytest.mark.parametrize("order", ["at once", "when noticed"])
@pytest.mark.parametrize("heir_stays", [True, False])
def test_a_stopped_and_continued_process_cannot_commit(kafka_bootstrap: str, heir_stays: bool, order: str) -> None:
    """SIGSTOP past the session time-out while an heir takes over."""
    name = f"zombie-{time.time_ns()}"
    source, output = TopicPartition(f"{name}-in", 0), TopicPartition(f"{name}-out", 0)
    broker = KafkaBroker(short_lived(kafka_bootstrap))
    broker.ensure_topics([TopicSpec(source.topic, 1), TopicSpec(output.topic, 1)])
    broker.publish([Record(source.topic, b"1")])
    command = [sys.executable, "-m", "tests.kafka.zombie_member", kafka_bootstrap, name, source.topic, output.topic, f"{name}-zombie"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as zombie:
        assert zombie.stdout is not None
        assert zombie.stdout.readline() == "has a message\n"
        os.kill(zombie.pid, signal.SIGSTOP)
        heir = broker.member(name, [source.topic], f"{name}-heir")
        messages = wait_for_messages(heir, 1)
        heir.begin()
        heir.produce([Record(output.topic, b"heir")])
        heir.commit(next_offsets(messages))
        if not heir_stays:
            heir.close()  # an empty group: Kafka takes commits without a generation now
        os.kill(zombie.pid, signal.SIGCONT)
        said, _ = zombie.communicate(f"{order}\n", timeout=90)
    heir.close()
    assert said.strip() in {"Abortable", "Fenced"}
    wait_until(lambda: broker.end_offset(output) >= 2, "the heir's commit")
    assert [message.value() for message in broker.read(output)] == [b"heir"]
    broker.close()


@pytest.mark.kafka
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_broker_restart_loses_and_repeats_nothing(kafka_server: KafkaServer, how: str) -> None:
    broker = KafkaBroker(short_lived(kafka_server.bootstrap_servers))
    broker.ensure_topics([TopicSpec("in", 2), TopicSpec("out", 1)])
    total = 300
    broker.publish(Record("in", str(number).encode(), str(number).encode()) for number in range(total))
    member, moved = broker.member("group", ["in"], "worker"), 0
    while moved < 100:
        moved += transfer(member, "out", 20)
    messages = member.poll(20, POLL_S).messages
    getattr(kafka_server, how)()
    kafka_server.start()
    try:
        member.begin()
        member.produce([Record("out", message.value()) for message in messages])
        member.commit(next_offsets(messages))
    except Abortable:
        member.abort()
    except (Fenced, Retriable):  # no answer: a new member begins behind whatever took effect
        member.close()
        member = broker.member("group", ["in"], "worker")

    def complete() -> bool:
        transfer(member, "out", 20)
        return len(list(broker.read(TopicPartition("out", 0)))) >= total

    wait_until(complete, "all transferred after the restart")
    seen = sorted(int(message.value() or b"-1") for message in broker.read(TopicPartition("out", 0)))
    assert seen == list(range(total))
    member.close()
    broker.close()


@pytest.mark.kafka
def test_a_commit_without_an_answer_ends_in_time_and_counts_once(kafka_server: KafkaServer) -> None:
    settings = replace(short_lived(kafka_server.bootstrap_servers), transaction_timeout_ms=2_000, request_timeout_s=1.0)
    broker, source, output = KafkaBroker(settings), TopicPartition("in", 0), TopicPartition("out", 0)
    broker.ensure_topics([TopicSpec("in", 1), TopicSpec("out", 1)])
    broker.publish([Record("in", b"1")])
    member = broker.member("group", ["in"], "worker")
    messages = wait_for_messages(member, 1)
    start = time.monotonic()
    with kafka_server.frozen():
        member.begin()
        member.produce([Record("out", b"1")])
        with pytest.raises((Fenced, Retriable)):
            member.commit(next_offsets(messages))
        member.close()
        assert time.monotonic() - start < 30
    heir = broker.member("group", ["in"], "worker")
    if heir.committed([source])[source] == 0:
        wait_until(lambda: transfer(heir, "out") == 1, "the message again")
    wait_until(lambda: broker.end_offset(output) >= 2, "one commit")
    assert [message.value() for message in broker.read(output)] == [b"1"]
    heir.close()
    broker.close()


def test_an_unreachable_broker_is_named_in_good_time(capfd: pytest.CaptureFixture[str]) -> None:
    broker = KafkaBroker(KafkaSettings("127.0.0.1:1", request_timeout_s=1.0))
    start = time.monotonic()
    with pytest.raises(Retriable, match=r"No Kafka answered at 127\.0\.0\.1:1 within 1 s"):
        broker.partition_count("topic")
    with pytest.raises(Fatal, match=r"127\.0\.0\.1:1"):
        broker.ensure_topics([TopicSpec("topic", 1)])
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        broker.member("group", ["topic"], "worker")
    broker.close()
    assert time.monotonic() - start < 10
    assert capfd.readouterr() == ("", "")


def test_a_property_that_librdkafka_refuses_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"kafka\.properties: .*no\.such\.thing"):
        KafkaBroker(KafkaSettings("127.0.0.1:1", {"no.such.thing": "1"}))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KafkaError(KafkaError._TIMED_OUT), Retriable),
        (KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True), Retriable),
        (KafkaError(KafkaError.ILLEGAL_GENERATION), Abortable),
        (KafkaError(KafkaError.UNKNOWN_MEMBER_ID), Abortable),
        (KafkaError(KafkaError.UNKNOWN, txn_requires_abort=True), Abortable),
        (KafkaError(KafkaError._FENCED, fatal=True), Fenced),
        (KafkaError(KafkaError.INVALID_PRODUCER_EPOCH, txn_requires_abort=True), Fenced),
        (KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, txn_requires_abort=True), Fatal),
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, txn_requires_abort=True), Fatal),
        (KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True), Fatal),
        (KafkaError(KafkaError.UNKNOWN), Fatal),
    ],
)
def test_every_error_has_one_meaning(error: KafkaError, expected: type[BrokerError]) -> None:
    assert type(triage(error, "Write to topic 'alerts'")) is expected


@pytest.mark.parametrize("code", RIGHTS)
def test_a_missing_right_is_named_with_its_resource(code: int) -> None:
    assert str(triage(KafkaError(code), "Write to topic 'alerts'")).startswith(
        "Not allowed: Write to topic 'alerts'. Kafka wants the right to "
    )


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (b"CGMDv2:\x03\x00\x00\x00group\x00member\x00\x01", True),
        (b"CGMDv2:\x00\x00\x00\x00group\x00member\x00\x01", True),
        (b"CGMDv2:\xff\xff\xff\xffgroup\x00member\x00\x01", False),
        (b"CGMDv2:\x03\x00\x00\x00group\x00\x00\x01", False),
        (b"CGMDv2:", False),
        (b"CGMDv3:\x03\x00\x00\x00group\x00member\x00\x01", False),
        (b"", False),
    ],
)
def test_only_metadata_with_generation_and_member_may_commit(metadata: bytes, expected: bool) -> None:
    assert usable(metadata) is expected
