"""`check --connect` names the rights that are missing, before anything is started."""

import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from stream_monitor.runtime.broker import TopicSpec
from stream_monitor.runtime.kafka import KafkaSettings
from stream_monitor.runtime.kafka.rights import missing_rights
from tests.integration.fixtures import MakeStack
from tests.integration.test_rights import AUTHORIZER, forbid
from tests.kafka.server import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def check(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream_monitor", "check", "--config", str(config), "--connect"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_cluster_that_has_just_begun_is_asked_again(kafka_server: KafkaServer) -> None:
    """Its coordinator of groups is made when it is first asked for, and says so for a second."""
    assert missing_rights(KafkaSettings(kafka_server.bootstrap_servers), {}, {"monitor.profile", "monitor.detect"}) == []


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
    allowed = check(config)
    assert allowed.returncode == 0, allowed.stderr
    forbid(stack, ResourceType.TOPIC, stack.captures, AclOperation.READ)
    forbid(stack, ResourceType.TOPIC, told, AclOperation.READ)
    forbid(stack, ResourceType.GROUP, f"{stack.prefix}.profile", AclOperation.READ)
    refused = check(config)
    assert refused.returncode == 2
    assert f"topic {stack.captures}: read" in refused.stderr
    assert f"topic {told}: read" in refused.stderr
    assert f"group {stack.prefix}.profile: read" in refused.stderr
    assert "Traceback" not in refused.stderr
