"""An alert's life against a naive model, through saves and restores, for any sequence of windows and revisions.

The model keeps what each window said, and looks back over it; the code keeps counts, and looks at nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

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
PSI = Key(FindingKind.DATA_DRIFT, "amount", "psi")
JS = Key(FindingKind.DATA_DRIFT, "amount", "js")
MISSING = Key(FindingKind.DATA_QUALITY, "amount", "missing_ratio")
ADWIN = Key(FindingKind.DATA_DRIFT, "amount", "adwin")
PAGE_HINKLEY = Key(FindingKind.DATA_DRIFT, "amount", "page_hinkley")
KSWIN = Key(FindingKind.DATA_DRIFT, "amount", "KSWIN")
PREDICTION = Key(FindingKind.PREDICTION_DRIFT, "prediction", "psi")
VOLUME = Key(FindingKind.OPERATIONAL, None, "volume")
SILENCE = Key(FindingKind.OPERATIONAL, None, "silence")
KEYS = (PSI, JS, MISSING, ADWIN, PAGE_HINKLEY, KSWIN, PREDICTION, VOLUME, SILENCE)
"""In the order in which a window's scores come."""
CAUSES = {
    "distribution": (PSI, JS, ADWIN, PAGE_HINKLEY, KSWIN),
    "missing": (MISSING,),
    "prediction": (PREDICTION,),
    "volume": (VOLUME, SILENCE),
}
"""At most one alert fires on each."""
SHIFTS = (ADWIN, PAGE_HINKLEY, KSWIN)
LIMIT = 0.2
"""Every threshold, counted from the baseline's own score."""
ALPHA = 1e-6


class Seen(NamedTuple):
    """What one detector says of one window."""

    value: float
    p: float | None = 1e-9


Window = Mapping[Key, Seen]
"""Those that were judged."""


def base(key: Key) -> float:
    return 0.1 if key is MISSING else 0.0


def level(key: Key, excess: float, p: float = 1e-9) -> Seen:
    return Seen(round(base(key) + excess, 6), p)


def is_found(key: Key, seen: Seen) -> bool:
    return seen.value > base(key) + LIMIT and (seen.p is None or seen.p < ALPHA)


def is_clear(key: Key, seen: Seen) -> bool:
    return (seen.p is not None and seen.p >= 1e-3) or seen.value <= base(key) + 0.8 * LIMIT


def severity(key: Key, seen: Seen) -> Severity:
    if key in SHIFTS:
        return Severity.INFO
    return Severity.CRITICAL if seen.value - base(key) >= 2 * LIMIT else Severity.WARNING


