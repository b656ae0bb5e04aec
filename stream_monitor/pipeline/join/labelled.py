"""What labels add to a unit: its outcomes by pane, the loss as a series of its own, and the alerts on both."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Final, NamedTuple

import msgspec

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.evidence import gather_whole
from stream_monitor.alert.life import AlertBook, BookState
from stream_monitor.alert.publication import Raised, Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.decide import severity_of
from stream_monitor.detect.finding import Finding, FindingKind, Judging, Key, Score, ScoreStatus, Severity, Shown, is_finding
from stream_monitor.detect.outcomes.judge import OutcomeJudge, OutcomeScore, by_segment
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.detect.outcomes.metrics import ANSWERED
from stream_monitor.detect.registry import LOSS, SEQUENTIAL, VERSIONS
from stream_monitor.detect.report import WindowRef, WindowScore, window_scores
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.detect.sequential.watch import Sequential, SequentialSpec
from stream_monitor.pipeline.join.newest import Newest
from stream_monitor.pipeline.join.outcomes import Outcomes, OutcomeWindow, Told
from stream_monitor.pipeline.join.said import Change, Losses
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.weights import EVENTS

AT_CLOSE: Final = "at_close"
LABELLED: Final = "labelled"
AT_LAST: Final = "at_last"
"""The clocks of alerts: what needs no label is judged when its window closes, what needs some once they came, and whether they came at all
when they are waited for no longer.
"""


Compared = Callable[[int, int], Sequence[tuple[Score, Measure]]]
"""(start_ms, end_ms) -> scores of a window beside another version's, with their intervals."""


def alone(start_ms: int, end_ms: int) -> Sequence[tuple[Score, Measure]]:
    """There is no other."""
    return ()


@dataclass(frozen=True)
class LabelPlan:
    """How one unit's outcomes are judged. judge: its figures; concept: how the loss is watched; label_lateness_ms: see the config;
    reliefs: see `JoinPlan`.
    """

    judge: OutcomeJudge
    concept: SequentialSpec
    label_lateness_ms: int
    reliefs: tuple[int, ...] = (0,)

    @property
    def of_loss(self) -> tuple[str, ...]:
        """Detectors that read the loss and are on."""
        return tuple(name for name in (*SEQUENTIAL, *(LOSS if self.concept.errors else ())) if self.judge.is_on(name))

    def judging(self) -> dict[tuple[str, Segment], set[Judging]]:
        """All that have something to be held against, by clock and what they are about, as the books of alerts are."""
        judge, nothing = self.judge, self.judge.layout.empty()
        figures = {
            AT_CLOSE: judge.at_close(nothing, EVENTS),
            LABELLED: judge.labelled(nothing, EVENTS),
            AT_LAST: judge.at_last(nothing, EVENTS),
        }
        found = defaultdict[tuple[str, Segment], set[Judging]](set)
        for clock, scores in figures.items():
            for each in scores:
                if isfinite(each.score.threshold):
                    found[clock, each.segment].add((None, each.score.key.detector))
        found[AT_CLOSE, ()] |= {(None, name) for name in self.of_loss}
        found[LABELLED, ()] |= {(None, name) for name in VERSIONS if judge.is_on(name)}
        return found


class LabelledState(msgspec.Struct, array_like=True, frozen=True):
    """What a snapshot keeps; the outcomes themselves follow from the join's rows."""

    told: dict[int, Told]
    looked_ms: int | None
    final_ms: int | None
    concept: bytes
    shifts: list[Shift]
    known_ms: int | None
    books: list[tuple[str, Segment, BookState]]


class Said(NamedTuple):
    """What one window's outcome says to the world. newest: what is shown of it."""

    scores: list[WindowScore]
    alerts: list[Alert]
    newest: Newest


