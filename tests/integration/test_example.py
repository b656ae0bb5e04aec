"""The example service as it ships, served by uvicorn, on a real Kafka: what its applicants get is what the monitor reads."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from stream_monitor.baseline.store import load_baseline
from stream_monitor.config import parse_config
from stream_monitor.pipeline.plan import compile_plan
from stream_monitor.runtime.broker import TopicPartition, TopicSpec
from stream_monitor.runtime.kafka import KafkaBroker, KafkaSettings
from tests.integration.stack import ROOT
from tests.integration.waiting import answers, wait_until
from tests.kafka.server import free_ports

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
FOLDER = ROOT / "deploy/example"
COUNT = 60


def test_what_applicants_get_is_what_the_monitor_reads(kafka_bootstrap: str, tmp_path: Path) -> None:
    broker, captures = KafkaBroker(KafkaSettings(kafka_bootstrap)), f"captures-{uuid4().hex[:8]}"
    broker.ensure_topics([TopicSpec(captures, 1), TopicSpec("labels", 1)])
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port)]
    environment = {**os.environ, "KAFKA": kafka_bootstrap, "CAPTURES": captures}
    with (
        (tmp_path / "service.log").open("wb") as log,
        subprocess.Popen(command, cwd=FOLDER, env=environment, stdout=log, stderr=log) as service,
    ):
        wait_until(lambda: answers(f"{url}/health"), f"the service: {(tmp_path / 'service.log').read_text()[-2_000:]}")
        sys.path.insert(0, str(FOLDER))
        from traffic import LABEL_AFTER_S, WORLDS, Applicants  # type: ignore[import-not-found]

        applicants = Applicants(url)
        given = [applicants.apply(WORLDS[0], now_s=0.0) for _ in range(COUNT)]
        assert applicants.tell(LABEL_AFTER_S - 1) == 0
        assert applicants.tell(LABEL_AFTER_S) == COUNT
        applicants.close()
        with pytest.raises(urllib.error.HTTPError, match="422") as refused:
            post(f"{url}/predict", {"income": 1})
        refused.value.close()
        service.terminate()  # what is queued is sent before it ends
        service.wait(30)
    messages = list(broker.read(TopicPartition(captures, 0)))
    captured = [orjson.loads(message.value() or b"") for message in messages]
    told = {body["event_id"]: body["prediction"] for body in captured}
    assert told == {each["id"]: {"label": each["label"], "score": each["score"]} for each in given}
    labels = [orjson.loads(message.value() or b"") for message in broker.read(TopicPartition("labels", 0))]
    assert told.keys() <= {body["event_id"] for body in labels}

    content = (ROOT / "deploy/docker/loan.baseline.json").read_bytes()
    baseline = load_baseline(content, "loan")
    config = parse_config({"instance": "test", "models": {"loan": {"baseline": "loan"}}}, "test")
    assert all(body["latency_ms"] > 0 and 0 <= body["resources"]["cpu_ratio"] <= 1 < body["resources"]["memory_bytes"] for body in captured)
    assert {dict(message.headers() or ())["ce_source"] for message in messages} == {b"loan-service"}
    columns, rejects = compile_plan(config, config.shared({"loan": baseline.id}), {"loan": baseline}).decoder().decode(messages, None)
    assert (sum(map(len, columns)), len(rejects)) == (COUNT, 0)
    assert {name for part in columns for name, flags in part.extra.items() if flags.any()} == set(), (
        "every feature is one of the baseline's"
    )
    broker.close()


def post(url: str, body: object) -> None:
    urllib.request.urlopen(urllib.request.Request(url, orjson.dumps(body), {"Content-Type": "application/json"}), timeout=5).close()
