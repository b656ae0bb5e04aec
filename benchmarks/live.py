"""The pipeline on a real Kafka: throughput beside a bare consumer, and the delay from an event to its alert.

The broker is STREAM_MONITOR_TEST_KAFKA, else one node is started from Apache Kafka's own jars (needs Java and Maven).
Broker, producer and monitor share this machine: the figures are those of all three together.

    python benchmarks/live.py [throughput] [latency] [--messages 1000000] [--rounds 3] [--rate 10000] [--seconds 60] [--json]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import orjson
import yaml
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from benchmarks import events, plans
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.store import dump, save
from stream_monitor.profile.kernels import compile_kernels
from stream_monitor.runtime.broker import TopicSpec
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.kafka import KafkaBroker
from stream_monitor.runtime.kafka.settings import KafkaSettings
from stream_monitor.runtime.profile_worker import ProfileWorker
from stream_monitor.runtime.topics import prepare_topics
from tests.kafka import server

PARTITIONS = 4
BATCH = 10_000
POOL = 20_000
"""Different events; they come again with new ids and times."""
SETTLE_S = 10.0
"""Live: the first seconds are not counted (compiling, joining the group, the first windows)."""
SHIFT_S = 5
"""Live: `f00` is shifted by one standard deviation in every other span of so many seconds, so that alerts fire and resolve many times."""


class Traffic:
    """Bytes of events at given times, cheaply: only id and time are written anew."""

    def __init__(self, seed: int, shift: float = 0.0) -> None:
        random_ = random.Random(seed)
        whole = (orjson.dumps(events.event(random_, 0, shift)) for _ in range(POOL))
        self._tails = [body[body.index(b',"features"') :] for body in whole]

    def body(self, number: int, time_ms: int) -> bytes:
        """The event of this number."""
        moment = datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        head = f'{{"event_id":"{number:016x}","model":"fraud","version":"3","time":"{moment}.{time_ms % 1000:03d}Z"'
        return head.encode() + self._tails[number % POOL]


@contextmanager
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real Kafka."""
    if named := os.environ.get("STREAM_MONITOR_TEST_KAFKA"):
        yield named
        return
    server.resolve_jars()
    with tempfile.TemporaryDirectory(prefix="stream-monitor-bench-") as folder:
        node = server.KafkaServer(Path(folder))
        node.start()
        try:
            yield node.bootstrap_servers
        finally:
            node.stop()


def create_topic(bootstrap: str) -> str:
    """A new capture topic."""
    name = f"captures-{uuid4().hex[:8]}"
    broker = KafkaBroker(KafkaSettings(bootstrap))
    broker.ensure_topics([TopicSpec(name, PARTITIONS)])
    broker.close()
    return name


def offer(producer: Producer, topic: str, body: bytes, partition: int) -> None:
    """Produce, waiting where the queue is full."""
    while True:
        try:
            producer.produce(topic, body, partition=partition)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def producer_of(bootstrap: str) -> Producer:
    return Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "compression.type": "lz4", "delivery.report.only.error": True})


# ---- throughput: a filled topic, read by a bare loop and by a profile worker in turn


def fill(bootstrap: str, topic: str, n: int) -> int:
    """N events, one per ms, up to now; gives their bytes."""
    traffic, producer, size = Traffic(7), producer_of(bootstrap), 0
    start_ms = int(time.time() * 1000) - n
    for number in range(n):
        body = traffic.body(number, start_ms + number)
        size += len(body)
        offer(producer, topic, body, number % PARTITIONS)
    producer.flush()
    return size


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of the whole topic: wall seconds from the first batch on, and this process's processor seconds meanwhile."""

    wall_s: float
    processor_s: float
    messages: int

    @property
    def rate(self) -> float:
        return self.messages / self.wall_s


class Watch:
    """Measures from the first messages on: joining the group is not throughput."""

    def __init__(self) -> None:
        self._begun: tuple[float, float] | None = None
        self.messages = 0

    def saw(self, n: int) -> None:
        if self._begun is None and n:
            self._begun = (time.perf_counter(), time.process_time())  # and these n are not counted
        else:
            self.messages += n

    def done(self) -> Pass:
        assert self._begun is not None
        return Pass(time.perf_counter() - self._begun[0], time.process_time() - self._begun[1], self.messages)


def bare(bootstrap: str, topic: str, n: int) -> Pass:
    """consume(10000) and look at each value's length: nothing less reads a topic in Python."""
    consumer = Consumer(KafkaSettings(bootstrap).group_member(f"bare-{uuid4().hex[:8]}"))
    consumer.subscribe([topic])
    watch, seen = Watch(), 0
    while seen < n:
        good = [len(message.value() or b"") for message in consumer.consume(BATCH, 0.1) if message.error() is None]
        seen += len(good)
        watch.saw(len(good))
    passed = watch.done()
    consumer.close()
    return passed