@dataclass(slots=True)
class Labelled:
    """The state of one unit. books: by clock and by what the figures are about beside the unit (a facet's group, a class)."""

    plan: LabelPlan
    stream: StreamKey
    segment: Segment
    baseline_id: str
    outcomes: Outcomes
    concept: Sequential
    shifts: list[Shift] = field(default_factory=list)
    """Of windows that may be told again, the largest by detector."""
    known_ms: int | None = None
    """When the last change of the loss was found; another detector that finds it later tells nothing new."""
    books: dict[tuple[str, Segment], AlertBook] = field(default_factory=dict)

    @classmethod
    def new(cls, plan: LabelPlan, stream: StreamKey, segment: Segment, baseline_id: str, outcomes: Outcomes) -> "Labelled":
        """A unit of which nothing was heard."""
        outcomes.is_awaited = bool(plan.judge.awaited)
        return cls(plan, stream, segment, baseline_id, outcomes, Sequential(plan.concept))

    def add(self, change: Change) -> None:
        """Take in what rows changed."""
        self.outcomes.add(change)

    def lose(self, losses: Losses, watermark_ms: int | None) -> None:
        """Take in losses that became known."""
        self.concept.add(losses.slices, watermark_ms)

    def advance(
        self, watermark_ms: int, rates: Mapping[int, int], stamp: Stamp, drifting: Sequence[str], compared: Compared = alone
    ) -> Iterator[Said]:
        """Let time pass: what each window that is due says. drifting: features of the unit on which a drift alert fires now;
        compared: scores of [start_ms, end_ms) beside another version.
        """
        for shift in self.concept.advance(watermark_ms):
            if shift.detector in self.plan.of_loss:
                self._hear(shift)
        for window in self.outcomes.advance(watermark_ms, rates):
            yield self._report(window, stamp, drifting, compared)
        self._forget()

    def estimates(self, end_ms: int, rates: Mapping[int, int]) -> list[OutcomeScore]:
        """How good the model probably was in a window, by the rows that are known now."""
        closed = self.outcomes.closed(end_ms, rates)
        found = self.plan.judge.at_close(closed.vector, closed.weights)
        return [each for each in found if each.score.key.kind is FindingKind.ESTIMATED_QUALITY]

    def _hear(self, shift: Shift) -> None:
        is_new = self.known_ms is None or shift.changed_ms >= self.known_ms
        if is_new:
            self.known_ms = shift.detected_ms
        if is_new or (self.known_ms is not None and shift.detected_ms < self.known_ms + self.outcomes.spec.size_ms):
            self.shifts.append(shift)

    def _forget(self) -> None:
        """Of a detector's shifts in one window only the largest is told, as long as the window may be told again."""
        final_ms, spec = self.outcomes.final_ms, self.outcomes.spec
        kept: dict[tuple[str, int], Shift] = {}
        for shift in self.shifts:
            end_ms = shift.detected_ms + (spec.size_ms - shift.detected_ms) % spec.every_ms
            known = kept.get((shift.detector, end_ms))
            if (final_ms is None or end_ms > final_ms) and (known is None or shift.size > known.size):
                kept[shift.detector, end_ms] = shift
        self.shifts = list(kept.values())

    def firing(self) -> tuple[Alert, ...]:
        """The last publication of every alert that fires."""
        return tuple(alert for book in self.books.values() for alert in book.firing())

    def resolve(self, reason: Reason, at_ms: int, stamp: Stamp, causes: Set[str] | None = None) -> list[Alert]:
        """End all alerts (of these causes, where they are named) for another reason than recovery."""
        return [alert for book in self.books.values() for alert in book.resolve(reason, at_ms, stamp, causes=causes)]

    def resolve_unjudged(self, plan: LabelPlan, at_ms: int, stamp: Stamp) -> list[Alert]:
        """End all alerts that a newer config leaves without a detector."""
        judging = plan.judging() if self.firing() else {}
        return [alert for of, book in self.books.items() for alert in book.resolve_unjudged(judging.get(of, set()), at_ms, stamp)]

    def adopt(self, plan: LabelPlan) -> None:
        """Go on under other thresholds."""
        self.concept = Sequential.decode(plan.concept, self.concept.encode())
        self.plan = plan
        self.outcomes.is_awaited = bool(plan.judge.awaited)
        self.outcomes.adopt(plan.label_lateness_ms)

    def to_state(self) -> LabelledState:
        """What a later one goes on from."""
        books = [(clock, about, book.to_state()) for (clock, about), book in sorted(self.books.items())]
        of = self.outcomes
        return LabelledState(dict(of.told), of.looked_ms, of.final_ms, self.concept.encode(), self.shifts, self.known_ms, books)

    def load(self, state: LabelledState) -> None:
        """Back from `to_state`; panes come with `Outcomes.restore`, after this. Errors: CodecError."""
        self.outcomes.resume(state.told, state.looked_ms, state.final_ms)
        self.concept, self.shifts = Sequential.decode(self.plan.concept, state.concept), list(state.shifts)
        self.known_ms = state.known_ms
        self.books = {(clock, about): self._new_book(about, book) for clock, about, book in state.books}

    def _report(self, window: OutcomeWindow, stamp: Stamp, drifting: Sequence[str], compared: Compared) -> Said:
        judge, layout = self.plan.judge, self.outcomes.layout
        closed, labelled = window.at_close, window.labelled
        labels = layout.labelled(labelled.vector)
        pairs = compared(window.start_ms, window.end_ms) if labels else ()
        beside = [OutcomeScore(score, (), _found(score, measure), measure) for score, measure in pairs]
        said = Said([], [], Newest.of(judge, window, beside))
        whole = WindowRef(closed.from_ms, window.end_ms, layout.events(closed.vector))
        unlabelled = (_beside(each, drifting) for each in judge.at_close(closed.vector, closed.weights))
        found = [*unlabelled, *self._concept(window.end_ms, drifting)]
        self._say(said, AT_CLOSE, whole, window, found, stamp, is_first=window.revision == 1)
        if labels:
            part = WindowRef(labelled.from_ms, window.end_ms, labels)
            found = [*(_beside(each, drifting) for each in judge.labelled(labelled.vector, labelled.weights)), *beside]
            self._say(said, LABELLED, part, window, found, stamp, is_first=said.newest.is_ready)
        if window.is_last:
            self._say(said, AT_LAST, whole, window, judge.at_last(closed.vector, closed.weights), stamp, is_first=True)
        return said

    def _say(
        self, said: Said, clock: str, ref: WindowRef, window: OutcomeWindow, found: Sequence[OutcomeScore], stamp: Stamp, *, is_first: bool
    ) -> None:
        """is_first: the window may advance the life of alerts, if no later one did."""
        for about, scores in by_segment(found).items():
            plain = [each.score for each in scores]
            raised = [Raised(each.finding, gather_whole(each.finding)) for each in scores if each.finding is not None]
            book = self.books.get((clock, about))
            if book is None and raised:
                book = self.books[clock, about] = self._new_book(about)
            if book is not None:
                advances = is_first and book.goes_on_to(ref.end_ms)
                said.alerts.extend((book.advance if advances else book.correct)(ref, plain, raised, stamp))
            segment, intervals = dict((*self.segment, *about)), [each.interval for each in scores]
            said.scores.extend(window_scores(self.stream, segment, ref, window.revision, plain, intervals))

    def _concept(self, end_ms: int, drifting: Sequence[str]) -> Iterator[OutcomeScore]:
        """What the loss did in the part of the window that no earlier one held."""
        start_ms = end_ms - self.outcomes.spec.every_ms
        for name in self.plan.of_loss:
            mine = [shift for shift in self.shifts if shift.detector == name and start_ms < shift.detected_ms <= end_ms]
            yield _concept_score(name, max(mine, key=lambda shift: shift.size, default=None), self.plan.concept, drifting)

    def _new_book(self, about: Segment, state: BookState | None = None) -> AlertBook:
        return AlertBook(self.stream, dict((*self.segment, *about)), self.baseline_id, state)


