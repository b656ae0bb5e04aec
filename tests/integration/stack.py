"""Monitors in processes of their own, on topics of their own."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import yaml
from prometheus_client.parser import text_string_to_metric_families

from stream_monitor.config import Config, load_config
from stream_monitor.runtime.broker import Message, TopicPartition, TopicSpec
from stream_monitor.runtime.kafka import KafkaBroker, KafkaSettings
from tests.integration.traffic import MODELS, Traffic
from tests.integration.waiting import wait_until

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
SIZE_MS = 2_000
DELAY_MS = 500
CLOSING_MS = 2 * SIZE_MS + DELAY_MS
"""An event this much later than the last closes the last window."""
READY_S = 60.0
SESSION_MS = 6_000 if os.environ.get("STREAM_MONITOR_TEST_KAFKA") else 2_000
"""Somebody else's broker allows no session below 6 s."""
TRANSACTION_MS = 4_000


def settings(**engine: Any) -> dict[str, Any]:
    """A config's engine and models: small windows, short time-outs."""
    window = {"size": f"{SIZE_MS}ms", "watermark_delay": f"{DELAY_MS}ms", "lateness": "2s", "events_min": 50, "window_max": "1m"}
    return {
        "engine": {
            "session_timeout": f"{SESSION_MS}ms",
            "transaction_timeout": f"{TRANSACTION_MS}ms",
            "snapshot_interval": "2s",
            "idle_after": "20s",
            "profiles_partitions": 2,
            "message_bytes_max": 65_536,
            **engine,
        },
        "models": {name: {"baseline": f"{name}.baseline.json", "window": window} for name in MODELS},
    }


@dataclass
class Stack:
    """One test's topics, configs and processes; `close` kills what still runs."""

    bootstrap_servers: str
    folder: Path
    tree: dict[str, Any] = field(default_factory=settings)
    partitions: int = PARTITIONS

    def __post_init__(self) -> None:
        run = uuid4().hex[:8]
        self.captures, self.prefix = f"captures-{run}", f"monitor-{run}"
        self.broker = KafkaBroker(KafkaSettings(self.bootstrap_servers))
        self.broker.ensure_topics([TopicSpec(self.captures, self.partitions, {"max.message.bytes": str(12 << 20)})])
        self.monitors: list[Monitor] = []

    def close(self) -> None:
        for monitor in self.monitors:
            monitor.kill()
        self.broker.close()

    def config_file(self, instance: str, *, name: str = "", revision: int = 1, more: Mapping[str, Any] | None = None) -> Path:
        """Write a config; those of one test differ in `instance` alone."""
        path = self.folder / f"{name or instance}.yaml"
        own = {
            "kafka": {"bootstrap_servers": self.bootstrap_servers},
            "topics": {"captures": [self.captures], "prefix": self.prefix},
            "instance": instance,
            "revision": revision,
        }
        path.write_text(yaml.safe_dump({**own, **self.tree, **(more or {})}))
        return path

    def config(self) -> Config:
        return load_config(self.config_file("any"))

    def monitor(self, instance: str, roles: str = "profile,detect", config: Path | None = None) -> "Monitor":
        """Start a process."""
        made = Monitor(instance, roles, config or self.config_file(instance), self.folder / f"{instance}-{len(self.monitors)}.log")
        self.monitors.append(made)
        made.start()
        return made

    def traffic(self, rate: int, seed: int, **more: Any) -> Traffic:
        return Traffic(self.bootstrap_servers, self.captures, self.partitions, rate, seed, **more)

    def read(self, topic: str) -> Iterator[Message]:
        """All committed records of a topic, partition by partition."""
        for partition in range(self.broker.partition_count(topic) or 0):
            yield from self.broker.read(TopicPartition(topic, partition))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The JSON values of one of our own topics."""
        return [orjson.loads(message.value() or b"") for message in self.read(f"{self.prefix}.{name}")]

    def wait_for_rows(
        self, name: str, enough: Callable[[list[dict[str, Any]]], bool], what: str, deadline_s: float = 60.0
    ) -> list[dict[str, Any]]:
        """Follow one of our own topics until what was read of it is enough."""
        rows: list[dict[str, Any]] = []
        offsets: dict[int, int] = {}

        def look() -> bool:
            for partition in range(self.broker.partition_count(f"{self.prefix}.{name}") or 0):
                for message in self.broker.read(TopicPartition(f"{self.prefix}.{name}", partition), offsets.get(partition, 0)):
                    offsets[partition] = message.offset() + 1
                    rows.append(orjson.loads(message.value() or b""))
            return enough(rows)

        try:
            wait_until(look, what, deadline_s)
        except AssertionError as error:
            stacks = [monitor.dump() for monitor in self.monitors if monitor.status is None]
            raise AssertionError("\n".join([str(error), *stacks])) from None
        return rows


@dataclass
class Monitor:
    """One `stream-monitor run`."""

    instance: str
    roles: str
    config: Path
    log: Path
    starts: int = 0
    url: str | None = None
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "Monitor":
        """Start it, or start it again; its log goes on."""
        self.starts += 1
        self.url = None
        command = [sys.executable, "-m", "stream_monitor", *self.arguments(), "--config", str(self.config), "--port", "0"]
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}  # see `dump`
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environment)
        return self

    def arguments(self) -> list[str]:
        """The command, and what it is told beside its config."""
        return ["run", "--roles", self.roles]

    @property
    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def wait_ready(self, deadline_s: float = READY_S) -> float:
        """Wait until it has its share of the work; how many seconds that took."""
        return wait_until(self.is_ready, f"{self.instance} to be ready; its log ends:\n{self.tail()}", deadline_s)

    def is_ready(self) -> bool:
        """Whether /readyz says so. AssertionError where the process has ended."""
        assert self.status is None, f"{self.instance} ended with {self.status}:\n{self.tail()}"
        return self.get("/readyz")[0] == 200

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while it does not serve."""
        url = self._find_url()
        if url is None:
            return 0, ""
        try:
            with urllib.request.urlopen(url.replace("/metrics", path), timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that carry these labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == f"stream_monitor_{name}" and labels.items() <= sample.labels.items()
        )

    def kill(self) -> None:
        """Kill -9."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(30)

    def stop(self) -> None:
        """SIGSTOP: it stands still until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def terminate(self, deadline_s: float = 15.0) -> int:
        """SIGTERM; its exit status."""
        self._signal(signal.SIGTERM)
        return self.wait(deadline_s)

    def wait(self, deadline_s: float) -> int:
        """Wait for its end; its exit status."""
        assert self.process is not None
        try:
            wait_until(lambda: self.status is not None, f"the end of {self.instance}", deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.dump()}") from None
        return self.process.returncode

    def dump(self) -> str:
        """End it so that it leaves the stacks of all threads in its log; the end of that."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGABRT)
        if self.process is not None:
            self.process.wait(30)
        return f"{self.instance} was at:\n{self.tail()}"

    def said(self, text: str) -> int:
        """How often a text is in its log."""
        return self.log.read_text().count(text)

    def tail(self) -> str:
        return self.log.read_text()[-4_000:]

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def _find_url(self) -> str | None:
        if self.url is None:
            for line in self.log.read_bytes()[self._log_start :].splitlines():
                if b'"event":"started"' in line:
                    self.url = orjson.loads(line)["metrics"]
        return self.url
