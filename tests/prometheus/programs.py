"""A real Prometheus and a real Alertmanager, from Debian's packages or wherever they are on the path."""

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.waiting import answers, wait_until
from tests.kafka.server import free_ports

REQUIRED = "STREAM_MONITOR_REQUIRE_PROMETHEUS"
ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")
"""Debian's name, and upstream's."""


def program(*names: str) -> str:
    """The first of these that is installed; else the test is skipped, or fails where they are required."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        sentence = f"{names[0]} is not on the path: install Debian's prometheus and prometheus-alertmanager"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    return found


def run(command: Sequence[str], folder: Path) -> str:
    """What a program prints; AssertionError where it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@contextmanager
def serving(command: Sequence[str], folder: Path, ready: str) -> Iterator[str]:
    """Run a server until the end of the block; `ready` is the URL that answers when it is up. Gives the URL's beginning."""
    with (
        (folder / f"{Path(command[0]).name}.log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: answers(ready), f"{command[0]} to be ready")
            yield ready.rpartition("/-/")[0]
        finally:
            process.terminate()


@contextmanager
def prometheus(folder: Path, config: Path) -> Iterator[str]:
    """A Prometheus with this config; its URL."""
    (port,) = free_ports(1)
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with serving(command, folder, f"http://127.0.0.1:{port}/-/ready") as url:
        yield url


@contextmanager
def alertmanager(folder: Path, config: Path) -> Iterator[str]:
    """An Alertmanager with this config, alone; its URL."""
    (port,) = free_ports(1)
    own = [f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with serving([program(*ALERTMANAGER), f"--config.file={config}", *own], folder, f"http://127.0.0.1:{port}/-/ready") as url:
        yield url


def ask(url: str, path: str, values: Mapping[str, str] | None = None) -> Any:
    """The JSON that is answered."""
    query = f"?{urllib.parse.urlencode(values)}" if values else ""
    with urllib.request.urlopen(f"{url}{path}{query}", timeout=10) as answer:
        return json.load(answer)
