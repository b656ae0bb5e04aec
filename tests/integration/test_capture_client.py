"""The client against a real Kafka: what a service publishes is what the monitor reads, whatever becomes of service and broker."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import orjson
import pytest

from stream_monitor import CaptureClient, CaptureMiddleware
from stream_monitor.capture.decode import Decoder
from stream_monitor.capture.schema import StreamKey
from stream_monitor.client import Stats, Value, draft_of
from stream_monitor.runtime.broker import Message, TopicPartition, TopicSpec
from stream_monitor.runtime.kafka import KafkaBroker, KafkaSettings
from tests.kafka.server import KafkaServer
from tests.property.pipeline_world import config_of, plan_of

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
FEATURES: Mapping[str, Value] = {"amount": np.float64(12_000.0), "region": "north", "employed": True}


def topics(bootstrap: str) -> tuple[KafkaBroker, str, str]:
    broker, run = KafkaBroker(KafkaSettings(bootstrap)), uuid4().hex[:8]
    names = f"captures-{run}", f"labels-{run}"
    broker.ensure_topics([TopicSpec(name, 1) for name in names])
    return broker, *names


def read(broker: KafkaBroker, topic: str) -> list[Message]:
    return list(broker.read(TopicPartition(topic, 0)))


def bodies(broker: KafkaBroker, topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(message.value() or b"") for message in read(broker, topic)]


def test_what_is_published_is_what_the_monitor_takes(kafka_bootstrap: str) -> None:
    broker, captures, labels = topics(kafka_bootstrap)
    with CaptureClient(kafka_bootstrap, "loan", "2", topic=captures, labels_topic=labels) as client:
        event_id = client.capture(
            FEATURES,
            {"label": "a", "score": np.float64(0.7)},
            time_ms=1_767_261_600_123,
            latency_ms=3.5,
            resources={"cpu_ratio": 0.4},
            attributions={"amount": 0.2},
            metadata={"channel": "web"},
        )
        client.capture({}, status="error", error="timeout", event_id="failed")
        client.label(event_id, "b")
        client.label("failed", None)
    assert client.stats == Stats(accepted=4, delivered=4)

    decoder: Decoder = plan_of(config_of()).decoder()
    columns, rejects = decoder.decode(read(broker, captures), None)
    assert [part.stream for part in columns] == [StreamKey("loan", "2")]
    assert not rejects
    assert [part.time_ms.tolist()[0] for part in columns] == [1_767_261_600_123]
    assert sum(part.unknown_fields for part in columns) == 0
    first = read(broker, captures)[0]
    assert (first.key(), first.timestamp()[1]) == (event_id.encode(), 1_767_261_600_123)
    told = bodies(broker, labels)
    assert [(body["event_id"], body["label"], body["model"]) for body in told] == [(event_id, "b", "loan"), ("failed", None, "loan")]
    broker.close()


def test_a_service_that_forgets_to_close_loses_nothing(kafka_bootstrap: str) -> None:
    """And one that forks after it used the client publishes from parent and child, each with counts of its own."""
    broker, captures, _ = topics(kafka_bootstrap)
    code = f"""
import os
from stream_monitor import CaptureClient
client = CaptureClient({kafka_bootstrap!r}, "loan", topic={captures!r}, linger_s=5)
client.capture({{"amount": 0}}, 1, event_id="before")
child = os.fork()
for number in range(50):
    client.capture({{"amount": number}}, 1, event_id=f"{{child == 0}}-{{number}}")
assert client.stats.accepted == (51 if child else 50), client.stats
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=True, timeout=60)
    ids = sorted(body["event_id"] for body in bodies(broker, captures))
    assert ids == sorted(["before", *(f"{child}-{number}" for child in (True, False) for number in range(50))])
    broker.close()


def test_a_broker_that_comes_back_gets_each_event_once(kafka_server: KafkaServer) -> None:
    broker, captures, _ = topics(kafka_server.bootstrap_servers)
    with CaptureClient(kafka_server.bootstrap_servers, "loan", topic=captures, delivery_timeout_s=120) as client:
        sent = [client.capture(FEATURES, "a") for _ in range(100)]
        kafka_server.kill()
        sent += [client.capture(FEATURES, "a") for _ in range(100)]
        kafka_server.start()
        sent += [client.capture(FEATURES, "a") for _ in range(100)]
        assert client.flush(60.0) == 0
    assert client.stats == Stats(accepted=300, delivered=300)
    assert sorted(body["event_id"] for body in bodies(broker, captures)) == sorted(sent)
    broker.close()


# ---- the middleware

Endpoint = Callable[[dict[str, Any]], int]


def service(endpoint: Endpoint) -> Any:
    async def app(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        status = endpoint(scope)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


def answer(scope: dict[str, Any]) -> int:
    draft = draft_of(scope)
    draft.features, draft.prediction, draft.metadata = FEATURES, {"label": "a", "score": 0.25}, {"channel": "app"}
    draft.event_id = scope["query_string"].decode()
    return 200


def broken(scope: dict[str, Any]) -> int:
    answer(scope)
    raise ZeroDivisionError


async def visit(app: Any, path: str, query: str) -> None:
    async def send(event: Any) -> None:
        pass

    await app({"type": "http", "path": path, "query_string": query.encode()}, None, send)


def test_the_middleware_tells_latency_status_and_errors(kafka_bootstrap: str) -> None:
    broker, captures, _ = topics(kafka_bootstrap)

    async def serve() -> None:
        async with CaptureClient(kafka_bootstrap, "loan", topic=captures) as client:

            def wrapped(endpoint: Endpoint) -> CaptureMiddleware:
                return CaptureMiddleware(service(endpoint), client, {"/predict"})

            await visit(wrapped(answer), "/predict", "good")
            await visit(wrapped(lambda scope: 503), "/predict", "")
            await visit(wrapped(lambda scope: 422), "/predict", "")
            await visit(wrapped(lambda scope: 200), "/predict", "")
            with pytest.raises(ZeroDivisionError):
                await visit(wrapped(broken), "/predict", "broken")
            await visit(wrapped(lambda scope: 200), "/health", "")
            with pytest.raises(LookupError, match="among the paths of CaptureMiddleware"):
                await visit(wrapped(answer), "/other", "")

    asyncio.run(serve())
    found = bodies(broker, captures)
    assert [(body.get("status", "ok"), body.get("error")) for body in found] == [
        ("ok", None),
        ("error", "http_503"),
        ("error", "ZeroDivisionError"),
    ]
    assert all(body["latency_ms"] >= 0 for body in found)
    assert found[0]["event_id"] == "good"
    assert found[0]["metadata"] == {"channel": "app"}
    columns, rejects = plan_of(config_of()).decoder().decode(read(broker, captures), None)
    assert (sum(map(len, columns)), len(rejects)) == (3, 0)
    broker.close()
