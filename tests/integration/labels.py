"""Captures and labels of one small world, in the order in which they are published, and the dictionary that says what must come of them.

All times are seeded and lie in the past, so only captures move the watermark. No two times of one event are equal.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final
from zlib import crc32

import confluent_kafka as client
import orjson
from confluent_kafka import Consumer

from stream_monitor.baseline.build import build
from stream_monitor.baseline.store import dump
from stream_monitor.runtime.broker import Record
from tests.integration.oracle import Row, utc
from tests.integration.stack import Stack
from tests.integration.waiting import wait_until

START_MS: Final = 1_767_261_600_000  # 2026-01-01T10:00Z
SIZE_MS: Final = 10_000
WINDOWS: Final = 6
LATENESS_MS: Final = 3_600_000
FIGURES: Final = ("accuracy", "precision", "recall", "specificity", "f1", "label_coverage", "label_delay_p50_s")
"""Those that the dictionary is asked for."""


@dataclass(frozen=True)
class Capture:
    """One event."""

    event_id: str
    time_ms: int
    predicted: str
    score: float
    group: str

    def to_json(self, model: str) -> bytes:
        """As a service publishes it."""
        features, prediction = {"x": self.score * 10, "group": self.group}, {"label": self.predicted, "score": self.score}
        named = {"event_id": self.event_id, "model": model, "time": self.time_ms}
        return orjson.dumps(named | {"features": features, "prediction": prediction})


@dataclass(frozen=True)
class Label:
    """One label; None withdraws."""

    event_id: str
    time_ms: int
    label: str | None

    def to_json(self, model: str) -> bytes:
        """As whoever labels publishes it."""
        return orjson.dumps({"event_id": self.event_id, "model": model, "time": self.time_ms, "label": self.label})


@dataclass
class World:
    """soon: what is published before any window closes, early labels among it; later: late labels, corrections, withdrawals, and events
    that come after their windows closed.
    """

    soon: list[Capture | Label] = field(default_factory=list)
    later: list[Capture | Label] = field(default_factory=list)

    @classmethod
    def of(cls, seed: int, events: int) -> "World":
        """Events over `WINDOWS` windows, one in thirty sent twice, with none to three labels each; and labels of no event."""
        random, world = Random(seed), cls()
        for number in range(events):
            for event in _captures(random, f"e{number}"):
                (world.later if random.random() < 0.05 else world.soon).append(event)
            known_ms = START_MS + WINDOWS * SIZE_MS
            for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
                known_ms += random.randrange(1, 600_000)
                event_id = f"e{number}" if random.random() < 0.98 else f"orphan{number}"
                label = Label(event_id, known_ms, random.choice([None, *["yes", "no"] * 4]))
                (world.later if random.random() < 0.5 else world.soon).append(label)
        random.shuffle(world.soon)
        random.shuffle(world.later)
        return world

    def figures(self) -> dict[int, dict[str, float | None]]:
        """End of each window -> its figures, by two dictionaries."""
        captures: dict[str, Capture] = {}
        labels: dict[str, Label] = {}
        firsts: dict[str, int] = {}
        for item in (*self.soon, *self.later):
            if isinstance(item, Capture):
                captures[item.event_id] = max(item, captures.get(item.event_id, item), key=lambda each: each.time_ms)
            else:
                labels[item.event_id] = max(item, labels.get(item.event_id, item), key=lambda each: each.time_ms)
                firsts[item.event_id] = min(item.time_ms, firsts.get(item.event_id, item.time_ms))
        found = {}
        for end_ms in range(START_MS + SIZE_MS, START_MS + WINDOWS * SIZE_MS + 1, SIZE_MS):
            mine = [each for each in captures.values() if end_ms - SIZE_MS <= each.time_ms < end_ms]
            truth = {each.event_id: labels[each.event_id].label for each in mine if each.event_id in labels}
            pairs = [(each, said) for each in mine if (said := truth.get(each.event_id)) is not None]
            found[end_ms] = _figures(pairs, len(mine), sorted(firsts[each.event_id] - each.time_ms for each, _ in pairs))
        return found


def _captures(random: Random, event_id: str) -> Iterable[Capture]:
    first_ms = START_MS + random.randrange(WINDOWS * SIZE_MS - 1_000)
    for time_ms in [first_ms, first_ms + random.randrange(1, 1_000)][: 2 if random.random() < 1 / 30 else 1]:
        score = round(random.random(), 4)
        yield Capture(event_id, time_ms, "yes" if score > 0.5 else "no", score, random.choice("fm"))


def _figures(pairs: Sequence[tuple[Capture, str]], events: int, delays_ms: Sequence[int]) -> dict[str, float | None]:
    counts = {(said, truth): 0 for said in ("yes", "no") for truth in ("yes", "no")}
    for event, truth in pairs:
        counts[event.predicted, truth] += 1
    hits, misses, alarms, rejections = counts["yes", "yes"], counts["no", "yes"], counts["yes", "no"], counts["no", "no"]
    return {
        "accuracy": (hits + rejections) / len(pairs),
        "precision": hits / (hits + alarms),
        "recall": hits / (hits + misses),
        "specificity": rejections / (rejections + alarms),
        "f1": 2 * hits / (2 * hits + alarms + misses),
        "label_coverage": len(pairs) / events,
        "label_delay_p50_s": delays_ms[(len(delays_ms) - 1) // 2] / 1000,
    }


def baseline_file(folder: Path) -> None:
    """`labels.baseline.json`, of training events that bring their labels."""
    random, data = Random(1), folder / "training.jsonl"
    events = [event for number in range(3_000) for event in _captures(random, f"t{number}")]
    rows = [orjson.loads(event.to_json("any")) | {"label": "yes" if random.random() < event.score else "no"} for event in events]
    data.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (folder / "labels.baseline.json").write_bytes(dump(build([data]).baseline))


def model(**more: Any) -> dict[str, Any]:
    """A model's settings. Its last windows are told when `LATENESS_MS` have passed."""
    window = {"size": f"{SIZE_MS}ms", "watermark_delay": "1s", "lateness": "10s", "label_lateness": f"{LATENESS_MS}ms", "events_min": 1}
    return {"baseline": "labels.baseline.json", "task": "binary", "positive_class": "yes", "window": window, **more}


