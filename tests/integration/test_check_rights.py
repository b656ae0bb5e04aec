"""`check --connect` names the rights that are missing, before anything is started."""

import subprocess
import sys

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from stream_monitor.runtime.kafka import KafkaSettings
from stream_monitor.runtime.kafka.rights import missing_rights
from tests.integration.fixtures import MakeStack
from tests.integration.stack import Stack
from tests.integration.test_rights import AUTHORIZER, forbid
from tests.kafka.server import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def check(stack: Stack) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream_monitor", "check", "--config", str(stack.config_file("alone")), "--connect"]
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
    allowed = check(stack)
    assert allowed.returncode == 0, allowed.stderr
    forbid(stack, ResourceType.TOPIC, stack.captures, AclOperation.READ)
    forbid(stack, ResourceType.GROUP, f"{stack.prefix}.profile", AclOperation.READ)
    refused = check(stack)
    assert refused.returncode == 2
    assert f"topic {stack.captures}: read" in refused.stderr
    assert f"group {stack.prefix}.profile: read" in refused.stderr
    assert "Traceback" not in refused.stderr
