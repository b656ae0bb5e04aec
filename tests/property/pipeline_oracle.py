"""What the pipeline must say, the naive way: all events at once, no profiles merged, no watermarks, no offsets, no snapshots.

It shares with the pipeline the baseline's edges, categories and positions, the detectors and the Judge, the life of alerts, and how rows
are written; nothing else. What those do is the affair of their own tests.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from statistics import NormalDist
from typing import Any

import numpy as np

from stream_monitor.alert.alert import Evidence
from stream_monitor.alert.life import AlertBook
from stream_monitor.alert.publication import Raised, Stamp
from stream_monitor.baseline.baseline import Baseline, NumericColumn
from stream_monitor.baseline.position import positions
from stream_monitor.detect.decide import Judge
from stream_monitor.detect.operations import Operating
from stream_monitor.detect.producers import Producers
from stream_monitor.detect.report import WindowRef, WindowScore, window_scores
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.detect.sequential.watch import Sequential
from stream_monitor.detect.transit import TransitWatch
from stream_monitor.detect.volume import Volume
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.pipeline.unit import SILENT_WINDOWS_MAX
from stream_monitor.profile.anomalies import Anomalies
from stream_monitor.profile.attributions import Attributions
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.ids import IdSample
from stream_monitor.profile.logarithmic import LogHistogram, bins_of
from stream_monitor.profile.operations import Operations
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.slices import POSITION_SCALE, SLICE_MS, Slices
from stream_monitor.profile.transit import Sent, Transit
from tests.property.pipeline_world import Event, sent_ms

AlertFacts = tuple[str, str, float | None, str, str | None]
"""Last status, severity, last published score, started_at and resolved_at of an alert."""


@dataclass(frozen=True)
class Expected:
    scores: list[WindowScore] = field(default_factory=list)
    alerts: dict[str, AlertFacts] = field(default_factory=dict)


def expect(plan: Plan, events: Sequence[Event], *, until_ms: int | None = None, timed: bool = True) -> Expected:
    """Everything that should be said of these events, whatever their order; until_ms: how far time goes on after the last of them.

    None: not at all, as in a replay. timed: messages have a time.
    """
    expected, until_ms = Expected(), until_ms or max(event.time_ms for event in events if event.model is not None)
    for key, stream in plan.streams.items():
        mine = [event for event in events if event.model == key.model and (event.version or None) == key.version]
        for segment, judge in stream.judges.items():
            inside = [event for event in mine if _is_in(stream, segment, event)]
            if inside:
                _Unit(stream, segment, judge, inside, until_ms, timed).tell(expected)
    return expected


def _is_in(stream: StreamPlan, segment: Segment, event: Event) -> bool:
    if not segment:
        return True
    ((name, label),) = segment
    known = {each.name: each.values for each in stream.segmentations}[name]
    value = event.body["features"].get(name)
    return label == (value if value in known else "other")


@dataclass
class _Unit:
    plan: StreamPlan
    segment: Segment
    judge: Judge
    events: Sequence[Event]
    until_ms: int
    timed: bool

    def __post_init__(self) -> None:
        self.times = np.array([event.time_ms for event in self.events])
        self.codes = np.array([codes_of(self.plan.baseline, event.body) for event in self.events])
        self.strange = StrangeOnes.of(self.plan.baseline, self.codes, [event.body for event in self.events])
        self.book = AlertBook(self.plan.key, dict(self.segment), self.plan.baseline.id)
        self.volume, self.operating = Volume(), Operating()
        self.transit, self.producers = TransitWatch(), Producers()

    def tell(self, expected: Expected) -> None:
        spec, shifts, silent = self.plan.spec, self._shifts(), 0
        first = int(self.times.min()) - spec.size_ms - int(self.times.min() - spec.size_ms) % spec.every_ms
        last = max(int(self.times.max()), self.until_ms - spec.size_ms)
        for start in range(first, last + 1, spec.every_ms):
            ref, profile = self._window(start, start + spec.size_ms)
            is_empty = not ((self.times >= start) & (self.times < ref.end_ms)).any()
            if is_empty and (start < self.times.min() or silent == SILENT_WINDOWS_MAX):
                continue
            fresh = int(((self.times >= ref.end_ms - spec.every_ms) & (self.times < ref.end_ms)).sum())
            silent = 0 if fresh else silent + 1
            mine = [shift for shift in shifts if ref.end_ms - spec.every_ms < shift.detected_ms <= ref.end_ms]
            if is_empty:
                ref, profile, mine = WindowRef(start, ref.end_ms, 0), self.judge.nothing, []
            scores = [] if is_empty else self.judge.judge(profile, mine)
            if ref.end_ms <= self.until_ms:
                scores += self.judge.judge_traffic(self.volume, ref.end_ms - spec.every_ms, ref.end_ms, fresh)
                lately = replace(self.judge.nothing, events=fresh, transit=self._transit(ref.end_ms - spec.every_ms, ref.end_ms))
                if not is_empty:
                    scores += self.judge.judge_producers(self.producers, ref.end_ms - spec.every_ms, ref.end_ms, lately)
            scores += self.judge.judge_operations(self.operating, ref.start_ms, ref.end_ms, profile)
            scores += self.judge.judge_transit(self.transit, ref.start_ms, ref.end_ms, profile)
            expected.scores.extend(window_scores(self.plan.key, dict(self.segment), ref, 0, scores))
            found = [Raised(finding, Evidence((), ())) for finding in self.judge.findings(scores, profile, mine)]
            for alert in self.book.advance(ref, scores, found, Stamp(0, "")):
                facts = (alert.status.value, alert.severity.value, alert.score, alert.started_at, alert.resolved_at)
                expected.alerts[alert.alert_id] = facts

    def _window(self, start: int, end: int) -> tuple[WindowRef, Profile]:
        begin = self._begin(start, end)
        inside = (self.times >= begin) & (self.times < end)
        n, sizes = int(inside.sum()), self.plan.baseline.layout.sizes
        counts = np.concatenate([np.bincount(self.codes[inside, c], minlength=size) for c, size in enumerate(sizes)])
        ids = Counter(str(event.body["event_id"]) for event, held in zip(self.events, inside, strict=True) if held)
        assert max(ids.values(), default=1) == 1, "the world's ids are unique"
        sample = IdSample(np.arange(min(n, 256), dtype=np.uint64), np.ones(min(n, 256), dtype=np.int64))
        moments = self._moments(inside)
        calls = operations_of([event.body for event, held in zip(self.events, inside, strict=True) if held])
        told = attributions_of(self.plan.baseline, [event.body for event, held in zip(self.events, inside, strict=True) if held])
        parts: dict[str, Any] = {"operations": calls, "attributions": told, "transit": self._transit(begin, end)}
        return WindowRef(begin, end, n), Profile(n, counts, moments, ids=sample, anomalies=self.strange.count(inside), **parts)

    def _transit(self, begin: int, end: int) -> Transit:
        inside = [event for event in self.events if begin <= event.time_ms < end]
        return Transit.empty() if self.segment else transit_of(inside, timed=self.timed)

    def _moments(self, inside: Any) -> Any:
        """Sums of standardised numbers, in fixed point, by plain Python."""
        found = np.zeros((2, len(self.plan.baseline.columns)), dtype=np.int64)
        for c, entry in enumerate(self.plan.baseline.columns):
            if isinstance(entry, NumericColumn):
                for event, held, code in zip(self.events, inside, self.codes[:, c], strict=True):
                    if held and code >= 2:
                        z = (float(values_of(event.body)[entry.column.name]) - entry.mean) / entry.scale
                        found[:, c] += (round(z * 2**20), round(z * z * 2**10))
        return found

    def _begin(self, start: int, end: int) -> int:
        """Too few: go back pane by pane (of those that hold events) until there are enough."""
        spec, pane = self.plan.spec, self.plan.spec.pane_ms
        for earlier in sorted({int(time) - int(time) % pane for time in self.times if time < start}, reverse=True):
            if ((self.times >= start) & (self.times < end)).sum() >= spec.events_min or earlier < end - spec.window_max_ms:
                break
            start = earlier
        return start

    def _shifts(self) -> list[Shift]:
        """What the sequential detectors find when they read the seconds one by one, all of each at once."""
        watch, found = Sequential(self.plan.sequential), list[Shift]()
        columns = self.plan.baseline.columns
        places = np.stack([self._places(c) for c in range(len(columns))], axis=1)
        for second in sorted({int(time) // SLICE_MS for time in self.times}):
            u = places[self.times // SLICE_MS == second]
            q = np.rint(np.nan_to_num(u) * POSITION_SCALE).astype(np.int64)
            held = ~np.isnan(u)
            sums = np.stack([(each * held).sum(axis=0) for each in (q, q * q, np.abs(2 * q - POSITION_SCALE))])
            watch.add(Slices(np.array([second]), held.sum(axis=0)[None], sums[None]), None)
            found += watch.advance((second + 1) * SLICE_MS)
        return found

    def _places(self, column: int) -> Any:
        entry = self.plan.baseline.columns[column]
        raw = [values_of(event.body).get(entry.column.name) for event in self.events]
        numbers = np.array([value if isinstance(value, int | float) else np.nan for value in raw], dtype=np.float64)
        return positions(entry, self.codes[:, column].astype(np.int32), numbers)


def attributions_of(baseline: Baseline, bodies: Sequence[Mapping[str, Any]]) -> Attributions:
    """How much each feature counted, by the definition, one value after the other."""
    told, sums = 0, np.zeros((2, baseline.layout.columns), dtype=np.int64)
    for body in bodies:
        values = {name: abs(value) for name, value in body.get("attributions", {}).items() if isinstance(value, float)}
        told += bool(values)
        for name, value in values.items():
            assert baseline.attribution is not None
            size = min(value / baseline.attribution.scale, 64)
            sums[:, baseline.layout.names.index(name)] += round(size * 2**20), ceil(size * size * 2**18)
    return Attributions(told, sums) if told else Attributions.empty()


def operations_of(bodies: Sequence[Mapping[str, Any]]) -> Operations:
    """All calls at once."""
    failed = Counter(body["error"] for body in bodies if body.get("status") == "error")
    raw = {
        "latency_ms": [body.get("latency_ms") for body in bodies],
        "cpu_ratio": [body.get("resources", {}).get("cpu_ratio") for body in bodies],
    }
    values = {name: np.array([each for each in found if each is not None], dtype=np.float64) for name, found in raw.items()}
    measures = {name: LogHistogram.of(bins_of(found)) for name, found in values.items() if len(found)}
    return Operations(sum("status" in body for body in bodies), failed.total(), dict(sorted(failed.items())), measures)


def transit_of(events: Sequence[Event], *, timed: bool = True) -> Transit:
    """How all of these events came, one by one."""
    delays = [sent_ms(event) - event.time_ms for event in events] if timed else []
    late, early = (LogHistogram.of(bins_of(np.array([max(sign * each, 0.0) for each in delays]))) for sign in (1, -1))
    found: dict[str, Sent] = {}
    for event, delay in zip(events, delays or [0] * len(events), strict=True):
        if name := event.body.get("metadata", {}).get("producer"):
            found[name] = found.get(name, Sent()).plus(Sent(1, int(timed), max(delay, 0), max(-delay, 0)))
    return Transit(late, early, sum(sent.events for sent in found.values()), dict(sorted(found.items())))


def values_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Features and outputs by column."""
    return {**body["features"], "prediction": body["prediction"]["label"], "prediction.score": body["prediction"]["score"]}


