"""Whether a model's labels find their events: what its join's rows say of that, span by span, and the alert on it."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.evidence import gather_whole
from stream_monitor.alert.life import AlertBook, BookState
from stream_monitor.alert.publication import Raised, Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.decide import severity_of
from stream_monitor.detect.finding import Finding, Severity, is_finding
from stream_monitor.detect.report import WindowRef, WindowScore, window_scores
from stream_monitor.detect.unpaired import UNPAIRED, Judged, LabelWindow, UnpairedState, UnpairedWatch
from stream_monitor.pipeline.join.join import Join
from stream_monitor.pipeline.plan import StreamPlan


class PairingState(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot keeps. looked_ms: spans up to there were looked at; judged_ms: the end of the last window that was judged."""

    baseline_id: str
    looked_ms: int | None = None
    judged_ms: int | None = None
    watch: UnpairedState = UnpairedState()
    book: BookState = BookState()


class Told(NamedTuple):
    """What one window says to the world."""

    scores: list[WindowScore]
    alerts: list[Alert]


class Pairing:
    """The state of one model; its alerts are those of all versions and segments together."""

    def __init__(self, model: str, state: PairingState) -> None:
        self._stream, self._baseline_id = StreamKey(model, None), state.baseline_id
        self._looked_ms, self._judged_ms = state.looked_ms, state.judged_ms
        self._watch = UnpairedWatch(state.watch)
        self._book = AlertBook(self._stream, {}, state.baseline_id, state.book)

    def to_state(self) -> PairingState:
        """What a later one goes on from."""
        return PairingState(self._baseline_id, self._looked_ms, self._judged_ms, self._watch.to_state(), self._book.to_state())

    def firing(self) -> tuple[Alert, ...]:
        """The last publication of every alert that fires."""
        return self._book.firing()

    def advance(self, join: Join, watermark_ms: int, plan: StreamPlan, stamp: Stamp) -> Iterator[Told]:
        """Let time pass, before the join forgets: what each window that is due says."""
        due_ms = join.ages.spans.due_ms(watermark_ms)
        if self._looked_ms is not None and due_ms <= self._looked_ms:
            return
        from_ms = 0 if self._looked_ms is None else self._looked_ms - join.ages.spans.reach_ms
        self._looked_ms = due_ms
        if self._watch.since_ms is None and (earliest_ms := join.earliest_ms) is not None:
            self._watch.begin(earliest_ms)
        from_ms = max(0, from_ms, self._judged_ms or 0, self._watch.since_ms or 0)
        for window in join.ages.spans.windows(join.first_labelled(from_ms, due_ms)):
            self._judged_ms = window.end_ms
            if plan.judge.detectors is None or UNPAIRED in plan.judge.detectors:
                yield self._tell(window, plan, stamp)

    def begin_anew(self, since_ms: int | None) -> None:
        """The join forgot events from before this."""
        self._watch.begin(since_ms)

    def successor(self, baseline_id: str, since_ms: int | None) -> "Pairing":
        """One of a join that begins anew, on other ground."""
        self._watch.begin(since_ms)
        return Pairing(self._stream.model, PairingState(baseline_id, self._looked_ms, self._judged_ms, self._watch.to_state()))

    def resolve(self, reason: Reason, at_ms: int, stamp: Stamp) -> list[Alert]:
        """End all alerts for another reason than recovery."""
        return self._book.resolve(reason, at_ms, stamp)

    def resolve_unjudged(self, plan: StreamPlan, at_ms: int, stamp: Stamp) -> list[Alert]:
        """End its alert where a newer config switches its detector off."""
        return self._book.resolve_unjudged(plan.judge.judging, at_ms, stamp)

    def _tell(self, window: LabelWindow, plan: StreamPlan, stamp: Stamp) -> Told:
        labels, limit = plan.labels[()], plan.judge.threshold(None, UNPAIRED)
        judged = self._watch.judge(window, labels.judge.alpha, limit, labels.label_lateness_ms)
        ref, scores = WindowRef(window.start_ms, window.end_ms, window.labels), [judged.score]
        raised = [Raised(found, gather_whole(found)) for found in _findings(judged)]
        return Told(window_scores(self._stream, {}, ref, 1, scores), self._book.advance(ref, scores, raised, stamp))


def _findings(judged: Judged) -> Iterator[Finding]:
    score = judged.score
    if is_finding(score) and score.score is not None:
        severity = Severity.INFO if judged.is_new else severity_of(score)
        yield Finding(score, score.score, score.base, severity, (), shown=score.shown)