def changed(key: Key, seen: Seen, end: int) -> int | None:
    """A sequential detector says that it changed half a minute before the window, or within it."""
    return end - (MINUTE + MINUTE // 2 if seen.value > 0.4 else MINUTE // 2) if key in SHIFTS else None


def told(window: Window, key: Key) -> Moved:
    """What the evidence of a finding shows: any two differ."""
    return Moved(key.detector, 0.1, window[key].value)


def score(key: Key, seen: Seen | None) -> Score:
    threshold = base(key) + LIMIT
    if seen is None:
        return Score(key, 0, 0.9, threshold, 1e-9, ScoreStatus.TOO_FEW, base(key), True)
    return Score(key, 0, seen.value, threshold, seen.p, ScoreStatus.JUDGED, base(key), seen.p is None or seen.p < ALPHA)


def raised(window: Window, key: Key, end: int) -> Raised:
    seen = window[key]
    finding = Finding(score(key, seen), seen.value, base(key), severity(key, seen), (3,), changed(key, seen, end))
    return Raised(finding, Evidence((told(window, key),), ()))


def scores_of(window: Window, keys: tuple[Key, ...] = KEYS) -> list[Score]:
    """Of all detectors; of those that were not judged too."""
    return [score(key, window.get(key)) for key in keys]


def raised_of(window: Window, end: int) -> list[Raised]:
    return [raised(window, key, end) for key in KEYS if key in window and is_found(key, window[key])]


def stamp(clock_ms: int = 0) -> Stamp:
    return Stamp(clock_ms, "c1")


levels = [0.05, 0.15, 0.17, 0.21, 0.3, 0.31, 0.35, 0.45, 0.62, 0.7]
"""Clearly quiet; too close to be; warnings; critical from 0.4 on; 0.21 to 0.31 and 0.3 to 0.45 are near the half that makes news."""
chances = [1e-9, 1e-9, 1e-4, 0.4]
"""Real; not real, but close to it; chance."""


def seens(key: Key, excesses: list[float]) -> st.SearchStrategy[Seen]:
    if key in SHIFTS:
        real = None if key is KSWIN else 1e-9
        return st.sampled_from([Seen(0.0, 1.0), Seen(0.0, 1.0), Seen(0.0, 1.0), Seen(0.3, real), Seen(0.5, real)])
    return st.builds(level, st.just(key), st.sampled_from(excesses), st.sampled_from(chances))


def windows_of(excesses: list[float]) -> st.SearchStrategy[dict[Key, Seen]]:
    """Any number of detectors were judged."""
    return st.fixed_dictionaries({}, optional={key: seens(key, excesses) for key in KEYS})


calm_windows = windows_of([0.05])
any_windows = st.one_of(windows_of(levels), windows_of([0.05, 0.17, 0.21]), calm_windows)
"""Wild ones, ones near the threshold, and calm ones: alerts open, hold and end."""


@dataclass(frozen=True)
class Said:
    """A publication, or what a reader of the topic knows of an alert by its last one. about: what its sentence tells."""

    status: str
    lead: Key
    severity: Severity
    seen: Seen | None
    window: WindowRef
    change: int | None
    agreeing: tuple[tuple[str, Seen], ...]
    moved: tuple[Moved, ...]
    about: tuple[str, Key | None, Seen | None]
    reason: str | None = None

    def content(self) -> "Said":
        """What makes one publication news after another."""
        return replace(self, status="", reason=None)


@dataclass
class Naive:
    """The rule in plain words, for one cause. history: judged windows since an alert last ended; opened: how many came before the alert."""

    keys: tuple[Key, ...]
    history: list[tuple[WindowRef, Window]] = field(default_factory=list)
    opened: int = 0
    alert: Said | None = None
    published: float = 0.0
    """The lead's last published score."""

    def see(self, ref: WindowRef, everything: Window) -> list[Said]:
        """The first close of a window."""
        window = {key: everything[key] for key in self.keys if key in everything}
        if not window:
            return []
        self.history.append((ref, window))
        found, paging = self.findings(window)
        if self.alert is None:
            return self._open(ref, window, found, paging)
        if self.alert.severity is Severity.INFO and paging:
            over = self._close("superseded")
            return [over, *self._open(ref, window, found, paging)]
        if self.alert.severity is Severity.INFO:
            return self._informs(self.alert, ref, window, found)
        return self._pages(self.alert, ref, window, found, paging)

    def correct(self, ref: WindowRef, everything: Window) -> list[Said]:
        """A revision of a window."""
        alert, window = self.alert, {key: everything[key] for key in self.keys if key in everything}
        if alert is None or alert.window.end_ms != ref.end_ms or not window:
            return []
        said = self._corrected(alert, ref, window)
        return [] if said is None or said.content() == alert.content() else [self._publish(said)]

    def _corrected(self, alert: Said, ref: WindowRef, window: Window) -> Said | None:
        teller = self._teller(alert, window)
        if teller is not None:
            return self._found(alert, ref, window, teller, alert.change)
        if alert.severity is Severity.INFO or all(key in SHIFTS for key in window):
            return None
        close = self._close_one(alert, window)
        if close is not None:
            return self._eased(alert, ref, window, close)
        if alert.lead not in window:
            return None
        lowered = ("lowered", alert.lead, window[alert.lead])
        return replace(alert, status="updated", seen=window[alert.lead], window=ref, about=lowered)

    def end(self, reason: Reason) -> list[Said]:
        """For a reason that the data does not give."""
        if self.alert is None:
            return []
        self.history = []
        return [self._close(reason.value)]

    def findings(self, window: Window) -> tuple[list[Key], list[Key]]:
        """All, and those that may page."""
        found = [key for key in self.keys if key in window and is_found(key, window[key])]
        return found, [key for key in found if key not in SHIFTS]

    def _open(self, ref: WindowRef, window: Window, found: list[Key], paging: list[Key]) -> list[Said]:
        if not found:
            return []
        lead = (paging or found)[0]
        change = changed(lead, window[lead], ref.end_ms)
        change = self._newest_change(ref.end_ms) if change is None else change
        self.opened, seen = len(self.history) - 1, window[lead]
        about = ("found", lead, seen)
        said = Said("firing", lead, severity(lead, seen), seen, ref, change, agreeing(window, found), (told(window, lead),), about)
        return [self._publish(said)]

    def _informs(self, alert: Said, ref: WindowRef, window: Window, found: list[Key]) -> list[Said]:
        """An alert on a change, while nothing pages."""
        if alert.lead in found:
            return self._if_news(self._found(alert, ref, window, alert.lead, changed(alert.lead, window[alert.lead], ref.end_ms)))
        last = [self.findings(window)[0] for _, window in self.history[self.opened :]][-3:]
        return [self._recover(ref, window, next(iter(window)))] if len(last) == 3 and not any(last) else []

    def _pages(self, alert: Said, ref: WindowRef, window: Window, found: list[Key], paging: list[Key]) -> list[Said]:
        teller = self._teller(alert, window)
        if teller is not None:
            first_end = self.history[self.opened][0].end_ms
            change = self._newest_change(first_end) if alert.change is None else alert.change
            return self._if_news(self._found(alert, ref, window, teller, change))
        close = self._close_one(alert, window)
        if close is not None:
            return self._if_news(self._eased(alert, ref, window, close))
        telling = [window for _, window in self.history[self.opened :] if any(key not in SHIFTS for key in window)][-2:]
        is_over = len(telling) == 2 and all(self._is_quiet(alert, window) for window in telling) and window is telling[-1]
        return [self._recover(ref, window, next(key for key in window if key not in SHIFTS))] if is_over else []

    def _is_quiet(self, alert: Said, window: Window) -> bool:
        return not self.findings(window)[1] and self._close_one(alert, window) is None

    def _teller(self, alert: Said, window: Window) -> Key | None:
        found, paging = self.findings(window)
        if alert.lead in found:
            return alert.lead
        return None if alert.severity is Severity.INFO or not paging else paging[0]

    def _close_one(self, alert: Said, window: Window) -> Key | None:
        """Who found it, and is not clear now."""
        finders = {key for _, window in self.history[self.opened :] for key in self.findings(window)[1]}
        close = [key for key in self.keys if key in finders and key in window and not is_clear(key, window[key])]
        return alert.lead if alert.lead in close else next(iter(close), None)

    def _newest_change(self, before: int) -> int | None:
        """In what the last four judged windows said; of each the newest that any detector told."""
        points = []
        for ref, window in self.history[-4:]:
            changes = [ms for key in self.findings(window)[0] if (ms := changed(key, window[key], ref.end_ms)) is not None]
            points += [max(changes)] if changes else []
        return max((ms for ms in points if ms < before), default=None)

    def _found(self, alert: Said, ref: WindowRef, window: Window, teller: Key, change: int | None) -> Said:
        found, seen = self.findings(window)[0], window[teller]
        about, moved = ("found", teller, seen), (told(window, teller),)
        lead = window.get(alert.lead)
        return Said("updated", alert.lead, severity(teller, seen), lead, ref, change, agreeing(window, found), moved, about)

    def _eased(self, alert: Said, ref: WindowRef, window: Window, close: Key) -> Said:
        shown = alert.lead if alert.lead in window else close
        about = ("eased", shown, window[shown])
        return replace(alert, status="updated", severity=Severity.WARNING, seen=window.get(alert.lead), window=ref, about=about)

    def _if_news(self, said: Said) -> list[Said]:
        """Another severity, another change point, or a score that moved by half."""
        alert, moved = self.alert, False
        assert alert is not None
        if said.seen is not None:
            moved = abs(said.seen.value - self.published) >= max(self.published, base(alert.lead) + LIMIT) / 2
        return [self._publish(said)] if moved or (said.severity, said.change) != (alert.severity, alert.change) else []

    def _publish(self, said: Said) -> Said:
        self.alert, self.published = said, self.published if said.seen is None else said.seen.value
        return said

    def _recover(self, ref: WindowRef, window: Window, quiet: Key) -> Said:
        assert self.alert is not None
        shown = self.alert.lead if self.alert.lead in window else quiet
        about = ("settled", None, None) if self.alert.severity is Severity.INFO else ("recovered", shown, window[shown])
        over = replace(self.alert, status="resolved", seen=window.get(self.alert.lead), window=ref, about=about, reason="recovered")
        self.alert, self.history = None, []
        return over

    def _close(self, reason: str) -> Said:
        assert self.alert is not None
        over = replace(self.alert, status="resolved", about=("closed", None, None), reason=reason)
        self.alert = None
        return over


def agreeing(window: Window, found: list[Key]) -> tuple[tuple[str, Seen], ...]:
    return tuple((key.detector, window[key]) for key in found)


OTHER_REASONS = [reason for reason in Reason if reason not in (Reason.RECOVERED, Reason.SUPERSEDED)]


class Life(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.book = AlertBook(STREAM, {}, "b1")
        self.naive = {name: Naive(keys) for name, keys in CAUSES.items()}
        self.named: dict[str, tuple[str, str, int]] = {}
        """Id, beginning and revision of the alerts that fire, in the order in which they opened."""
        self.ids: set[str] = set()
        self.end = 0

    @rule(seen=any_windows, gap=st.integers(1, 3))
    def window(self, seen: Window, gap: int) -> None:
        self.close(seen, gap)

    @rule(seen=calm_windows)
    def calm_window(self, seen: Window) -> None:
        self.close(seen, 1)

    def close(self, seen: Window, gap: int) -> None:
        self.end += gap * MINUTE
        ref = WindowRef(self.end - MINUTE, self.end, 500)
        published = self.book.advance(ref, scores_of(seen), raised_of(seen, self.end), stamp(self.end + 5))
        self.hold(published, [said for name in in_order(seen) for said in self.naive[name].see(ref, seen)])

    @rule(seen=any_windows, back=st.sampled_from([0, 0, 0, 1, 2, 4]), events=st.integers(500, 502))
    def revision(self, seen: Window, back: int, events: int) -> None:
        end = self.end - back * MINUTE
        ref, before = WindowRef(end - MINUTE, end, events), self.book.to_state()
        published = self.book.correct(ref, scores_of(seen), raised_of(seen, end), stamp(self.end + 5))
        self.hold(published, [said for name in in_order(seen) for said in self.naive[name].correct(ref, seen)])
        assert {alert.status for alert in published} <= {"updated"}, "it never opens, resolves or renames"
        assert published or self.book.to_state() == before
        assert self.book.correct(ref, scores_of(seen), raised_of(seen, end), stamp(self.end + 9)) == [], "saying it again is no news"

    @rule(reason=st.sampled_from(OTHER_REASONS), feature=st.sampled_from([None, "amount", "prediction", "other"]))
    def end_for_another_reason(self, reason: Reason, feature: str | None) -> None:
        published = self.book.resolve(reason, self.end, stamp(self.end + 5), feature)
        names = [name for name in self.named if feature is None or CAUSES[name][0].feature == feature]
        self.hold(published, [said for name in names for said in self.naive[name].end(reason)])

    @rule()
    def save_and_restore(self) -> None:
        saved = msgspec.msgpack.encode(self.book.to_state())
        self.book = AlertBook(STREAM, {}, "b1", msgspec.msgpack.decode(saved, type=BookState))
        assert msgspec.msgpack.encode(self.book.to_state()) == saved

    def hold(self, published: list[Alert], expected: list[Said]) -> None:
        """What was published is what the rule says, in its order, and every alert keeps its name."""
        assert [said_by(alert) for alert in published] == [wording(said) for said in expected]
        for alert, said in zip(published, expected, strict=True):
            assert alert.detected_at == utc(self.end + 5)
            assert alert.resolved_at == (utc(self.end) if said.status == "resolved" else None)
            assert words(said) in alert.annotations.summary
            self.hold_name(name_of(said.lead), alert)

    def hold_name(self, name: str, alert: Alert) -> None:
        """One id, used once; one beginning; revisions without a gap."""
        if alert.status == "firing":
            assert (alert.revision, alert.started_at) == (1, utc(self.end - MINUTE))
            assert name not in self.named
            assert alert.alert_id not in self.ids
            self.ids.add(alert.alert_id)
            self.named[name] = (alert.alert_id, alert.started_at, 1)
            return
        alert_id, started, revision = self.named[name]
        assert (alert.alert_id, alert.started_at, alert.revision) == (alert_id, started, revision + 1)
        self.named[name] = (alert_id, started, revision + 1)
        if alert.status == "resolved":
            del self.named[name]

    @invariant()
    def what_fires_is_what_was_opened_and_not_resolved(self) -> None:
        firing = self.book.firing()
        assert [name_of(key_of(alert)) for alert in firing] == list(self.named), "in the order in which they opened"
        assert {name for name, naive in self.naive.items() if naive.alert is not None} == self.named.keys()
        for alert, naive in ((alert, self.naive[name_of(key_of(alert))]) for alert in firing):
            assert naive.alert is not None
            assert said_by(alert) == wording(naive.alert)
        assert len(self.book.to_state().changes) <= len(CAUSES)


def in_order(window: Window) -> list[str]:
    """The causes that were judged, in the order of the scores."""
    return list(dict.fromkeys(name_of(key) for key in KEYS if key in window))


def name_of(key: Key) -> str:
    return next(name for name, keys in CAUSES.items() if key in keys)


def key_of(alert: Alert) -> Key:
    return Key(alert.kind, alert.feature, alert.detector)


Words = tuple[object, ...]
"""What a publication says, as its reader finds it; as evidence a score has no place of its own."""


def said_by(alert: Alert) -> Words:
    named = tuple((one.detector, one.score, one.p_value, one.threshold) for one in alert.evidence.detectors)
    measured = (alert.score, alert.p_value, alert.threshold, alert.window.start, alert.window.end, alert.window.events)
    return key_of(alert), alert.status, alert.reason, alert.severity, measured, alert.change_point, named, alert.evidence.moved


def wording(said: Said) -> Words:
    thresholds = {key.detector: round(base(key) + LIMIT, 6) for key in CAUSES[name_of(said.lead)]}
    named = tuple((name, seen.value, seen.p, thresholds[name]) for name, seen in said.agreeing)
    value, p = (None, None) if said.seen is None else said.seen
    measured = (value, p, thresholds[said.lead.detector], utc(said.window.start_ms), utc(said.window.end_ms), said.window.events)
    change = None if said.change is None else utc(said.change)
    return said.lead, said.status, said.reason, said.severity, measured, change, named, said.moved


def words(said: Said) -> str:
    """A piece of the sentence that no other sort of publication has."""
    sort, key, seen = said.about
    if key is None or seen is None:
        return {"settled": "did not shift again", "closed": f"was closed: {(said.reason or '').replace('_', ' ')}"}[sort]
    if sort == "recovered":
        return "is back to normal" if seen.value <= base(key) + LIMIT else "no longer differs by more than chance"
    return FOUND[key] if sort == "found" else {"eased": "is still close to its limit", "lowered": "did not stand out after all"}[sort]


FOUND = {
    PSI: "amount drifted in the minute from",
    JS: "amount drifted in the minute from",
    ADWIN: "(shift found by ADWIN",
    PAGE_HINKLEY: "(shift found by Page-Hinkley",
    KSWIN: "(shift found by KSWIN",
    MISSING: "amount was missing in",
    PREDICTION: "the prediction drifted in",
    VOLUME: "an unusual number of events",
    SILENCE: "the traffic stopped",
}

Life.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase


class Book:
    """An alert book, and windows of a minute one after the other."""

    def __init__(self) -> None:
        self.book = AlertBook(STREAM, {}, "b1")
        self.end = 0

    def window(self, seen: Window) -> list[Alert]:
        """The next window."""
        self.end += MINUTE
        ref = WindowRef(self.end - MINUTE, self.end, 500)
        return self.book.advance(ref, scores_of(seen), raised_of(seen, self.end), stamp(self.end))

    def windows(self, *seen: Window) -> list[Alert]:
        """All that several windows say."""
        return [alert for each in seen for alert in self.window(each)]

    def revised(self, seen: Window, events: int = 700, back: int = 0) -> list[Alert]:
        """A revision of the last window, or of an earlier one."""
        end = self.end - back * MINUTE
        return self.book.correct(WindowRef(end - MINUTE, end, events), scores_of(seen), raised_of(seen, end), stamp(self.end + 5))


def at(excess: float) -> Window:
    return {PSI: level(PSI, excess)}


def psi(*excesses: float) -> list[Window]:
    return [at(excess) for excess in excesses]


def brief(alerts: list[Alert]) -> list[tuple[str, str, str | None]]:
    """Detector, status, reason."""
    return [(alert.detector, alert.status.value, alert.reason) for alert in alerts]


NO_SHIFT = Seen(0.0, 1.0)
SHIFT = Seen(0.3)
"""Half a minute before the end of its window; one of 0.5 began before its window."""
QUIET = {PSI: level(PSI, 0.05), JS: level(JS, 0.05), ADWIN: NO_SHIFT, PAGE_HINKLEY: NO_SHIFT}


# ---- one alert per cause


def test_detectors_that_agree_are_one_alert_that_lists_them() -> None:
    book = Book()
    (alert,) = book.window({JS: level(JS, 0.7), PSI: level(PSI, 0.21), ADWIN: SHIFT})
    assert (alert.detector, alert.score, alert.severity) == ("psi", 0.21, Severity.WARNING), "not the largest: the first"
    assert [(one.detector, one.score, one.threshold) for one in alert.evidence.detectors] == [
        ("psi", 0.21, 0.2),
        ("js", 0.7, 0.2),
        ("adwin", 0.3, 0.2),
    ]
    assert alert.evidence.detectors[2].p_value == 1e-9


def test_detectors_of_other_causes_kinds_and_features_have_alerts_of_their_own() -> None:
    alerts = Book().window({key: level(key, 0.3) for key in (PSI, JS, MISSING, PREDICTION, VOLUME, SILENCE)})
    assert [(alert.kind.value, alert.feature, alert.detector) for alert in alerts] == [
        ("data_drift", "amount", "psi"),
        ("data_quality", "amount", "missing_ratio"),
        ("prediction_drift", "prediction", "psi"),
        ("operational", None, "volume"),
    ]


def test_the_first_leads_for_the_whole_life() -> None:
    """One that stands before it in the table joins, and goes on alone: name, score and threshold stay the first one's."""
    book = Book()
    (opened,) = book.window({JS: level(JS, 0.3), PSI: level(PSI, 0.05)})
    assert book.window({JS: level(JS, 0.3), PSI: level(PSI, 0.3)}) == []
    (updated,) = book.window({JS: level(JS, 0.05), PSI: level(PSI, 0.7)})
    assert (updated.detector, updated.fingerprint, updated.alert_id) == ("js", opened.fingerprint, opened.alert_id)
    assert (updated.score, updated.severity) == (0.05, Severity.CRITICAL)
    assert [one.detector for one in updated.evidence.detectors] == ["psi"]
    assert brief(book.windows(QUIET, QUIET)) == [("js", "resolved", "recovered")]


def test_an_alert_whose_lead_is_not_judged_any_more_goes_on_without_a_score() -> None:
    book = Book()
    book.window({PSI: level(PSI, 0.3), JS: level(JS, 0.3)})
    (updated,) = book.window({JS: level(JS, 0.5)})
    assert (updated.detector, updated.score, updated.p_value, updated.threshold) == ("psi", None, None, 0.2)
    assert updated.severity == "critical"


# ---- sequential detectors


def test_a_shift_alone_is_for_information_and_settles_after_three_windows() -> None:
    book = Book()
    (opened,) = book.window({**QUIET, ADWIN: SHIFT})
    assert (opened.severity, opened.change_point) == (Severity.INFO, utc(MINUTE // 2))
    assert book.windows(QUIET, QUIET) == []
    (settled,) = book.window(QUIET)
    assert brief([settled]) == [("adwin", "resolved", "recovered")]
    assert "did not shift again" in settled.annotations.summary


def test_a_further_shift_is_told_and_one_by_another_detector_only_holds() -> None:
    book = Book()
    book.window({**QUIET, ADWIN: SHIFT})
    (again,) = book.windows(QUIET, {**QUIET, ADWIN: SHIFT})
    assert (again.status, again.change_point) == ("updated", utc(2 * MINUTE + MINUTE // 2))
    assert book.windows(QUIET, QUIET, {**QUIET, PAGE_HINKLEY: SHIFT}, QUIET, QUIET) == []
    assert brief(book.window(QUIET)) == [("adwin", "resolved", "recovered")]


def test_a_distance_supersedes_the_shift_in_the_same_window_and_keeps_its_change_point() -> None:
    book = Book()
    (shift,) = book.window({**QUIET, ADWIN: SHIFT})
    over, drift = book.window({**QUIET, JS: level(JS, 0.3)})
    assert brief([over, drift]) == [("adwin", "resolved", "superseded"), ("js", "firing", None)]
    assert (over.alert_id, over.change_point, over.resolved_at) == (shift.alert_id, shift.change_point, utc(2 * MINUTE))
    assert (drift.revision, drift.change_point) == (1, shift.change_point)
    assert drift.alert_id != shift.alert_id
    assert "since 1970-01-01 00:00:30 UTC" in drift.annotations.summary


def test_a_change_point_is_known_for_as_long_as_the_shift_may_fire() -> None:
    """In the fourth window the shift would have settled."""
    book = Book()
    book.window({**QUIET, ADWIN: SHIFT})
    _, drift = book.windows(QUIET, QUIET, {**QUIET, PSI: level(PSI, 0.3)})
    assert drift.change_point == utc(MINUTE // 2)


def test_what_shifted_before_an_alert_that_ended_explains_nothing_that_comes() -> None:
    book = Book()
    book.windows({**QUIET, PSI: level(PSI, 0.3), ADWIN: SHIFT}, QUIET)
    over, drift = book.windows(QUIET, {**QUIET, PSI: level(PSI, 0.3)})
    assert (over.status, over.change_point) == ("resolved", utc(MINUTE // 2))
    assert (drift.status, drift.change_point) == ("firing", None)


def test_a_shift_and_a_distance_in_one_window_are_the_distances_alert_with_the_change_point() -> None:
    (drift,) = Book().window({**QUIET, PSI: level(PSI, 0.3), PAGE_HINKLEY: SHIFT})
    assert (drift.detector, drift.severity, drift.change_point) == ("psi", Severity.WARNING, utc(MINUTE // 2))


def test_a_shift_that_is_found_later_but_began_before_is_told_as_the_beginning() -> None:
    book = Book()
    book.window({**QUIET, PSI: level(PSI, 0.3)})
    (updated,) = book.window({**QUIET, PSI: level(PSI, 0.3), ADWIN: Seen(0.5)})
    assert (updated.status, updated.change_point, updated.score) == ("updated", utc(MINUTE // 2), 0.3)


def test_what_shifted_after_an_alert_opened_is_not_what_opened_it() -> None:
    book = Book()
    book.window({**QUIET, PSI: level(PSI, 0.3)})
    assert book.window({**QUIET, PSI: level(PSI, 0.3), ADWIN: SHIFT}) == []


def test_an_alert_that_pages_does_not_hang_on_a_shift() -> None:
    """That may well be the way back to normal."""
    book = Book()
    book.window({**QUIET, PSI: level(PSI, 0.3)})
    assert brief(book.windows({**QUIET, ADWIN: SHIFT}, {**QUIET, ADWIN: SHIFT})) == [("psi", "resolved", "recovered")]


def test_a_window_in_which_only_sequential_detectors_were_judged_says_nothing_of_an_alert_that_pages() -> None:
    book = Book()
    book.window({**QUIET, PSI: level(PSI, 0.3)})
    few = {ADWIN: NO_SHIFT, PAGE_HINKLEY: NO_SHIFT}
    assert book.windows(QUIET, few, few) == []
    assert brief(book.window(QUIET)) == [("psi", "resolved", "recovered")]


# ---- hysteresis


@pytest.mark.parametrize(
    ("key", "seen", "is_quiet"),
    [
        (PSI, level(PSI, 0.16), True),
        (PSI, level(PSI, 0.161), False),
        (PSI, level(PSI, 0.19, 1e-3), True),
        (PSI, level(PSI, 0.19, 0.9e-3), False),
        (PSI, level(PSI, 0.7, 0.02), True),
        (MISSING, Seen(0.255), True),  # 0.26 is 0.8 of the way from its base, 0.1, to its threshold, 0.3
        (MISSING, Seen(0.265), False),
    ],
)
def test_quiet_is_0_8_of_the_threshold_counted_from_the_base_or_within_chance(key: Key, seen: Seen, is_quiet: bool) -> None:
    book = Book()
    book.window({key: level(key, 0.3)})
    said = book.windows({key: seen}, {key: seen})
    assert [alert.status for alert in said if alert.status == "resolved"] == ["resolved"] * is_quiet


def test_one_quiet_window_is_not_the_end_and_one_that_is_close_begins_the_count_anew() -> None:
    book = Book()
    book.window({PSI: level(PSI, 0.25)})
    assert book.windows(*psi(0.05, 0.17, 0.05, 0.25, 0.05)) == []
    assert brief(book.window(at(0.05))) == [("psi", "resolved", "recovered")]


def test_a_critical_alert_that_is_only_close_to_its_threshold_is_a_warning() -> None:
    (_, eased) = Book().windows(*psi(0.62, 0.17))
    assert (eased.status, eased.severity, eased.score) == ("updated", Severity.WARNING, 0.17)
    assert "is still close to its limit" in eased.annotations.summary


def test_a_detector_that_never_found_the_alert_does_not_hold_it() -> None:
    near = {PSI: level(PSI, 0.05), JS: level(JS, 0.19)}
    alone, both = Book(), Book()
    alone.window({PSI: level(PSI, 0.3), JS: level(JS, 0.19)})
    assert brief(alone.windows(near, near)) == [("psi", "resolved", "recovered")]
    both.window({PSI: level(PSI, 0.3), JS: level(JS, 0.21)})
    assert "resolved" not in [alert.status for alert in both.windows(near, near, near)]


def test_an_alert_at_its_threshold_rings_once() -> None:
    assert brief(Book().windows(*psi(*[0.21, 0.05] * 20))) == [("psi", "firing", None)]


def test_windows_with_too_few_events_neither_resolve_nor_reset() -> None:
    book = Book()
    assert brief(book.windows(*psi(0.3, 0.05), {}, {})) == [("psi", "firing", None)]
    assert brief(book.window(at(0.05))) == [("psi", "resolved", "recovered")]


def test_a_score_that_moved_by_half_is_news_and_less_is_not() -> None:
    assert [alert.score for alert in Book().windows(*psi(0.25, 0.37, 0.375, 0.25))] == [0.25, 0.375]


def test_half_of_the_threshold_is_the_least_that_is_news() -> None:
    """From 0.15 by 0.09 is more than half of the score, but not of the threshold; by 0.1 is."""
    both = [{PSI: level(PSI, excess), JS: level(JS, 0.3)} for excess in (0.3, 0.15, 0.24, 0.25)]
    assert [alert.score for alert in Book().windows(*both)] == [0.3, 0.15, 0.25]


def test_a_drift_that_comes_back_is_a_new_alert_with_the_same_fingerprint() -> None:
    first, resolved, second = Book().windows(*psi(0.3, 0.05, 0.05, 0.3))
    assert first.fingerprint == resolved.fingerprint == second.fingerprint
    assert first.alert_id == resolved.alert_id != second.alert_id
    assert second.revision == 1


# ---- revisions


def test_a_revision_opens_and_resolves_nothing() -> None:
    book = Book()
    assert book.window(at(0.05)) + book.revised(at(0.7)) == []
    book.window(at(0.3))
    assert [alert.status for _ in range(3) for alert in book.revised(at(0.05))] == [AlertStatus.UPDATED]
    assert book.window(at(0.05)) == [], "the first quiet window"


def test_a_revision_of_a_window_that_the_last_publication_is_not_about_changes_nothing() -> None:
    book = Book()
    book.windows(*psi(0.3, 0.31))
    before = book.book.to_state()
    assert book.revised(at(0.7)) == []
    assert book.book.to_state() == before
    assert [alert.score for alert in book.revised(at(0.7), back=1)] == [0.7]


def test_a_revision_does_not_supersede() -> None:
    book = Book()
    book.window({**QUIET, ADWIN: SHIFT})
    assert book.revised({**QUIET, PSI: level(PSI, 0.7)}) == []
    (again,) = book.revised({**QUIET, PSI: level(PSI, 0.7), ADWIN: SHIFT})
    assert (again.detector, again.severity, again.window.events) == ("adwin", Severity.INFO, 700)


def test_a_correction_below_the_threshold_keeps_the_alert_and_its_severity() -> None:
    book = Book()
    book.window(at(0.62))
    (alert,) = book.revised(at(0.05))
    assert (alert.status, alert.severity, alert.score, alert.window.events) == (AlertStatus.UPDATED, Severity.CRITICAL, 0.05, 700)
    assert "did not stand out after all" in alert.annotations.summary


def test_a_correction_does_not_disturb_the_count_of_quiet_windows() -> None:
    book = Book()
    book.windows(*psi(0.3, 0.05))
    assert len(book.revised(at(0.35), back=1)) == 1
    assert brief(book.window(at(0.05))) == [("psi", "resolved", "recovered")]


def test_other_sample_events_alone_are_no_news() -> None:
    book = Book()
    seen = at(0.3)
    book.window(seen)
    found = raised(seen, PSI, MINUTE)
    other = found._replace(evidence=Evidence(found.evidence.moved, (SampleEvent("captures", 0, 7),)))
    window = WindowRef(0, MINUTE, 500)
    assert book.book.correct(window, [score(PSI, seen[PSI])], [other], stamp()) == []
    assert len(book.book.correct(window._replace(events=501), [score(PSI, seen[PSI])], [other], stamp())) == 1


# ---- ends for other reasons, and mistakes of the caller


def test_ending_one_feature_leaves_the_others_and_the_traffic_alone() -> None:
    book = Book()
    book.window({key: level(key, 0.3) for key in (PSI, MISSING, PREDICTION, VOLUME)})
    ended = book.book.resolve(Reason.FEATURE_REMOVED, book.end, stamp(book.end + 5), "amount")
    assert brief(ended) == [("psi", "resolved", "feature_removed"), ("missing_ratio", "resolved", "feature_removed")]
    assert [(alert.window.end, alert.score) for alert in ended] == [(utc(MINUTE), 0.3), (utc(MINUTE), 0.4)]
    assert [alert.feature for alert in book.book.firing()] == ["prediction", None]


@pytest.mark.parametrize("left", [ADWIN, PAGE_HINKLEY, KSWIN, PSI, JS, MISSING, PREDICTION], ids="{0.feature} {0.detector}".format)
def test_of_detectors_switched_off_a_change_is_over_by_any_that_is_left_and_a_level_by_those_of_levels(left: Key) -> None:
    """Of one column: another column's psi judges that one alone."""
    page, change = Book(), Book()
    page.window(at(0.3))
    change.window({ADWIN: level(ADWIN, 0.3)})
    ends = [bool(each.book.resolve_unjudged({(left.feature, left.detector)}, each.end, stamp())) for each in (page, change)]
    assert ends == [left not in (PSI, JS), left in (MISSING, PREDICTION)]
    assert [not each.book.firing() for each in (page, change)] == ends


def test_windows_out_of_order_are_a_bug_of_the_caller() -> None:
    book = Book()
    book.window({})
    assert not book.book.goes_on_to(MINUTE)
    assert book.book.goes_on_to(MINUTE + 1)
    book.end = 0
    with pytest.raises(AssertionError, match="goes forward only"):
        book.window({})


def test_a_finding_must_have_been_judged() -> None:
    seen = at(0.5)
    with pytest.raises(AssertionError, match="not judged"):
        AlertBook(STREAM, {}, "b1").advance(WindowRef(0, MINUTE, 9), [], [raised(seen, PSI, MINUTE)], stamp())


def test_two_findings_of_one_detector_on_one_feature_are_a_bug_of_the_caller() -> None:
    seen = at(0.5)
    twice = [raised(seen, PSI, MINUTE)] * 2
    with pytest.raises(AssertionError, match="two findings"):
        AlertBook(STREAM, {}, "b1").advance(WindowRef(0, MINUTE, 9), scores_of(seen), twice, stamp())
