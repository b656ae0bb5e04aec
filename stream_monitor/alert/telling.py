"""Whom a publication is for, and whether anybody is to be told now: what rules add to the life of an alert.

A life says what is true; this says what is told of it. Without rules it adds nothing and keeps nothing. Nothing is lost: every publication
goes out, marked; what a silence or a cool-down holds back is told by the first window after it that says that it still fires, as what is to
be repeated is; the end of what was told is always told. All times are event time, that of the last moment of the window that a
publication is about.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from stream_monitor.alert.alert import Alert, AlertStatus, Annotations, Held, Notification, digest
from stream_monitor.alert.cause import Cause
from stream_monitor.alert.publication import Reason, Stamp
from stream_monitor.alert.rules import Facts, Policy, rank
from stream_monitor.alert.template import fill, fill_link
from stream_monitor.config.rules import Maintenance, Silence
from stream_monitor.detect.finding import Key, Severity
from stream_monitor.detect.report import utc


class Told(msgspec.Struct, frozen=True):
    """An alert that fires, and what was told of it.

    alert: its last publication; worst: severity that was found in its life; told_ms: when it was last told, None: never; told: the severity
    that was; held: what it waits for the end of, or None.
    """

    alert: Alert
    worst: Severity
    told_ms: int | None = None
    told: Severity = Severity.INFO
    held: Held | None = None


class Ended(msgspec.Struct, frozen=True):
    """An alert that was told and has recovered."""

    cause: Cause
    at_ms: int
    severity: Severity


class TellingState(msgspec.Struct, frozen=True):
    """What a snapshot keeps: what fires, and what ended not long ago."""

    firing: tuple[Told, ...] = ()
    ended: tuple[Ended, ...] = ()


class Telling:
    """The alerts of one book; bounded as it is."""

    def __init__(self, state: TellingState | None = None) -> None:
        state = TellingState() if state is None else state
        self._firing = {each.alert.alert_id: each for each in state.firing}
        self._ended = {each.cause: each for each in state.ended}

    def to_state(self) -> TellingState:
        """What a later one goes on from."""
        return TellingState(tuple(self._firing.values()), tuple(self._ended.values()))

    def last(self, alert: Alert) -> Alert:
        """What was published last, for the last publication that an alert's life knows of."""
        known = self._firing.get(alert.alert_id)
        return alert if known is None else known.alert

    def policy(self, alert: Alert, stamp: Stamp) -> Policy:
        """What holds for an alert; for severity its worst so far counts, so that it stays with the rule that told it."""
        known = self._firing.get(alert.alert_id)
        return stamp.rules.policy(_facts(alert, alert.severity if known is None else max(alert.severity, known.worst, key=rank)))

    def tell(self, at_ms: int, alerts: Iterable[Alert], stamp: Stamp) -> list[Alert]:
        """What is published for publications of the life. at_ms: end of the window that they are about."""
        kept_ms = stamp.rules.longest_cool_down_ms
        self._ended = {cause: each for cause, each in self._ended.items() if at_ms <= each.at_ms + kept_ms}
        return [self._tell(at_ms - 1, alert, stamp) for alert in alerts]

    def is_due(self, at_ms: int, alert: Alert, stamp: Stamp) -> bool:
        """Whether an alert that still fires in the window to `at_ms` is to be told though that brings no news: again, or at last.

        alert: the last publication that its life knows of.
        """
        if stamp.rules.is_empty:
            return False
        policy = self.policy(alert, stamp)
        known = self._firing.setdefault(alert.alert_id, _known_before(alert, at_ms - 1))
        repeats = policy.repeat_ms is not None and known.told_ms is not None and at_ms > known.told_ms + policy.repeat_ms
        return (known.held is not None or repeats) and self._held(at_ms - 1, alert, known, policy) is None

    def _tell(self, moment_ms: int, alert: Alert, stamp: Stamp) -> Alert:
        known = self._firing.get(alert.alert_id)
        if known is None and stamp.rules.is_empty:
            return alert
        if known is None:
            known = Told(alert, alert.severity) if alert.status is AlertStatus.FIRING else _known_before(alert, moment_ms)
        known = msgspec.structs.replace(known, worst=max(known.worst, alert.severity, key=rank))
        policy = stamp.rules.policy(_facts(alert, known.worst))
        held = self._held(moment_ms, alert, known, policy)
        said = _marked(alert, policy, held, moment_ms)
        if alert.status is AlertStatus.RESOLVED:
            self._end(known, said, policy, moment_ms)
        else:
            self._keep(known, said, held, moment_ms)
        return said

    def _held(self, moment_ms: int, alert: Alert, known: Told, policy: Policy) -> Held | None:
        if alert.status is AlertStatus.RESOLVED:
            return None if known.told_ms is not None else Held.UNTOLD
        if policy.silence_at(moment_ms) is not None:
            return Held.SILENCED
        if known.told_ms is None:
            return Held.COOL_DOWN if self._cools(moment_ms, alert, policy) else None
        is_news = known.held is not None or rank(policy.severity_of(alert.severity)) > rank(known.told)
        if policy.repeat_ms is None or is_news or moment_ms >= known.told_ms + policy.repeat_ms:
            return None
        return Held.REPEAT_EVERY

    def _cools(self, moment_ms: int, alert: Alert, policy: Policy) -> bool:
        ended = self._ended.get(_cause(alert))
        if ended is None or rank(policy.severity_of(alert.severity)) > rank(ended.severity):
            return False
        return moment_ms < ended.at_ms + policy.cool_down_ms

    def _keep(self, known: Told, said: Alert, held: Held | None, moment_ms: int) -> None:
        if held is None:
            known = msgspec.structs.replace(known, told_ms=max(moment_ms, known.told_ms or moment_ms), told=said.severity)
        waits = None if held is Held.REPEAT_EVERY else held
        self._firing[said.alert_id] = msgspec.structs.replace(known, alert=said, held=waits)

    def _end(self, known: Told, said: Alert, policy: Policy, moment_ms: int) -> None:
        self._firing.pop(said.alert_id, None)
        if known.told_ms is not None and said.reason == Reason.RECOVERED:
            self._ended[_cause(said)] = Ended(_cause(said), moment_ms, policy.severity_of(known.worst))


