"""What a reader of the alerts topic asks of an alert: whether anybody is to be told, as part of what, and whether it is over."""

from typing import Final

import msgspec

from stream_monitor.alert.alert import Alert, AlertStatus, Held, Member, Notification
from stream_monitor.detect.finding import Severity


def notification_of(alert: Alert) -> Notification | None:
    """What rules say of it, None where there are none."""
    return None if alert.notification is msgspec.UNSET else alert.notification


def notifies(alert: Alert) -> bool:
    """Whether anybody is to be told of this publication, and anything to be done about it."""
    notification = notification_of(alert)
    return notification is None or notification.notify


def is_held_back(alert: Alert) -> bool:
    """Whether it waits for the end of a silence or a cool-down."""
    notification = notification_of(alert)
    return notification is not None and notification.held in (Held.SILENCED, Held.COOL_DOWN)


_HELD: Final = {
    Held.SILENCED: "silenced",
    Held.COOL_DOWN: "not told: it ended a short time ago, and is told if it still fires then",
    Held.REPEAT_EVERY: "not told again yet",
    Held.GROUPED: "told by another alert of its group",
    Held.UNTOLD: "not told, for nobody was told that it began",
}


def held_text(alert: Alert) -> str | None:
    """Why nobody is told, for people: `silenced until 2026-01-05 00:04 UTC: moving house`; None where somebody is."""
    notification = notification_of(alert)
    if notification is None or notification.held is None:
        return None
    until = "" if notification.until is None else f" until {notification.until[:16].replace('T', ' ')} UTC"
    return _HELD[notification.held] + until + ("" if notification.note is None else f": {notification.note}")


def thread_of(alert: Alert) -> str:
    """What tellings belong to, for receivers that open and close something: the group, else what the alert is about."""
    notification = notification_of(alert)
    return alert.fingerprint if notification is None or notification.group is None else notification.group


def is_over(alert: Alert) -> bool:
    """Whether nothing of its thread fires any more."""
    notification = notification_of(alert)
    if notification is None or notification.group is None:
        return alert.status is AlertStatus.RESOLVED
    return notification.firing == 0


def is_grouped(alert: Alert) -> bool:
    """Whether it is told as part of a group."""
    notification = notification_of(alert)
    return notification is not None and notification.group is not None


def others_firing(alert: Alert) -> tuple[Member, ...]:
    """Of its group, the worst first; at most 20."""
    notification = notification_of(alert)
    members = () if notification is None else notification.members
    return tuple(member for member in members if member.status is not AlertStatus.RESOLVED and member.alert_id != alert.alert_id)


def thread_severity(alert: Alert) -> Severity:
    """How bad its thread is: its own severity, or where it has ended and others of its group fire, the worst one's."""
    others = others_firing(alert)
    return others[0].severity if others and alert.status is AlertStatus.RESOLVED else alert.severity


def recipients_of(alert: Alert) -> tuple[str, ...]:
    """Whom rules name; empty: nobody in particular."""
    notification = notification_of(alert)
    return () if notification is None else notification.recipients
