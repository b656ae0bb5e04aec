"""Every setting, its default with unit and reason: one frozen tree."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final, Literal

import orjson
from pydantic import Field, field_validator, model_validator

from stream_monitor.config.actions import ReadyAction, Respond
from stream_monitor.config.duration import format_duration
from stream_monitor.config.rules import RULES_MAX, Rule
from stream_monitor.config.section import Duration, Limit, Section


class Kafka(Section):
    """Where the cluster is; never leaves this process."""

    bootstrap_servers: str = "localhost:9092"
    """Brokers to begin with, `host:port`, separated by commas."""
    properties: dict[str, str | int | float | bool] = {}
    """Passed to librdkafka as they are (SASL, TLS, …)."""


class Topics(Section):
    """Names of topics. Our own are `prefix.profiles`, `.windows`, `.alerts`, `.state`, `.config`, `.dead-letters`, …."""

    captures: tuple[str, ...] = Field(default=("captures",), min_length=1)
    """Where inference services publish capture events; these topics must exist."""
    labels: tuple[str, ...] = ("labels",)
    """Where labels are published, for models with a `task`; one that does not exist is read as soon as it does."""
    prefix: str = "stream-monitor"
    """Before the names of our own topics, groups and transactional ids: another prefix is another monitor."""

    def own(self, name: str) -> str:
        """The full name of one of our own topics."""
        return f"{self.prefix}.{name}"


class Features(Section):
    """Which of the baseline's features are judged, and kinds that overrule inference when a baseline is built."""

    include: tuple[str, ...] | None = None
    """Judge only these; default: all that the baseline has."""
    exclude: tuple[str, ...] = ()
    """Do not judge these."""
    categorical: tuple[str, ...] = ()
    """Read these as categories, whatever they look like (when a baseline is built)."""
    numeric: tuple[str, ...] = ()
    """Read these as numbers (when a baseline is built)."""


class Window(Section):
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
    """How long after its end a window is still revised by labels; each event is held so long, up to `engine.label_join_rows_max`."""
    label_coverage_min: float = Field(default=0.5, ge=0, le=1)
    """Share of a window's events that must have a label before its quality is judged: the first labels are often no fair sample."""
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


class Version(Section):
    """A model version that is judged apart from the others."""

    baseline: str | None = None
    """Path of its baseline file, relative to the config file; default: the model's."""


BANDS_MAX: Final = 20
"""Bands of a numeric facet: as many as a segmentation has values."""


class Facet(Section):
    """A protected attribute."""

    privileged: str | None = None
    """The group that the others are compared with: a value, a band (`[25, 60)`), or values with `*` between."""
    bins: tuple[Limit, ...] | int | None = None
    """Of a numeric feature: the edges of its bands (`[25, 60]`: under 25, 25 to under 60, from 60 on), or into how many of about as many
    training rows each (when a baseline is built)."""

    within: str | None = None
    """A feature or field of metadata whose values are strata of like people: `conditional_demographic_disparity` is judged within them."""

    @field_validator("bins")
    @classmethod
    def _rise(cls, bins: tuple[float, ...] | int | None) -> tuple[float, ...] | int | None:
        if isinstance(bins, int) and not 2 <= bins <= BANDS_MAX:
            raise ValueError(f"{bins} bands: must be from 2 to {BANDS_MAX}")
        if isinstance(bins, tuple) and not (0 < len(bins) < BANDS_MAX and all(low < high for low, high in pairwise(bins))):
            raise ValueError(f"must be from 1 to {BANDS_MAX - 1} edges that rise")
        return bins


class Override(Section):
    """Settings of one feature."""

    thresholds: dict[str, Limit] = {}
    """Detector -> threshold, before the model's own."""


