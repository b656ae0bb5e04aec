"""The ready action `kafka` on a real Kafka, and where there is none."""

from uuid import uuid4

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stream_monitor.respond import Alert, Refused, Retriable
from stream_monitor.respond.actions import READY
from tests.kafka.server import free_ports
from tests.respond.alerts import ALERT, KEY, act, call

KAFKA = READY["kafka"]


@pytest.mark.kafka
def test_an_alert_is_on_the_topic_as_on_ours_with_its_key(kafka_bootstrap: str) -> None:
    topic = f"told-{uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    action = KAFKA.model_validate({"topic": topic, "bootstrap_servers": kafka_bootstrap})
    assert act(action) == {"topic": topic, "partition": 0, "offset": 0}
    assert act(action, told=call(dry_run=True)) is not None
    assert act(action) == {"topic": topic, "partition": 0, "offset": 1}
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    message, *_ = consumer.consume(1, timeout=30)
    consumer.close()
    assert message.error() is None
    assert Alert.from_json(message.value() or b"") == ALERT
    assert message.key() == ALERT.fingerprint.encode()
    headers = dict(message.headers() or ())
    assert headers["idempotency-key"] == KEY.encode()
    assert headers["ce_id"] == f"{ALERT.alert_id}/1".encode()
    too_small = KAFKA.model_validate({**action.model_dump(), "properties": {"message.max.bytes": 1000}})
    with pytest.raises(Refused, match="large"):
        act(too_small)
    admin.delete_topics([topic])[topic].result(30)


def test_a_cluster_that_is_not_there_is_tried_again(capfd: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    with pytest.raises(Retriable, match="told"):
        act(KAFKA.model_validate({"topic": "told", "bootstrap_servers": f"127.0.0.1:{port}"}), told=call(within_s=1.0))
    assert not capfd.readouterr().err


def test_a_property_that_librdkafka_does_not_know_is_refused_without_its_value() -> None:
    properties = {"sasl.passwort": "hush-hush"}
    with pytest.raises(Refused, match=r"sasl\.passwort") as error:
        act(KAFKA.model_validate({"topic": "told", "bootstrap_servers": "127.0.0.1:1", "properties": properties}))
    assert "hush-hush" not in str(error.value)
