"""The workers' page of real processes on a real Kafka: who is there, who has gone, what waits; and when Kafka does not tell."""

from typing import Any

import orjson
import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from tests.integration.fixtures import MakeStack
from tests.integration.stack import CLOSING_MS, Monitor, Stack
from tests.integration.test_rights import AUTHORIZER, forbid
from tests.integration.traffic import MODELS
from tests.integration.waiting import wait_until
from tests.kafka.server import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def workers(monitor: Monitor) -> dict[str, Any]:
    status, body = monitor.get("/api/v1/workers")
    assert status == 200, body
    found: dict[str, Any] = orjson.loads(body)
    return found


def owned(monitor: Monitor) -> dict[str, dict[str, list[int]]]:
    """By instance and role."""
    found = workers(monitor)["workers"]
    return {each["instance"]: {share["role"]: share["partitions"] for share in each["shares"]} for each in found if each["is_here"]}


def watched(monitor: Monitor) -> dict[str, float | None]:
    """The models that somebody owns, and how far behind they are."""
    found = workers(monitor)["workers"]
    return {model["model"]: model["watermark_delay_s"] for each in found for model in each["models"]}


def test_every_worker_shows_all_of_them(stack: Stack) -> None:
    first, second = stack.monitor("first"), stack.monitor("second", "detect")
    wait_until(lambda: first.is_ready() and second.is_ready(), "both to be ready")
    shared = (
        {"first": {"profile": [0, 1, 2, 3], "detect": [0]}, "second": {"detect": [1]}},
        {
            "first": {"profile": [0, 1, 2, 3], "detect": [1]},
            "second": {"detect": [0]},
        },
    )
    wait_until(lambda: owned(first) in shared and owned(second) == owned(first), "each to show both with their partitions")
    with stack.traffic(rate=1_000, seed=4) as traffic:
        traffic.finish(CLOSING_MS)
    wait_until(lambda: all(share["lag"] <= 2 for share in workers(second)["topics"]), "all to be processed, but for ends of transactions")
    wait_until(lambda: None not in watched(second).values(), "the watermarks to be known")
    assert watched(second).keys() == watched(first).keys() == set(MODELS)
    shown = [orjson.loads(monitor.get("/api/v1/models")[1]) for monitor in (first, second)]
    assert sorted(each["model"] for tree in shown for each in tree["models"]) == sorted(MODELS)
    assert [each["model"] for each in shown[0]["others"]] == [each["model"] for each in shown[1]["models"]]
    second.kill()
    wait_until(lambda: owned(first) == {"first": {"profile": [0, 1, 2, 3], "detect": [0, 1]}}, "the first to have taken over")
    (gone,) = [each for each in workers(first)["workers"] if not each["is_here"]]
    assert gone["instance"] == "second"
    assert "gone" in first.get("/workers")[1]
    assert first.terminate() == 0, first.tail()


def test_what_kafka_does_not_tell_is_said(make_stack: MakeStack, kafka_server: KafkaServer) -> None:
    """First for want of a right, then because it is away."""
    kafka_server.stop()
    with (kafka_server.folder / "server.properties").open("a") as properties:
        properties.write(AUTHORIZER)
    kafka_server.start()
    stack = make_stack(kafka_server.bootstrap_servers)
    forbid(stack, ResourceType.GROUP, f"{stack.prefix}.detect", AclOperation.DESCRIBE)
    monitor = stack.monitor("alone", "profile")
    monitor.wait_ready()
    found = workers(monitor)
    assert f"Not allowed: Describe group '{stack.prefix}.detect'" in found["problem"]
    kafka_server.stop()
    wait_until(lambda: "Not allowed" not in workers(monitor)["problem"], "the page to say that Kafka is away")
    assert "Kafka did not tell who is at work." in monitor.get("/workers")[1]
    kafka_server.start()
