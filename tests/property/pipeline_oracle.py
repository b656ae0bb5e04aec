"""What the pipeline must say, the naive way: all events at once, no profiles merged, no watermarks, no offsets, no snapshots.

It shares with the pipeline the baseline's edges and categories, the Judge, and how rows are written; nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_monitor.alert.alert import alert_id_of, fingerprint_of
from stream_monitor.baseline.baseline import Baseline, NumericColumn
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.report import WindowRef, WindowScore, rounded, utc, window_scores
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.profile.profile import Profile
from tests.property.pipeline_world import Event

AlertFacts = tuple[str, str, float | None, str, str | None]
"""Last status, severity, last published score, started_at and resolved_at of an alert."""


@dataclass(frozen=True)
class Expected:
    scores: list[WindowScore]
    alerts: dict[str, AlertFacts]


def expect(plan: Plan, events: Sequence[Event]) -> Expected:
    """Everything that should be said of these events, whatever their order."""
    scores: list[WindowScore] = []
    alerts: dict[str, AlertFacts] = {}
    for key, stream in plan.streams.items():
        mine = [event for event in events if event.model == key.model and (event.version or None) == key.version]
        told = _Stream(stream, mine).tell()
        scores += told.scores
        alerts |= told.alerts
    return Expected(scores, alerts)


@dataclass
class _Stream:
    plan: StreamPlan
    events: Sequence[Event]

    def tell(self) -> Expected:
        spec, scores = self.plan.spec, list[WindowScore]()
        times = np.array([event.time_ms for event in self.events])
        codes = np.array([codes_of(self.plan.baseline, event.body) for event in self.events])
        life = _Life(self.plan.key, self.plan.baseline.id)
        if not len(times):
            return Expected([], {})
        first = int(times.min()) - spec.size_ms - int(times.min() - spec.size_ms) % spec.every_ms
        for start in range(first, int(times.max()) + 1, spec.every_ms):
            end = start + spec.size_ms
            if not ((times >= start) & (times < end)).any():
                continue
            begin = self._begin(times, start, end)
            ref, profile = self._window(times, codes, begin, end)
            judged = self.plan.judge.judge(profile)
            found = self.plan.judge.findings(judged, profile)
            scores += window_scores(self.plan.key, {}, ref, 0, judged)
            life.see(ref, judged, found)
        return Expected(scores, life.alerts)

    def _begin(self, times: Any, start: int, end: int) -> int:
        """Too few: go back pane by pane (of those that hold events) until there are enough."""
        spec, pane = self.plan.spec, self.plan.spec.pane_ms
        for earlier in sorted({int(time) - int(time) % pane for time in times if time < start}, reverse=True):
            if ((times >= start) & (times < end)).sum() >= spec.events_min or earlier < end - spec.window_max_ms:
                break
            start = earlier
        return start

    def _window(self, times: Any, codes: Any, begin: int, end: int) -> tuple[WindowRef, Profile]:
        inside = (times >= begin) & (times < end)
        n, sizes = int(inside.sum()), self.plan.baseline.layout.sizes
        counts = np.concatenate([np.bincount(codes[inside, c], minlength=size) for c, size in enumerate(sizes)])
        return WindowRef(begin, end, n), Profile(n, counts, np.zeros((2, len(sizes)), dtype=np.int64))


@dataclass
class _Life:
    """Fires on a finding, is updated when severity or (by half) score move, resolves after two judged windows in a row without one."""

    stream: StreamKey
    baseline_id: str

    def __post_init__(self) -> None:
        self.alerts: dict[str, AlertFacts] = {}
        self._open: dict[Any, dict[str, Any]] = {}

    def see(self, ref: WindowRef, scores: Sequence[Any], found: Sequence[Any]) -> None:
        findings = {finding.key: finding for finding in found}
        for score in scores:
            if score.status != "judged":
                continue
            finding, open_ = findings.get(score.key), self._open.get(score.key)
            if finding is not None:
                self._fires(ref, finding, open_)
            elif open_ is not None:
                open_["quiet"] += 1
                if open_["quiet"] == 2:
                    del self._open[score.key]
                    self.alerts[open_["id"]] = ("resolved", open_["severity"], rounded(score.score), open_["started"], utc(ref.end_ms))

    def _fires(self, ref: WindowRef, finding: Any, open_: dict[str, Any] | None) -> None:
        if open_ is None:
            alert_id = alert_id_of(fingerprint_of(self.stream, {}, finding.key), ref.start_ms, self.baseline_id)
            self._open[finding.key] = open_ = {"id": alert_id, "started": utc(ref.start_ms)}
            status = "firing"
        elif finding.severity == open_["severity"] and abs(finding.value - open_["score"]) < open_["score"] / 2:
            open_["quiet"] = 0
            return
        else:
            status = "updated"
        open_ |= {"severity": str(finding.severity), "score": finding.value, "quiet": 0}
        self.alerts[open_["id"]] = (status, open_["severity"], rounded(finding.value), open_["started"], None)


def codes_of(baseline: Baseline, body: Mapping[str, Any]) -> list[int]:
    """Each column's code, as in `profile.layout`: 0 missing, 1 invalid, 2 below or other, 3 … bins or categories, last above."""
    values = {**body["features"], "prediction": body["prediction"]["label"], "prediction.score": body["prediction"]["score"]}
    return [_code(entry, values.get(entry.column.name)) for entry in baseline.columns]


def _code(entry: Any, value: Any) -> int:
    if value is None:
        return 0
    if isinstance(entry, NumericColumn):
        if isinstance(value, str | bool):
            return 1
        edges = np.array(entry.edges)
        if value == edges[-1]:
            return 1 + len(edges)
        return 2 + int(np.searchsorted(edges, value, side="right"))
    text = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    return 3 + entry.categories.index(text) if text in entry.categories else 2
