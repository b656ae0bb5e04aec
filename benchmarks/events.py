"""The event of all benchmarks: 770 bytes of JSON, 25 features, seeded.

20 floats (mostly 16 to 18 digits) and 5 strings as features, 1 % of them null; id, model, version, time, output and latency.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import confluent_kafka as client
import orjson

from stream_monitor.capture import PREDICTION, SCORE, Column, Kind, Role, Schema
from stream_monitor.capture.columns import Raw

FLOATS = [f"f{i:02d}" for i in range(20)]
STRINGS = [f"c{i}" for i in range(5)]
SCHEMA = Schema(
    (
        *(Column(name, Kind.NUMERIC) for name in FLOATS),
        *(Column(name, Kind.CATEGORICAL) for name in STRINGS),
        Column(PREDICTION, Kind.CATEGORICAL, Role.PREDICTION),
        Column(SCORE, Kind.NUMERIC, Role.PREDICTION),
    )
)
START = datetime(2026, 11, 22, 6, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of which only the value matters."""

    body: bytes | None

    def topic(self) -> str:
        return "captures"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes | None:
        return self.body

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_795_327_200_000)

    def headers(self) -> list[tuple[str, bytes]] | None:
        return None


def event(random_: random.Random, i: int, shift: float = 0.0) -> dict[str, Any]:
    """The i-th event, i milliseconds after START. shift: added to `f00`, in standard deviations."""
    features: dict[str, Any] = {name: random_.gauss(0, 1) for name in FLOATS}
    features[FLOATS[0]] += shift
    features |= {name: random_.choice(["north", "south", "east", "west"]) for name in STRINGS}
    for name in features:
        if random_.random() < 0.01:
            features[name] = None
    moment = (START + timedelta(milliseconds=i)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "event_id": f"{random_.getrandbits(64):016x}",
        "model": "fraud",
        "version": "3",
        "time": moment,
        "features": features,
        "prediction": {"label": random_.choice(["0", "1"]), "score": random_.random()},
        "latency_ms": round(random_.expovariate(0.1), 3),
    }


def events(n: int, seed: int) -> list[dict[str, Any]]:
    """The first n events of a seed."""
    random_ = random.Random(seed)
    return [event(random_, i) for i in range(n)]


def values(n: int, seed: int) -> list[bytes]:
    """The same as bytes."""
    return [orjson.dumps(body) for body in events(n, seed)]


def messages(bodies: Sequence[bytes]) -> list[Raw]:
    """Bytes as the Kafka client's own messages, in four partitions."""
    return [cast(Raw, client.Message(topic="captures", partition=n % 4, offset=n // 4, value=body)) for n, body in enumerate(bodies)]
