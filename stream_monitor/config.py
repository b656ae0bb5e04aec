"""`monitor.yaml` as one frozen tree; every default with its unit and its reason.

`load_config` reads a file, substitutes `${VARIABLE}`s and validates; a mistake is one ConfigError that names file and field.
What all members must agree on (`Config.shared`) travels in the log; where Kafka is and what this worker is called does not.
"""

import difflib
import hashlib
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from stream_monitor.errors import ConfigError

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_duration(text: object) -> int:
    """`250ms`, `30s`, `10m`, `1h`, `7d` as milliseconds. Errors: ValueError."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 250ms, 30s, 10m, 1h or 7d")
    return int(match[1]) * _UNITS_MS[match[2]]


def format_duration(duration_ms: int) -> str:
    """The shortest form that `parse_duration` reads back."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if duration_ms % _UNITS_MS[unit] == 0)
    return f"{duration_ms // _UNITS_MS[unit]}{unit}"


def _duration(value: object) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) and value < 0 else parse_duration(value)


Duration = Annotated[int, BeforeValidator(_duration), PlainSerializer(format_duration)]
"""Milliseconds inside, `10m` outside."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True)


class Kafka(_Section):
    """Where the cluster is; never leaves this process."""

    bootstrap_servers: str = "localhost:9092"
    properties: dict[str, str | int | float | bool] = {}
    """Passed to librdkafka as they are."""


class Topics(_Section):
    """Names of topics. Our own are `prefix.profiles`, `.windows`, `.alerts`, `.state`, `.config`, `.dead-letters`, …."""

    captures: tuple[str, ...] = ("captures",)
    labels: tuple[str, ...] = ("labels",)
    prefix: str = "stream-monitor"

    def own(self, name: str) -> str:
        """The full name of one of our own topics."""
        return f"{self.prefix}.{name}"


class Features(_Section):
    """Which of the baseline's features are judged, and kinds that overrule inference when a baseline is built."""

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()


class Window(_Section):
    """When a model is looked at; see `window.WindowSpec`."""

    size: Duration = "10m"  # type: ignore[assignment]
    every: Duration | None = None
    """Default: `size`, that is tumbling windows."""
    watermark_delay: Duration = "5s"  # type: ignore[assignment]
    lateness: Duration = "1m"  # type: ignore[assignment]
    label_lateness: Duration = "7d"  # type: ignore[assignment]
    events_min: int = Field(default=200, ge=1, le=1_000_000)
    """Below this the bin counts are too noisy to judge; a window with fewer events borrows from the panes before it."""
    window_max: Duration = "24h"  # type: ignore[assignment]

    @model_validator(mode="after")
    def _fits(self) -> "Window":
        if self.size < 1 or self.every_ms < 1:
            raise ValueError("size and every must be longer than 0ms")
        if self.every_ms > self.size:
            raise ValueError(
                f"every ({format_duration(self.every_ms)}) is longer than size ({format_duration(self.size)}): "
                "events between would never be looked at"
            )
        if self.window_max < self.size:
            raise ValueError(f"window_max ({format_duration(self.window_max)}) is shorter than size ({format_duration(self.size)})")
        return self

    @property
    def every_ms(self) -> int:
        """Step between window starts."""
        return self.size if self.every is None else self.every


class Version(_Section):
    """A model version with a baseline of its own; it is judged apart from the others."""

    baseline: str


class Facet(_Section):
    """A protected attribute."""

    privileged: str | None = None


class Override(_Section):
    """Settings of one feature."""

    thresholds: dict[str, float] = {}


class Model(_Section):
    """One model in production."""

    baseline: str
    """Path of the baseline file, relative to the config file."""
    versions: dict[str, Version] = {}
    topics: tuple[str, ...] = ()
    """Capture topics that carry this model only: their events may leave `model` out."""
    task: Literal["binary", "multiclass", "regression"] | None = None
    positive_class: str | None = None
    features: Features = Features()
    segments: tuple[str, ...] = ()
    facets: dict[str, Facet] = {}
    window: Window = Window()
    thresholds: dict[str, float] = {}
    overrides: dict[str, Override] = {}
    false_alerts_per_30d: float = Field(default=1.0, gt=0)
    """How many false alerts a month this model may raise; divided over all its tests."""


