"""What must be said of one stream or segment: all its events are kept, and every window is counted anew from them."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from stream_monitor.alert.alert import Evidence
from stream_monitor.alert.life import AlertBook
from stream_monitor.alert.publication import Raised, Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Score
from stream_monitor.detect.operations import Operating
from stream_monitor.detect.producers import Producers
from stream_monitor.detect.registry import VERSION_CAUSES
from stream_monitor.detect.report import WindowRef, WindowScore, window_scores
from stream_monitor.detect.rollout import Together
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.detect.sequential.watch import Sequential
from stream_monitor.detect.transit import TransitWatch
from stream_monitor.detect.volume import Volume
from stream_monitor.pipeline.plan import StreamPlan
from stream_monitor.pipeline.unit import SILENT_WINDOWS_MAX
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.transit import Transit
from tests.simulation.facts import Facts
from tests.simulation.naive_join import NaiveJoin, ends_of
from tests.simulation.naive_outcomes import NaiveOutcomes
from tests.simulation.said import NOW, Said

Key = tuple[StreamKey, Segment]


class Version(NamedTuple):
    """Another version's events in time, before this one goes on."""

    stream: StreamKey
    facts: Facts
    rows: list[int]

    def between(self, start: int, end: int) -> list[int]:
        return [row for row in self.rows if start <= self.facts.times_ms[row] < end]


