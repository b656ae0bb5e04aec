"""The last that is known of a unit's outcomes, for who wants more of them than scores: intervals, coverage, the best constant answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from stream_monitor.detect.outcomes.judge import OutcomeJudge, OutcomeScore
from stream_monitor.pipeline.join.outcomes import OutcomeWindow


@dataclass(frozen=True, slots=True)
class Newest:
    """closed: the last window; labelled: the last one whose labels may be judged (`is_ready`), until there is one the last one with any
    label, None: without. judge: by which they were judged; beside: what that window says beside the current version's; covered: see
    `Outcomes.covered`, None: no window had time yet.
    """

    judge: OutcomeJudge
    closed: OutcomeWindow
    labelled: OutcomeWindow | None
    is_ready: bool
    beside: Sequence[OutcomeScore] = ()
    covered: float | None = None

    @classmethod
    def of(cls, judge: OutcomeJudge, window: OutcomeWindow, beside: Sequence[OutcomeScore] = ()) -> Self:
        """What one telling says."""
        labels = judge.layout.labelled(window.labelled.vector)
        return cls(judge, window, window if labels else None, judge.is_ready(window.labelled.vector), beside, window.covered)

    def then(self, later: "Newest") -> "Newest":
        """What both say, of which `later` was told later."""
        if later.judge.layout != self.judge.layout:
            return later
        closed = max(later.closed, self.closed, key=lambda window: window.end_ms)
        labelled = max(later, self, key=lambda each: (each.is_ready, -1 if each.labelled is None else each.labelled.end_ms))
        covered = self.covered if later.covered is None else later.covered
        return Newest(later.judge, closed, labelled.labelled, labelled.is_ready, labelled.beside, covered)