class Metrics(_Section):
    """Where `/metrics`, `/healthz` and `/readyz` are served; loopback unless told otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=9108, ge=0, le=65535)
    """0: any free port."""


class Engine(_Section):
    """How the pipeline runs; the defaults suit a cluster with round trips below 10 ms."""

    batch_messages_max: int = Field(default=10_000, ge=1, le=100_000)
    """Messages in one transaction; single messages reach 6 % of the speed of full batches."""
    commit_interval: Duration = "100ms"  # type: ignore[assignment]
    """Kafka Streams' interval under exactly-once; grows to commit_interval_max when fewer than 50 rows come in it."""
    commit_interval_max: Duration = "1s"  # type: ignore[assignment]
    message_bytes_max: int = Field(default=1_048_576, ge=1_024, le=33_554_432)
    """A longer capture is a dead letter (`too_large`); Kafka's own default limit."""
    future_max: Duration = "1m"  # type: ignore[assignment]
    """An event later than the worker's clock by more is a dead letter: one bad clock must not move the watermark."""
    idle_after: Duration = "5s"  # type: ignore[assignment]
    """A partition read to its end and silent for so long is idle and holds no watermark back."""
    idle_lease: Duration = "10s"  # type: ignore[assignment]
    """How long an idle flag is believed: longer than any commit interval, shorter than a session time-out."""
    alignment: int = Field(default=10, ge=1)
    """Panes that a partition may run ahead of its member's slowest before it is paused."""
    snapshot_interval: Duration = "60s"  # type: ignore[assignment]
    """State is saved at least this often; a restart replays at most so much."""
    profiles_partitions: int = Field(default=8, ge=1, le=1_000)
    """Partitions of `prefix.profiles`, fixed when it is created: as many detect workers can share the models."""
    session_timeout: Duration = "10s"  # type: ignore[assignment]
    transaction_timeout: Duration = "10s"  # type: ignore[assignment]
    """A crashed worker's open transaction blocks committed readers for at most this long."""


class Config(_Section):
    """The whole of `monitor.yaml`."""

    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    instance: str = Field(default="${HOSTNAME}", min_length=1)
    revision: int = Field(default=1, ge=1)
    metrics: Metrics = Metrics()
    engine: Engine = Engine()
    models: dict[str, Model] = Field(min_length=1)

    @model_validator(mode="after")
    def _topics_fit(self) -> "Config":
        bound: dict[str, str] = {}
        for name, model in self.models.items():
            for topic in model.topics:
                if topic not in self.topics.captures:
                    raise ValueError(f"models.{name}.topics names {topic!r}, which topics.captures does not list")
                if bound.setdefault(topic, name) != name:
                    raise ValueError(f"models {bound[topic]} and {name} both claim topic {topic!r}")
        return self

    def shared(self, baseline_ids: Mapping[str, str]) -> bytes:
        """What all members must agree on, as canonical JSON, with baseline paths replaced by the ids that `baseline_ids` gives."""
        tree = self.model_dump(mode="json", include={"topics", "revision", "engine", "models"})
        for model in tree["models"].values():
            model["baseline"] = baseline_ids[model["baseline"]]
            for version in model["versions"].values():
                version["baseline"] = baseline_ids[version["baseline"]]
        return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)

    def baseline_paths(self) -> list[str]:
        """Every baseline that the config names, in order, once."""
        paths = [
            path for model in self.models.values() for path in (model.baseline, *(version.baseline for version in model.versions.values()))
        ]
        return list(dict.fromkeys(paths))


def config_id(shared: bytes) -> str:
    """The content id of a shared config, whatever its revision."""
    tree = orjson.loads(shared)
    del tree["revision"]
    return "c-" + hashlib.sha256(orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def load_config(path: Path) -> Config:
    """Read and validate a config file. Errors: ConfigError naming file, field and remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}, column {place.column + 1}" if place else ""
        raise ConfigError(f"{path}{where}: is not YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds no settings; it needs at least `models: {{NAME: {{baseline: FILE}}}}`")
    return parse_config(tree, str(path))


def parse_config(tree: Mapping[str, Any], source: str) -> Config:
    """Validate a config tree. Errors: ConfigError that begins with `source`."""
    try:
        return Config.model_validate(_substitute({"instance": "${HOSTNAME}", **tree}, source))
    except ValidationError as error:
        raise ConfigError(f"{source}: " + "; ".join(_sentence(detail) for detail in error.errors()[:5])) from None


def _substitute(node: Any, source: str) -> Any:
    if isinstance(node, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: _variable(match[1], source), node)
    if isinstance(node, dict):
        return {key: _substitute(value, source) for key, value in node.items()}
    return [_substitute(value, source) for value in node] if isinstance(node, list) else node


def _variable(name: str, source: str) -> str:
    value = os.environ.get(name) or (socket.gethostname() if name == "HOSTNAME" else None)
    if value is None:
        raise ConfigError(f"{source}: the environment variable {name} is not set, but ${{{name}}} is used")
    return value


def _sentence(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        section = _section_at(detail["loc"][:-1])
        near = difflib.get_close_matches(str(detail["loc"][-1]), section, n=1)
        return f"unknown key {place}" + (f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(section)}")
    if detail["type"] == "missing":
        return f"{place} is missing"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else str(message)


def _section_at(location: tuple[Any, ...]) -> list[str]:
    """The keys that may stand at this place of the tree."""
    section: type[BaseModel] = Config
    inside: Any = None
    for part in location:
        inside = section.model_fields[part].annotation if part in section.model_fields else inside
        found = [kind for kind in (inside, *getattr(inside, "__args__", ())) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        section = found[0] if found else section
    return list(section.model_fields)