def _known_before(alert: Alert, moment_ms: int) -> Told:
    """What fired before there were rules everybody was told."""
    return Told(alert, alert.severity, told_ms=moment_ms, told=alert.severity)


def _cause(alert: Alert) -> Cause:
    return Cause.of(Key(alert.kind, alert.feature, alert.detector))


def _facts(alert: Alert, worst: Severity) -> Facts:
    segment = tuple(sorted(alert.segment.items()))
    return Facts(alert.model, alert.version, segment, alert.kind, alert.feature, alert.detector, worst)


def _marked(alert: Alert, policy: Policy, held: Held | None, moment_ms: int) -> Alert:
    """The publication as rules want it."""
    silence = policy.silence_at(moment_ms) if held is Held.SILENCED else None
    severity = policy.severity_of(alert.severity)
    marked = msgspec.structs.replace(
        alert,
        severity=severity,
        labels=dict(policy.labels),
        notification=Notification(
            notify=held is None,
            held=held,
            rules=policy.rules,
            recipients=policy.recipients,
            note=silence.reason or None if silence is not None else None,
            until=None if silence is None else _end_of(silence, moment_ms),
            group=_group(alert, severity, policy),
        ),
    )
    summary = alert.annotations.summary if policy.summary is None else fill(policy.summary, marked)
    runbook = None if policy.runbook is None else fill_link(policy.runbook, marked)
    return msgspec.structs.replace(marked, annotations=Annotations(summary, runbook))


def _end_of(silence: Silence | Maintenance, moment_ms: int) -> str | None:
    end = silence.end_at(datetime.fromtimestamp(moment_ms / 1000, UTC))
    return None if end is None else utc(round(end.timestamp() * 1000))


def _group(alert: Alert, severity: Severity, policy: Policy) -> str | None:
    if policy.group_by is None:
        return None
    shared = {
        "version": alert.version,
        "segment": sorted(alert.segment.items()),
        "kind": alert.kind,
        "feature": alert.feature,
        "detector": alert.detector,
        "severity": severity,
    }
    return digest([alert.model, policy.recipients, [(name, shared[name]) for name in sorted({*policy.group_by} - {"model"})]])