def _found(score: Score, measure: Measure) -> Finding | None:
    if not is_finding(score) or measure.value is None or measure.low is None or measure.high is None:
        return None
    found = Finding(score, measure.value, score.base, severity_of(score), (), shown=score.shown)
    return replace(found, interval=(measure.low, measure.high), events=measure.events)


def _concept_score(name: str, shift: Shift | None, spec: SequentialSpec, drifting: Sequence[str]) -> OutcomeScore:
    key, least = Key(FindingKind.CONCEPT_DRIFT, None, name), float(spec.min_shift[0])
    if shift is None:
        return OutcomeScore(Score(key, -1, 0.0, least, 1.0, ScoreStatus.JUDGED))
    score = Score(key, -1, shift.size, least, shift.p_value, ScoreStatus.JUDGED, 0.0, True)
    severity = Severity.WARNING if shift.after > shift.before else Severity.INFO
    shown = (Shown("loss", shift.before, shift.after),)
    return _beside(OutcomeScore(score, (), Finding(score, shift.size, 0.0, severity, (), shift.changed_ms, shown)), drifting)


def _beside(found: OutcomeScore, drifting: Sequence[str]) -> OutcomeScore:
    """A finding of concept drift with what it cannot tell itself: whether inputs moved, for then labels may with them."""
    if found.finding is None or found.score.key.kind is not FindingKind.CONCEPT_DRIFT:
        return found
    changed = "the model answers otherwise" if found.score.key.detector in ANSWERED else "what they mean changed"
    drifted = f"inputs drifted as well ({', '.join(drifting[:3])}), which alone may explain it"
    said = drifted if drifting else f"no input drifted, so {changed}"
    return found._replace(finding=replace(found.finding, note="; ".join(filter(None, (found.finding.note, said)))))