def publish(stack: Stack, items: Iterable[Capture | Label], name: str, captures: str, labels: str) -> None:
    """Send items for a model, in their order, with keys that are not the events' ids: partitions and topics say nothing of what meets."""
    stack.broker.publish(
        [
            Record(captures if isinstance(item, Capture) else labels, item.to_json(name), b"%d" % crc32(repr(item).encode()))
            for item in items
        ]
    )


def pass_time(stack: Stack, ahead_ms: int, name: str, captures: str) -> None:
    """An event so long after the last window in every partition: the watermark follows."""
    for partition in range(stack.broker.partition_count(captures) or 0):
        event = Capture(f"closer-{ahead_ms}-{partition}", START_MS + WINDOWS * SIZE_MS + ahead_ms, "no", 0.1, "f")
        stack.broker.publish([Record(captures, event.to_json(name), partition=partition)])


def wait_until_read(stack: Stack, topics: Sequence[str], deadline_s: float = 60.0) -> None:
    """Wait until the profile group has committed all of these topics: what they held is then before any later watermark."""
    probe = Consumer({"bootstrap.servers": stack.bootstrap_servers, "group.id": f"{stack.prefix}.profile", "log_level": 0})
    places = [client.TopicPartition(topic, number) for topic in topics for number in range(stack.broker.partition_count(topic) or 0)]

    def is_read() -> bool:
        ends = [probe.get_watermark_offsets(place, timeout=10)[1] for place in places]
        return all(found.offset >= end or end == 0 for found, end in zip(probe.committed(places, timeout=10), ends, strict=True))

    try:
        wait_until(is_read, f"all of {', '.join(topics)} to be read", deadline_s)
    finally:
        probe.close()


def final_figures(rows: Iterable[Row], name: str) -> dict[int, dict[str, float | None]]:
    """What a model's windows were told of last, for the whole. AssertionError where a revision came twice or was left out."""
    ends = {utc(end_ms): end_ms for end_ms in range(START_MS + SIZE_MS, START_MS + WINDOWS * SIZE_MS + 1, SIZE_MS)}
    revisions: dict[tuple[str, str], list[int]] = {}
    found: dict[int, dict[str, float | None]] = {end_ms: {} for end_ms in ends.values()}
    for row in rows:
        if row["model"] == name and not row["segment"] and row["detector"] in FIGURES and row["window"]["end"] in ends:
            revisions.setdefault((row["window"]["end"], row["detector"]), []).append(row["revision"])
            found[ends[row["window"]["end"]]][row["detector"]] = row["score"]
    for place, seen in revisions.items():
        assert seen == sorted(set(seen)), f"revisions of {place}: {seen}"
    return found


def equal(found: Mapping[int, Mapping[str, float | None]], wanted: Mapping[int, Mapping[str, float | None]]) -> bool:
    """To the six digits that are published; the median delay to within its bin."""
    return all(
        (figures := found.get(end_ms, {})).keys() == expected.keys()
        and all(_close(figures[name], value, 0.1 if name == "label_delay_p50_s" else 1e-5) for name, value in expected.items())
        for end_ms, expected in wanted.items()
    )


def _close(one: float | None, other: float | None, tolerance: float) -> bool:
    return one == other if one is None or other is None else math.isclose(one, other, rel_tol=tolerance)
