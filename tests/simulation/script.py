"""What a seed decides before anything runs: the traffic, the configs over time, who works, and which troubles there are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from tests.property.pipeline_world import BAD, START_MS, STREAMS, Event, capture, config_tree
from tests.simulation.kinds import Kind
from tests.simulation.labels import Label, LabelWriter
from tests.simulation.rules import random_rules
from tests.simulation.versions import compared

FUTURE_MS = 3_600_000
SKEW_MS = 1_200
JITTER_MS = 2_000
"""Disorder within a partition stays below the watermark's delay of 5 s: jitter, twice the skew, and a retry's wait."""
WINDOWS: tuple[dict[str, Any], ...] = (
    {"size": "10s", "events_min": 5, "lateness": "10s"},
    {"size": "20s", "every": "10s", "events_min": 10, "lateness": "10s"},
    {"size": "15s", "every": "10s", "events_min": 12, "lateness": "20s", "window_max": "60s"},
)
IN_RUN = (
    Kind.CRASH, Kind.ABORT, Kind.TIMEOUT, Kind.FENCED, Kind.RETRIABLE, Kind.ANSWER_LOST, Kind.INTERLEAVED, Kind.REBALANCE, Kind.ZOMBIE,
    Kind.TWIN, Kind.SKIPPED, Kind.KILL, Kind.LEAVE, Kind.JOIN, Kind.RESTART, Kind.COMPACTION, Kind.RETENTION, Kind.FOREIGN,
)  # fmt: skip
"""Troubles that the run meets at any moment; the others are in the script."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """A message on the captures topic. accepted: whether it is an event that a worker takes, under a config that knows its model."""

    at_ms: int
    partition: int
    event: Event
    accepted: bool


@dataclass(frozen=True)
class Script:
    """See the module. strict: nothing is late and no partition goes idle before the end, so no event may be counted late."""

    seed: int
    strict: bool
    partitions: int
    workers: Mapping[str, int]
    skews_ms: Mapping[str, int]
    arrivals: tuple[Arrival, ...]
    configs: tuple[tuple[int, dict[str, Any]], ...]
    upgrade_ms: int | None
    upgrade_first: str
    troubles: Mapping[Kind, float]
    seen: frozenset[Kind] = field(default_factory=frozenset)
    """Kinds that the script itself holds."""
    labels: tuple[Label, ...] = ()
    label_partitions: int = 0
    """0: no model has a task."""


class _Writer:
    """Draws a script."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"script {seed}")
        self.seed, self.seen = seed, set[Kind]()
        random = self.random
        self.strict = random.random() < 0.6
        self.span_ms = random.choice((40_000, 60_000, 90_000))
        self.partitions = random.choice((1, 2, 3, 3))

    def has(self, kind: Kind, chance: float) -> bool:
        """Whether this kind is in; noted where it is."""
        found = self.random.random() < chance
        if found:
            self.seen.add(kind)
        return found

    def script(self) -> Script:
        random = self.random
        configs = self._configs()
        arrivals = self._arrivals([at_ms for at_ms, _ in configs[1:]])
        workers = {"profile": random.choice((1, 2, 2, 3)), "detect": random.choice((1, 1, 2))}
        skewed = self.has(Kind.WORKER_SKEW, 0.3)
        skews = {f"{role}/{n}": random.randint(-800, 800) if skewed else 0 for role in workers for n in range(8)}
        upgrade = START_MS + random.randrange(self.span_ms) if self.has(Kind.UPGRADE, 0.25) else None
        wrong = upgrade is not None and self.has(Kind.WRONG_ORDER, 0.3)
        troubles = {kind: random.choice((0.003, 0.01, 0.03)) for kind in IN_RUN if random.random() < 0.45}
        return Script(
            self.seed, self.strict, self.partitions, workers, skews, arrivals, configs, upgrade,
            "profile" if wrong else "detect", troubles, frozenset(self.seen),
        )  # fmt: skip

    def _arrivals(self, changes_ms: list[int]) -> tuple[Arrival, ...]:
        """Everything on the captures topic; more comes around a change of the config than at other times."""
        random, found = self.random, list[Arrival]()
        streams = random.sample(STREAMS, random.choice((1, 2, 3)))
        skewed, slow = self.has(Kind.PRODUCER_SKEW, 0.5), self.partitions > 1 and self.has(Kind.SLOW_PARTITION, 0.3)
        idle = self.partitions > 1 and not self.strict and self.has(Kind.IDLE_PARTITION, 0.4)
        skews = [random.randint(-SKEW_MS, SKEW_MS) if skewed else 0 for _ in range(3)]
        lag_ms = random.randrange(3_000, 15_000) if slow else 0
        quiet = (START_MS + self.span_ms // 3, START_MS + 2 * self.span_ms // 3) if idle else (0, 0)
        for number in range(random.randint(25, 70)):
            happened_ms = START_MS + random.randrange(self.span_ms)
            if changes_ms and random.random() < 0.3:
                happened_ms = random.choice(changes_ms) + random.randrange(-2_000, 1_000)
            model, version = random.choice(streams)
            partition = random.randrange(self.partitions)
            if partition == 0 and quiet[0] <= happened_ms < quiet[1]:
                continue
            time_ms = happened_ms + random.choice(skews)
            accepted, at_ms = True, happened_ms + random.randrange(JITTER_MS) + (lag_ms if partition == self.partitions - 1 else 0)
            shifted = happened_ms - START_MS > self.span_ms // 2
            event = capture(random, number, model, version, time_ms, shifted)
            if self.has(Kind.CORRUPT, 0.03):
                event, accepted = Event(time_ms, random.choice(BAD), None), False
            elif self.has(Kind.FUTURE, 0.03):
                event, accepted = capture(random, number, model, version, time_ms + FUTURE_MS, shifted), False
            elif not self.strict:
                at_ms += self._delay_ms()
            found.append(Arrival(at_ms, partition, event, accepted))
            if self.has(Kind.DUPLICATE, 0.03):
                found.append(Arrival(at_ms + random.randrange(300), partition, event, accepted))
            elif not self.strict and self.has(Kind.DELAYED, 0.03):
                found.append(Arrival(at_ms + random.randrange(20_000), random.randrange(self.partitions), event, accepted))
        return tuple(sorted(found, key=lambda arrival: arrival.at_ms))

    def _delay_ms(self) -> int:
        if self.random.random() < 0.06:
            return self.random.randrange(30_000, 60_000)
        return self.random.randrange(6_000, 14_000) if self.random.random() < 0.06 else 0

    def _configs(self) -> tuple[tuple[int, dict[str, Any]], ...]:
        """The first at the start; each later one changes one thing of the one before it."""
        random, window = self.random, random_window(self.random)
        idle = {"idle_after": "4m", "idle_lease": "10m"} if self.strict else {"idle_after": "4s", "idle_lease": "8s"}
        engine = {
            "profiles_partitions": random.choice((1, 2, 3)),
            "batch_messages_max": random.choice((6, 20, 100)),
            "alignment": random.choice((1, 3, 10)),
            "snapshot_interval": random.choice(("2s", "5s", "15s")),
            **idle,
        }
        tree = config_tree(window, ("region",) if random.random() < 0.25 else (), **engine)
        draws = Random(f"rules {self.seed}")
        tree["rules"] = random_rules(draws)
        found, at_ms = [(START_MS, {**tree, "revision": 1})], START_MS
        for revision in (2, 3):
            if random.random() > 0.4:
                break
            at_ms += random.randrange(5_000, self.span_ms // 2)
            rules = tree["rules"] if draws.random() < 0.7 else random_rules(draws)
            tree = {**self._changed(tree), "rules": rules, "revision": revision}
            found.append((at_ms, tree))
        return tuple(found)

    def _changed(self, tree: dict[str, Any]) -> dict[str, Any]:
        new: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(tree))
        loan = new["models"]["loan"]
        change = self.random.choice(("baseline", "baseline", "threshold", "window", "model", "segments", "feature"))
        if change == "threshold" and self.random.choice((True, False)):
            change = "version"
        self.seen.add(Kind.BASELINE_APPLIED if change in ("baseline", "version") else Kind.CONFIG_APPLIED)
        if change == "baseline":
            loan["baseline"] = "other" if loan["baseline"] == "loan" else "loan"
        elif change == "version":
            named = loan["versions"].get("2", {}).get("baseline")
            loan["versions"] = {"loan2": {"2": {"baseline": "other"}}, "other": {}, None: {"2": {"baseline": "loan2"}}}[named]
        elif change == "threshold":
            loan["thresholds"] = {"psi": 0.05 if loan.get("thresholds") else 0.5}
        elif change == "window":
            loan["window"] = {**loan["window"], **random_window(self.random)}
        elif change == "model" and "fraud" in new["models"]:
            del new["models"]["fraud"]
        elif change == "segments":
            loan["segments"] = [] if loan["segments"] else ["region"]
        else:
            loan["features"] = {"exclude": ["amount"]}
        return new


def random_window(random: Random) -> dict[str, Any]:
    return {"every": None, **random.choice(WINDOWS)}


def script(seed: int) -> Script:
    """The script of a seed."""
    return LabelWriter(compared(_Writer(seed).script())).written()