class Model(Section):
    """One model in production."""

    baseline: str
    """Path of the baseline file, relative to the config file."""
    versions: dict[str, Version] = {}
    """Versions that are judged apart, each with its own baseline or the model's; those that are not named here are judged together."""
    current: str | None = None
    """Of `versions` the one that the others are compared with, window by window, while both run: a canary against it."""
    topics: tuple[str, ...] = ()
    """Capture topics that carry this model only: their events may leave `model` out."""
    task: Literal["binary", "multiclass", "regression"] | None = None
    """What the model does: what labels are compared with, and how. Without it labels are not read."""
    positive_class: str | None = None
    """The class that the score is the probability of, and whose entry in `prediction.scores` stands in for an absent
    `prediction.score`; default for a binary model: that of the baseline's labels, else `1`, `true` or `yes`. With several classes,
    leave it out."""
    features: Features = Features()
    segments: tuple[str, ...] = ()
    """Features or metadata whose values are judged beside the whole; the baseline must hold them (`baseline --segment NAME`)."""
    facets: dict[str, Facet] = {}
    """Protected attribute -> its privileged group; binary models are judged for bias. Several with `*` between are their intersection
    (`"gender*region": {}`). The baseline must hold it: it does when built with this config."""

    def strata(self) -> dict[str, str]:
        """Facet -> its intersection with the variable that makes its strata."""
        return {name: f"{name}*{facet.within}" for name, facet in self.facets.items() if facet.within is not None}

    @property
    def cuts(self) -> tuple[str, ...]:
        """The segments of the baseline that bias needs: the facets, then what their strata need besides."""
        return tuple(dict.fromkeys((*self.facets, *self.strata().values())))

    def bands(self) -> dict[str, int | tuple[float, ...]]:
        """Numeric facet -> edges of its bands, or how many there are."""
        return {name: facet.bins for name, facet in self.facets.items() if facet.bins is not None}

    window: Window = Window()
    thresholds: dict[str, Limit] = {}
    """Detector -> threshold; for ratios the increase over the baseline's, for operations a limit (`latency_p95_ms: 200`)."""
    overrides: dict[str, Override] = {}
    """Feature -> settings of its own."""
    detectors: tuple[str, ...] | None = None
    """Only these detectors; default: all. Fewer detectors, more of the budget for each."""
    river: dict[str, dict[str, str | int | float | bool]] = {}
    """Further detectors of `river.drift`: class name -> parameters. They read the means of seconds, and begin anew after a restart."""
    severity_by_estimate: bool = False
    """Whether drift of a feature is as severe as the loss of quality estimated for the same window (with a `task` and a baseline with
    labels): critical beyond the estimate's threshold, info where nothing is lost; as ever where there is no estimate."""
    natural_ranges: bool = True
    """Whether a threshold rises to 1.2 times what the feature showed over time in training: seasons are not drift."""
    false_alerts_per_30d: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How many false alerts a month this model may raise; divided over all its tests."""

    @model_validator(mode="after")
    def _current_is_a_version(self) -> "Model":
        if self.current is not None and self.current not in self.versions:
            raise ValueError(f"current is {self.current!r}, which versions does not name; name it there (`{{}}` is enough), and the others")
        return self

    rules: tuple[Rule, ...] = Field(default=(), max_length=RULES_MAX)
    """How its alerts are told; all that match count, and of what several set, the first one's (`docs/how-to/alert-rules.md`)."""


class Metrics(Section):
    """Where `/metrics`, `/healthz`, `/readyz` and the pages are served; loopback unless told otherwise."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=9108, ge=0, le=65535)
    """0: any free port."""
    token: str | None = None
    """Whoever wants the pages or the API must bear it (`Authorization: Bearer …`, or as the password of any user); beyond loopback there
    are none without. Give it as `${ENV_VAR}`. Metrics and health need none.
    """


class Engine(Section):
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
    label_join_rows_max: int = Field(default=2_000_000, ge=1_000)
    """Events of one model that are held for their labels, some 120 bytes of memory each; beyond, a sample by the hash of `event_id` is."""
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


class Config(Section):
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
    rules: tuple[Rule, ...] = Field(default=(), max_length=RULES_MAX)
    """Rules for the alerts of all models, after each model's own; keys as in `models.NAME.rules`."""
    respond: Respond = Respond()
    actions: dict[str, ReadyAction] = {}
    """Name -> a ready action that `stream-monitor respond` takes about alerts."""

    @model_validator(mode="after")
    def _topics_fit(self) -> "Config":
        for topic in self.topics.labels:
            if topic in self.topics.captures:
                raise ValueError(
                    f"topics.labels names {topic!r}, which topics.captures lists as well: labels need a topic of their own "
                    "(an event whose truth is known at once brings it along as `label`, and needs none)"
                )
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
        tree = self.model_dump(mode="json", include={"topics", "revision", "engine", "models", "rules"})
        for model in tree["models"].values():
            model["baseline"] = baseline_ids[model["baseline"]]
            for version in model["versions"].values():
                if version["baseline"] is not None:
                    version["baseline"] = baseline_ids[version["baseline"]]
        return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)

    def baseline_paths(self) -> list[str]:
        """Every baseline that the config names, in order, once."""
        paths = [path for model in self.models.values() for path in (model.baseline, *(each.baseline for each in model.versions.values()))]
        return list(dict.fromkeys(path for path in paths if path is not None))
