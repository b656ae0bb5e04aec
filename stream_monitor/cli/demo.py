"""`stream-monitor demo`: the whole pipeline in one process on the in-memory broker, with a real model and drifting traffic.

Time is event time throughout: the clock is that of the newest event, so the demonstration runs as fast as the machine allows
and says the same on every machine.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert
from stream_monitor.cli.console import console
from stream_monitor.cli.demo_traffic import START_MS, Traffic
from stream_monitor.cli.results import Results
from stream_monitor.config import Config, parse_config
from stream_monitor.detect.report import utc
from stream_monitor.errors import RunError
from stream_monitor.export.board import Board, Site
from stream_monitor.export.logs import configure_logs
from stream_monitor.export.metrics import MetricStore
from stream_monitor.export.report import Story, claim, write_report
from stream_monitor.runtime.broker import Record, TopicPartition, TopicSpec
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.detect_worker import DetectWorker
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.profile_worker import ProfileWorker
from stream_monitor.runtime.topics import ALERTS, WINDOWS, prepare_topics

PARTITIONS: Final = 3
TURNS: Final = 100
"""Turns of the workers while the traffic lasts: one in ten seconds of event time."""
EVENTS_ENOUGH: Final = 1_000
"""From so many on, windows hold enough events for the shift to be noticed; with fewer it may not be."""


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Plain lines, as when the output is not a terminal.")] = False,
    events: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many events the service answers.")] = 40_000,
    seed: Annotated[int, typer.Option(help="Of all randomness: the same seed tells the same story.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Write alerts.jsonl, windows.jsonl and metrics.prom here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page here: what moved, when, how sure.")] = None,
    port: Annotated[int | None, typer.Option(help="Serve /metrics on this port while it runs.")] = None,
) -> None:
    """Watch a model's traffic drift: nothing to install, no Kafka needed, ends by itself."""
    configure_logs("error")  # what happens is told below
    said = console(plain=headless)
    results = Results(out) if out is not None else None  # before the work: a folder that cannot be written is said at once
    if report is not None:
        claim(report)
    said.print(f"Training a classifier with river (seed {seed}) and building its baseline …")
    stage = Stage(Traffic.seeded(seed, events))
    with ExitStack() as stack:
        if port is not None:
            from stream_monitor.export.http import MetricsServer

            server = stack.enter_context(MetricsServer(stage.store.registry(), port=port, site=Site(stage.board)))
            said.print(f"Pages at http://127.0.0.1:{server.port}/ while it runs, metrics at /metrics")
        said.print(f"Serving {events:,} loan applications; from application {stage.traffic.shift_at:,} on, other people apply\n")
        for line in stage.play():
            said.print(line)
    if results is not None:  # before the stage is closed: a worker that leaves takes its models' series along
        results.write("windows.jsonl", stage.windows)
        results.write("alerts.jsonl", (alert.to_json() for alert in stage.alerts))
        said.print(f"\nWritten: {', '.join(str(path) for path in results.finish(stage.store))}")
    if report is not None:
        write_report(Story.of(stage.alerts, stage.windows), report, "What the demo's monitor saw")
        said.print(f"\nWritten: {report}; open it in a browser")
    stage.close()
    said.print()
    said.print(stage.closing_table())
    if stage.first_delay_s is None and events >= EVENTS_ENOUGH:
        raise RunError("the shift was not noticed")


@dataclass
class Clock:
    """The newest event's time."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        """Ms since the epoch."""
        return self.now_ms


@dataclass
class Stage:
    """The pipeline of the demonstration, and what it said."""

    traffic: Traffic
    store: MetricStore = field(default_factory=MetricStore)
    board: Board = field(default_factory=Board)
    alerts: list[Alert] = field(default_factory=list)
    windows: list[bytes] = field(default_factory=list)
    first_delay_s: float | None = None

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

    def play(self) -> Iterator[str]:
        """Send all traffic through, then let time pass until every window is closed; gives what happens, as it happens."""
        batch: list[Record] = []
        for number, (time_ms, event) in enumerate(self.traffic.stream()):
            batch.append(Record("captures", event, partition=number % PARTITIONS, timestamp_ms=time_ms))
            if number == self.traffic.shift_at:
                yield f"{_hour(time_ms)}  [bold]the applicants change[/bold]: lower incomes, more from the south"
            if len(batch) >= self.traffic.events / TURNS:
                yield from self._turn(batch, time_ms)
                batch = []
        end_ms = self.traffic.time_ms(self.traffic.events)
        for wait_ms in range(0, 75_000, 5_000):  # until the last window closes, and not until the silence after it is noticed
            yield from self._turn(batch, end_ms + wait_ms)
            batch = []

    def close(self) -> None:
        """Leave the groups; this member's series go with it."""
        self._profile.close()
        self._detect.close()

    def closing_table(self) -> Table:
        """What was found, by feature, in the order in which it was."""
        table = Table(title="What the monitor found", title_justify="left")
        for name in ("feature", "severity", "highest scores", "first alert"):
            table.add_column(name, no_wrap=True)
        fired: dict[str, list[Alert]] = {}
        for alert in self.alerts:
            fired.setdefault(alert.feature or "(all)", []).append(alert)
        for feature, alerts in fired.items():
            highest = {alert.detector: max(other.score or 0 for other in alerts if other.detector == alert.detector) for alert in alerts}
            worst = "critical" if any(alert.severity == "critical" for alert in alerts) else alerts[0].severity
            scores = ", ".join(f"{detector} {score:.2f}" for detector, score in highest.items())
            table.add_row(escape(feature), worst, scores, f"{self._after_shift_s(alerts[0]):.0f} s after the shift")
        first = (
            "nothing was noticed: too few events"
            if self.first_delay_s is None
            else f"first alert {self.first_delay_s:.0f} s of event time after the shift"
        )
        table.caption = f"{len(self.windows):,} window scores; {first}"
        return table

    def _turn(self, batch: list[Record], now_ms: int) -> Iterator[str]:
        self.broker.publish(batch)
        self.clock.now_ms = now_ms
        self._profile.run_once()
        self._detect.run_once()
        self.windows += [message.value() or b"" for message in self._new(WINDOWS)]
        for message in self._new(ALERTS):
            alert = Alert.from_json(message.value() or b"")
            self.alerts.append(alert)
            yield self._tell(alert)

    def _tell(self, alert: Alert) -> str:
        delay_s = self._after_shift_s(alert)
        if alert.status == "firing" and self.first_delay_s is None and delay_s >= 0:
            self.first_delay_s = delay_s
        colour = {"critical": "red", "warning": "yellow", "info": "blue"}[alert.severity] if alert.status != "resolved" else "green"
        return f"{alert.detected_at[11:19]}  [{colour}]{alert.status:8} {alert.severity:8}[/{colour}] {escape(alert.annotations.summary)}"

    def _after_shift_s(self, alert: Alert) -> float:
        detected_ms = datetime.fromisoformat(alert.detected_at).timestamp() * 1000
        return (detected_ms - self.traffic.time_ms(self.traffic.shift_at)) / 1000

    def _new(self, name: str) -> Iterator:  # type: ignore[type-arg]
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


def _hour(time_ms: int) -> str:
    return utc(time_ms)[11:19]
