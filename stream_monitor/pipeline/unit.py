"""What is judged on its own, a stream's whole or one of its segments: its windows, its detectors' state and its alerts."""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final

import msgspec

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.life import AlertBook, Waiting
from stream_monitor.alert.publication import Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.decide import Judge
from stream_monitor.detect.finding import FindingKind, Score, Severity
from stream_monitor.detect.operations import Operating
from stream_monitor.detect.producers import Producers
from stream_monitor.detect.rollout import Together
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.detect.sequential.watch import Sequential
from stream_monitor.detect.transit import TransitWatch
from stream_monitor.detect.volume import Volume
from stream_monitor.pipeline.join.labelled import Labelled
from stream_monitor.pipeline.join.outcomes import Outcomes
from stream_monitor.pipeline.plan import StreamPlan
from stream_monitor.profile.codec import Segment
from stream_monitor.window.windows import Windows

UnitKey = tuple[StreamKey, Segment]

SILENT_WINDOWS_MAX: Final = 32
"""Empty windows looked at after the last that held events: beyond the trailing dozen nothing more can be learned from silence."""


class Traffic(msgspec.Struct, array_like=True, frozen=True):
    """How far the number of events was judged. end_ms: of the last window, None: none yet; silent: empty windows since the last event."""

    end_ms: int | None = None
    silent: int = 0


