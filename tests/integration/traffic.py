"""Seeded captures with wall-clock event times, published at a steady rate by a thread.

Two models whose profiles lie in different partitions; now and then a phase in which every fourth event is of other people, so that
alerts fire and resolve; disorder below the watermark delay; a bad message in a hundred, marked by a header.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from threading import Event, Thread
from typing import Any

import orjson
from confluent_kafka import KafkaError, Producer

MODELS = ("fraud", "loan")
"""Of two profiles partitions the first model's is 0, the second's 1."""
DISORDER_MS = 300
TICK_S = 0.02
POOL_ROWS = 2_000
BAD_RATIO = 0.01
BAD_HEADER = "bad"
CLOSER_HEADER = "closer"

BAD: Sequence[tuple[str, bytes | None]] = (
    ("not_json", b"{oops"),
    ("empty", None),
    ("empty", b""),
    ("not_object", b"[1, 2]"),
    ("not_utf8", b'{"event_id": "\xff"}'),
    ("missing_field", b'{"model": "fraud", "time": 1}'),
    ("unknown_model", b'{"event_id": "x", "model": "churn", "time": 1, "features": {}, "prediction": 1}'),
    ("wrong_type", b'{"event_id": "x", "model": "fraud", "features": [], "prediction": 1}'),
    ("time_out_of_range", b'{"event_id": "x", "model": "fraud", "time": "2070-01-01T00:00:00Z", "features": {}, "prediction": 1}'),
)
"""Reason and value of messages that no event can be made of."""


def features(random: Random, *, shifted: bool) -> dict[str, Any]:
    """One person's features; those of a shifted one lie elsewhere in every column."""
    return {
        "amount": round(random.lognormvariate(6.5 if shifted else 4.0, 0.6), 2),
        "age": None if shifted and random.random() < 0.5 else random.randint(18, 80),
        "country": random.choices(("de", "fr", "it", "es"), (1, 1, 1, 9) if shifted else (5, 3, 2, 1))[0],
        "known": random.random() < (0.1 if shifted else 0.8),
    }


def event(number: int, model: str, time_ms: int, row: dict[str, Any], *, version: str | None = None) -> bytes:
    """A capture event; the prediction follows from the features."""
    score = round(min(0.99, row["amount"] / 1000), 4)
    prediction = {"label": "yes" if score > 0.08 else "no", "score": score}
    made = {"event_id": f"e{number}", "model": model, "time": time_ms, "features": row, "prediction": prediction}
    return orjson.dumps(made if version is None else made | {"version": version})


def training(seed: int, rows: int, *, shifted_ratio: float = 0.0) -> Iterator[bytes]:
    """Events to build a baseline of."""
    random = Random(seed)
    for number in range(rows):
        row = features(random, shifted=random.random() < shifted_ratio)
        yield event(number, MODELS[number % len(MODELS)], 1_760_000_000_000 + number * 50, row)


@dataclass
class Traffic:
    """A publisher; `with` starts it, and stops it at the latest at the end. All randomness but the clock is seeded."""

    bootstrap_servers: str
    topic: str
    partitions: int
    rate: int
    """Events per second over all partitions."""
    seed: int
    phase_s: float = 6.0
    """Quiet and shifted phases take turns, each this long; 0: it is always shifted."""
    models: Sequence[str] = MODELS
    good: int = 0
    bad: int = 0
    last_ms: int = 0
    """The latest event time."""
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        pools = Random(self.seed + 1)
        self._pools = {shifted: [features(pools, shifted=shifted) for _ in range(POOL_ROWS)] for shifted in (False, True)}
        self._stopped = Event()
        self._producer = Producer({"bootstrap.servers": self.bootstrap_servers, "enable.idempotence": True, "linger.ms": 5, "log_level": 0})
        self._thread = Thread(target=self._run, name="traffic")

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def finish(self, ahead_ms: int = 0) -> None:
        """Stop and wait until all is acknowledged. ahead_ms > 0: then one event so much later in every partition pushes the watermark."""
        self._stop()
        if ahead_ms:
            for partition in range(self.partitions):
                value = event(0, self.models[0], self.last_ms + ahead_ms, self._pools[False][0])
                self._send(partition, value, [(CLOSER_HEADER, b"1")])
        left = self._producer.flush(60)
        assert left == 0, f"{left} captures were not acknowledged"
        assert not self.failures, self.failures[:3]

    def _stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        number = 0
        while not self._stopped.wait(TICK_S):
            elapsed = time.monotonic() - started
            shifted = not self.phase_s or elapsed // self.phase_s % 2 == 1
            now_ms = time.time_ns() // 1_000_000
            for _ in range(int(elapsed * self.rate) - number):
                self._one(number, now_ms, shifted)
                number += 1
            self._producer.poll(0)

    def _one(self, number: int, now_ms: int, shifted: bool) -> None:
        random = self._random
        partition = random.randrange(self.partitions)
        if random.random() < BAD_RATIO:
            reason, value = random.choice(BAD)
            self._send(partition, value, [(BAD_HEADER, reason.encode())], b"key-%d" % number)
            self.bad += 1
            return
        row = self._pools[shifted and random.random() < 0.25][random.randrange(POOL_ROWS)]
        time_ms = now_ms - random.randrange(DISORDER_MS)
        self._send(partition, event(number, self.models[random.randrange(len(self.models))], time_ms, row))
        self.good += 1
        self.last_ms = max(self.last_ms, time_ms)

    def _send(self, partition: int, value: bytes | None, headers: Sequence[tuple[str, bytes]] = (), key: bytes | None = None) -> None:
        while True:
            try:
                self._producer.produce(self.topic, value, key, partition=partition, headers=list(headers), on_delivery=self._note)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _note(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self.failures.append(error.str())
