"""The life of a stream's alerts: firing, updated, resolved.

```
            a finding                2 judged windows without one, in a row
   (none) ------------> firing ------------------------------------------> resolved, reason `recovered`
                        |    ^
                        +----+  a finding of another severity, or whose score moved by half: updated
```
It advances once per window, at its first close, in window order; a window with too few events to judge changes nothing.
A revision corrects what the last publication said about that window; it never opens, resolves or renames.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.publication import Publisher, Raised, Reason, Stamp, says_the_same
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Finding, Key, Score, ScoreStatus
from stream_monitor.detect.report import WindowRef

RESOLVE_AFTER: Final = 2
"""Judged windows without a finding, in a row, that end an alert: one would let an alert at its threshold ring at every other window."""
UPDATE_FACTOR: Final = 0.5
"""A score that moved by this part of the last published one is published again."""


class Firing(msgspec.Struct, frozen=True):
    """An alert that has not been resolved: its last publication, the unrounded score and window of that, and the quiet windows since."""

    last: Alert
    score: float
    window: WindowRef
    quiet: int = 0

    @property
    def key(self) -> Key:
        """What it is about."""
        assert self.last.feature is not None
        return Key(self.last.kind, self.last.feature, self.last.detector)


class BookState(msgspec.Struct, frozen=True):
    """What a snapshot keeps: the end of the last window (None: none yet) and the alerts that fire, in the order in which they opened."""

    last_end_ms: int | None = None
    firing: tuple[Firing, ...] = ()


class AlertBook:
    """The alerts of one stream: a model, a version, a segment ({}: the whole) and a baseline.

    At most one fires per kind, feature and detector, so the state is bounded by columns x detectors.
    """

    def __init__(self, stream: StreamKey, segment: Mapping[str, str], baseline_id: str, state: BookState | None = None) -> None:
        self._publisher = Publisher(stream, dict(segment), baseline_id)
        self._last_end_ms = None if state is None else state.last_end_ms
        self._firing = {} if state is None else {firing.key: firing for firing in state.firing}

    def to_state(self) -> BookState:
        """The whole state: `AlertBook(stream, segment, baseline_id, state)` goes on from it."""
        return BookState(self._last_end_ms, tuple(self._firing.values()))

    def firing(self) -> tuple[Alert, ...]:
        """The last publication of every alert that fires, in the order in which they opened."""
        return tuple(firing.last for firing in self._firing.values())

    def goes_on_to(self, end_ms: int) -> bool:
        """Whether `advance` may take a window with this end: it is behind all that it took."""
        return self._last_end_ms is None or end_ms > self._last_end_ms

    def advance(self, window: WindowRef, scores: Sequence[Score], raised: Sequence[Raised], stamp: Stamp) -> list[Alert]:
        """The publications due at the first close of a window, in the order of its scores.

        scores: all of the window's; raised: the findings among them. Windows must come by rising end.
        """
        last = self._last_end_ms
        assert last is None or window.end_ms > last, f"window to {window.end_ms} after window to {last}: an alert's life goes forward only"
        self._last_end_ms = window.end_ms
        found = _by_key(scores, raised)
        published = (self._advance(window, score, found.get(score.key), stamp) for score in scores if score.status is ScoreStatus.JUDGED)
        return [alert for alert in published if alert is not None]

    def correct(self, window: WindowRef, scores: Sequence[Score], raised: Sequence[Raised], stamp: Stamp) -> list[Alert]:
        """The publications due at a revision of a window: of alerts that still fire and whose last publication is about this window.

        Nothing is published for one that would say the same again, but for its sample events.
        """
        found = _by_key(scores, raised)
        published = (self._correct(window, score, found.get(score.key), stamp) for score in scores if score.status is ScoreStatus.JUDGED)
        return [alert for alert in published if alert is not None]

    def resolve(self, reason: Reason, at_ms: int, stamp: Stamp, feature: str | None = None) -> list[Alert]:
        """End all alerts (of one feature, where it is named) for another reason than recovery. at_ms: event time."""
        keys = [key for key in self._firing if feature is None or key.feature == feature]
        return [self._publisher.closed(self._firing.pop(key).last, key, reason, at_ms, stamp) for key in keys]

    def _advance(self, window: WindowRef, score: Score, raised: Raised | None, stamp: Stamp) -> Alert | None:
        known = self._firing.get(score.key)
        if raised is not None:
            return self._found(known, window, raised, stamp)
        return None if known is None else self._quiet(known, window, score, stamp)

    def _found(self, known: Firing | None, window: WindowRef, raised: Raised, stamp: Stamp) -> Alert | None:
        finding = raised.finding
        if known is not None and not _is_news(known, finding):
            self._firing[finding.key] = msgspec.structs.replace(known, quiet=0)
            return None
        if known is None:
            alert = self._publisher.opened(window, raised, stamp)
        else:
            alert = self._publisher.updated(known.last, window, raised, stamp)
        self._firing[finding.key] = Firing(alert, finding.value, window)
        return alert

    def _quiet(self, known: Firing, window: WindowRef, score: Score, stamp: Stamp) -> Alert | None:
        if known.quiet + 1 < RESOLVE_AFTER:
            self._firing[score.key] = msgspec.structs.replace(known, quiet=known.quiet + 1)
            return None
        del self._firing[score.key]
        return self._publisher.recovered(known.last, window, score, stamp)

    def _correct(self, window: WindowRef, score: Score, raised: Raised | None, stamp: Stamp) -> Alert | None:
        known = self._firing.get(score.key)
        if known is None or known.window.end_ms != window.end_ms or score.score is None:
            return None
        if raised is None:
            alert = self._publisher.lowered(known.last, window, score, stamp)
        else:
            alert = self._publisher.updated(known.last, window, raised, stamp)
        if says_the_same(alert, known.last):
            return None
        self._firing[score.key] = Firing(alert, score.score, window, known.quiet)
        return alert


def _by_key(scores: Sequence[Score], raised: Sequence[Raised]) -> dict[Key, Raised]:
    found = {item.finding.key: item for item in raised}
    judged = {score.key for score in scores if score.status is ScoreStatus.JUDGED}
    assert len(found) == len(raised), "two findings on one kind, feature and detector"
    assert found.keys() <= judged, f"findings that were not judged: {found.keys() - judged}"
    return found


def _is_news(known: Firing, finding: Finding) -> bool:
    return finding.severity is not known.last.severity or abs(finding.value - known.score) >= UPDATE_FACTOR * known.score
