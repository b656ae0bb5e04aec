"""No data never reads as no drift: series of what fell silent vanish, and gauges that stay say since when."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.report import WindowScore
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.pipeline.unit import UnitKey
from stream_monitor.profile.codec import Segment
from stream_monitor.runtime.observe import Meter

Series = tuple[str, tuple[tuple[str, str], ...]]
"""Metric and labels."""


def segment_label(version: str | None, segment: Segment) -> str:
    """`region=eu,version=2`; empty for the whole of a model."""
    named = [*segment, *([("version", version)] if version is not None else [])]
    return ",".join(f"{name}={value}" for name, value in sorted(named))


@dataclass(slots=True)
class Hush:
    """Follows the owned units.

    silent: those in which no event came for a whole window; outcomes: series of `quality` and `bias` that stand at the meter, by what they
    are about: a unit, or a class or group within it; judged_ms: end of the newest window whose labels were enough.
    """

    meter: Meter
    silent: set[UnitKey] = field(default_factory=set)
    outcomes: dict[UnitKey, set[Series]] = field(default_factory=dict)
    judged_ms: dict[UnitKey, int] = field(default_factory=dict)

    def shown(self, score: WindowScore, metric: str, labels: dict[str, str]) -> None:
        """A series of `quality` or `bias` was set."""
        key = StreamKey(score.model, score.version), tuple(score.segment.items())
        self.outcomes.setdefault(key, set()).add((metric, tuple(labels.items())))

    def committed(self, outputs: Outputs, states: Iterable[State]) -> None:
        """Say until when there is data, and take away what was told of units that are silent or removed."""
        before, self.silent = self.silent, set()
        states = list(states)
        removed = {key for key in outputs.removed if not any(key in state.units for state in states)}
        for key, newest in outputs.newest.items():
            if newest.is_ready and newest.labelled is not None:
                self.judged_ms[key] = max(newest.labelled.end_ms, self.judged_ms.get(key, 0))
                self.meter.set("quality_end_timestamp_seconds", _labels(key), self.judged_ms[key] / 1000)
        for state in states:
            for key, unit in state.units.items():
                if unit.heard_ms is not None:
                    self.meter.set("data_end_timestamp_seconds", _labels(key), unit.heard_ms / 1000)
                if state.silent_since_ms(unit) is not None:
                    self.silent.add(key)
        told = {key for key, _ in outputs.closed}
        for key in removed | {key for key in self.silent if key not in before or key in told}:
            self._take_scores(key)
        for key in removed:
            self.judged_ms.pop(key, None)
            for metric in ("data_end_timestamp_seconds", "quality_end_timestamp_seconds"):
                self.meter.drop(metric, _labels(key))
        for key in [key for key in self.outcomes if _is_within(key, self.silent | removed)] if self.silent | removed else ():
            for metric, labels in self.outcomes.pop(key):
                self.meter.drop(metric, dict(labels))

    def lost(self, models: set[str]) -> None:
        """These models are another member's now."""
        self.silent = {key for key in self.silent if key[0].model not in models}
        self.outcomes = {key: series for key, series in self.outcomes.items() if key[0].model not in models}
        self.judged_ms = {key: end_ms for key, end_ms in self.judged_ms.items() if key[0].model not in models}

    def _take_scores(self, key: UnitKey) -> None:
        labels = _labels(key)
        self.meter.drop("drift_score", labels)
        if not labels["segment"]:
            self.meter.drop("missing_ratio", {"model": labels["model"]})


def _is_within(key: UnitKey, units: set[UnitKey]) -> bool:
    stream, segment = key
    return any((stream, segment[:size]) in units for size in range(len(segment) + 1))


def _labels(key: UnitKey) -> dict[str, str]:
    (model, version), segment = key
    return {"model": model, "segment": segment_label(version, segment)}
