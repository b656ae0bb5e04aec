"""Whom a publication is for, and whether anybody is to be told now: what rules add to the life of an alert.

A life says what is true; this says what is told of it. Without rules it adds nothing and keeps nothing. Nothing is lost: every publication
goes out, marked; what a silence or a cool-down holds back is told when that is over and the alert still fires, the end of what was told
is always told. All times are event time, that of the last moment of the window that a publication is about.
"""

from collections.abc import Iterable, Sequence

import msgspec

from stream_monitor.alert.alert import Alert, AlertStatus, Annotations, Held, Notification, digest
from stream_monitor.alert.cause import Cause
from stream_monitor.alert.publication import Reason, Stamp
from stream_monitor.alert.rules import Facts, Policy, rank
from stream_monitor.alert.template import fill, fill_link
from stream_monitor.detect.finding import Key, Severity
from stream_monitor.detect.report import utc


class Told(msgspec.Struct, frozen=True):
    """An alert that fires, and what was told of it.

    alert: its last publication; worst: severity that was found in its life; added: publications that its life does not know of.
    told_ms: when it was last told, None: never; told: the severity that was; held: what it waits for the end of, or None.
    """

    alert: Alert
    worst: Severity
    added: int = 0
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
        return [self._tell(at_ms - 1, alert, stamp) for alert in alerts]

    def remind(self, at_ms: int, firing: Sequence[Alert], said: Iterable[Alert], stamp: Stamp) -> list[Alert]:
        """What is published besides at the first close of a window: what was held back or is to be repeated, of those that fire.

        firing: the last publications that their lives know of; said: what the window itself brought.
        """
        moment_ms, silent = at_ms - 1, {alert.alert_id for alert in said}
        if not stamp.rules.is_empty:
            for alert in firing:  # of what fired before there were rules everybody was told
                self._firing.setdefault(alert.alert_id, Told(alert, alert.severity, told_ms=moment_ms, told=alert.severity))
        self._ended = {cause: each for cause, each in self._ended.items() if each.at_ms + stamp.rules.longest_cool_down_ms > moment_ms}
        due = (alert for alert in firing if alert.alert_id not in silent and self._is_due(moment_ms, alert, stamp))
        return [self._again(moment_ms, alert, stamp) for alert in due]

    def _tell(self, moment_ms: int, alert: Alert, stamp: Stamp) -> Alert:
        known = self._firing.get(alert.alert_id)
        if known is None and stamp.rules.is_empty:
            return alert
        if known is None:
            earlier = None if alert.status is AlertStatus.FIRING else moment_ms
            known = Told(alert, alert.severity, told_ms=earlier, told=alert.severity)
        known = msgspec.structs.replace(known, worst=max(known.worst, alert.severity, key=rank))
        policy = stamp.rules.policy(_facts(alert, known.worst))
        held = self._held(moment_ms, alert, known, policy)
        said = _marked(alert, known, policy, held, moment_ms)
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

    def _is_due(self, moment_ms: int, alert: Alert, stamp: Stamp) -> bool:
        known = self._firing.get(alert.alert_id)
        if known is None:
            return False
        policy = self.policy(alert, stamp)
        repeats = policy.repeat_ms is not None and known.told_ms is not None and moment_ms >= known.told_ms + policy.repeat_ms
        return (known.held is not None or repeats) and self._held(moment_ms, alert, known, policy) is None

    def _again(self, moment_ms: int, alert: Alert, stamp: Stamp) -> Alert:
        known = msgspec.structs.replace(self._firing[alert.alert_id], added=self._firing[alert.alert_id].added + 1)
        still = Annotations(f"still firing: {alert.annotations.summary}", None)
        again = msgspec.structs.replace(alert, status=AlertStatus.UPDATED, annotations=still, config_id=stamp.config_id)
        again = msgspec.structs.replace(again, detected_at=utc(stamp.clock_ms))
        said = _marked(again, known, self.policy(alert, stamp), None, moment_ms)
        self._keep(known, said, None, moment_ms)
        return said

    def _keep(self, known: Told, said: Alert, held: Held | None, moment_ms: int) -> None:
        if held is None:
            known = msgspec.structs.replace(known, told_ms=max(moment_ms, known.told_ms or moment_ms), told=said.severity)
        waits = None if held is Held.REPEAT_EVERY else held
        self._firing[said.alert_id] = msgspec.structs.replace(known, alert=said, held=waits)

    def _end(self, known: Told, said: Alert, policy: Policy, moment_ms: int) -> None:
        self._firing.pop(said.alert_id, None)
        if known.told_ms is not None and said.reason == Reason.RECOVERED:
            self._ended[_cause(said)] = Ended(_cause(said), moment_ms, policy.severity_of(known.worst))


def _cause(alert: Alert) -> Cause:
    return Cause.of(Key(alert.kind, alert.feature, alert.detector))


def _facts(alert: Alert, worst: Severity) -> Facts:
    segment = tuple(sorted(alert.segment.items()))
    return Facts(alert.model, alert.version, segment, alert.kind, alert.feature, alert.detector, worst)


def _marked(alert: Alert, known: Told, policy: Policy, held: Held | None, moment_ms: int) -> Alert:
    """The publication as rules want it."""
    silence = policy.silence_at(moment_ms) if held is Held.SILENCED else None
    severity = policy.severity_of(alert.severity)
    marked = msgspec.structs.replace(
        alert,
        revision=alert.revision + known.added,
        severity=severity,
        labels=dict(policy.labels),
        notification=Notification(
            notify=held is None,
            held=held,
            rules=policy.rules,
            recipients=policy.recipients,
            note=silence.reason or None if silence is not None else None,
            group=_group(alert, severity, policy),
        ),
    )
    summary = alert.annotations.summary if policy.summary is None else fill(policy.summary, marked)
    runbook = None if policy.runbook is None else fill_link(policy.runbook, marked)
    return msgspec.structs.replace(marked, annotations=Annotations(summary, runbook))


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
