"""A small world for the pipeline's laws: three streams, seeded traffic that drifts, and workers on the in-memory broker.

Nothing here is random but by its seed, and no time passes but by the world's own clock.
"""

import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import orjson

from stream_monitor.alert.alert import Alert
from stream_monitor.baseline.build import build
from stream_monitor.baseline.store import dump, load_baseline
from stream_monitor.config import Config, parse_config
from stream_monitor.detect.report import WindowScore
from stream_monitor.errors import Fenced, Retriable
from stream_monitor.pipeline.plan import Plan, compile_plan
from stream_monitor.runtime.broker import Message, Record, TopicPartition, TopicSpec
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.detect_worker import DetectWorker
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.observe import Audience, Nobody
from stream_monitor.runtime.profile_worker import ProfileWorker
from stream_monitor.runtime.topics import ALERTS, DEAD_LETTERS, WINDOWS, prepare_topics

START_MS = 1_767_261_600_000  # 2026-01-01T10:00Z
DELAY_MS = 5_000
SESSION_MS = 30_000
REGIONS = ("north", "south", "east", "west")
STREAMS = (("loan", None), ("loan", "2"), ("fraud", None))
BAD = (
    b"{",
    b"[]",
    b'{"model":"other","event_id":"x","features":{},"prediction":1}',
    b'{"model":"fraud","features":{},"prediction":1}',
    None,
)


class Crash(BaseException):
    """A worker's process dies here; no handler of ours may catch it."""


@dataclass(frozen=True, eq=False)
class Event:
    """One capture, equal to itself alone. `time_ms`: when it happened; `value`: what the service wrote; `model` None: no event."""

    time_ms: int
    value: bytes | None
    model: str | None
    version: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


def capture(random: Random, number: int, model: str, version: str | None, time_ms: int, shifted: bool) -> Event:
    amount: Any = round(random.lognormvariate(10 if version is None else 9, 0.4) * (0.6 if shifted else 1.0), 2)
    if random.random() < (0.15 if shifted else 0.02):
        amount = None
    elif random.random() < 0.01:
        amount = "a lot"
    region = random.choices(REGIONS, (10, 60, 15, 15) if shifted else (30, 30, 20, 20))[0] if random.random() < 0.99 else "atlantis"
    body = {
        "event_id": f"e-{number}",
        "model": model,
        "time": time_ms,
        "features": {"amount": amount, "region": region, "employed": random.random() < 0.8},
        "prediction": {"label": random.choice("ab"), "score": round(random.random(), 4)},
    }
    if version is not None:
        body["version"] = version
    body |= call(number, shifted) if model == "fraud" else counted(number, shifted)
    if model == "fraud":
        body["metadata"] = {"producer": "ab"[number % (2 if not shifted else 5) == 0]}
    return Event(time_ms, orjson.dumps(body), model, version, body)


def sent_ms(event: Event) -> int:
    """The time of an event's message: most come after it, some before."""
    return event.time_ms + hash_of(event) % 4_000 - 500


def hash_of(event: Event) -> int:
    """A number that is the same in every process."""
    return zlib.crc32(event.value or b"")


def call(number: int, shifted: bool) -> dict[str, Any]:
    """How a call of the one stream that tells it went; drawn from its number, one in five tells nothing."""
    if number % 5 == 0:
        return {}
    told: dict[str, Any] = {
        "latency_ms": 20 + number * 7919 % 400 / 10 * (8 if shifted else 1),
        "resources": {"cpu_ratio": number % 7 / 10},
    }
    return told | ({"status": "error", "error": f"e{number % 4}"} if number % (9 if shifted else 23) == 0 else {"status": "ok"})


def counted(number: int, shifted: bool) -> dict[str, Any]:
    """How much each feature counted, where it is told; drawn from its number: one in four tells nothing, one in nine nonsense."""
    if number % 4 == 0:
        return {}
    sizes = [0.1 * (1 + number % 5), -0.02 * (1 + number % 3), 0.001 * (number % 11)]
    told: dict[str, Any] = dict(zip(("amount", "region", "employed"), sizes[::-1] if shifted else sizes, strict=True))
    return {"attributions": told | ({"region": "much"} if number % 9 == 0 else {})}


