"""A right that is missing: exit 1 and one sentence that names it, whatever the step that needs it."""

import time

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from tests.integration.fixtures import MakeStack
from tests.integration.stack import Stack
from tests.integration.waiting import FIGURES
from tests.kafka.server import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

AUTHORIZER = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nallow.everyone.if.no.acl.found=true\n"
CASES = [
    (ResourceType.TOPIC, "{captures}", AclOperation.READ, "read, write or describe this topic"),
    (ResourceType.TOPIC, "{prefix}.profiles", AclOperation.WRITE, "read, write or describe this topic"),
    (ResourceType.GROUP, "{prefix}.profile", AclOperation.READ, "read (join and commit for) this group"),
    (ResourceType.TRANSACTIONAL_ID, "{prefix}.detect.alone", AclOperation.WRITE, "write with this transactional id"),
]
"""What is forbidden, and the right that the sentence names."""


def test_what_is_missing_is_named(make_stack: MakeStack, kafka_server: KafkaServer) -> None:
    kafka_server.stop()
    with (kafka_server.folder / "server.properties").open("a") as properties:
        properties.write(AUTHORIZER)
    kafka_server.start()
    for kind, name, operation, right in CASES:
        stack = make_stack(kafka_server.bootstrap_servers)
        resource = name.format(captures=stack.captures, prefix=stack.prefix)
        forbid(stack, kind, resource, operation)
        started = time.monotonic()
        monitor = stack.monitor("alone")
        assert monitor.wait(60) == 1, monitor.tail()
        said = monitor.log.read_text().splitlines()[-1]
        assert said.startswith("stream-monitor: Not allowed: "), said
        assert f"Kafka wants the right to {right} granted" in said
        assert resource in said
        assert monitor.said("Traceback") == 0
        FIGURES.info("%s: after %.0f s: %s", name, time.monotonic() - started, said)


def forbid(stack: Stack, kind: ResourceType, name: str, operation: AclOperation) -> None:
    """Allow everything on this resource but one operation."""
    anyone = ("User:ANONYMOUS", "*")
    rules = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, *anyone, AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(kind, name, ResourcePatternType.LITERAL, *anyone, operation, AclPermissionType.DENY),
    ]
    admin = AdminClient({"bootstrap.servers": stack.bootstrap_servers, "log_level": 0})
    for done in admin.create_acls(rules).values():
        done.result()
