"""The demonstration's pipeline: everything that `run` does on Kafka, in one process on the in-memory broker.

Time is event time throughout: the clock is that of the newest event, so the demonstration says the same on every machine.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.cli.demo_acts import END_MS, START_MS, Act
from stream_monitor.cli.demo_figures import Figures
from stream_monitor.cli.demo_loop import OLD, Desk, Practice
from stream_monitor.cli.demo_traffic import CAPTURES, LABELS, Traffic
from stream_monitor.config import Config, Model, parse_config
from stream_monitor.detect.finding import Severity
from stream_monitor.export.board import Board
from stream_monitor.export.metrics import MetricStore
from stream_monitor.runtime.broker import Message, Record, TopicPartition, TopicSpec
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.detect_worker import DetectWorker
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.profile_worker import ProfileWorker
from stream_monitor.runtime.topics import ACTIONS, ALERTS, WINDOWS, actions_topic, prepare_topics

PARTITIONS: Final = 3
TURN_MS: Final = 20_000
"""The workers take a turn once in so much event time."""


@dataclass
class Clock:
    """The newest event's time."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        """Ms since the epoch."""
        return self.now_ms


class Turn(NamedTuple):
    """What one turn of the workers brought.

    now_ms: event time; sent: events so far; act: that plays; begins: whether with this turn; alerts: that page and began, ended or became
    more or less severe: what else is published of them, as labels come, would be too much to read; done: what was done about alerts.
    """

    now_ms: int
    sent: int
    act: Act
    begins: bool
    alerts: list[Alert]
    done: Sequence[str] = ()