@dataclass
class NaiveUnit:
    """See the module. rows: the events that came in time, as rows of `facts`."""

    key: Key
    plan: StreamPlan
    facts: Facts
    watermark_ms: int | None
    book: AlertBook
    watch: Sequential
    rows: list[int] = field(default_factory=list)
    dirty: set[int] = field(default_factory=set)
    revisions: dict[int, int] = field(default_factory=dict)
    shifts: list[Shift] = field(default_factory=list)
    unread: dict[int, list[int]] = field(default_factory=dict)
    """Rows by second, for seconds that the sequential detectors have not read."""
    volume: Volume = field(default_factory=Volume)
    operating: Operating = field(default_factory=Operating)
    transit: TransitWatch = field(default_factory=TransitWatch)
    producers: Producers = field(default_factory=Producers)
    counted_ms: int | None = None
    """End of the last window whose number of events was judged."""
    silent: int = 0
    together: Volume = field(default_factory=Volume)
    """Of all versions; empty where there was never another."""
    outcomes: NaiveOutcomes | None = None
    """None for a model without a task."""
    versions: Sequence[Version] = ()
    """The model's others, as they were before the time came."""

    @classmethod
    def new(cls, key: Key, plan: StreamPlan, facts: Facts, watermark_ms: int | None) -> "NaiveUnit":
        book = AlertBook(key[0], dict(key[1]), plan.baseline.id)
        return cls(key, plan, facts, watermark_ms, book, Sequential(plan.sequential), outcomes=outcomes_of(key, plan))

    @property
    def stamp(self) -> Stamp:
        """Under the rules of the config that holds."""
        return NOW._replace(rules=self.plan.rules)

    def arrive(self, rows: list[int]) -> int:
        """Events of one transaction; how many of them are late."""
        late = 0
        for row in rows:
            time_ms = int(self.facts.times_ms[row])
            ends = ends_of(self.plan.spec, time_ms)
            if self.watermark_ms is not None and ends[-1] + self.plan.spec.lateness_ms <= self.watermark_ms:
                late += 1
                continue
            self.rows.append(row)
            if self.watermark_ms is not None:
                self.dirty |= {end for end in ends if end <= self.watermark_ms < end + self.plan.spec.lateness_ms}
            if self.watermark_ms is None or time_ms // 1000 * 1000 + 1000 > self.watermark_ms:
                self.unread.setdefault(time_ms // 1000, []).append(row)
        return late

    def go_on(self, watermark_ms: int, clock_ms: int, join: NaiveJoin | None, versions: Sequence[Version], said: Said) -> None:
        """The time has come so far. versions: the model's others, before it had."""
        self.versions = versions
        spec, before = self.plan.spec, self.watermark_ms
        self._read_seconds(watermark_ms)
        self.watermark_ms = max(watermark_ms, before if before is not None else watermark_ms)
        step_ms = min(spec.pane_ms, 1_000) if self.dirty else spec.pane_ms
        if before is None or before // step_ms != self.watermark_ms // step_ms:  # revisions wait for a full second of late events
            times = self._times()
            ends = {end for time in set(times) for end in ends_of(spec, time) if (before or -1) < end <= self.watermark_ms}
            for end in sorted(ends | self.dirty):
                self._silence(end - 1, said)
                self._close(end, said)
            self.dirty = set()
        self._silence(min(self.watermark_ms, clock_ms), said)
        if self.outcomes is not None:
            self.outcomes.go_on(self.watermark_ms, join, None if self.key[1] else self.plan.versus, said)

    def _times(self) -> list[int]:
        return [int(self.facts.times_ms[row]) for row in self.rows]

    def _read_seconds(self, watermark_ms: int) -> None:
        for second in sorted(second for second in self.unread if (second + 1) * 1000 <= watermark_ms):
            self.watch.add(self.facts.second(second, self.unread.pop(second)), None)
            self.shifts += self.watch.advance((second + 1) * 1000)
        self.watch.advance(watermark_ms)

    def _close(self, end: int, said: Said) -> None:
        spec = self.plan.spec
        begin, start = self._begin(end), end - spec.size_ms
        rows = [row for row, time in zip(self.rows, self._times(), strict=True) if begin <= time < end]
        fresh = [row for row, time in zip(self.rows, self._times(), strict=True) if end - spec.every_ms <= time < end]
        self.revisions[end] = self.revisions.get(end, 0) + 1
        judge, profile = self.plan.judges[self.key[1]], self._profile(rows)
        shifts = [shift for shift in self.shifts if end - spec.every_ms < shift.detected_ms <= end]
        scores = judge.judge(profile, shifts)
        if self.counted_ms is None or end > self.counted_ms:
            scores += self._count(end, len(fresh))
            scores += judge.judge_producers(self.producers, end - spec.every_ms, end, self._profile(fresh))
        ref = WindowRef(min(begin, start), end, len(rows))
        scores += judge.judge_operations(self.operating, ref.start_ms, end, profile)
        scores += judge.judge_transit(self.transit, ref.start_ms, end, profile)
        scores += self._versus(start, end)
        found = [Raised(finding, Evidence((), ())) for finding in judge.findings(scores, profile, shifts)]
        is_first = self.revisions[end] == 1 and self.book.goes_on_to(end)
        advance = self.book.advance if is_first else self.book.correct
        said.tell(self._scored(ref, scores), advance(ref, scores, found, self.stamp))

    def _versus(self, start: int, end: int) -> list[Score]:
        """Beside the current version, from all events of both."""
        versus = self.plan.versus
        current = [each for each in self.versions if versus and each.stream.version == versus.current]
        if versus is None or self.key[1] or not current:
            return []
        mine = [row for row, time in zip(self.rows, self._times(), strict=True) if start <= time < end]
        return versus.judge(self.facts.profile(mine), current[0].facts.profile(current[0].between(start, end)))

    def _profile(self, rows: list[int]) -> Profile:
        """Of a segment nobody keeps how its events came."""
        profile = self.facts.profile(rows)
        return replace(profile, transit=Transit.empty()) if self.key[1] else profile

    def _begin(self, end: int) -> int:
        """Too few: back pane by pane, of those that hold events, until there are enough."""
        spec, times = self.plan.spec, self._times()
        begin = end - spec.size_ms
        panes = sorted({time - time % spec.pane_ms for time in times if time < begin}, reverse=True)
        for pane in panes:
            if sum(begin <= time < end for time in times) >= spec.events_min or pane < end - spec.window_max_ms:
                break
            begin = pane
        return begin

    def _silence(self, until_ms: int, said: Said) -> None:
        spec = self.plan.spec
        while self.counted_ms is not None and self.counted_ms + spec.every_ms <= until_ms and self.silent < SILENT_WINDOWS_MAX:
            end = self.counted_ms + spec.every_ms
            judge = self.plan.judges[self.key[1]]
            scores = self._count(end, 0)
            ref = WindowRef(end - spec.size_ms, end, 0)
            found = [Raised(finding, Evidence((), ())) for finding in judge.findings(scores, judge.nothing)]
            alerts = self.book.advance(ref, scores, found, self.stamp) if self.book.goes_on_to(end) else []
            self.revisions[end] = 1
            said.tell(self._scored(ref, scores), alerts)

    def _count(self, end: int, events: int) -> list[Score]:
        self.counted_ms, self.silent = end, 0 if events else self.silent + 1
        begin = end - self.plan.spec.every_ms
        others = {name_of(each.stream): len(each.between(begin, end)) for each in self.versions}
        if others and not self.together.to_state().past:
            self.together = Volume(self.volume.to_state())
        together = Together(self.together, others) if self.together.to_state().past else None
        return self.plan.judges[self.key[1]].judge_traffic(self.volume, begin, end, events, together)

    def _scored(self, ref: WindowRef, scores: list[Score]) -> list[WindowScore]:
        return window_scores(self.key[0], dict(self.key[1]), ref, self.revisions[ref.end_ms], scores)

    # ---- another config

    def open_events(self) -> int:
        """Events that no window was closed on yet."""
        return sum(self.watermark_ms is None or ends_of(self.plan.spec, time)[0] > self.watermark_ms for time in self._times())

    def resolve(self, reason: Reason, clock_ms: int, said: Said, feature: str | None = None, causes: Set[str] | None = None) -> None:
        at_ms = self.watermark_ms or clock_ms
        said.tell([], self.book.resolve(reason, at_ms, self.stamp, feature, causes))
        if self.outcomes is not None and feature is None:
            self.outcomes.resolve(reason, at_ms, said, causes)

    def relabel(self, plan: StreamPlan, clock_ms: int, said: Said) -> None:
        """Labels are compared with something else, or no more."""
        old, self.outcomes = self.outcomes, outcomes_of(self.key, plan, self.outcomes)
        if old is not None:
            old.resolve(Reason.LABELS_CHANGED, self.watermark_ms or clock_ms, said)

    def adopt(self, plan: StreamPlan, clock_ms: int, said: Said) -> None:
        """Other thresholds on the same ground."""
        if self.outcomes is not None:
            self.outcomes.adopt(plan.labels[self.key[1]], plan.rules)
        for feature in sorted(self.plan.judge.judged - plan.judge.judged):
            self.resolve(Reason.FEATURE_REMOVED, clock_ms, said, feature)
        if self.plan.versus is not None and beside(plan) != beside(self.plan):
            self.resolve(Reason.VERSIONS_CHANGED, clock_ms, said, causes=VERSION_CAUSES)
        self.watch = Sequential.decode(plan.sequential, self.watch.encode())
        self.plan = plan

    def successor(self, plan: StreamPlan, facts: Facts, watermark_ms: int | None) -> "NaiveUnit":
        """Another baseline or other windows: nothing is kept but which windows were told of, and what traffic is usual."""
        new = NaiveUnit.new(self.key, plan, facts, watermark_ms)
        new.revisions, new.outcomes = dict(self.revisions), outcomes_of(self.key, plan, self.outcomes)
        if plan.spec == self.plan.spec:
            new.volume, new.counted_ms, new.silent = self.volume, self.counted_ms, self.silent
            new.together = self.together
            new.operating, new.transit, new.producers = self.operating, self.transit, self.producers
        return new


def beside(plan: StreamPlan) -> tuple[str, str] | None:
    """With which version, on which baseline."""
    return (plan.versus.current, plan.versus.current_baseline.id) if plan.versus else None


def name_of(stream: StreamKey) -> str:
    return "the model without a version" if stream.version is None else f"version {stream.version}"


def outcomes_of(key: Key, plan: StreamPlan, before: NaiveOutcomes | None = None) -> NaiveOutcomes | None:
    """What labels add to a unit of which nothing was heard."""
    labels = plan.labels.get(key[1])
    return None if labels is None else NaiveOutcomes.new(key[0], key[1], labels, plan.spec, plan.baseline.id, plan.rules).after(before)
