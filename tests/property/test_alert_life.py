"""An alert's life against a naive model, through saves and restores, for any sequence of windows and revisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stream_monitor.alert.alert import Alert, AlertStatus, Evidence, Moved, SampleEvent
from stream_monitor.alert.life import AlertBook, BookState
from stream_monitor.alert.publication import Raised, Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity
from stream_monitor.detect.report import WindowRef, utc

MINUTE = 60_000
STREAM = StreamKey("fraud", "2")
KEYS = (
    Key(FindingKind.DATA_DRIFT, "amount", "psi"),
    Key(FindingKind.DATA_DRIFT, "amount", "js"),
    Key(FindingKind.DATA_DRIFT, "amount", "adwin"),
    Key(FindingKind.DATA_DRIFT, "amount", "page_hinkley"),
    Key(FindingKind.DATA_QUALITY, "amount", "missing_ratio"),
    Key(FindingKind.PREDICTION_DRIFT, "prediction", "psi"),
)
CAUSES = {"amount": KEYS[:4], "missing": KEYS[4:5], "prediction": KEYS[5:]}
"""At most one alert fires on each."""
SEQUENTIAL = ("adwin", "page_hinkley")
THRESHOLD = 0.2

levels = st.sampled_from([0.05, 0.17, 0.21, 0.3, 0.31, 0.35, 0.45, 0.62, 0.7])
"""Clearly quiet; too close to be; warnings; critical from 0.4 on; 0.21 to 0.31 and 0.3 to 0.45 are near the half that makes news."""
shifts = st.sampled_from([0.0, 0.0, 0.0, 0.3, 0.5])
windows = st.fixed_dictionaries({key: st.none() | (shifts if key.detector in SEQUENTIAL else levels) for key in KEYS})
"""None: too few events."""
Outcome = Mapping[Key, float | None]


def score(key: Key, value: float | None) -> Score:
    if value is None:
        return Score(key, 0, 0.9, THRESHOLD, 1e-9, ScoreStatus.TOO_FEW)
    return Score(key, 0, value, THRESHOLD, 1e-9, ScoreStatus.JUDGED, real=True)


def severity(key: Key, value: float) -> Severity:
    if key.detector in SEQUENTIAL:
        return Severity.INFO
    return Severity.CRITICAL if value >= 2 * THRESHOLD else Severity.WARNING


def changed_ms(key: Key, value: float, end: int) -> int | None:
    """A sequential detector says that it changed half a minute before the window, or within it."""
    return end - (MINUTE + MINUTE // 2 if value > 0.4 else MINUTE // 2) if key.detector in SEQUENTIAL else None


def raised(key: Key, value: float | None, end: int = 0) -> list[Raised]:
    if value is None or value <= THRESHOLD:
        return []
    finding = Finding(score(key, value), value, 0.0, severity(key, value), (3,), changed_ms(key, value, end))
    return [Raised(finding, Evidence((Moved("[0, 1)", 0.1, value),), ()))]


def stamp(clock_ms: int = 0) -> Stamp:
    return Stamp(clock_ms, "c1", {})


@dataclass
class Known:
    """The naive model's alert: everything that a reader of the topic would hold. found: who may page and found it."""

    lead: Key
    started: int
    first_end: int
    severity: Severity
    published: float
    change: int | None
    about: int
    found: set[str]
    alert_id: str = ""
    revision: int = 1
    quiet: int = 0


Said = tuple[str, str, str | None, Severity, int | None]
"""Status, leading detector, reason, severity and change point of a publication."""