class Silent:
    """A meter that remembers how many events were committed."""

    def __init__(self) -> None:
        self.events = 0.0

    def add(self, metric: str, labels: object, amount: float = 1.0) -> None:
        if metric == "events_total":
            self.events += amount

    def set(self, metric: str, labels: object, value: float) -> None: ...
    def observe(self, metric: str, labels: object, value: float) -> None: ...
    def drop(self, metric: str, labels: object) -> None: ...


def worker(bootstrap: str, topic: str, n: int, baseline: Baseline) -> Pass:
    """A profile worker, as `run --roles profile` drives it: decode, summarise, produce, commit each batch as a transaction."""
    config = plans.config(
        "1m",
        kafka={"bootstrap_servers": bootstrap},
        topics={"captures": [topic], "prefix": f"bench-{uuid4().hex[:8]}"},
    )
    broker = KafkaBroker.of(config)
    prepare_topics(broker, config)
    ConfigLog.of(broker, config).apply(config, {plans.BASELINE: dump(baseline)})
    log = ConfigLog.of(broker, config)
    log.refresh()
    meter, watch = Silent(), Watch()
    member = ProfileWorker(broker, config, log, lambda: time.time_ns() // 1_000_000, meter)
    seen = 0.0
    while meter.events < n:
        member.run_once()
        watch.saw(int(meter.events - seen))
        seen = meter.events
    passed = watch.done()
    member.close()
    broker.close()
    return passed


def throughput(bootstrap: str, baseline: Baseline, n: int, rounds: int) -> dict[str, float]:
    """Both over one topic, in turn."""
    compile_kernels()
    topic = create_topic(bootstrap)
    size = fill(bootstrap, topic, n)
    pairs = [(bare(bootstrap, topic, n), worker(bootstrap, topic, n, baseline)) for _ in range(rounds)]
    print(f"throughput: {n:,} messages of {size / n:.0f} bytes in {PARTITIONS} partitions, {rounds} rounds in turn, medians")
    for name, passes in (("bare consume()", [one for one, _ in pairs]), ("profile worker", [other for _, other in pairs])):
        rate = median(one.rate for one in passes)
        cost = median(one.processor_s / one.messages for one in passes)
        print(f"  {name:16s} {rate:10,.0f} messages/s   {cost * 1e6:6.2f} us of processor per message (client threads included)")
    ratio = median(other.rate / one.rate for one, other in pairs)
    print(f"  the worker runs at {ratio:.2f} of the bare loop")
    return {"live.worker_of_bare": ratio}


# ---- latency: live traffic, the whole of `run` in one process


def generate(bootstrap: str, topic: str, rate: int, seconds: float) -> None:
    """`rate` events per second with the wall clock as event time, `f00` shifted in every other span of `SHIFT_S` seconds."""
    usual, shifted = Traffic(7), Traffic(8, shift=1.0)
    producer, start, number = producer_of(bootstrap), time.time(), 0
    while (now := time.time()) - start < seconds:
        due = int((now - start) * rate)
        traffic = shifted if int(now) // SHIFT_S % 2 else usual
        while number < due:
            offer(producer, topic, traffic.body(number, int(now * 1000)), number % PARTITIONS)
            number += 1
        producer.poll(0)
        time.sleep(0.002)
    producer.flush()
    print(f"sent {number:,} events in {time.time() - start:.1f} s", file=sys.stderr)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A row that a committed reader got: wall-clock ms, and what it says."""

    at_ms: float
    row: Any

    @property
    def end_s(self) -> float:
        """The end of the row's window, in seconds since the epoch."""
        return datetime.fromisoformat(self.row["window"]["end"]).timestamp()

    @property
    def delay_ms(self) -> float:
        """From then on."""
        return self.at_ms - self.end_s * 1000


def listen(bootstrap: str, topics: list[str], until: float) -> Iterator[tuple[str, Arrival]]:
    """(topic, arrival) of all that comes, until a moment of the wall clock."""
    consumer = Consumer(KafkaSettings(bootstrap).group_member(f"listen-{uuid4().hex[:8]}"))
    consumer.subscribe(topics)
    while time.time() < until:
        for message in consumer.consume(1_000, 0.01):
            if message.error() is None:
                yield str(message.topic()), Arrival(time.time() * 1000, orjson.loads(message.value() or b"{}"))
    consumer.close()


def latency(bootstrap: str, baseline: Baseline, rate: int, seconds: float) -> dict[str, float]:
    """`run` and a producer as processes of their own; this one reads what is committed."""
    topic, prefix = create_topic(bootstrap), f"bench-{uuid4().hex[:8]}"
    window = {"size": "1s", "watermark_delay": "200ms", "lateness": "1s"}
    tree = {
        "kafka": {"bootstrap_servers": bootstrap},
        "topics": {"captures": [topic], "prefix": prefix},
        "metrics": {"port": 0},
        "models": {"fraud": {"baseline": plans.BASELINE, "task": "binary", "positive_class": "1", "window": window}},
    }
    with running(tree, baseline, f"{prefix}.alerts"):
        command = [sys.executable, __file__, "generate", "--bootstrap", bootstrap, "--topic", topic]
        source = subprocess.Popen([*command, "--rate", str(rate), "--seconds", str(seconds + SETTLE_S)])
        begin = time.time() + SETTLE_S
        arrivals = list(listen(bootstrap, [f"{prefix}.windows", f"{prefix}.alerts"], begin + seconds + 2))
        source.wait(30)
    counted = [(topic, one) for topic, one in arrivals if begin <= one.end_s < begin + seconds and one.row["revision"] == 1]
    windows, alerts = ([one for topic, one in counted if topic == f"{prefix}.{name}"] for name in ("windows", "alerts"))
    return latency_table(rate, windows, alerts)


@contextmanager
def running(tree: dict[str, Any], baseline: Baseline, awaited_topic: str) -> Iterator[None]:
    """`stream-monitor run` as a process of its own; ready when it has made its topics."""
    with tempfile.TemporaryDirectory() as folder, Path(folder, "run.log").open("wb") as log:
        save(baseline, Path(folder, plans.BASELINE))
        config = Path(folder, "monitor.yaml")
        config.write_text(yaml.safe_dump(tree))
        monitor = subprocess.Popen([sys.executable, "-m", "stream_monitor", "run", "--config", str(config)], stdout=log, stderr=log)
        try:
            wait_for_topics(tree["kafka"]["bootstrap_servers"], awaited_topic)
            yield
        finally:
            monitor.terminate()
            monitor.wait(30)
            if monitor.returncode:
                print(Path(folder, "run.log").read_text()[-3000:], file=sys.stderr)


def latency_table(rate: int, windows: list[Arrival], alerts: list[Arrival]) -> dict[str, float]:
    ends: dict[str, float] = {}
    for one in windows:
        ends[one.row["window"]["end"]] = max(one.delay_ms, ends.get(one.row["window"]["end"], 0.0))
    events_seen = median(one.row["window"]["events"] for one in windows)
    print(f"latency: {rate:,} events/s asked, {events_seen:,.0f} per window of 1 s seen; watermark_delay 200 ms, commit_interval 100 ms")
    print("  from the end of the window (its last event) until a committed reader has the row, ms:")
    found: dict[str, float] = {}
    for name, delays in (("windows, all rows", list(ends.values())), ("alerts, firing", [one.delay_ms for one in alerts])):
        if delays:
            p50, p99 = quantile(delays, 0.5), quantile(delays, 0.99)
            print(f"  {name:18s} p50 {p50:6.0f}   p99 {p99:6.0f}   worst {max(delays):6.0f}   ({len(delays)} of them)")
            found |= {f"live.{name.split(',')[0]}_p50_ms": p50, f"live.{name.split(',')[0]}_p99_ms": p99}
    return found


def quantile(values: list[float], share: float) -> float:
    """The smallest value that this share of all is not above."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def wait_for_topics(bootstrap: str, name: str) -> None:
    admin, deadline = AdminClient({"bootstrap.servers": bootstrap}), time.monotonic() + 60
    while name not in admin.list_topics(timeout=5).topics:
        if time.monotonic() > deadline:
            raise SystemExit(f"`run` made no topic {name} within a minute")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["throughput", "latency"], help="throughput, latency")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", action="store_true", help="end with the figures as one line of JSON")
    parser.add_argument("--bootstrap", help=argparse.SUPPRESS)
    parser.add_argument("--topic", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.what == ["generate"]:
        generate(options.bootstrap, options.topic, options.rate, options.seconds)
        return
    baseline, found = plans.baseline(), dict[str, float]()
    with kafka() as bootstrap:
        if "throughput" in options.what:
            found |= throughput(bootstrap, baseline, options.messages, options.rounds)
        if "latency" in options.what:
            found |= latency(bootstrap, baseline, options.rate, options.seconds)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
