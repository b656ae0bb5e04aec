"""Labels in a script: which model has a task, what its events and their labels say, and when labels come.

Drawn from a random stream of their own, so that the rest of a script is what it would be without.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from stream_monitor.baseline.build import build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import dump
from tests.property.pipeline_world import START_MS, Event, baselines, capture
from tests.simulation.kinds import Kind

if TYPE_CHECKING:
    from tests.simulation.script import Arrival, Script

SHARE = 0.4
"""Of all seeds, one model has a task."""
ROWS_SCALE = 100
"""A simulated join holds so many times fewer rows than the config says: its least, 1,000, are more than ever come here."""
GRADED = {"loan": "graded", "loan2": "graded2", "other": "graded3", "fraud": "amounts"}
"""A baseline, and its like that knows the truth."""
ROWS_MAX = (1_000, 2_500, 2_000_000)
UNPAIRED_MAX = 0.005
"""Of labels without an event: two in one span are found."""
BROKEN = (b"{", b"[]", None, b'{"event_id": "e-1", "model": "other", "label": "a"}')
"""A dead letter whatever the config says."""


@dataclass(frozen=True, eq=False)
class Label:
    """A message on the label topic. model None: never a label; event_id None: a dead letter where its model has a task."""

    at_ms: int
    partition: int
    value: bytes | None
    model: str | None = None
    event_id: str | None = None
    time_ms: int = 0
    label: Any = None


@cache
def graded() -> dict[str, bytes]:
    """Baseline files by name: all of the world's, and those that know the truth."""
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed, (name, version) in enumerate({"graded": None, "graded2": "2", "graded3": None, "amounts": None}.items()):
            random, path, options = Random(f"graded {seed}"), Path(folder) / f"{name}.jsonl", BuildOptions()
            if name != "amounts":
                options = BuildOptions(task="binary", positive_class="b")
            lines = (_training(random, number, version, is_number=name == "amounts") for number in range(600))
            path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
            made[name] = dump(build([path], options).baseline)
    return baselines() | made


def _training(random: Random, number: int, version: str | None, *, is_number: bool) -> dict[str, Any]:
    body = dict(capture(random, number, "loan", version, START_MS, False).body)
    is_dear = isinstance(body["features"]["amount"], float) and body["features"]["amount"] > 20_000
    if is_number:
        body["prediction"] = _number(random, 15 if body["features"]["region"] == "north" else 10)
    else:
        body["prediction"] = {"label": random.choices("ab", (2, 8) if is_dear else (6, 4))[0], "score": body["prediction"]["score"]}
    return body | {"label": _truth(random, body, 0.85)}


def _number(random: Random, mean: float) -> dict[str, Any]:
    return {"label": round(random.gauss(mean, 3), 2), "score": None}


def _truth(random: Random, body: Mapping[str, Any], accuracy: float) -> Any:
    """What a label says of an event. accuracy: the chance that it is what was predicted, or near it."""
    predicted, is_right = body["prediction"]["label"], random.random() < accuracy
    if isinstance(predicted, float):
        return round(predicted + random.gauss(0, 1 if is_right else 6), 2)
    return predicted if is_right else "c" if random.random() < 0.1 else {"a": "b", "b": "a"}[predicted]