@dataclass
class Naive:
    """The rule in plain words, for one cause."""

    keys: tuple[Key, ...]
    known: Known | None = None
    points: list[int | None] = field(default_factory=list)

    def see(self, outcome: Outcome, end: int) -> list[Said]:
        judged = {key: value for key in self.keys if (value := outcome[key]) is not None}
        if not judged:
            return []
        found = {key: value for key, value in judged.items() if value > THRESHOLD}
        changes = [ms for key, value in found.items() if (ms := changed_ms(key, value, end)) is not None]
        self.points = [*self.points, max(changes, default=None)][-4:]
        paging = [key for key in found if key.detector not in SEQUENTIAL]
        if self.known is None:
            return self._open(found, paging, end)
        if self.known.severity is Severity.INFO:
            return self._info(judged, found, paging, end)
        return self._goes_on(self.known, judged, found, paging, end)

    def _before(self, end: int) -> int | None:
        return max((point for point in self.points if point is not None and point < end), default=None)

    def _open(self, found: Mapping[Key, float], paging: list[Key], end: int) -> list[Said]:
        if not found:
            return []
        lead = (paging or list(found))[0]
        change = changed_ms(lead, found[lead], end)
        change = self._before(end) if change is None else change
        detectors = {key.detector for key in paging}
        self.known = Known(lead, end - MINUTE, end, severity(lead, found[lead]), found[lead], change, end, detectors)
        return [("firing", lead.detector, None, self.known.severity, change)]

    def _info(self, judged: Mapping[Key, float], found: Mapping[Key, float], paging: list[Key], end: int) -> list[Said]:
        known = self.known
        assert known is not None
        if paging:
            self.known = None
            return [("resolved", known.lead.detector, "superseded", Severity.INFO, known.change), *self._open(found, paging, end)]
        if known.lead in found:
            return self._found(known, judged, found, paging, known.lead, end)
        known.quiet = 0 if found else known.quiet + 1
        return self._end(known) if known.quiet == 3 else []

    def _goes_on(self, known: Known, judged: Mapping[Key, float], found: Mapping[Key, float], paging: list[Key], end: int) -> list[Said]:
        if paging:
            return self._found(known, judged, found, paging, known.lead if known.lead in paging else paging[0], end)
        level = {key: value for key, value in judged.items() if key.detector not in SEQUENTIAL}
        if any(key.detector in known.found and value > 0.8 * THRESHOLD for key, value in level.items()):
            known.quiet = 0
            return self._publish(known, judged, Severity.WARNING, known.change, end)
        known.quiet += bool(level)
        return self._end(known) if known.quiet == 2 else []

    def _found(
        self, known: Known, judged: Mapping[Key, float], found: Mapping[Key, float], paging: list[Key], told: Key, end: int
    ) -> list[Said]:
        known.quiet, change = 0, changed_ms(told, found[told], end)
        known.found |= {key.detector for key in paging}
        if known.change is None:
            change = self._before(known.first_end)
        return self._publish(known, judged, severity(told, found[told]), known.change if change is None else change, end)

    def _publish(self, known: Known, judged: Mapping[Key, float], now: Severity, change: int | None, end: int) -> list[Said]:
        value = judged.get(known.lead)
        moved = value is not None and abs(value - known.published) >= max(known.published, THRESHOLD) / 2
        if now is known.severity and change == known.change and not moved:
            return []
        known.severity, known.change, known.about = now, change, end
        known.published = known.published if value is None else value
        return [("updated", known.lead.detector, None, now, change)]

    def _end(self, known: Known) -> list[Said]:
        self.known, self.points = None, []
        return [("resolved", known.lead.detector, "recovered", known.severity, known.change)]


