"""What is said of an alert to people: one line, its facts, and both as a text."""

from collections.abc import Mapping

from stream_monitor.alert.alert import Alert, AlertStatus, Member
from stream_monitor.alert.notification import is_over, notification_of, others_firing, thread_severity
from stream_monitor.alert.wording import split


def title(alert: Alert) -> str:
    """One line without control characters: `[CRITICAL] loan: income, data drift`; of a group `…, and 2 more`."""
    state = "RESOLVED" if is_over(alert) else thread_severity(alert).upper()
    place = f" ({split(alert.segment)})" if alert.segment else ""
    about = alert.feature or alert.detector
    return one_line(f"[{state}] {alert.model}{place}: {about}, {alert.kind.replace('_', ' ')}{_more(alert)}")


def _more(alert: Alert) -> str:
    notification = notification_of(alert)
    firing = 0 if notification is None else notification.firing
    if alert.status is AlertStatus.RESOLVED:
        return f" ended, {firing} still firing" if firing else ""
    return f", and {firing - 1} more" if firing > 1 else ""


def facts(alert: Alert, link: str | None) -> dict[str, str]:
    """What a person on call asks for, in reading order; only what there is."""
    found: Mapping[str, object] = {
        "summary": alert.annotations.summary,
        "status": alert.status,
        "severity": alert.severity,
        "model": alert.model,
        "version": alert.version,
        "segment": split(alert.segment) or None,
        "feature": alert.feature,
        "kind": alert.kind,
        "detector": alert.detector,
        "score": alert.score,
        "threshold": alert.threshold,
        "p_value": alert.p_value,
        "also_firing": ", ".join(_about(member) for member in others_firing(alert)) or None,
        "window": f"{alert.window.start} to {alert.window.end}, {alert.window.events} events",
        "since": alert.change_point or alert.started_at,
        "resolved_at": alert.resolved_at,
        "reason": alert.reason,
        "runbook": alert.annotations.runbook,
        "link": link,
        "alert_id": alert.alert_id,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _about(member: Member) -> str:
    place = f" ({split(member.segment)})" if member.segment else ""
    return f"{member.feature or 'traffic'}{place}: {member.kind.replace('_', ' ')}, {member.severity}"


def letter(alert: Alert, link: str | None) -> str:
    """The facts as lines, the summary first."""
    lines = facts(alert, link)
    return "\n".join([lines.pop("summary"), "", *(f"{name.replace('_', ' ')}: {one_line(value)}" for name, value in lines.items())])


def one_line(text: str) -> str:
    """Without line ends and other control characters, which headers and subjects forbid."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