class LabelWriter:
    """Draws the labels of one script."""

    def __init__(self, script: "Script") -> None:
        self.random, self.script = Random(f"labels {script.seed}"), script
        self.partitions = self.random.choice((1, 2, 3))
        self.is_in = self.random.random() < SHARE
        present = {arrival.event.model for arrival in script.arrivals if arrival.accepted}
        self.model = "fraud" if "loan" not in present or ("fraud" in present and self.random.random() < 0.3) else "loan"
        self.labels: list[Label] = []
        self.seen: set[Kind] = set()

    def written(self) -> "Script":
        """The script with labels in it, or as it is."""
        if not self.is_in or not any(arrival.event.model == self.model and arrival.accepted for arrival in self.script.arrivals):
            return self.script
        configs = tuple(self._configs())
        arrivals = sorted(self._arrivals(), key=lambda arrival: arrival.at_ms)
        labels = tuple(sorted(self.labels, key=lambda label: label.at_ms))
        seen = self.script.seen | self.seen
        return replace(
            self.script, arrivals=tuple(arrivals), configs=configs, labels=labels, label_partitions=self.partitions, seen=frozenset(seen)
        )

    # ---- configs

    def _configs(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The script's own, most with a task; then up to two that change what labels are compared with, or how, or add or end the task."""
        random, task = self.random, self._task()
        task = {"task": None} if random.random() < 0.12 else task
        at_ms, tree = START_MS, dict[str, Any]()
        for at_ms, plain in self.script.configs:
            tree = self._graded(plain, task)
            yield at_ms, tree
        own = tree["revision"]
        while (random.random() < 0.35 and tree["revision"] < 5) or (task["task"] is None and tree["revision"] == own):
            at_ms += random.randrange(3_000, 30_000)
            task = self._changed(task)
            tree = {**self._graded(self.script.configs[-1][1], task), "revision": tree["revision"] + 1}
            self.seen.add(Kind.LABELS_APPLIED)
            yield at_ms, tree
            if task["task"] is None:
                return

    def _task(self) -> dict[str, Any]:
        """What the config says of labels: keys of the model, its window's and the engine's."""
        random = self.random
        window = {"label_lateness": random.choice(("8s", "15s", "30s")), "label_coverage_min": 0.3}
        more = {"window": window, "engine": {"label_join_rows_max": random.choice(ROWS_MAX)}}
        if self.model == "fraud":
            return {"task": "regression", "thresholds": {"mae": 2.0, "unpaired_labels": UNPAIRED_MAX}, **more}
        thresholds = {"accuracy": 0.9, "unpaired_labels": UNPAIRED_MAX}
        return {"task": "binary", "positive_class": "b", "facets": self._facets(), "thresholds": thresholds, **more}

    def _facets(self) -> dict[str, Any]:
        return self.random.choice(({}, {"region": {"privileged": "north"}}, {"region": {}}))

    def _changed(self, task: dict[str, Any]) -> dict[str, Any]:
        random = self.random
        if task["task"] is None:
            return self._task()
        match random.choice(("task", "lateness", "rows", "thresholds", "facets", "facets", "positive")):
            case "task":
                return {"task": None}
            case "facets" if task["task"] == "binary":
                return {**task, "facets": self._facets()}
            case "lateness" | "rows" | "facets":
                drawn = self._task()
                return {**task, "window": drawn["window"], "engine": drawn["engine"]}
            case _:
                return {**task, "thresholds": {"accuracy": random.choice((0.5, 0.95))}}

    def _graded(self, plain: Mapping[str, Any], task: dict[str, Any]) -> dict[str, Any]:
        tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(plain))
        model = tree["models"].get(self.model)
        if model is None:
            return tree
        model["baseline"] = GRADED[model["baseline"]]
        for version in model.get("versions", {}).values():
            if "baseline" in version:
                version["baseline"] = GRADED[version["baseline"]]
        model["window"] |= task.get("window", {})
        model["thresholds"] = model.get("thresholds", {}) | task.get("thresholds", {})
        tree["engine"] |= task.get("engine", {})
        model |= {name: value for name, value in task.items() if name in ("task", "positive_class", "facets")}
        return tree

    # ---- events and labels

    def _arrivals(self) -> Iterator["Arrival"]:
        """The script's own. A number is predicted where it must be; some events bring their label, some come again with a later time."""
        made: dict[int, Event] = {}
        for arrival in self.script.arrivals:
            event = arrival.event
            if not arrival.accepted or event.model != self.model:
                yield arrival
                continue
            if id(event) not in made:
                made[id(event)] = self._labelled(arrival)
                if self.random.random() < 0.05:
                    yield self._again(arrival, made[id(event)])
            yield replace(arrival, event=made[id(event)])

    def _labelled(self, arrival: "Arrival") -> Event:
        """An event as it is sent, and its labels on their topic."""
        random, event, body = self.random, arrival.event, dict(arrival.event.body)
        if self.model == "fraud":
            body["prediction"] = _number(random, 10)
        truth = _truth(random, body, 0.85 if arrival.event.time_ms < START_MS + 25_000 else 0.3)
        chance = random.random()
        if chance < 0.15:
            body["label"] = truth
        elif chance < 0.85:
            self._tell(arrival.at_ms, body, truth)
        if random.random() < 0.08:
            self._note(Kind.LABEL_ORPHAN)
            self._tell(arrival.at_ms, {**body, "event_id": f"gone-{body['event_id']}"}, truth)
        if random.random() < 0.06:
            self._spoil(arrival.at_ms, body)
        return _event(event, body, event.time_ms)

    def _tell(self, captured_ms: int, body: Mapping[str, Any], truth: Any) -> None:
        """One label, at some time before or after its event, and what becomes of it."""
        random = self.random
        delay_ms, chance = random.randrange(200, 4_000), random.random()
        if chance < 0.15:
            delay_ms = -delay_ms
            self._note(Kind.LABEL_FIRST)
        elif chance < 0.3:
            delay_ms = random.randrange(8_000, 40_000)
            self._note(Kind.LABEL_LATE)
        given_ms = captured_ms + delay_ms
        self._send(given_ms + random.randrange(500), body, truth, given_ms)
        if random.random() < 0.25:
            is_withdrawn, later_ms = random.random() < 0.4, given_ms + random.randrange(1, 8_000)
            self._note(Kind.LABEL_WITHDRAWN if is_withdrawn else Kind.LABEL_CORRECTED)
            changed = None if is_withdrawn else _truth(random, body, 0.3)
            self._send(later_ms + random.randrange(-8_000, 4_000), body, changed, later_ms)

    def _send(self, at_ms: int, body: Mapping[str, Any], label: Any, given_ms: int) -> None:
        """It may overtake the one that it corrects, but no label is sent before it is given by more than a clock may be wrong."""
        at_ms, model, event_id = max(at_ms, START_MS), body["model"], body["event_id"]
        value = orjson.dumps({"event_id": event_id, "model": model, "time": given_ms, "label": label})
        self.labels.append(Label(at_ms, self.random.randrange(self.partitions), value, model, event_id, given_ms, label))

    def _spoil(self, at_ms: int, body: Mapping[str, Any]) -> None:
        """A message that is no label."""
        random, place = self.random, self.random.randrange(self.partitions)
        self._note(Kind.LABEL_MALFORMED)
        if random.random() < 0.5:
            self.labels.append(Label(at_ms, place, random.choice(BROKEN)))
            return
        good = {"event_id": body["event_id"], "model": body["model"], "time": at_ms, "label": "a" if self.model == "loan" else 1.0}
        broken = random.choice(({"label": {"is": 1}}, {"event_id": None}, {"event_id": 7}, {"time": "soon"}, {"time": at_ms + 3_600_000}))
        self.labels.append(Label(at_ms, place, orjson.dumps(good | broken), body["model"]))

    def _again(self, arrival: "Arrival", event: Event) -> "Arrival":
        """The same event once more, a little later by its own clock and by ours."""
        self._note(Kind.LABEL_RECAPTURED)
        later_ms = self.random.randrange(500, 12_000)
        again = _event(event, {**event.body, "time": event.time_ms + later_ms}, event.time_ms + later_ms)
        return replace(arrival, at_ms=arrival.at_ms + later_ms, event=again)

    def _note(self, kind: Kind) -> None:
        self.seen.add(kind)


def _event(event: Event, body: dict[str, Any], time_ms: int) -> Event:
    return Event(time_ms, orjson.dumps(body), event.model, event.version, body)
