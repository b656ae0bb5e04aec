"""The demonstration's pipeline: everything that `run` does on Kafka, in one process on the in-memory broker.

Time is event time throughout: the clock is that of the newest event, so the demonstration says the same on every machine.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from stream_monitor.alert.alert import Alert
from stream_monitor.cli.demo_acts import START_MS, Act
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.config import Config, parse_config
from stream_monitor.export.board import Board
from stream_monitor.export.metrics import MetricStore
from stream_monitor.runtime.broker import Message, Record, TopicPartition, TopicSpec
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.detect_worker import DetectWorker
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.profile_worker import ProfileWorker
from stream_monitor.runtime.topics import ALERTS, WINDOWS, prepare_topics

PARTITIONS: Final = 3
TURNS: Final = 100
"""Turns of the workers while the traffic lasts: one in ten seconds of event time."""


@dataclass
class Clock:
    """The newest event's time."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        """Ms since the epoch."""
        return self.now_ms


class Turn(NamedTuple):
    """What one turn of the workers brought. now_ms: event time; sent: events so far; act: that plays; begins: whether with this turn."""

    now_ms: int
    sent: int
    act: Act
    begins: bool
    alerts: list[Alert]


@dataclass
class Stage:
    """The pipeline of the demonstration, and what it said."""

    traffic: Traffic
    store: MetricStore = field(default_factory=MetricStore)
    board: Board = field(default_factory=Board)
    alerts: list[Alert] = field(default_factory=list)
    windows: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Topics, config and baseline into the log; one worker of each role."""
        self.clock = Clock()
        self.broker = MemoryBroker(self.clock)
        self.config = _config()
        self.broker.ensure_topics([TopicSpec("captures", PARTITIONS)])
        prepare_topics(self.broker, self.config)
        ConfigLog.of(self.broker, self.config).apply(self.config, {"loan": _baseline(self.traffic)})
        self._profile = ProfileWorker(self.broker, self.config, self._log(), self.clock, self.store)
        self._detect = DetectWorker(self.broker, self.config, self._log(), self.clock, self.store, self.board)
        self._read: dict[str, int] = {}
        self._sent = 0
        self._act: Act | None = None

    def play(self) -> Iterator[Turn]:
        """Send all traffic through, then let time pass until every window is closed; gives every turn as it is done."""
        batch: list[Record] = []
        for number, (time_ms, event) in enumerate(self.traffic.stream()):
            batch.append(Record("captures", event, partition=number % PARTITIONS, timestamp_ms=time_ms))
            if len(batch) >= self.traffic.events / TURNS:
                yield self._turn(batch, time_ms)
                batch = []
        end_ms = self.traffic.time_ms(self.traffic.events)
        for wait_ms in range(0, 75_000, 5_000):  # until the last window closes, and not until the silence after it is noticed
            yield self._turn(batch, end_ms + wait_ms)
            batch = []

    def close(self) -> None:
        """Leave the groups; this member's series go with it."""
        self._profile.close()
        self._detect.close()

    def _turn(self, batch: list[Record], now_ms: int) -> Turn:
        self.broker.publish(batch)
        self.clock.now_ms = now_ms
        self._profile.run_once()
        self._detect.run_once()
        self.windows += [message.value() or b"" for message in self._new(WINDOWS)]
        alerts = [Alert.from_json(message.value() or b"") for message in self._new(ALERTS)]
        self.alerts += alerts
        self._sent += len(batch)
        before, self._act = self._act, self.traffic.act_at(now_ms)
        return Turn(now_ms, self._sent, self._act, self._act is not before, alerts)

    def _new(self, name: str) -> Iterator[Message]:
        topic = self.config.topics.own(name)
        for message in self.broker.read(TopicPartition(topic, 0), self._read.get(topic, 0)):
            self._read[topic] = message.offset() + 1
            yield message

    def _log(self) -> ConfigLog:
        log = ConfigLog.of(self.broker, self.config)
        log.refresh()
        return log


def _config() -> Config:
    """Minute windows; workers that never wait, because the clock does not move while they do."""
    model = {"baseline": "loan", "task": "binary", "positive_class": "repaid", "window": {"size": "1m", "watermark_delay": "1s"}}
    engine = {"commit_interval": "0ms", "commit_interval_max": "0ms", "profiles_partitions": 2}
    return parse_config({"instance": "demo", "engine": engine, "models": {"loan": model}}, "demo")


def _baseline(traffic: Traffic) -> bytes:
    from stream_monitor.baseline.build import build
    from stream_monitor.baseline.store import dump

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.jsonl"
        path.write_bytes(b"\n".join(traffic.training) + b"\n")
        return dump(build([path]).baseline)
