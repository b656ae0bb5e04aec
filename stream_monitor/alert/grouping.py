"""Alerts of one window that rules want told as one: the worst tells them all, the others are marked as grouped."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from stream_monitor.alert.alert import Alert, AlertStatus, Held, Member
from stream_monitor.alert.notification import is_held_back, notification_of, notifies
from stream_monitor.alert.rules import rank

LISTED_MAX: Final = 20
"""Members that a telling lists: more read nobody; `firing` counts all."""


class Groups:
    """The alerts of a partition that fire and are not held back, by group. Follows from their last publications, so that no snapshot
    holds it; bounded as they are.
    """

    def __init__(self) -> None:
        self._members: dict[str, dict[str, Member]] = {}
        self._group_of: dict[str, str] = {}

    def take_up(self, alerts: Iterable[Alert]) -> None:
        """Go on from the last publications of what fires."""
        for alert in alerts:
            self._put(alert)

    def gather(self, alerts: list[Alert]) -> list[Alert]:
        """The publications of one step, of which those that share group and window are told as one; in the order in which they came."""
        windows: dict[str, list[int]] = {}
        for place, alert in enumerate(alerts):
            if notification_of(alert) is not None:
                windows.setdefault(alert.resolved_at or alert.window.end, []).append(place)
        gathered = list(alerts)
        for _, places in sorted(windows.items()):
            for group, batch in self._batches(alerts, places).items():
                for place, alert in self._tell(group, {place: alerts[place] for place in batch}).items():
                    gathered[place] = alert
        return gathered

    def _batches(self, alerts: Sequence[Alert], places: Iterable[int]) -> dict[str, list[int]]:
        batches: dict[str, list[int]] = {}
        for place in places:
            self._put(alerts[place])
            if notifies(alerts[place]) and (group := _group_of(alerts[place])) is not None:
                batches.setdefault(group, []).append(place)
        return batches

    def _tell(self, group: str, alerts: Mapping[int, Alert]) -> dict[int, Alert]:
        lead = min(alerts, key=lambda place: _order(alerts[place]))
        firing = self._members.get(group, {})
        ended = [_member(alert) for alert in alerts.values() if alert.status is AlertStatus.RESOLVED]
        listed = tuple(sorted([*firing.values(), *ended], key=_place)[:LISTED_MAX])
        told = {place: _noted(alert, notify=False, held=Held.GROUPED) for place, alert in alerts.items()}
        told[lead] = _noted(alerts[lead], firing=len(firing), members=listed)
        return told

    def _put(self, alert: Alert) -> None:
        """A publication: the alert is in its group, and in no other, as long as it fires and is not held back."""
        before, now = self._group_of.pop(alert.alert_id, None), _group_of(alert)
        if before is not None:
            del self._members[before][alert.alert_id]
            if not self._members[before]:
                del self._members[before]
        if now is not None and alert.status is not AlertStatus.RESOLVED and not is_held_back(alert):
            self._group_of[alert.alert_id] = now
            self._members.setdefault(now, {})[alert.alert_id] = _member(alert)


def _group_of(alert: Alert) -> str | None:
    notification = notification_of(alert)
    return None if notification is None else notification.group


def _member(alert: Alert) -> Member:
    return Member(alert.alert_id, alert.status, alert.severity, alert.kind, alert.version, alert.segment, alert.feature)


def _noted(alert: Alert, **changes: object) -> Alert:
    notification = notification_of(alert)
    assert notification is not None
    return msgspec.structs.replace(alert, notification=msgspec.structs.replace(notification, **changes))


def _order(alert: Alert) -> tuple[bool, int]:
    """What fires before what ended, the worst first."""
    return alert.status is AlertStatus.RESOLVED, -rank(alert.severity)


def _place(member: Member) -> tuple[object, ...]:
    is_over = member.status is AlertStatus.RESOLVED
    about = (member.kind, member.feature or "", member.version or "", sorted(member.segment.items()), member.alert_id)
    return is_over, -rank(member.severity), *about
