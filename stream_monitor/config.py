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


_DURATION_MS_MAX = 3_650 * _UNITS_MS["d"]
"""Ten years: longer ones are slips of the pen, and far longer ones leave 64 bits."""


def parse_duration(text: object) -> int:
    """`250ms`, `30s`, `10m`, `1h`, `7d` as milliseconds, at most 3650d. Errors: ValueError."""
    match = re.fullmatch(r"([0-9]{1,15})(ms|s|m|h|d)", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 250ms, 30s, 10m, 1h or 7d")
    duration_ms = int(match[1]) * _UNITS_MS[match[2]]
    if duration_ms > _DURATION_MS_MAX:
        raise ValueError(f"{text} is too long; write at most {format_duration(_DURATION_MS_MAX)}")
    return duration_ms


def format_duration(duration_ms: int) -> str:
    """The shortest form that `parse_duration` reads back."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if duration_ms % _UNITS_MS[unit] == 0)
    return f"{duration_ms // _UNITS_MS[unit]}{unit}"


Duration = Annotated[int, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""Milliseconds inside, `10m` outside."""
Limit = Annotated[float, Field(allow_inf_nan=False)]
"""A threshold: JSON, in which the config travels, has no NaN and no infinity."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True, use_attribute_docstrings=True)


class Kafka(_Section):
    """Where the cluster is; never leaves this process."""

    bootstrap_servers: str = "localhost:9092"
    """Brokers to begin with, `host:port`, separated by commas."""
    properties: dict[str, str | int | float | bool] = {}
    """Passed to librdkafka as they are (SASL, TLS, …)."""


class Topics(_Section):
    """Names of topics. Our own are `prefix.profiles`, `.windows`, `.alerts`, `.state`, `.config`, `.dead-letters`, …."""

    captures: tuple[str, ...] = Field(default=("captures",), min_length=1)
    """Where inference services publish capture events; these topics must exist."""
    labels: tuple[str, ...] = ("labels",)
    """Where labels are published; not read in this release."""
    prefix: str = "stream-monitor"
    """Before the names of our own topics, groups and transactional ids: another prefix is another monitor."""

    def own(self, name: str) -> str:
        """The full name of one of our own topics."""
        return f"{self.prefix}.{name}"


class Features(_Section):
    """Which of the baseline's features are judged, and kinds that overrule inference when a baseline is built."""

    include: tuple[str, ...] | None = None
    """Judge only these; default: all that the baseline has."""
    exclude: tuple[str, ...] = ()
    """Do not judge these."""
    categorical: tuple[str, ...] = ()
    """Read these as categories, whatever they look like (when a baseline is built)."""
    numeric: tuple[str, ...] = ()
    """Read these as numbers (when a baseline is built)."""


class Window(_Section):
    """When a model is looked at; see `window.WindowSpec`."""

    size: Duration = "10m"  # type: ignore[assignment]
    """Length of a window in event time."""
    every: Duration | None = None
    """From window start to window start; default: `size`, that is tumbling windows; shorter: they slide."""
    watermark_delay: Duration = "5s"  # type: ignore[assignment]
    """How long after its end a window waits for events that are out of order; every alert is later by as much."""
    lateness: Duration = "1m"  # type: ignore[assignment]
    """How long a closed window may still be revised by late events; later ones are counted and dropped."""
    label_lateness: Duration = "7d"  # type: ignore[assignment]
    """The same for labels; not read in this release."""
    events_min: int = Field(default=200, ge=1, le=1_000_000)
    """Below this the bin counts are too noisy to judge; a window with fewer events borrows from the panes before it."""
    window_max: Duration = "24h"  # type: ignore[assignment]
    """How far back a window with too few events may borrow."""

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
    """Path of its baseline file, relative to the config file."""


class Facet(_Section):
    """A protected attribute."""

    privileged: str | None = None
    """The group that the others are compared with."""


class Override(_Section):
    """Settings of one feature."""

    thresholds: dict[str, Limit] = {}
    """Detector -> threshold, before the model's own."""


class Model(_Section):
    """One model in production."""

    baseline: str
    """Path of the baseline file, relative to the config file."""
    versions: dict[str, Version] = {}
    """Version -> its own baseline; versions that are not named here are judged together."""
    topics: tuple[str, ...] = ()
    """Capture topics that carry this model only: their events may leave `model` out."""
    task: Literal["binary", "multiclass", "regression"] | None = None
    """What the model does."""
    positive_class: str | None = None
    """The class whose entry in `prediction.scores` is the score, where an event has no `prediction.score`."""
    features: Features = Features()
    segments: tuple[str, ...] = ()
    """Features or metadata whose values are judged beside the whole; not acted on in this release."""
    facets: dict[str, Facet] = {}
    """Protected attribute -> its privileged group; not acted on in this release."""
    window: Window = Window()
    thresholds: dict[str, Limit] = {}
    """Detector -> threshold; for ratios the increase over the baseline's."""
    overrides: dict[str, Override] = {}
    """Feature -> settings of its own."""
    false_alerts_per_30d: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How many false alerts a month this model may raise; divided over all its tests."""


class Metrics(_Section):
    """Where `/metrics`, `/healthz` and `/readyz` are served; loopback unless told otherwise."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=9108, ge=0, le=65535)
    """0: any free port."""


class Engine(_Section):
    """How the pipeline runs; the defaults suit a cluster with round trips below 10 ms."""

    batch_messages_max: int = Field(default=10_000, ge=1, le=100_000)
    """Messages in one transaction; single messages reach 6 % of the speed of full batches."""
    commit_interval: Duration = "100ms"  # type: ignore[assignment]
    """Kafka Streams' interval under exactly-once; grows to commit_interval_max when fewer than 50 rows come in it."""
    commit_interval_max: Duration = "1s"  # type: ignore[assignment]
    """How long thin traffic is gathered; also how often progress is reported where nothing comes."""
    message_bytes_max: int = Field(default=1_048_576, ge=1_024, le=33_554_432)
    """A longer capture is a dead letter (`too_large`); Kafka's own default limit."""
    future_max: Duration = "1m"  # type: ignore[assignment]
    """An event later than the worker's clock by more is a dead letter: one bad clock must not move the watermark."""
    idle_after: Duration = "5s"  # type: ignore[assignment]
    """A partition read to its end and silent for so long is idle and holds no watermark back."""
    idle_lease: Duration = "10s"  # type: ignore[assignment]
    """How long an idle flag is believed: longer than any commit interval, no longer than a session."""
    alignment: int = Field(default=10, ge=1)
    """Panes that a partition may run ahead of its member's slowest before it is paused."""
    snapshot_interval: Duration = "60s"  # type: ignore[assignment]
    """State is saved at least this often; a restart replays at most so much."""
    profiles_partitions: int = Field(default=8, ge=1, le=1_000)
    """Partitions of `prefix.profiles`, fixed when it is created: as many detect workers can share the models."""
    session_timeout: Duration = "10s"  # type: ignore[assignment]
    """A member that is silent for so long has left: its partitions go to others."""
    transaction_timeout: Duration = "10s"  # type: ignore[assignment]
    """A crashed worker's open transaction blocks committed readers for at most this long."""

    @model_validator(mode="after")
    def _fits(self) -> "Engine":
        if not self.commit_interval <= self.commit_interval_max < self.idle_lease:
            raise ValueError("commit_interval, commit_interval_max and idle_lease must rise: an idle flag must outlive a commit")
        return self


class Config(_Section):
    """The whole of `monitor.yaml`."""

    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    instance: str = Field(default="${HOSTNAME}", min_length=1)
    """This worker's name, unique per running process: of two with one name, one is fenced and leaves."""
    revision: int = Field(default=1, ge=1)
    """Raise it with every change: the highest one is run by all members, whatever their files say."""
    metrics: Metrics = Metrics()
    engine: Engine = Engine()
    models: dict[str, Model] = Field(min_length=1)
    """Model name, as in the events' `model`, -> its settings."""

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
    """The content id of a shared config, whatever its revision, and whichever release wrote it: defaults it lacks are filled in."""
    config = parse_shared(shared, "config")
    tree = orjson.loads(config.shared({name: name for name in config.baseline_paths()}))
    del tree["revision"]
    return "c-" + hashlib.sha256(orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not a silent loss of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:str" and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_config(path: Path) -> Config:
    """Read and validate a config file. Errors: ConfigError naming file, field and remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    try:
        tree = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}, column {place.column + 1}" if place else ""
        raise ConfigError(f"{path}{where}: is not YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds no settings; it needs at least `models: {{NAME: {{baseline: FILE}}}}`")
    return parse_config(tree, str(path))


def parse_config(tree: Mapping[str, Any], source: str) -> Config:
    """Validate a config tree. Errors: ConfigError that begins with `source`."""
    return _validated(_substitute({"instance": "${HOSTNAME}", **tree}, source, ()), source, "forbid")


def parse_shared(shared: bytes, source: str) -> Config:
    """A shared config, from the log; keys that a newer release put there are ignored. Errors: ConfigError."""
    return _validated(orjson.loads(shared) | {"instance": "shared"}, source, "ignore")


def _validated(tree: Mapping[str, Any], source: str, extra: Literal["forbid", "ignore"]) -> Config:
    try:
        return Config.model_validate(tree, extra=extra)
    except ValidationError as error:
        sentences = dict.fromkeys(_sentence(detail) for detail in error.errors())  # a value of several types gives one for each
        raise ConfigError(f"{source}: " + "; ".join([*sentences][:5])) from None


def _substitute(node: Any, source: str, place: tuple[str, ...]) -> Any:
    if isinstance(node, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: _variable(match[1], source, place), node)
    if isinstance(node, dict):
        return {key: _substitute(value, source, (*place, str(key))) for key, value in node.items()}
    return [_substitute(value, source, (*place, str(i))) for i, value in enumerate(node)] if isinstance(node, list) else node


def _variable(name: str, source: str, place: tuple[str, ...]) -> str:
    value = os.environ.get(name) or (socket.gethostname() if name == "HOSTNAME" else None)
    if value is None:
        raise ConfigError(f"{source}: {'.'.join(place)}: the environment variable {name} is not set; set it, or write the value")
    return value


_REMEDIES = {
    "dict_type": "write a mapping, KEY: VALUE",
    "model_type": "write a mapping, KEY: VALUE",
    "tuple_type": "write a list, [ONE, TWO]",
    "string_type": "write a text; a word that YAML takes for another type wants quotes",
    "too_short": "write at least one",
    "string_too_short": "write at least one character",
    "finite_number": "write a finite number",
}
"""By kind of mistake, where pydantic's words are not those of a YAML file."""


def _sentence(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["loc"][:2] == ("kafka", "properties") and len(detail["loc"]) > 2:
        return f"{'.'.join(detail['loc'][:3])}: write a text, a number, true or false"
    if detail["type"] == "extra_forbidden":
        section = _section_at(detail["loc"][:-1])
        near = difflib.get_close_matches(str(detail["loc"][-1]), section, n=1)
        return f"unknown key {place}" + (f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(section)}")
    if detail["type"] == "missing":
        return f"{place} is missing"
    message = _REMEDIES.get(detail["type"]) or detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
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
