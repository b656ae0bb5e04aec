"""The same node in Docker, through testcontainers."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from tests.kafka.server import SETTINGS, START_S_MAX, free_ports, wait_until_ready

IMAGE = "apache/kafka:4.2.0"  # 4.3 tears transactions: docs/failure_modes.md


def docker_answers() -> bool:
    """Whether testcontainers is installed and something listens where Docker should."""
    if find_spec("testcontainers") is None:
        return False
    scheme, _, path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("://")
    if scheme != "unix":
        return True
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


@contextmanager
def running_kafka() -> Iterator[str]:
    """Run one node in a container on a free port of this host; gives its bootstrap servers."""
    from testcontainers.core.container import DockerContainer

    (port,) = free_ports(1)
    settings = SETTINGS | {
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": "1@localhost:9093",
    }
    container = DockerContainer(IMAGE).with_bind_ports(port, port)
    for name, value in settings.items():
        container = container.with_env(f"KAFKA_{name.replace('.', '_').upper()}", value)
    with container:
        wait_until_ready(f"127.0.0.1:{port}", START_S_MAX)
        yield f"127.0.0.1:{port}"
