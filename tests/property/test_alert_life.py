"""An alert's life against a naive model, through saves and restores, for any sequence of windows and revisions."""

from dataclasses import dataclass

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
    Key(FindingKind.PREDICTION_DRIFT, "prediction", "psi"),
)
THRESHOLD = 0.2

values = st.sampled_from([0.05, 0.21, 0.3, 0.31, 0.35, 0.45, 0.62, 0.7])
"""Below the threshold; warnings; critical from 0.4 on; 0.21 to 0.31 and 0.3 to 0.45 are near the half that makes news."""
outcomes = st.one_of(st.none(), values)
"""None: too few events."""
windows = st.fixed_dictionaries(dict.fromkeys(KEYS, outcomes))


def score(key: Key, value: float | None) -> Score:
    if value is None:
        return Score(key, 0, 0.9, THRESHOLD, 1e-9, ScoreStatus.TOO_FEW)
    return Score(key, 0, value, THRESHOLD, 1e-9, ScoreStatus.JUDGED)


def severity(value: float) -> Severity:
    return Severity.CRITICAL if value >= 2 * THRESHOLD else Severity.WARNING


def raised(key: Key, value: float | None) -> list[Raised]:
    if value is None or value <= THRESHOLD:
        return []
    finding = Finding(score(key, value), value, 0.0, severity(value), (3,))
    return [Raised(finding, Evidence((Moved("[0, 1)", 0.1, value),), ()))]


def stamp(clock_ms: int = 0) -> Stamp:
    return Stamp(clock_ms, "c1", {})


@dataclass
class Known:
    """The naive model's alert: everything that a reader of the topic would hold."""

    alert_id: str
    started: int
    revision: int
    published: float
    severity: Severity
    about: int
    events: int = 500
    quiet: int = 0


class Life(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.book = AlertBook(STREAM, {}, "b1")
        self.known: dict[Key, Known] = {}
        self.ids: set[str] = set()
        self.end = 0

    @rule(outcome=windows, gap=st.integers(1, 3))
    def window(self, outcome: dict[Key, float | None], gap: int) -> None:
        self.end += gap * MINUTE
        window = WindowRef(self.end - MINUTE, self.end, 500)
        scores = [score(key, value) for key, value in outcome.items()]
        found = [item for key, value in outcome.items() for item in raised(key, value)]
        published = {key_of(alert): alert for alert in self.book.advance(window, scores, found, stamp(self.end + 5))}
        for key, value in outcome.items():
            self.expect(key, value, published.pop(key, None))
        assert not published

    def expect(self, key: Key, value: float | None, alert: Alert | None) -> None:
        known = self.known.get(key)
        if value is None or (known is None and value <= THRESHOLD):
            assert alert is None
        elif known is None:
            assert alert is not None
            assert (alert.status, alert.revision, alert.started_at) == (AlertStatus.FIRING, 1, utc(self.end - MINUTE))
            assert alert.alert_id not in self.ids, "an id is used once"
            self.ids.add(alert.alert_id)
            self.known[key] = Known(alert.alert_id, self.end - MINUTE, 1, value, severity(value), self.end)
        elif value <= THRESHOLD:
            self.expect_quiet(key, known, alert)
        else:
            self.expect_still(known, value, alert)

    def expect_quiet(self, key: Key, known: Known, alert: Alert | None) -> None:
        known.quiet += 1
        if known.quiet < 2:
            assert alert is None
            return
        assert alert is not None
        assert (alert.status, alert.reason, alert.resolved_at) == (AlertStatus.RESOLVED, "recovered", utc(self.end))
        self.expect_name(known, alert)
        del self.known[key]

    def expect_still(self, known: Known, value: float, alert: Alert | None) -> None:
        known.quiet = 0
        if severity(value) is known.severity and abs(value - known.published) < known.published / 2:
            assert alert is None
            return
        assert alert is not None
        assert (alert.status, alert.severity, alert.score) == (AlertStatus.UPDATED, severity(value), value)
        self.expect_name(known, alert)
        known.published, known.severity, known.about, known.events = value, severity(value), self.end, 500

    def expect_name(self, known: Known, alert: Alert) -> None:
        known.revision += 1
        assert (alert.alert_id, alert.started_at, alert.revision) == (known.alert_id, utc(known.started), known.revision)
        assert alert.detected_at == utc(self.end + 5)

    @rule(outcome=windows, back=st.integers(0, 4), events=st.integers(500, 502))
    def revision(self, outcome: dict[Key, float | None], back: int, events: int) -> None:
        end = self.end - back * MINUTE
        scores = [score(key, value) for key, value in outcome.items()]
        found = [item for key, value in outcome.items() for item in raised(key, value)]
        window = WindowRef(end - MINUTE, end, events)
        corrected = {key_of(alert): alert for alert in self.book.correct(window, scores, found, stamp(self.end + 5))}
        for key, value in outcome.items():
            known = self.known.get(key)
            if known is not None and known.about == end and value is not None and (value, events) != (known.published, known.events):
                self.expect_corrected(known, value, events, corrected.pop(key))
        assert not corrected
        assert self.book.correct(window, scores, found, stamp(self.end + 9)) == [], "saying it again is no news"

    def expect_corrected(self, known: Known, value: float, events: int, alert: Alert) -> None:
        self.expect_name(known, alert)
        known.published, known.events = value, events
        known.severity = severity(value) if value > THRESHOLD else known.severity
        assert (alert.status, alert.score, alert.severity) == (AlertStatus.UPDATED, value, known.severity)

    @rule(reason=st.sampled_from([Reason.BASELINE_REPLACED, Reason.MODEL_REMOVED]))
    def end_all(self, reason: Reason) -> None:
        self.expect_ended(self.book.resolve(reason, self.end, stamp(self.end + 5)), reason, set(self.known))

    @rule()
    def end_one_feature(self) -> None:
        ended = self.book.resolve(Reason.FEATURE_REMOVED, self.end, stamp(self.end + 5), feature="amount")
        self.expect_ended(ended, Reason.FEATURE_REMOVED, {key for key in self.known if key.feature == "amount"})

    def expect_ended(self, alerts: list[Alert], reason: Reason, keys: set[Key]) -> None:
        assert {key_of(alert) for alert in alerts} == keys
        for alert in alerts:
            assert (alert.status, alert.reason, alert.resolved_at) == (AlertStatus.RESOLVED, reason, utc(self.end))
            self.expect_name(self.known.pop(key_of(alert)), alert)

    @rule()
    def save_and_restore(self) -> None:
        saved = msgspec.msgpack.encode(self.book.to_state())
        self.book = AlertBook(STREAM, {}, "b1", msgspec.msgpack.decode(saved, type=BookState))
        assert msgspec.msgpack.encode(self.book.to_state()) == saved

    @invariant()
    def what_fires_is_what_was_opened_and_not_resolved(self) -> None:
        assert {key_of(alert) for alert in self.book.firing()} == set(self.known)
        assert len(self.book.to_state().firing) <= len(KEYS)


def key_of(alert: Alert) -> Key:
    assert alert.feature is not None
    return Key(alert.kind, alert.feature, alert.detector)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
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