def traffic(seed: int, events: int, span_ms: int, streams: Iterable[tuple[str, str | None]] = STREAMS) -> list[Event]:
    """Events in the order in which they arrive: late by less than DELAY_MS, one in fifty not an event at all.

    From a third of the time on all streams drift, fraud to the end, the others until two thirds.
    """
    random = Random(seed)
    arrivals: list[tuple[float, int, Event]] = []
    for number in range(events):
        time_ms = START_MS + random.randrange(span_ms)
        model, version = random.choice(list(streams))
        ends_ms = span_ms if model == "fraud" else 2 * span_ms // 3
        shifted = span_ms // 3 <= time_ms - START_MS < ends_ms
        event = capture(random, number, model, version, time_ms, shifted)
        if random.random() < 0.02:
            event = Event(time_ms, random.choice(BAD), None)
        arrivals.append((time_ms + random.random() * DELAY_MS, number, event))
    return [event for _, _, event in sorted(arrivals, key=lambda arrival: arrival[:2])]


@cache
def baselines() -> dict[str, bytes]:
    """Baseline files by name: loan, loan2, fraud, and other (another baseline of loan)."""
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed, (name, version) in enumerate({"loan": None, "loan2": "2", "fraud": None, "other": None}.items()):
            random, path = Random(seed), Path(folder) / f"{name}.jsonl"
            path.write_bytes(b"\n".join(capture(random, n, name, version, START_MS, False).value or b"" for n in range(600)))
            made[name] = dump(build([path]).baseline)
    return made


def config_tree(window: Mapping[str, Any] | None = None, segments: Sequence[str] = (), **engine: Any) -> dict[str, Any]:
    window = {"size": "20s", "watermark_delay": "5s", "events_min": 40, **(window or {})}
    slow = {"idle_after": "5m", "idle_lease": "10m"}  # no partition goes idle while there is traffic
    quick = {"commit_interval": "0ms", "commit_interval_max": "0ms", "profiles_partitions": 3, "snapshot_interval": "15s"}
    models = {
        "loan": {
            "baseline": "loan",
            "versions": {"2": {"baseline": "loan2"}},
            "window": window,
            "segments": list(segments),
            "false_alerts_per_30d": 100_000,
        },
        "fraud": {"baseline": "fraud", "window": window, "false_alerts_per_30d": 100_000},
    }
    return {"instance": "test", "engine": {**quick, **slow, **engine}, "models": models}


def config_of(window: Mapping[str, Any] | None = None, segments: Sequence[str] = (), **engine: Any) -> Config:
    return parse_config(config_tree(window, segments, **engine), "test")


def plan_of(config: Config) -> Plan:
    loaded = {name: load_baseline(content, name) for name, content in baselines().items()}
    return compile_plan(config, config.shared({name: baseline.id for name, baseline in loaded.items()}), loaded)


@dataclass
class Numbers:
    """A meter that keeps the counters."""

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, metric: str, labels: Mapping[str, str], amount: float = 1.0) -> None:
        self.counts[metric, *(value for _, value in sorted(labels.items()))] += int(amount)

    def set(self, metric: str, labels: Mapping[str, str], value: float) -> None:
        pass

    def observe(self, metric: str, labels: Mapping[str, str], value: float) -> None:
        pass

    def drop(self, metric: str, labels: Mapping[str, str]) -> None:
        pass

    def total(self, metric: str) -> int:
        return sum(count for key, count in self.counts.items() if key[0] == metric)


Worker = ProfileWorker | DetectWorker


