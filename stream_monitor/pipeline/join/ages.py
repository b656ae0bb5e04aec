"""For how long a join holds its rows, as the watermark passes."""

import numpy as np
from numpy.typing import NDArray

from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.join.rows import UNSEEN, Rows
from stream_monitor.pipeline.join.unpaired import Spans


class Ages:
    """looked_ms, swept_ms: the horizon when rows were last looked at, and taken out; lapsed_ms: see `JoinState`. None of them goes back."""

    def __init__(self, plan: JoinPlan, looked_ms: int | None, swept_ms: int | None, lapsed_ms: int | None) -> None:
        self.plan = plan
        self.looked_ms, self.swept_ms, self.lapsed_ms = looked_ms, swept_ms, lapsed_ms
        self.watermark_ms: int | None = None

    def goes_on_to(self, watermark_ms: int) -> bool:
        """Let time pass; whether the horizon moved."""
        self.watermark_ms, before = watermark_ms, self.looked_ms
        self.look()
        return self.looked_ms != before

    def look(self) -> None:
        """What is over now does not come back."""
        self.looked_ms = self.horizon_ms

    def sweep(self) -> None:
        """All that is over now is taken out."""
        self.swept_ms, self.lapsed_ms = self.horizon_ms, self.lapse_ms

    @property
    def horizon_ms(self) -> int | None:
        """Panes that begin before are in no window that may still be told of; None: there are none."""
        if self.watermark_ms is None:
            return self.looked_ms
        spec, looked_ms = self.plan.spec, self.looked_ms
        horizon_ms = (self.watermark_ms - spec.size_ms - self.plan.label_lateness_ms) // spec.every_ms * spec.every_ms + spec.every_ms
        return horizon_ms if looked_ms is None else max(horizon_ms, looked_ms)

    @property
    def lapse_ms(self) -> int | None:
        """Labels given before have their event by now, or it is late; None: no time has passed."""
        if self.watermark_ms is None:
            return self.lapsed_ms
        lapse_ms = self.watermark_ms - self.plan.spec.lateness_ms
        return lapse_ms if self.lapsed_ms is None else max(lapse_ms, self.lapsed_ms)

    @property
    def spans(self) -> Spans:
        """When labels are asked whether their event came."""
        return Spans.of(self.plan.spec, self.plan.label_lateness_ms)

    def is_past(self, panes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: whether no window can ask for what began then. panes: int64[n]."""
        horizon_ms = self.horizon_ms
        return np.zeros(len(panes), dtype=np.bool_) if horizon_ms is None else panes < horizon_ms

    def kept_by(self, rows: Rows) -> NDArray[np.int64]:
        """int64[n]: the pane by which each row is forgotten: of its capture; of a label that waits for one, of its own time."""
        return self.plan.pane_of(np.where(rows["time_ms"] == UNSEEN, np.maximum(rows["label_ms"], 0), rows["time_ms"]))

    def swept_by(self, rows: Rows) -> NDArray[np.int64]:
        """The same of rows that may be swept out: not before it was asked whether the label's event came."""
        spec, spans = self.plan.spec, self.spans
        asked_ms = spans.wait_ms + spans.span_ms + spans.reach_ms - (spec.size_ms - spec.every_ms + self.plan.label_lateness_ms)
        swept: NDArray[np.int64] = np.maximum(self.kept_by(rows), rows["first_label_ms"] + asked_ms)
        return swept


def may_be_early(label_ms: NDArray[np.int64], lapse_ms: int | None) -> NDArray[np.bool_]:
    """bool[n]: whether the event of a label that was given then may still come in time. lapse_ms: see `Ages`."""
    return np.ones(len(label_ms), dtype=np.bool_) if lapse_ms is None else label_ms >= lapse_ms