def codes_of(baseline: Baseline, body: Mapping[str, Any]) -> list[int]:
    """Each column's code, as in `profile.layout`: 0 missing, 1 invalid, 2 below or other, 3 … bins or categories, last above."""
    values = values_of(body)
    return [_code(entry, values.get(entry.column.name)) for entry in baseline.columns]


@dataclass
class StrangeOnes:
    """Of N events: which values are beyond the fences, bool[N, C], and in which bin each distance is, [N]; by plain Python."""

    outliers: Any
    bins: Any
    size: int

    @classmethod
    def of(cls, baseline: Baseline, codes: Any, bodies: Sequence[Mapping[str, Any]]) -> "StrangeOnes":
        joint, values = baseline.joint, [values_of(body) for body in bodies]
        outliers, z = np.zeros((len(bodies), len(baseline.columns)), dtype=np.int64), {}
        for c, entry in enumerate(baseline.columns):
            numbers = np.array(
                [each.get(entry.column.name) if code > 1 else np.nan for each, code in zip(values, codes[:, c], strict=True)]
            )
            if isinstance(entry, NumericColumn) and entry.fences is not None:
                outliers[:, c] = [number < entry.fences[0] or number > entry.fences[1] for number in numbers]
            u = positions(entry, codes[:, c].astype(np.int32), numbers)
            z[c] = [0 if np.isnan(each) else round(256 * NormalDist().inv_cdf((round(each * 4096) + 0.5) / 4097)) for each in u.tolist()]
        if joint is None:
            return cls(outliers, np.zeros(len(bodies), dtype=np.int64), 0)
        bins = []
        for row in range(len(bodies)):
            lengths = [sum(weight * z[c][row] for weight, c in zip(weights, joint.places, strict=False)) for weights in joint.factor]
            bins.append(bisect_right(joint.edges, sum(round(length / 1024) ** 2 for length in lengths)))
        return cls(outliers, np.array(bins), len(joint.counts))

    def count(self, rows: Any) -> Anomalies:
        """Of these events; the worst are left out."""
        joint = np.bincount(self.bins[rows], minlength=self.size) if self.size else np.zeros(0, dtype=np.int64)
        return Anomalies.of(self.outliers[rows].sum(axis=0), joint)


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
