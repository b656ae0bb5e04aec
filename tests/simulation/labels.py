"""Labels in a script: which model has a task, what its events and their labels say, and when labels come.

Drawn from a random stream of their own, so that the rest of a script is what it would be without.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from stream_monitor.baseline.options import Task
from tests.property.pipeline_world import START_MS, Event
from tests.simulation.kinds import Kind
from tests.simulation.tasks import EDGES, FACETS, TASKS, answered, graded_name, truth_of

if TYPE_CHECKING:
    from tests.simulation.script import Arrival, Script

SHARE = 0.4
"""Of all seeds, one model has a task."""
ROWS_SCALE = 100
"""A simulated join holds so many times fewer rows than the config says: its least, 1,000, are more than ever come here."""
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


class LabelWriter:
    """Draws the labels of one script."""

    def __init__(self, script: "Script") -> None:
        self.random, self.script = Random(f"labels {script.seed}"), script
        self.partitions = self.random.choice((1, 2, 3))
        self.is_in = self.random.random() < SHARE
        present = {arrival.event.model for arrival in script.arrivals if arrival.accepted}
        self.model = "fraud" if "loan" not in present or ("fraud" in present and self.random.random() < 0.3) else "loan"
        drawn = Random(f"task {script.seed}")
        self.task: Task = "regression" if self.model == "fraud" else drawn.choices(tuple(TASKS), tuple(TASKS.values()))[0]
        self.edges = drawn
        self.labels: list[Label] = []
        self.seen: set[Kind] = set()

    def written(self) -> "Script":
        """The script with labels in it, or as it is."""
        if not self.is_in or not any(arrival.event.model == self.model and arrival.accepted for arrival in self.script.arrivals):
            return self.script
        configs = tuple(self._configs())
        arrivals = sorted(self._arrivals(), key=lambda arrival: arrival.at_ms)
        labels = tuple(sorted(self.labels, key=lambda label: label.at_ms))
        if self.model == "loan" and self.task == "regression" and Kind.COMPARED in self.script.seen:
            self._note(Kind.ERRORS_COMPARED)
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
        thresholds = {"accuracy": 0.9, "unpaired_labels": UNPAIRED_MAX}
        if self.task == "regression":
            return {"task": "regression", "thresholds": {"mae": 2.0, "unpaired_labels": UNPAIRED_MAX}, **more}
        if self.task == "multiclass":
            self._note(Kind.MULTICLASS)
            return {"task": "multiclass", "thresholds": thresholds, **more}
        return {"task": "binary", "positive_class": "b", "facets": self._facets(), "thresholds": thresholds, **more}

    def _facets(self) -> Mapping[str, Any]:
        facets = self.random.choice(FACETS)
        self.seen |= {Kind.CROSSED if "*" in name else Kind.BANDS for name in facets if name != "region"}
        return facets

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
        model["baseline"] = graded_name(model["baseline"], self.task)
        for version in model.get("versions", {}).values():
            if "baseline" in version:
                version["baseline"] = graded_name(version["baseline"], self.task)
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
        body |= answered(random, body, self.task)
        if self.task == "binary" and self.edges.random() < 0.1:
            body["features"] = {**body["features"], "amount": self.edges.choice(EDGES)}
        truth = self._truth(body, 0.85 if arrival.event.time_ms < START_MS + 25_000 else 0.3)
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
            changed = None if is_withdrawn else self._truth(body, 0.3)
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
        good = {"event_id": body["event_id"], "model": body["model"], "time": at_ms, "label": 1.0 if self.task == "regression" else "a"}
        broken = random.choice(({"label": {"is": 1}}, {"event_id": None}, {"event_id": 7}, {"time": "soon"}, {"time": at_ms + 3_600_000}))
        self.labels.append(Label(at_ms, place, orjson.dumps(good | broken), body["model"]))

    def _again(self, arrival: "Arrival", event: Event) -> "Arrival":
        """The same event once more, a little later by its own clock and by ours."""
        self._note(Kind.LABEL_RECAPTURED)
        later_ms = self.random.randrange(500, 12_000)
        again = _event(event, {**event.body, "time": event.time_ms + later_ms}, event.time_ms + later_ms)
        return replace(arrival, at_ms=arrival.at_ms + later_ms, event=again)

    def _truth(self, body: Mapping[str, Any], accuracy: float) -> Any:
        return truth_of(self.random, body, self.task, accuracy)

    def _note(self, kind: Kind) -> None:
        self.seen.add(kind)


def _event(event: Event, body: dict[str, Any], time_ms: int) -> Event:
    return Event(time_ms, orjson.dumps(body), event.model, event.version, body)
