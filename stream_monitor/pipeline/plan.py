"""Config and baselines, made ready to run: one `StreamPlan` per model, and per version with a baseline of its own."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.capture.decode import Decoder
from stream_monitor.capture.schema import Column, Role, StreamKey
from stream_monitor.config import Config, Model, config_id
from stream_monitor.detect.decide import DETECTORS, Judge, Thresholds, scores_per_window
from stream_monitor.detect.gate import alpha
from stream_monitor.errors import ConfigError
from stream_monitor.window.spec import WindowSpec


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Everything that phases 1 and 2 need to know of one stream."""

    key: StreamKey
    baseline: Baseline
    spec: WindowSpec
    judge: Judge


@dataclass(frozen=True, slots=True)
class Plan:
    """One revision of the config, ready to run."""

    revision: int
    config_id: str
    config: Config
    streams: Mapping[StreamKey, StreamPlan]

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
    for name, model in config.models.items():
        budget = model.false_alerts_per_30d / (1 + len(model.versions))
        streams[StreamKey(name, None)] = _stream(StreamKey(name, None), model, baselines[model.baseline], budget)
        for version, own in model.versions.items():
            key = StreamKey(name, version)
            streams[key] = _stream(key, model, baselines[own.baseline], budget)
    return Plan(config.revision, config_id(shared), config, streams)


def _stream(key: StreamKey, model: Model, baseline: Baseline, budget: float) -> StreamPlan:
    window = model.window
    spec = WindowSpec(window.size, window.every_ms, window.watermark_delay, window.lateness, window.events_min, window.window_max)
    _check_names(key, model, baseline)
    judged = frozenset(column.name for column in baseline.schema.columns if _is_judged(column, model))
    overrides = {column: override.thresholds for column, override in model.overrides.items()}
    judge = Judge(
        baseline.layout,
        baseline.profile,
        baseline.schema,
        Thresholds(model.thresholds, overrides),
        alpha(budget, scores_per_window(baseline.schema, judged), spec.every_ms),
        spec.events_min,
        judged,
    )
    return StreamPlan(key, baseline, spec, judge)


def _is_judged(column: Column, model: Model) -> bool:
    if column.role is not Role.FEATURE:
        return True
    include, exclude = model.features.include, model.features.exclude
    return (include is None or column.name in include) and column.name not in exclude


def _check_names(key: StreamKey, model: Model, baseline: Baseline) -> None:
    """Every feature and detector that the config names must exist."""
    features = [column.name for column in baseline.schema.columns]
    for place, names in (
        ("features.include", model.features.include or ()),
        ("features.exclude", model.features.exclude),
        ("overrides", model.overrides),
    ):
        for name in names:
            _check_name(f"models.{key.model}.{place}", name, features, "the baseline has no such feature")
    for place, chosen in (
        ("thresholds", model.thresholds),
        *((f"overrides.{name}.thresholds", override.thresholds) for name, override in model.overrides.items()),
    ):
        for name in chosen:
            _check_name(f"models.{key.model}.{place}", name, list(DETECTORS), "there is no such detector")


def _check_name(place: str, name: str, known: list[str], problem: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known[:12])}"
    raise ConfigError(f"{place}: {name!r}: {problem}; {hint}")