@dataclass
class Stage:
    """The pipeline of the demonstration, and what it said."""

    traffic: Traffic
    store: MetricStore = field(default_factory=MetricStore)
    board: Board = field(default_factory=Board)
    alerts: list[Alert] = field(default_factory=list)
    windows: list[bytes] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)
    config: Config = field(default_factory=lambda: demo_config())
    done: list[tuple[int, str]] = field(default_factory=list)
    """When, and what was done about alerts."""

    def __post_init__(self) -> None:
        """Topics, config and baseline into the log; one worker of each role."""
        self.clock = Clock()
        self.broker = MemoryBroker(self.clock)
        self.broker.ensure_topics([TopicSpec(CAPTURES, PARTITIONS), TopicSpec(LABELS, PARTITIONS)])
        prepare_topics(self.broker, self.config)
        self._files = {"loan": _baseline(self.config.models["loan"], self.traffic.training)}
        ConfigLog.of(self.broker, self.config).apply(self.config, dict.fromkeys(self.config.baseline_paths(), self._files["loan"]))
        self._profile = ProfileWorker(self.broker, self.config, self._log(), self.clock, self.store)
        self._detect = DetectWorker(self.broker, self.config, self._log(), self.clock, self.store, self.board)
        self._read: dict[str, int] = {}
        self._last: dict[str, Alert] = {}
        self._sent = 0
        self._act: Act | None = None
        self.desk = self._desk() if self.config.models["loan"].versions else None

    @classmethod
    def mending(cls, traffic: Traffic, store: MetricStore | None = None, board: Board | None = None) -> "Stage":
        """With a service that says its version, and somebody who acts on alerts."""
        traffic.live.version = OLD
        return cls(traffic, store or MetricStore(), board or Board(), config=demo_config(versions={OLD: {"baseline": "loan"}}))

    def play(self) -> Iterator[Turn]:
        """Send all traffic through, then let time pass until every window is closed; gives every turn as it is done."""
        batch: list[Record] = []
        due_ms = START_MS + TURN_MS
        for number, (time_ms, topic, value) in enumerate(self.traffic.stream()):
            while due_ms <= time_ms:
                yield self._turn(batch, due_ms)
                batch, due_ms = [], due_ms + TURN_MS
            batch.append(Record(topic, value, partition=number % PARTITIONS, timestamp_ms=time_ms))
        for now_ms in range(due_ms, END_MS + 1, TURN_MS):
            yield self._turn(batch, now_ms)
            batch = []

    def firing(self) -> list[Alert]:
        """The last publication of every alert that fires."""
        return [alert for alert in self._last.values() if alert.status is not AlertStatus.RESOLVED]

    def close(self) -> None:
        """Leave the groups; this member's series go with it."""
        self._profile.close()
        self._detect.close()

    def _turn(self, batch: list[Record], now_ms: int) -> Turn:
        self.broker.publish(batch)
        self.clock.now_ms = now_ms
        self._profile.run_once()
        self._detect.run_once()
        for message in self._new(WINDOWS):
            self.windows.append(message.value() or b"")
            self.figures.add(self.windows[-1])
        alerts = [Alert.from_json(message.value() or b"") for message in self._new(ALERTS)]
        news = self._news(alerts)
        self._sent += sum(record.topic == CAPTURES for record in batch)
        before, self._act = self._act, self.traffic.act_at(now_ms - 1)
        return Turn(now_ms, self._sent, self._act, self._act is not before, news, self._act_on(alerts, batch, now_ms))

    def _act_on(self, alerts: list[Alert], batch: list[Record], now_ms: int) -> list[str]:
        if self.desk is None:
            return []
        self.desk.practice.memory.take(batch)
        said = self.desk.turn(alerts, now_ms)
        self.done += [(now_ms, sentence) for sentence in said]
        return said

    def _desk(self) -> Desk:
        self.broker.ensure_topics([actions_topic(self.config)])
        practice = Practice(self.traffic.live, self.figures, self._roll_out, self.clock)
        return Desk(practice, lambda result: self.broker.publish([Record(self.config.topics.own(ACTIONS), *result.message, 0)]))

    def _roll_out(self, versions: Mapping[str, Sequence[bytes] | None]) -> int:
        """Put a config with these versions into the log, each with a baseline of these events, or (None) the one that it has."""
        model = self.config.models["loan"]
        for version, events in versions.items():
            if events is not None:
                self._files[f"loan-{version}"] = _baseline(model, events)
        named = {version: {"baseline": f"loan-{version}" if f"loan-{version}" in self._files else "loan"} for version in versions}
        self.config = demo_config(self.config.revision + 1, versions=named)
        ConfigLog.of(self.broker, self.config).apply(self.config, {path: self._files[path] for path in self.config.baseline_paths()})
        return self.config.revision

    def _news(self, alerts: list[Alert]) -> list[Alert]:
        news = []
        for alert in alerts:
            known = self._last.get(alert.alert_id)
            is_more_of_it = alert.status is AlertStatus.UPDATED and known is not None and known.severity is alert.severity
            if alert.severity is not Severity.INFO and not is_more_of_it:
                news.append(alert)
            self._last[alert.alert_id] = alert
        self.alerts += alerts
        return news

    def _new(self, name: str) -> Iterator[Message]:
        topic = self.config.topics.own(name)
        for message in self.broker.read(TopicPartition(topic, 0), self._read.get(topic, 0)):
            self._read[topic] = message.offset() + 1
            yield message

    def _log(self) -> ConfigLog:
        log = ConfigLog.of(self.broker, self.config)
        log.refresh()
        return log


def demo_config(revision: int = 1, **more: object) -> Config:
    """Windows of two minutes; workers that never wait, because the clock does not move while they do. more: settings of the model."""
    model = {
        "baseline": "loan",
        "task": "binary",
        "positive_class": "repaid",
        "facets": {"gender": {"privileged": "male"}},
        "window": {"size": "2m", "watermark_delay": "1s"},
        **more,
    }
    engine = {"commit_interval": "0ms", "commit_interval_max": "0ms", "profiles_partitions": 2}
    return parse_config({"instance": "demo", "revision": revision, "engine": engine, "models": {"loan": model}}, "demo")


def _baseline(model: Model, training: Sequence[bytes]) -> bytes:
    """As `stream-monitor baseline` makes it."""
    from stream_monitor.baseline.options import BuildOptions  # what builds a baseline is not needed before
    from stream_monitor.baseline.store import dump
    from stream_monitor.pipeline.learn import learn

    options = BuildOptions(
        task=model.task,
        positive_class=model.positive_class,
        window_ms=model.window.size,
        segments=(*model.segments, *model.cuts),
        bands=model.bands(),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.jsonl"
        path.write_bytes(b"\n".join(training) + b"\n")
        return dump(learn([path], options).baseline)
