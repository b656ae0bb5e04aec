"""Config and baselines, made ready to run: one `StreamPlan` per model, and per version with a baseline of its own."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from stream_monitor.alert.rules import Rules
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.segments import Segmentation
from stream_monitor.capture.decode import Decoder
from stream_monitor.capture.labels import LabelDecoder
from stream_monitor.capture.schema import Column, Role, StreamKey
from stream_monitor.config import Config, Model, config_id
from stream_monitor.detect.attributions import NDCG, SHARE
from stream_monitor.detect.decide import Judge, count_tests
from stream_monitor.detect.gate import alpha
from stream_monitor.detect.reference import reference_of
from stream_monitor.detect.registry import NAMES, OUTCOME_THRESHOLDS, Thresholds
from stream_monitor.detect.sequential.dispersion import Clustering
from stream_monitor.detect.sequential.entries import SERIES
from stream_monitor.detect.sequential.plugin import PlugIn, plugin_of
from stream_monitor.detect.sequential.watch import SequentialSpec
from stream_monitor.detect.versions import Versus, tests_of
from stream_monitor.errors import ConfigError
from stream_monitor.pipeline.join.labelled import LabelPlan
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.labels import join_plan, label_plans
from stream_monitor.pipeline.rules import check_rules, rules_of
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.slices import SLICE_MS
from stream_monitor.window.spec import WindowSpec


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Everything that phases 1 and 2 need to know of one stream.

    judges: by segment, `()` is the whole; sequential: what its ADWIN and Page-Hinkley watch, the same for every segment;
    segmentations: those that the config asks for. labels: how outcomes are judged, by segment; empty for a model without a task.
    rules: how alerts are told.
    """

    key: StreamKey
    baseline: Baseline
    spec: WindowSpec
    judges: Mapping[Segment, Judge]
    sequential: SequentialSpec
    segmentations: tuple[Segmentation, ...] = ()
    labels: Mapping[Segment, LabelPlan] = field(default_factory=dict)
    versus: Versus | None = None
    """How a version is compared with the current one; None: it is not."""
    rules: Rules = field(default_factory=Rules)
    severity_by_estimate: bool = False
    """Whether drift of inputs is as severe as the loss of quality that is estimated."""

    @property
    def judge(self) -> Judge:
        """The judge of the whole."""
        return self.judges[()]


@dataclass(frozen=True, slots=True)
class Plan:
    """One revision of the config, ready to run."""

    revision: int
    config_id: str
    config: Config
    streams: Mapping[StreamKey, StreamPlan]
    joins: Mapping[str, JoinPlan] = field(default_factory=dict)
    """By model, of those that have a task."""

    def label_decoder(self) -> LabelDecoder:
        """A new decoder of this plan's labels."""
        engine, models = self.config.engine, self.config.models
        return LabelDecoder(
            {name: join.layout.task == "regression" for name, join in self.joins.items()},
            models.keys() - self.joins.keys(),
            message_bytes_max=engine.message_bytes_max,
            future_max_ms=engine.future_max,
            bound_model={},
        )

    def decoder(self) -> Decoder:
        """A new decoder of this plan's events."""
        engine, models = self.config.engine, self.config.models
        positive = {key: models[key.model].positive_class for key in self.streams}
        return Decoder(
            {key: stream.baseline.schema for key, stream in self.streams.items()},
            message_bytes_max=engine.message_bytes_max,
            future_max_ms=engine.future_max,
            bound_model={topic: name for name, model in models.items() for topic in model.topics},
            positive_class={key: name for key, name in positive.items() if name is not None},
        )


def compile_plan(config: Config, shared: bytes, baselines: Mapping[str, Baseline]) -> Plan:
    """Make a config ready; `baselines` by the name that the config uses (path or id). Errors: ConfigError naming the field."""
    streams: dict[StreamKey, StreamPlan] = {}
    joins: dict[str, JoinPlan] = {}
    for name, model in config.models.items():
        budget = model.false_alerts_per_30d / (1 + len(model.versions))
        own = {StreamKey(name, None): baselines[model.baseline]}
        own |= {StreamKey(name, version): baselines[each.baseline or model.baseline] for version, each in model.versions.items()}
        join = join_plan(name, model, own, _spec(model), config.engine.label_join_rows_max)
        if join is not None:
            joins[name] = join
        rules = rules_of(config, name)
        for key, baseline in own.items():
            versus = _versus(key, model, own, budget / 2)
            stream = _stream(key, model, baseline, budget if versus is None else budget / 2, join)
            streams[key] = replace(stream, rules=rules, versus=versus)
    check_rules(config, {key: stream.baseline for key, stream in streams.items()})
    return Plan(config.revision, config_id(shared), config, streams, joins)


