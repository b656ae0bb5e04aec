"""When a join's labels are asked whether their event came, and what they say.

A label is given after its event, and the watermark says up to when captures came. Once it has passed a label's time by as much as captures
come late, an event that is not there does not come; so a fixed time is waited, however long labels take. Labels of one time are
looked at together, in spans; a span of few waits for the next, or for labels that come later than their time says (a nightly batch).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream_monitor.detect.unpaired import DELAY_QUANTILE, LabelWindow
from stream_monitor.pipeline.join.rows import UNSEEN, Rows
from stream_monitor.window.spec import WindowSpec

HOUR_MS: Final = 3_600_000
PART: Final = 8
"""Where labels are waited for less than eight hours, a span and the wait are this part of it: what is told then is told in time."""

NEXT: Final = 3
"""Two spans of few labels are waited for at least."""


@dataclass(frozen=True, slots=True)
class Spans:
    """span_ms: of label time, a multiple of the window's size; wait_ms: what captures may come late; reach_ms: how far back spans are
    looked at that held fewer than labels_min, a multiple of span_ms.
    """

    span_ms: int
    wait_ms: int
    reach_ms: int
    labels_min: int

    @classmethod
    def of(cls, spec: WindowSpec, label_lateness_ms: int) -> "Spans":
        """Those of a model."""
        part_ms = label_lateness_ms // PART
        span_ms = max(spec.size_ms, min(HOUR_MS, part_ms) // spec.size_ms * spec.size_ms)
        wait_ms = min(max(HOUR_MS, spec.lateness_ms), part_ms)
        reach_ms = min(spec.window_max_ms, 2 * part_ms) // span_ms * span_ms
        return cls(span_ms, wait_ms, max(reach_ms, NEXT * span_ms), spec.events_min)

    def due_ms(self, watermark_ms: int) -> int:
        """The end of the last span whose events must have come."""
        return (watermark_ms - self.wait_ms) // self.span_ms * self.span_ms

    def needed_ms(self, watermark_ms: int) -> int:
        """Labels first given from then on may still be asked for."""
        return self.due_ms(watermark_ms) - self.reach_ms

    def windows(self, rows: Rows) -> Iterator[LabelWindow]:
        """Those with enough labels, of rows that have one, in order; each row is in one at most."""
        spans, place = np.unique(rows["first_label_ms"] // self.span_ms, return_inverse=True)
        counts, first = np.bincount(place, minlength=len(spans)), 0
        for last, span in enumerate(spans.tolist()):
            while (span - int(spans[first])) * self.span_ms >= self.reach_ms:
                first += 1
            if counts[first : last + 1].sum() >= self.labels_min:
                mine = rows[(place >= first) & (place <= last)]
                yield _window(mine, int(spans[first]) * self.span_ms, (span + 1) * self.span_ms)
                first = last + 1


def _window(rows: Rows, start_ms: int, end_ms: int) -> LabelWindow:
    paired = rows[rows["time_ms"] != UNSEEN]
    delays = np.maximum(paired["first_label_ms"] - paired["time_ms"], 0)
    delay_ms = int(np.quantile(delays, DELAY_QUANTILE, method="higher")) if len(delays) else None
    return LabelWindow(start_ms, end_ms, len(rows), len(rows) - len(paired), delay_ms)
