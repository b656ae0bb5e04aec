"""Which labels find their event, from a naive join's rows. It shares with the pipeline how a window is judged and the alert's life.

The rules, as they are documented: labels are looked at by spans of their own time, an hour or an eighth of `label_lateness`, once the
watermark is as far beyond; spans with too few labels wait for the next, for a day or a quarter of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

from stream_monitor.alert.alert import Evidence
from stream_monitor.alert.life import AlertBook
from stream_monitor.alert.publication import Raised, Reason
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.decide import severity_of
from stream_monitor.detect.finding import Finding, Severity, is_finding
from stream_monitor.detect.report import WindowRef, window_scores
from stream_monitor.detect.unpaired import LabelWindow, UnpairedWatch
from stream_monitor.pipeline.plan import StreamPlan
from tests.simulation.naive_join import NaiveJoin, Row, spans_of, zeros
from tests.simulation.said import NOW, Said


@dataclass
class NaivePairing:
    """One model's."""

    stream: StreamKey
    plan: StreamPlan
    book: AlertBook
    watch: UnpairedWatch = field(default_factory=UnpairedWatch)
    looked_ms: int | None = None
    judged_ms: int = 0

    @classmethod
    def new(cls, model: str, plan: StreamPlan) -> "NaivePairing":
        stream = StreamKey(model, None)
        return cls(stream, plan, AlertBook(stream, {}, plan.baseline.id))

    def go_on(self, reached_ms: int, join: NaiveJoin, said: Said) -> None:
        """The time has come so far; the join has forgotten nothing since."""
        span, wait, reach = spans_of(join.plan)
        due = (reached_ms - wait) - (reached_ms - wait) % span
        if self.looked_ms is not None and due <= self.looked_ms:
            return
        first_ms, self.looked_ms = 0 if self.looked_ms is None else self.looked_ms - reach, due
        bits = max([join.rate, *join.rates.values()])
        rows = [row for event_id, row in join.rows.items() if zeros(event_id) >= bits]
        seen = [row.event.time_ms for row in join.rows.values() if row.event is not None]
        if self.watch.since_ms is None and seen:
            self.watch.begin(min(seen))
        first_ms = max(first_ms, self.judged_ms, self.watch.since_ms or 0)
        rows = [row for row in rows if row.first_label_ms is not None and first_ms <= row.first_label_ms < due]
        for window in self._windows(rows, span, reach):
            self._tell(window, said)

    def _windows(self, rows: list[Row], span: int, reach: int) -> Iterator[LabelWindow]:
        """Every end of a span in order: is there enough behind it that was not told yet?"""
        times = {row.first_label_ms or 0 for row in rows}
        for end in range(min(times, default=0) // span * span + span, max(times, default=-1) + span + 1, span):
            mine = [row for row in rows if max(self.judged_ms, end - reach) <= (row.first_label_ms or 0) < end]
            if len(mine) < max(self.plan.spec.events_min, 1) or not any((row.first_label_ms or 0) >= end - span for row in mine):
                continue
            start = min(row.first_label_ms or 0 for row in mine)
            delays = sorted(max((row.first_label_ms or 0) - row.event.time_ms, 0) for row in mine if row.event is not None)
            delay = delays[ceil(0.99 * (len(delays) - 1))] if delays else None
            self.judged_ms = end
            yield LabelWindow(start - start % span, end, len(mine), len(mine) - len(delays), delay)

    def _tell(self, window: LabelWindow, said: Said) -> None:
        labels = self.plan.labels[()]
        limit = self.plan.judge.threshold(None, "unpaired_labels")
        judged = self.watch.judge(window, labels.judge.alpha, limit, labels.label_lateness_ms)
        score, ref, raised = judged.score, WindowRef(window.start_ms, window.end_ms, window.labels), list[Raised]()
        if is_finding(score):
            severity = Severity.INFO if judged.is_new else severity_of(score)
            raised.append(Raised(Finding(score, score.score or 0.0, score.base, severity, ()), Evidence((), ())))
        alerts = self.book.advance(ref, [score], raised, NOW._replace(rules=self.plan.rules))
        said.tell(window_scores(self.stream, {}, ref, 1, [score]), alerts)

    def end(self, reason: Reason, at_ms: int, said: Said) -> None:
        said.tell([], self.book.resolve(reason, at_ms, NOW._replace(rules=self.plan.rules)))

    def adopt(self, plan: StreamPlan, since_ms: int | None, *, forgot: bool, anew: bool) -> None:
        """forgot: events of some stream are no longer held; anew: nothing is."""
        self.plan = plan
        if forgot or anew:
            self.watch.begin(since_ms)
        if anew:
            self.book = AlertBook(self.stream, {}, plan.baseline.id)