class Life(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.book = AlertBook(STREAM, {}, "b1")
        self.naive = {name: Naive(keys) for name, keys in CAUSES.items()}
        self.ids: set[str] = set()
        self.end = 0

    @rule(outcome=windows, gap=st.integers(1, 3))
    def window(self, outcome: Outcome, gap: int) -> None:
        self.end += gap * MINUTE
        before = {name: naive.known for name, naive in self.naive.items()}
        published = self.book.advance(WindowRef(self.end - MINUTE, self.end, 500), *self.judged(outcome, self.end), stamp(self.end + 5))
        for name, naive in self.naive.items():
            mine = [alert for alert in published if cause_of(alert) == name]
            expected = naive.see(outcome, self.end)
            assert [said(alert) for alert in mine] == [(*one[:4], None if one[4] is None else utc(one[4])) for one in expected]
            for alert in mine:
                self.hold_name(naive.known if alert.status == "firing" else before[name], alert)
        assert len(published) == sum(cause_of(alert) in CAUSES for alert in published)

    def judged(self, outcome: Outcome, end: int) -> tuple[list[Score], list[Raised]]:
        """Scores and findings, in the order of the detectors."""
        return [score(key, outcome[key]) for key in KEYS], [item for key in KEYS for item in raised(key, outcome[key], end)]

    def hold_name(self, known: Known | None, alert: Alert) -> None:
        """One id, revisions without a gap, one beginning."""
        assert known is not None
        assert alert.detected_at == utc(self.end + 5)
        if alert.status == "firing":
            assert alert.alert_id not in self.ids, "an id is used once"
            self.ids.add(alert.alert_id)
            known.alert_id = alert.alert_id
        else:
            known.revision += 1
        assert (alert.alert_id, alert.revision, alert.started_at) == (known.alert_id, known.revision, utc(known.started))

    @rule(outcome=windows, back=st.integers(0, 4), events=st.integers(500, 502))
    def revision(self, outcome: Outcome, back: int, events: int) -> None:
        """It corrects what the last publication said of this window; it never opens, resolves or renames."""
        end = self.end - back * MINUTE
        window, (scores, found) = WindowRef(end - MINUTE, end, events), self.judged(outcome, end)
        firing = {alert.alert_id for alert in self.book.firing()}
        for alert in self.book.correct(window, scores, found, stamp(self.end + 5)):
            known = self.naive[cause_of(alert)].known
            assert known is not None
            assert (alert.status, known.about, alert.window.events) == (AlertStatus.UPDATED, end, events)
            assert alert.change_point == (None if known.change is None else utc(known.change))
            self.hold_name(known, alert)
            value = outcome[known.lead]
            known.severity, known.published = alert.severity, known.published if value is None else value
        assert {alert.alert_id for alert in self.book.firing()} == firing
        assert self.book.correct(window, scores, found, stamp(self.end + 9)) == [], "saying it again is no news"

    @rule(reason=st.sampled_from([Reason.BASELINE_REPLACED, Reason.MODEL_REMOVED]))
    def end_all(self, reason: Reason) -> None:
        self.hold_ended(self.book.resolve(reason, self.end, stamp(self.end + 5)), reason, set(CAUSES))

    @rule()
    def end_one_feature(self) -> None:
        ended = self.book.resolve(Reason.FEATURE_REMOVED, self.end, stamp(self.end + 5), feature="amount")
        self.hold_ended(ended, Reason.FEATURE_REMOVED, {"amount", "missing"})

    def hold_ended(self, alerts: list[Alert], reason: Reason, names: set[str]) -> None:
        firing = {name for name in names if self.naive[name].known is not None}
        assert {cause_of(alert) for alert in alerts} == firing
        for alert in alerts:
            naive = self.naive[cause_of(alert)]
            assert (alert.status, alert.reason, alert.resolved_at) == (AlertStatus.RESOLVED, reason, utc(self.end))
            self.hold_name(naive.known, alert)
            naive.known, naive.points = None, []

    @rule()
    def save_and_restore(self) -> None:
        saved = msgspec.msgpack.encode(self.book.to_state())
        self.book = AlertBook(STREAM, {}, "b1", msgspec.msgpack.decode(saved, type=BookState))
        assert msgspec.msgpack.encode(self.book.to_state()) == saved

    @invariant()
    def what_fires_is_what_was_opened_and_not_resolved(self) -> None:
        firing = {cause_of(alert): alert.detector for alert in self.book.firing()}
        assert firing == {name: naive.known.lead.detector for name, naive in self.naive.items() if naive.known is not None}
        assert len(self.book.to_state().changes) <= len(CAUSES)


def cause_of(alert: Alert) -> str:
    key = Key(alert.kind, alert.feature, alert.detector)
    return next(name for name, keys in CAUSES.items() if key in keys)


def said(alert: Alert) -> tuple[str, str, str | None, Severity, str | None]:
    return alert.status.value, alert.detector, alert.reason, alert.severity, alert.change_point


Life.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase


def advance(book: AlertBook, end: int, value: float | None) -> list[Alert]:
    window = WindowRef(end - MINUTE, end, 500)
    return book.advance(window, [score(KEYS[0], value)], raised(KEYS[0], value), stamp(end))


def test_an_alert_at_its_threshold_rings_once() -> None:
    book = AlertBook(STREAM, {}, "b1")
    published = [alert.status for end in range(1, 41) for alert in advance(book, end * MINUTE, 0.21 if end % 2 else 0.05)]
    assert published == [AlertStatus.FIRING]


def test_windows_with_too_few_events_neither_resolve_nor_reset() -> None:
    book = AlertBook(STREAM, {}, "b1")
    outcomes = [0.3, 0.05, None, None, 0.05]
    published = [alert.status for end, value in enumerate(outcomes, 1) for alert in advance(book, end * MINUTE, value)]
    assert published == [AlertStatus.FIRING, AlertStatus.RESOLVED]


def test_a_drift_that_comes_back_is_a_new_alert_with_the_same_fingerprint() -> None:
    book = AlertBook(STREAM, {}, "b1")
    published = [alert for end, value in enumerate([0.3, 0.05, 0.05, 0.3], 1) for alert in advance(book, end * MINUTE, value)]
    first, resolved, second = published
    assert first.fingerprint == resolved.fingerprint == second.fingerprint
    assert first.alert_id == resolved.alert_id != second.alert_id
    assert second.revision == 1


def test_a_correction_below_the_threshold_keeps_the_alert_and_its_severity() -> None:
    book = AlertBook(STREAM, {}, "b1")
    advance(book, MINUTE, 0.62)
    window = WindowRef(0, MINUTE, 700)
    (alert,) = book.correct(window, [score(KEYS[0], 0.05)], [], stamp())
    assert (alert.status, alert.severity, alert.score, alert.window.events) == (AlertStatus.UPDATED, Severity.CRITICAL, 0.05, 700)
    assert "did not stand out after all" in alert.annotations.summary


def test_windows_out_of_order_are_a_bug_of_the_caller() -> None:
    book = AlertBook(STREAM, {}, "b1")
    advance(book, 2 * MINUTE, None)
    with pytest.raises(AssertionError, match="goes forward only"):
        advance(book, 2 * MINUTE, None)


def test_a_finding_must_have_been_judged() -> None:
    with pytest.raises(AssertionError, match="not judged"):
        AlertBook(STREAM, {}, "b1").advance(WindowRef(0, MINUTE, 9), [], raised(KEYS[0], 0.5), stamp())


def test_a_score_that_moved_by_half_is_news_and_less_is_not() -> None:
    book = AlertBook(STREAM, {}, "b1")
    published = [alert.score for end, value in enumerate([0.25, 0.37, 0.375, 0.25], 1) for alert in advance(book, end * MINUTE, value)]
    assert published == [0.25, 0.375]


def test_a_correction_does_not_disturb_the_count_of_quiet_windows() -> None:
    book = AlertBook(STREAM, {}, "b1")
    advance(book, MINUTE, 0.3)
    advance(book, 2 * MINUTE, 0.05)
    assert len(book.correct(WindowRef(0, MINUTE, 700), [score(KEYS[0], 0.35)], raised(KEYS[0], 0.35), stamp())) == 1
    assert [alert.status for alert in advance(book, 3 * MINUTE, 0.05)] == [AlertStatus.RESOLVED]


def test_other_sample_events_alone_are_no_news() -> None:
    book = AlertBook(STREAM, {}, "b1")
    advance(book, MINUTE, 0.3)
    (found,) = raised(KEYS[0], 0.3)
    other = found._replace(evidence=Evidence(found.evidence.moved, (SampleEvent("captures", 0, 7),)))
    assert book.correct(WindowRef(0, MINUTE, 500), [score(KEYS[0], 0.3)], [other], stamp()) == []