@dataclass(slots=True)
class Unit:
    """The state of one `UnitKey`.

    revisions: end of a window that may still be revised -> how often it was reported; shifts: those of such windows, by their time.
    """

    plan: StreamPlan
    windows: Windows
    sequential: Sequential
    volume: Volume
    book: AlertBook
    revisions: dict[int, int] = field(default_factory=dict)
    shifts: list[Shift] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    operating: Operating = field(default_factory=Operating)
    transit: TransitWatch = field(default_factory=TransitWatch)
    producers: Producers = field(default_factory=Producers)
    together: Volume = field(default_factory=Volume)
    """Of all versions of the model; empty where there was never another."""
    labelled: Labelled | None = None
    """None for a model without a task."""

    @classmethod
    def new(cls, key: UnitKey, plan: StreamPlan, watermark_ms: int | None) -> "Unit":
        """A unit that has seen nothing."""
        stream, segment = key
        windows = Windows(plan.spec, plan.baseline.layout, watermark_ms=watermark_ms)
        book, labelled = AlertBook(stream, dict(segment), plan.baseline.id), labelled_of(key, plan)
        return cls(plan, windows, Sequential(plan.sequential), Volume(), book, labelled=labelled)

    def successor(self, key: UnitKey, plan: StreamPlan, watermark_ms: int | None) -> "Unit":
        """A unit on new ground; a late event of a window that this one reported makes the next revision of it, not a second first.

        What traffic, operations and captures are usual hangs on the windows' length alone, so it is kept over a new baseline.
        """
        successor = Unit.new(key, plan, watermark_ms)
        successor.revisions = dict(self.revisions)
        successor.labelled = labelled_of(key, plan, self.labelled)
        if plan.spec == self.plan.spec:
            successor.volume, successor.traffic, successor.operating = self.volume, self.traffic, self.operating
            successor.together = self.together
            successor.transit, successor.producers = self.transit, self.producers
        return successor

    def adopt(self, plan: StreamPlan) -> None:
        """Go on under other thresholds, with the state as it is; plug-ins begin anew."""
        self.sequential = Sequential.decode(plan.sequential, self.sequential.encode())
        self.plan = plan
        if self.labelled is not None:
            self.labelled.adopt(plan.labels[self.labelled.segment])

    def firing(self) -> tuple[Alert, ...]:
        """The last publication of every alert that fires."""
        return (*self.book.firing(), *(self.labelled.firing() if self.labelled else ()))

    def waited(self) -> Counter[Waiting]:
        """Windows with a finding that were not yet M of N."""
        books = (self.book, *(self.labelled.books.values() if self.labelled else ()))
        return sum((book.waited for book in books), Counter())

    def resolve(self, reason: Reason, at_ms: int, stamp: Stamp, causes: Set[str] | None = None) -> list[Alert]:
        """End all alerts (of these causes, where they are named) for another reason than recovery."""
        told = self.labelled.resolve(reason, at_ms, stamp, causes) if self.labelled else []
        return self.book.resolve(reason, at_ms, stamp, causes=causes) + told

    def resolve_unjudged(self, plan: StreamPlan, segment: Segment, at_ms: int, stamp: Stamp) -> list[Alert]:
        """End all alerts that a newer config, adopted next, leaves without a detector."""
        told = self.labelled.resolve_unjudged(plan.labels[segment], at_ms, stamp) if self.labelled else []
        return self.book.resolve_unjudged(plan.judges[segment].judging, at_ms, stamp) + told

    def shifts_of(self, end_ms: int) -> list[Shift]:
        """The shifts found in the part of a window that no earlier window held."""
        start_ms = end_ms - self.plan.spec.every_ms
        return [shift for shift in self.shifts if start_ms < shift.detected_ms <= end_ms]

    def silent_ends(self, until_ms: int) -> range:
        """Ends of the windows without events from the last one judged to this time, the first few of them; none before the first event."""
        if self.traffic.end_ms is None:
            return range(0)
        every_ms = self.plan.spec.every_ms
        ends = range(self.traffic.end_ms + every_ms, until_ms + 1, every_ms)
        return ends[: SILENT_WINDOWS_MAX - self.traffic.silent]

    @property
    def heard_ms(self) -> int | None:
        """End of the last [end - every_ms, end) that held events; None: none yet."""
        return None if self.traffic.end_ms is None else self.traffic.end_ms - self.traffic.silent * self.plan.spec.every_ms

    def judge_traffic(self, judge: Judge, end_ms: int, events: int, others: Mapping[str, int]) -> list[Score]:
        """Scores of the number of events in [end_ms - every_ms, end_ms); call it once for each window, in their order, empty ones too.

        others: events of each other version; until there is one, what came is the whole.
        """
        self.traffic = Traffic(end_ms, 0 if events else self.traffic.silent + 1)
        if others and not self.together.to_state().past:
            self.together = Volume(self.volume.to_state())
        together = Together(self.together, others) if self.together.to_state().past else None
        return judge.judge_traffic(self.volume, end_ms - self.plan.spec.every_ms, end_ms, events, together)

    def drifting(self) -> list[str]:
        """Features on which a drift alert that pages fires now."""
        firing = (alert for alert in self.book.firing() if alert.kind is FindingKind.DATA_DRIFT and alert.severity is not Severity.INFO)
        return sorted({alert.feature for alert in firing if alert.feature is not None})

    def forget(self, horizon_ms: int) -> bool:
        """Drop what no revision can ask for any more; whether anything was."""
        final = [end for end in self.revisions if end <= horizon_ms and end not in self.windows.dirty]
        for end in final:
            del self.revisions[end]
        kept = [shift for shift in self.shifts if shift.detected_ms > horizon_ms - self.plan.spec.every_ms]
        forgot, self.shifts = bool(final) or len(kept) < len(self.shifts), kept
        return self.windows.forget() or forgot


def labelled_of(key: UnitKey, plan: StreamPlan, before: Labelled | None = None) -> Labelled | None:
    """What labels add to a unit of which nothing was heard; None where the model has no task. before: under another config."""
    stream, segment = key
    label_plan = plan.labels.get(segment)
    if label_plan is None:
        return None
    outcomes = Outcomes(label_plan.judge.layout, plan.spec, label_plan.label_lateness_ms, label_plan.reliefs)
    if before is not None:
        outcomes.follow(before.outcomes)
    return Labelled.new(label_plan, stream, segment, plan.baseline.id, outcomes)
