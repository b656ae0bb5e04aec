"""`check --connect` names the rights that are missing, before anything is started."""

import subprocess
import sys

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from stream_monitor.runtime.broker import TopicSpec
from tests.integration.fixtures import MakeStack
from tests.integration.test_rights import AUTHORIZER, forbid
from tests.kafka.server import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_check_names_every_missing_right(make_stack: MakeStack, kafka_server: KafkaServer) -> None:
    kafka_server.stop()
    with (kafka_server.folder / "server.properties").open("a") as properties:
        properties.write(AUTHORIZER)
    kafka_server.start()
    stack = make_stack(kafka_server.bootstrap_servers)
    told = f"{stack.captures}-labels"
    stack.broker.ensure_topics([TopicSpec(told, 1)])
    model = {**stack.tree["models"]["fraud"], "task": "binary", "positive_class": "yes"}
    topics = {"captures": [stack.captures], "labels": [told], "prefix": stack.prefix}
    config = stack.config_file("alone", more={"topics": topics, "models": {"fraud": model}})
    command = [sys.executable, "-m", "stream_monitor", "check", "--config", str(config), "--connect"]
    allowed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert allowed.returncode == 0, allowed.stderr
    forbid(stack, ResourceType.TOPIC, stack.captures, AclOperation.READ)
    forbid(stack, ResourceType.TOPIC, told, AclOperation.READ)
    forbid(stack, ResourceType.GROUP, f"{stack.prefix}.profile", AclOperation.READ)
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert f"topic {stack.captures}: read" in refused.stderr
    assert f"topic {told}: read" in refused.stderr
    assert f"group {stack.prefix}.profile: read" in refused.stderr
    assert "Traceback" not in refused.stderr