class World:
    """Capture topic, broker, and any number of workers that come, go and die."""

    def __init__(self, config: Config, partitions: int, seed: int = 0) -> None:
        self.config, self.partitions = config, partitions
        self.random = Random(f"world {seed}")
        self.now_ms = START_MS
        self.broker = MemoryBroker(lambda: self.now_ms, session_timeout_ms=SESSION_MS, transaction_timeout_ms=10_000)
        self.meter: Any = Numbers()
        self.audience: Audience = Nobody()
        self.workers: dict[str, Worker] = {}
        self.published = 0
        self.broker.ensure_topics([TopicSpec("captures", partitions)])
        prepare_topics(self.broker, config)
        ConfigLog.of(self.broker, config).apply(config, self.named_baselines(config))

    @staticmethod
    def named_baselines(config: Config) -> dict[str, bytes]:
        return {name: baselines()[name] for name in config.baseline_paths()}

    def start(self, role: str, instance: str) -> Worker:
        """A new process; one of the same role and instance before it is fenced."""
        config = self.config.model_copy(update={"instance": instance})
        log = ConfigLog.of(self.broker, config)
        log.refresh()
        common = self.broker, config, log, lambda: self.now_ms, self.meter
        worker: Worker = ProfileWorker(*common) if role == "profile" else DetectWorker(*common, self.audience)
        self.workers[f"{role}/{instance}"] = worker
        return worker

    def staff(self, profile: int, detect: int) -> "World":
        """Start so many workers of each role."""
        for role, count in (("profile", profile), ("detect", detect)):
            for number in range(count):
                self.start(role, f"{number}")
        return self

    def stop(self, name: str) -> None:
        """A graceful end, unless it crashes at it."""
        try:
            self.workers[name].close()
            del self.workers[name]
        except Crash:
            self.kill(name)

    def kill(self, name: str) -> None:
        """kill -9: nothing is closed; others learn of it by time-outs."""
        self.workers.pop(name)._member.kill()  # type: ignore[attr-defined]

    def turn(self, name: str) -> None:
        """One `run_once`, with the loop of `runtime.process` around it."""
        role, _, instance = name.partition("/")
        worker = self.workers[name]
        try:
            try:
                worker.run_once()
            except (Fenced, Retriable):
                worker.close()
                self.revive(role, instance)
        except Crash:
            self.kill(name)
            self.revive(role, instance)

    def revive(self, role: str, instance: str) -> None:
        """Start until it starts, as a supervisor does."""
        while True:
            try:
                self.start(role, instance)
                return
            except (Crash, Retriable):
                continue

    def publish(self, event: Event, partition: int) -> None:
        self.now_ms = max(self.now_ms, event.time_ms)
        self.broker.publish([Record("captures", event.value, partition=partition, timestamp_ms=sent_ms(event))])
        self.published += 1

    def play(self, events: Iterable[Event], between: Callable[[], None] = lambda: None, batch_max: int = 30) -> None:
        """Publish on random partitions in batches of random size; after each, workers have turns in random order and number."""
        for batch in self.batches(events, batch_max):
            for event in batch:
                self.publish(event, self.random.randrange(self.partitions))
            between()
            for name in self.random.choices(sorted(self.workers), k=self.random.randrange(2 * len(self.workers) + 1)):
                if name in self.workers:
                    self.turn(name)

    def batches(self, events: Iterable[Event], batch_max: int) -> Iterator[list[Event]]:
        waiting = list(events)
        while waiting:
            count = self.random.randint(1, batch_max)
            yield waiting[:count]
            waiting = waiting[count:]

    def settle(self, rounds: int = 60, step_ms: int = 20_000) -> "World":
        """Let time pass, everybody at work, until all is idle and every window has closed."""
        for _ in range(rounds):
            self.now_ms += step_ms
            for name in sorted(self.workers):
                if name in self.workers:
                    self.turn(name)
        return self

    def read(self, topic: str) -> list[Message]:
        return list(self.broker.read(TopicPartition(self.config.topics.own(topic), 0)))

    def outcome(self) -> "Outcome":
        scores = [msgspec.json.decode(message.value() or b"", type=WindowScore) for message in self.read(WINDOWS)]
        alerts = [Alert.from_json(message.value() or b"") for message in self.read(ALERTS)]
        return Outcome.of(scores, alerts)

    def dead_letters(self) -> int:
        return len(self.read(DEAD_LETTERS))


ScoreKey = tuple[str, str | None, str, str, str | None, str]


@dataclass(frozen=True)
class Outcome:
    """What must not depend on partitions, workers, order and crashes: last score by window, last state by alert."""

    scores: dict[ScoreKey, WindowScore]
    alerts: dict[str, Alert]

    @classmethod
    def of(cls, scores: Iterable[WindowScore], alerts: Iterable[Alert]) -> "Outcome":
        """Also holds that nothing was said twice."""
        last: dict[ScoreKey, WindowScore] = {}
        for score in scores:
            key = (score.model, score.version, repr(score.segment), score.window.end, score.feature, score.detector)
            assert score.revision == (last[key].revision + 1 if key in last else 1), f"said twice or not at all: {score}"
            last[key] = score
        states: dict[str, Alert] = {}
        for alert in alerts:
            assert alert.revision == (states[alert.alert_id].revision + 1 if alert.alert_id in states else 1), f"said twice: {alert}"
            states[alert.alert_id] = alert
        return cls(
            {key: msgspec.structs.replace(score, revision=0) for key, score in last.items()},
            {alert_id: _timeless(alert) for alert_id, alert in states.items()},
        )

    def lines(self) -> list[bytes]:
        """All of it as sorted bytes."""
        return sorted([*(score.to_json() for score in self.scores.values()), *(alert.to_json() for alert in self.alerts.values())])


def _timeless(alert: Alert) -> Alert:
    evidence = msgspec.structs.replace(alert.evidence, samples=())
    return msgspec.structs.replace(alert, revision=0, detected_at="", evidence=evidence)
