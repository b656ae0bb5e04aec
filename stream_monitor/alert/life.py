"""The life of a stream's alerts: firing, updated, resolved.

```
            a finding                2 judged windows in a row, clearly quiet
   (none) ------------> firing ------------------------------------------> resolved, reason `recovered`
                        |    ^
                        +----+  another severity, a score that moved by half, a change point: updated
```
Findings of one kind, feature and cause are one alert; the first that may page leads it for its whole life. A sequential detector's finding
that no other agrees with is an alert of severity `info`: it ends after 3 judged windows without a further change, or is `superseded`
as soon as one that pages fires. An alert that pages never hangs on a sequential finding: that may well be the way back to normal.

A life advances once per window, at its first close, in window order; a window in which none of the cause's scores was judged changes
nothing. A revision corrects what the last publication said about that window; it never opens, resolves or renames.

Rules of the config may ask for M of N windows before an alert that pages opens, and for other ends (`counted`, `rules`); what they say of
whom to tell is added to what a life publishes (`telling`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import msgspec

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.cause import Cause, Heard, listen
from stream_monitor.alert.changes import Change, Changes
from stream_monitor.alert.counted import Counted, Counts
from stream_monitor.alert.firing import CLEAR_FACTOR, RESOLVE_AFTER, SEQUENTIAL_RESOLVE_AFTER, Firing
from stream_monitor.alert.publication import Publisher, Raised, Reason, Stamp, says_the_same
from stream_monitor.alert.rules import Facts
from stream_monitor.alert.telling import Telling, TellingState
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Judging, Score, Severity
from stream_monitor.detect.registry import cause_of, is_sequential
from stream_monitor.detect.report import WindowRef


class BookState(msgspec.Struct, frozen=True):
    """What a snapshot keeps: the end of the last window (None: none yet), the alerts that fire, as they opened, and what changed.

    counted, telling: what rules count, and what of it was told; empty without rules.
    """

    last_end_ms: int | None = None
    firing: tuple[Firing, ...] = ()
    changes: tuple[Change, ...] = ()
    counted: tuple[Counts, ...] = ()
    telling: TellingState = TellingState()


class Waiting(NamedTuple):
    """Of windows with a finding that are not yet M of N: the rules that match, whom they tell, and how severe it is."""

    rules: tuple[str, ...]
    recipients: tuple[str, ...]
    severity: Severity


class AlertBook:
    """The alerts of one stream: a model, a version, a segment ({}: the whole) and a baseline.

    At most one fires per kind, feature and cause, so the state is bounded by columns x causes.
    """

    def __init__(self, stream: StreamKey, segment: Mapping[str, str], baseline_id: str, state: BookState | None = None) -> None:
        state = BookState() if state is None else state
        self._stream, self._segment = stream, tuple(sorted(segment.items()))
        self._publisher = Publisher(stream, dict(segment), baseline_id)
        self._last_end_ms = state.last_end_ms
        self._firing = {firing.cause: firing for firing in state.firing}
        self._changes = Changes(state.changes)
        self._counted = Counted(state.counted)
        self.waited = Counter[Waiting]()
        """Windows with a finding that were not yet M of N, since this book was made; for a replay to tell."""
        self._telling = Telling(state.telling)

    def to_state(self) -> BookState:
        """The whole state: `AlertBook(stream, segment, baseline_id, state)` goes on from it."""
        firing, changes = tuple(self._firing.values()), self._changes.to_state()
        return BookState(self._last_end_ms, firing, changes, self._counted.to_state(), self._telling.to_state())

    def firing(self) -> tuple[Alert, ...]:
        """The last publication of every alert that fires, in the order in which they opened."""
        return tuple(self._telling.last(firing.last) for firing in self._firing.values())

    def goes_on_to(self, end_ms: int) -> bool:
        """Whether `advance` may take a window with this end: it is behind all that it took."""
        return self._last_end_ms is None or end_ms > self._last_end_ms

    def advance(self, window: WindowRef, scores: Sequence[Score], raised: Sequence[Raised], stamp: Stamp) -> list[Alert]:
        """The publications due at the first close of a window, in the order of its scores; what is superseded before what takes its place.

        scores: all of the window's; raised: the findings among them. Windows must come by rising end.
        """
        last = self._last_end_ms
        assert last is None or window.end_ms > last, f"window to {window.end_ms} after window to {last}: an alert's life goes forward only"
        self._last_end_ms = window.end_ms
        known = self._firing.keys() | self._changes.causes | self._counted.causes
        said = [alert for heard in listen(scores, raised, known) for alert in self._advance(window, heard, stamp)]
        return self._telling.tell(window.end_ms, said, stamp)

    def correct(self, window: WindowRef, scores: Sequence[Score], raised: Sequence[Raised], stamp: Stamp) -> list[Alert]:
        """The publications due at a revision of a window: of alerts that still fire and whose last publication is about this window.

        Nothing is published for one that would say the same again, but for its sample events.
        """
        published = (self._correct(window, heard, stamp) for heard in listen(scores, raised, self._firing.keys()))
        return self._telling.tell(window.end_ms, [alert for alert in published if alert is not None], stamp)

    def resolve(self, reason: Reason, at_ms: int, stamp: Stamp, feature: str | None = None, causes: Set[str] | None = None) -> list[Alert]:
        """End all alerts (of one feature, or of these causes, where they are named) for another reason than recovery. at_ms: event time."""
        ending = [cause for cause in self._firing if feature is None or cause.feature == feature]
        ending = [cause for cause in ending if causes is None or cause.name in causes]
        return self._close(ending, reason, at_ms, stamp)

    def resolve_unjudged(self, detectors: Set[Judging], at_ms: int, stamp: Stamp) -> list[Alert]:
        """End all alerts that a newer config leaves without a detector that could: a change needs any, a level one that is not sequential.

        detectors: all that judge from now on. at_ms: event time.
        """
        judged = {(feature, cause_of(name), is_sequential(name)) for feature, name in detectors}
        ending = [
            cause
            for cause, known in self._firing.items()
            if (cause.feature, cause.name, False) not in judged and not (known.is_change and (cause.feature, cause.name, True) in judged)
        ]
        return self._close(ending, Reason.DETECTOR_REMOVED, at_ms, stamp)

    def _close(self, ending: Sequence[Cause], reason: Reason, at_ms: int, stamp: Stamp) -> list[Alert]:
        closed = [self._publisher.closed(self._end(cause).last, reason, at_ms, stamp) for cause in ending]
        return self._telling.tell(at_ms, closed, stamp)

    def _advance(self, window: WindowRef, heard: Heard, stamp: Stamp) -> list[Alert]:
        self._changes.add(heard.cause, heard.changed_ms)
        known = self._firing.get(heard.cause)
        if known is not None and not known.is_info:
            return self._change_again(known, window, heard, stamp) if known.is_change else self._go_on(known, window, heard, stamp)
        leads, started_ms = self._leads(window, heard, stamp)
        if known is None:
            return self._open(window, heard, leads, started_ms, stamp)
        if leads and leads[0].finding.severity is not Severity.INFO:
            superseded = self._publisher.closed(self._firing.pop(heard.cause).last, Reason.SUPERSEDED, window.end_ms, stamp)
            return [superseded, *self._open(window, heard, leads, started_ms, stamp)]
        return self._change_again(known, window, heard, stamp)

    def _leads(self, window: WindowRef, heard: Heard, stamp: Stamp) -> tuple[Sequence[Raised], int]:
        """The findings one of which may open an alert now, and since when it would count.

        Those that page, once there are M of N windows with one; until then, and without any, those that tell of a change only.
        """
        paging = heard.paging
        self._counted.add(heard.cause, window.start_ms if paging else None, stamp.rules.longest)
        if not paging:
            return heard.raised, window.start_ms
        policy = stamp.rules.policy(self._facts(paging[0]))
        starts = self._counted.of_last(heard.cause, policy.of)
        if is_sequential(paging[0].finding.key.detector):  # a change is found once
            return paging, window.start_ms
        if len(starts) < policy.firing:
            self.waited[Waiting(policy.rules, policy.recipients, policy.severity_of(paging[0].finding.severity))] += 1
            return [item for item in heard.raised if item.finding.severity is Severity.INFO], window.start_ms
        return paging, starts[0]

    def _facts(self, raised: Raised) -> Facts:
        key, severity = raised.finding.key, raised.finding.severity
        return Facts(self._stream.model, self._stream.version, self._segment, *key, severity)

    def _open(self, window: WindowRef, heard: Heard, leads: Sequence[Raised], started_ms: int, stamp: Stamp) -> list[Alert]:
        if not leads:
            return []
        lead = leads[0]
        change_ms = lead.finding.change_ms
        if change_ms is None:
            change_ms = self._changes.before(heard.cause, window.end_ms)
        alert = self._publisher.opened(window, heard.told(lead), stamp, change_ms, started_ms)
        self._firing[heard.cause] = Firing(alert, lead.finding.value, window, window.end_ms, _detectors(heard))
        if lead.finding.severity is not Severity.INFO:
            self._counted.forget(heard.cause)
        return [alert]

    def _go_on(self, known: Firing, window: WindowRef, heard: Heard, stamp: Stamp) -> list[Alert]:
        """An alert that may page: only findings that may, and scores of levels, count."""
        told, policy = known.told_in(heard), self._telling.policy(known.last, stamp)
        close = known.close_in(heard, policy.under or CLEAR_FACTOR)
        if told is not None:
            return self._found(known, window, heard, told, stamp)
        if close is not None:
            return self._eased(known, window, heard, close, stamp)
        return self._quiet(known, window, heard, heard.levels, policy.quiet or RESOLVE_AFTER, stamp)

    def _change_again(self, known: Firing, window: WindowRef, heard: Heard, stamp: Stamp) -> list[Alert]:
        """An alert on a change: another change of its own detector is told, one by another keeps it."""
        told = known.told_in(heard)
        if told is not None:
            return self._found(known, window, heard, told, stamp)
        resolve_after = self._telling.policy(known.last, stamp).quiet or SEQUENTIAL_RESOLVE_AFTER
        quiet = 0 if heard.raised else known.quiet + 1
        if quiet < resolve_after and self._telling.is_due(window.end_ms, known.last, stamp):
            alert = self._publisher.still(known.last, window, stamp)
            self._publish(known, alert, window, None, found=known.found, quiet=quiet)
            return [alert]
        if heard.raised:
            self._firing[heard.cause] = msgspec.structs.replace(known, quiet=0)
            return []
        return self._quiet(known, window, heard, heard.scores, resolve_after, stamp)

    def _found(self, known: Firing, window: WindowRef, heard: Heard, told: Raised, stamp: Stamp) -> list[Alert]:
        score, change_ms = known.lead_in(heard), told.finding.change_ms
        if known.last.change_point is None:  # what changed after it opened is not what opened it
            change_ms = self._changes.before(heard.cause, known.first_end_ms)
        found = tuple(sorted({*known.found, *_detectors(heard)}))
        if not known.is_news(told.finding.severity, score, change_ms) and not self._telling.is_due(window.end_ms, known.last, stamp):
            self._firing[heard.cause] = msgspec.structs.replace(known, found=found, quiet=0)
            return []
        alert = self._publisher.updated(known.last, window, heard.told(told), score, stamp, change_ms)
        self._publish(known, alert, window, score, found=found, quiet=0)
        return [alert]

    def _eased(self, known: Firing, window: WindowRef, heard: Heard, close: Score, stamp: Stamp) -> list[Alert]:
        score = known.lead_in(heard)
        if not known.is_news(Severity.WARNING, score, None) and not self._telling.is_due(window.end_ms, known.last, stamp):
            self._firing[heard.cause] = msgspec.structs.replace(known, quiet=0)
            return []
        alert = self._publisher.eased(known.last, window, score, close, stamp)
        self._publish(known, alert, window, score, found=known.found, quiet=0)
        return [alert]

    def _quiet(
        self, known: Firing, window: WindowRef, heard: Heard, judged: Sequence[Score], resolve_after: int, stamp: Stamp
    ) -> list[Alert]:
        """judged: the scores that may call the window quiet; none: it says nothing of this alert."""
        if not judged:
            return []
        if known.quiet + 1 < resolve_after:
            self._firing[heard.cause] = msgspec.structs.replace(known, quiet=known.quiet + 1)
            return []
        return [self._publisher.recovered(self._end(heard.cause).last, window, known.lead_in(heard), judged[0], stamp)]

    def _correct(self, window: WindowRef, heard: Heard, stamp: Stamp) -> Alert | None:
        known = self._firing.get(heard.cause)
        if known is None or known.window.end_ms != window.end_ms:
            return None
        alert = self._corrected(known, window, heard, stamp)
        if alert is None or says_the_same(alert, known.last):
            return None
        self._publish(known, alert, window, known.lead_in(heard), found=known.found, quiet=known.quiet)
        return alert

    def _corrected(self, known: Firing, window: WindowRef, heard: Heard, stamp: Stamp) -> Alert | None:
        clear = self._telling.policy(known.last, stamp).under or CLEAR_FACTOR
        told, close, score = known.told_in(heard), known.close_in(heard, clear), known.lead_in(heard)
        if told is not None:
            return self._publisher.updated(known.last, window, heard.told(told), score, stamp, None)
        if known.is_info or not heard.levels:
            return None
        if close is not None:
            return self._publisher.eased(known.last, window, score, close, stamp)
        return None if score is None else self._publisher.lowered(known.last, window, score, stamp)

    def _publish(self, known: Firing, alert: Alert, window: WindowRef, score: Score | None, *, found: tuple[str, ...], quiet: int) -> None:
        value = known.score if score is None or score.score is None else score.score
        self._firing[known.cause] = Firing(alert, value, window, known.first_end_ms, found, quiet)

    def _end(self, cause: Cause) -> Firing:
        """What changed until now belongs to the alert that ends."""
        self._changes.forget(cause)
        return self._firing.pop(cause)


def _detectors(heard: Heard) -> tuple[str, ...]:
    return tuple(item.finding.key.detector for item in heard.paging)
