"""The real Kafka of the tests, found in this order: a broker named in the environment, Docker, Java with Maven.

Under pytest-xdist each worker has a node of its own: topics are shared by no two tests, and most tests wait rather than work.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kafka import container, server

NAMED = "STREAM_MONITOR_TEST_KAFKA"
REQUIRED = "STREAM_MONITOR_REQUIRE_KAFKA"
SASL_PASSWORD = "hunter2-hunter2"


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Kafka; without one the test is skipped, or fails where Kafka is required."""
    if named := os.environ.get(NAMED):
        server.wait_until_ready(named, deadline_s=30)
        yield named
    elif container.docker_answers():
        with container.running_kafka() as bootstrap_servers:
            yield bootstrap_servers
    else:
        with own_server(tmp_path_factory) as node:
            yield node.bootstrap_servers


@pytest.fixture
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.KafkaServer]:
    """A node of this test's own, to be stopped, killed and started again; needs Java and Maven."""
    with own_server(tmp_path_factory) as node:
        yield node


@pytest.fixture
def sasl_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.KafkaServer]:
    """The same, with a listener that wants a password."""
    with own_server(tmp_path_factory, password=SASL_PASSWORD) as node:
        yield node


@contextmanager
def own_server(
    tmp_path_factory: pytest.TempPathFactory, password: str | None = None, advertised: str | None = None
) -> Iterator[server.KafkaServer]:
    """A node started from Apache Kafka's jars."""
    if missing := server.missing_programs():
        _do_without(f"no {' and no '.join(missing)}")
    server.resolve_jars()
    node = server.KafkaServer(tmp_path_factory.mktemp("kafka"), password, advertised)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def _do_without(reason: str) -> None:
    sentence = f"real Kafka: {reason}; install Java 17 and Maven, or start Docker, or name a broker in {NAMED}"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
