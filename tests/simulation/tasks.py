"""What models with labels do in a script: their baselines, what they answer, what labels say, and which groups are compared."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from stream_monitor.baseline.build import build
from stream_monitor.baseline.options import BuildOptions, Task
from stream_monitor.baseline.store import dump
from stream_monitor.profile.outcome import Group
from tests.property.pipeline_world import START_MS, baselines, capture

TASKS: Final[Mapping[Task, float]] = {"binary": 0.62, "multiclass": 0.14, "regression": 0.24}
"""Of a loan model with labels, how often it does what; fraud answers numbers."""
STREAMS: Final = {"loan": None, "loan2": "2", "other": None, "fraud": None}
"""A baseline, and the version whose events it is of."""
EDGES: Final = (15_000.0, 25_000.0)
BANDS: Final = ("< 15000", "[15000, 25000)", ">= 25000")
FACETS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"region": {"privileged": "north"}},
    {"region": {}},
    {"amount": {"bins": EDGES, "privileged": BANDS[0]}},
    {"region*employed": {"privileged": "north*true"}},
    {"amount": {"bins": EDGES}, "amount*region": {"privileged": f"{BANDS[1]}*south"}},
)
OPTIONS: Final[Mapping[str, Any]] = {"segments": ("amount", "region*employed", "amount*region"), "bands": {"amount": EDGES}}


def graded_name(name: str, task: Task) -> str:
    """The like of one of the world's baselines that knows the truth of a task."""
    return f"{name}, {task}"


@cache
def graded() -> dict[str, bytes]:
    """Baseline files by name: all of the world's, and those that know the truth."""
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, task in _pairs():
            random, path = Random(f"graded {name} {task}"), Path(folder) / f"{name}.jsonl"
            lines = (_training(random, number, STREAMS[name], task) for number in range(600))
            path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
            options = BuildOptions(task=task, positive_class="b" if task == "binary" else None, **OPTIONS)
            made[graded_name(name, task)] = dump(build([path], options).baseline)
    return baselines() | made


def _pairs() -> Iterator[tuple[str, Task]]:
    for name in STREAMS:
        for task in TASKS:
            if name != "fraud" or task == "regression":
                yield name, task


def _training(random: Random, number: int, version: str | None, task: Task) -> dict[str, Any]:
    body = dict(capture(random, number, "loan", version, START_MS, False).body)
    is_dear = isinstance(body["features"]["amount"], float) and body["features"]["amount"] > 20_000
    if task == "binary":
        body["prediction"] = {"label": random.choices("ab", (2, 8) if is_dear else (6, 4))[0], "score": body["prediction"]["score"]}
    body |= answered(random, body, task, 15 if body["features"]["region"] == "north" else 10)
    return body | {"label": truth_of(random, body, task, 0.85)}


def answered(random: Random, body: Mapping[str, Any], task: Task, mean: float = 10) -> dict[str, Any]:
    """The prediction of an event, whose own is one of two classes with a score. mean: of numbers."""
    if task == "binary":
        return {}
    if task == "regression":
        return {"prediction": {"label": round(random.gauss(mean, 3), 2), "score": None}}
    return {"prediction": {"label": random.choices("abc", (5, 3, 2))[0], "score": body["prediction"]["score"]}}


def truth_of(random: Random, body: Mapping[str, Any], task: Task, accuracy: float) -> Any:
    """What a label says of an event. accuracy: the chance that it is what was predicted, or near it."""
    predicted, is_right = body["prediction"]["label"], random.random() < accuracy
    if task == "regression":
        return round(predicted + random.gauss(0, 1 if is_right else 6), 2)
    if task == "multiclass":
        return predicted if is_right else random.choice("abcd" if accuracy > 0.5 else "abcde")
    return predicted if is_right else "c" if random.random() < 0.1 else {"a": "b", "b": "a"}[predicted]


def group_of(groups: Sequence[Group], facet: str, body: Mapping[str, Any]) -> str:
    """The group of an event, by the definition: a value, the band of a number, or those of several features at once; or other."""
    name = "*".join(_text(body["features"][part]) for part in facet.split("*"))
    return name if Group(facet, name) in groups else "other"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return BANDS[sum(value >= edge for edge in EDGES)] if isinstance(value, int | float) else str(value)
