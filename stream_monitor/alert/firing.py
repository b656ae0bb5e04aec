"""An alert that fires, and what a window is to it: a finding, close to one, or quiet."""

from math import isnan
from typing import Final

import msgspec

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.cause import Cause, Heard
from stream_monitor.alert.publication import Raised
from stream_monitor.detect.finding import FindingKind, Key, Score, Severity
from stream_monitor.detect.registry import is_sequential
from stream_monitor.detect.report import WindowRef, utc

CLEAR_FACTOR: Final = 0.8
"""A detector that found the alert must fall to this part of its threshold (both counted from the baseline's score) to be quiet."""
CLEAR_P: Final = 1e-3
"""Or its test must be this far from certain: one that fires at 4e-7 and ends at 5e-7 would ring all day in windows of few events."""
RESOLVE_AFTER: Final = 2
"""Judged windows that are quiet, in a row, that end an alert: one would let an alert at its threshold ring at every other window."""
SEQUENTIAL_RESOLVE_AFTER: Final = 3
"""Judged windows without a further change that end an alert on a change."""
UPDATE_FACTOR: Final = 0.5
"""A score that moved by this part of the last published one (of the threshold, if that is more) is published again."""


class Firing(msgspec.Struct, frozen=True):
    """An alert that has not been resolved.

    last: its last publication; score: its detector's last published score, unrounded; window: that the last publication is about;
    first_end_ms: end of the window that opened it; found: detectors that may page and found it at a first close; quiet: windows since.
    """

    last: Alert
    score: float
    window: WindowRef
    first_end_ms: int
    found: tuple[str, ...] = ()
    quiet: int = 0

    @property
    def cause(self) -> Cause:
        """What it is about."""
        return Cause.of(Key(self.last.kind, self.last.feature, self.last.detector))

    @property
    def is_info(self) -> bool:
        """Whether it tells of a change only, and pages nobody."""
        return self.last.severity is Severity.INFO

    @property
    def is_change(self) -> bool:
        """Whether it tells of a change, and ends when no further one came: of the loss, or for information only."""
        return self.is_info or (self.last.kind is FindingKind.CONCEPT_DRIFT and is_sequential(self.last.detector))

    def lead_in(self, heard: Heard) -> Score | None:
        """Its own detector's score in a window."""
        return heard.score_of(self.last.detector)

    def told_in(self, heard: Heard) -> Raised | None:
        """The finding that stands for a window: its own detector's, else (of those that page) the first; None where there is none."""
        own = heard.raised_by(self.last.detector)
        return own if own is not None or self.is_change or not heard.paging else heard.paging[0]

    def close_in(self, heard: Heard, clear: float = CLEAR_FACTOR) -> Score | None:
        """The score, of a detector that found it, that is too close to its threshold to be quiet; its own detector's first.

        clear: the part of its threshold that it must fall to.
        """
        close = [score for score in heard.levels if score.key.detector in self.found and not _is_clear(score, clear)]
        return min(close, key=lambda score: score.key.detector != self.last.detector, default=None)

    def is_news(self, severity: Severity, score: Score | None, change_ms: int | None) -> bool:
        """Whether a window changes what was published. change_ms: a change point that it tells, None: it tells none."""
        is_other_change = change_ms is not None and utc(change_ms) != self.last.change_point
        return severity is not self.last.severity or is_other_change or self._has_moved(score)

    def _has_moved(self, score: Score | None) -> bool:
        if score is None or score.score is None:
            return False
        return abs(score.score - self.score) >= UPDATE_FACTOR * (score.allowance if score.falls else max(self.score, score.threshold))


def _is_clear(score: Score, clear: float) -> bool:
    """Without anything to be held against any more, allowance NaN, it is: others of its cause say whether it is over."""
    if score.score is None or isnan(score.allowance) or (score.p_value is not None and score.p_value >= CLEAR_P):
        return True
    return score.excess <= clear * score.allowance