def _versus(key: StreamKey, model: Model, baselines: Mapping[StreamKey, Baseline], budget: float) -> Versus | None:
    """How a version is compared, with half of its budget; None for the current one, for those without a name, and where none is current."""
    if key.version is None or model.current in (None, key.version):
        return None
    assert model.current is not None
    baseline, current = baselines[key], baselines[StreamKey(key.model, model.current)]
    judged = frozenset(column.name for column in baseline.schema.columns if _is_judged(column, model))
    level = alpha(budget, tests_of(len(judged)), _spec(model).every_ms)
    return Versus(model.current, level, model.window.events_min, _thresholds(model), baseline, current, judged)


def _thresholds(model: Model) -> Thresholds:
    return Thresholds(model.thresholds, {column: override.thresholds for column, override in model.overrides.items()})


def _spec(model: Model) -> WindowSpec:
    window = model.window
    return WindowSpec(window.size, window.every_ms, window.watermark_delay, window.lateness, window.events_min, window.window_max)


def _stream(key: StreamKey, model: Model, baseline: Baseline, budget: float, join: JoinPlan | None) -> StreamPlan:
    """Data and labels share the budget: where there are labels, half of it is theirs."""
    spec = _spec(model)
    budget = budget if join is None else budget / 2
    plugins = tuple(_plugin(key, name, params) for name, params in model.river.items())
    names = [plugin.name for plugin in plugins]
    _check_names(key, model, baseline, names)
    segmentations = tuple(each for each in baseline.segments if each.name in model.segments)
    judges = _judges(model, baseline, spec, segmentations, names, budget)
    whole = judges[()]
    sequential = SequentialSpec(len(baseline.columns), whole.min_shift, _clustering(baseline), whole.alpha, spec.every_ms, plugins)
    labels = {} if join is None else label_plans(model, join, baseline, list(judges), budget)
    by_estimate = model.severity_by_estimate
    return StreamPlan(key, baseline, spec, judges, sequential, segmentations, labels, severity_by_estimate=by_estimate)


def _judges(
    model: Model, baseline: Baseline, spec: WindowSpec, segmentations: Iterable[Segmentation], plugins: list[str], budget: float
) -> dict[Segment, Judge]:
    """The whole's and every segment's, which share the budget."""
    judged = frozenset(column.name for column in baseline.schema.columns if _is_judged(column, model))
    profiles: dict[Segment, Profile] = {(): baseline.profile}
    for each in segmentations:
        profiles |= dict(zip(each.keys, each.profiles, strict=True))
    thresholds = _thresholds(model)
    tests = count_tests(baseline.schema, judged, model.detectors) * len(profiles)
    level = alpha(budget, tests, spec.every_ms)
    references = {segment: reference_of(baseline, profile) for segment, profile in profiles.items()}
    if not model.natural_ranges:
        references = {segment: replace(reference, natural={}) for segment, reference in references.items()}
    return {
        segment: Judge(reference, thresholds, level, spec.events_min, judged, model.detectors, plugins)
        for segment, reference in references.items()
    }


def _clustering(baseline: Baseline) -> Clustering:
    """How alike values of the training data are that came together, by series and column."""
    found = [entry.natural.inflation.get(series.value, 1.0) if entry.natural else 1.0 for series in SERIES for entry in baseline.columns]
    return Clustering(np.array(found, dtype=np.float64), baseline.run_rows or 1.0, baseline.run_ms / SLICE_MS)


def _plugin(key: StreamKey, name: str, params: Mapping[str, str | int | float | bool]) -> PlugIn:
    try:
        return plugin_of(name, params)
    except ConfigError as error:
        raise ConfigError(f"models.{key.model}.{error}") from None


def _is_judged(column: Column, model: Model) -> bool:
    if column.role is not Role.FEATURE:
        return True
    include, exclude = model.features.include, model.features.exclude
    return (include is None or column.name in include) and column.name not in exclude


def _check_names(key: StreamKey, model: Model, baseline: Baseline, plugins: list[str]) -> None:
    """Every feature and detector that the config names must exist."""
    features = [column.name for column in baseline.schema.columns]
    named: dict[str, Collection[str]] = {
        "features.include": model.features.include or (),
        "features.exclude": model.features.exclude,
        "overrides": model.overrides,
    }
    for place, names in named.items():
        for name in names:
            _check_name(f"models.{key.model}.{place}", name, features, "the baseline has no such feature")
    chosen: dict[str, Collection[str]] = {"thresholds": model.thresholds, "detectors": model.detectors or ()}
    chosen |= {f"overrides.{name}.thresholds": override.thresholds for name, override in model.overrides.items()}
    told = next((place for place, names in chosen.items() if place != "detectors" and SHARE in names), None)
    if told is not None:
        raise ConfigError(f"models.{key.model}.{told}: '{SHARE}' is told and not judged, so it has no threshold; '{NDCG}' has one")
    for place, names in chosen.items():
        for name in names:
            _check_name(f"models.{key.model}.{place}", name, [*NAMES, *OUTCOME_THRESHOLDS, *plugins], "there is no such detector")


def _check_name(place: str, name: str, known: list[str], problem: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known[:12])}"
    raise ConfigError(f"{place}: {name!r}: {problem}; {hint}")
