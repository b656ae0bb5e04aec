"""The ready action `investigate` on a real Kafka's window scores, and on an alert alone."""

from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stream_monitor.detect.report import Span, WindowScore
from stream_monitor.respond import Retriable
from stream_monitor.respond.actions import READY
from tests.kafka.server import free_ports
from tests.respond.alerts import ALERT, act, at, call

WHOLE = at(ALERT, segment={}, version=None)


def test_an_alert_alone_tells_its_evidence() -> None:
    told = act(READY["investigate"](), WHOLE)
    assert told is not None
    assert told["alert_id"] == WHOLE.alert_id
    assert [each["name"] for each in told["segments"]] == ["region = north"]
    assert not told["features"]
    assert act(READY["investigate"](), WHOLE, call(dry_run=True)) == told


@pytest.mark.kafka
def test_the_scores_around_it_are_read_from_the_topic(kafka_bootstrap: str) -> None:
    topic = f"windows-{uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": topic})
    producer.init_transactions()
    span = Span(WHOLE.window.start, WHOLE.window.end, 100)

    def write(score: float, name: str, partition: int, *, model: str = "loan", commit: bool = True) -> None:
        row = WindowScore(model, None, {"region": name}, span, 1, "income", "psi", score, 0.2, None, "judged")
        producer.begin_transaction()
        producer.produce(topic, row.to_json(), model, partition)
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()

    write(1.0, "north", 0)
    write(3.0, "south", 1)
    write(9.0, "south", 1, commit=False)
    write(9.0, "west", 1, model="other")
    action = READY["investigate"].model_validate({"bootstrap_servers": kafka_bootstrap, "topic": topic})
    told = act(action, WHOLE)
    assert told is not None
    assert [(each["name"], each["share"]) for each in told["segments"]] == [("region = south", 0.75), ("region = north", 0.25)]
    with pytest.raises(Retriable, match="no-such"):
        act(action.model_copy(update={"topic": "no-such"}), WHOLE)
    admin.delete_topics([topic])[topic].result(30)


def test_a_cluster_that_is_not_there_is_tried_again(capfd: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    with pytest.raises(Retriable, match=r"stream-monitor\.windows"):
        act(READY["investigate"].model_validate({"bootstrap_servers": f"127.0.0.1:{port}"}), WHOLE, call(within_s=1.0))
    assert not capfd.readouterr().err
