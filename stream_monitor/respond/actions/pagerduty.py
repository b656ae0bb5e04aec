"""The ready action `pagerduty`: an incident by the Events API v2, which ends with the alert."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.respond.actions.base import Secret
from stream_monitor.respond.actions.http import Answer, HttpAction, Request, encoded
from stream_monitor.respond.actions.text import facts, one_line, title
from stream_monitor.respond.call import Call, Retriable

_SUMMARY_MAX: Final = 1024


class PagerDuty(HttpAction):
    """`dedup_key` is the alert's fingerprint: repetitions and updates join the open incident, and a resolved alert resolves it.

    Source: https://developer.pagerduty.com/docs/events-api-v2.
    """

    routing_key: Secret
    """The integration key of the service."""
    url: str = "https://events.pagerduty.com/v2/enqueue"
    """For accounts in Europe: `https://events.eu.pagerduty.com/v2/enqueue`."""

    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """One."""
        return (Request(self.url, encoded({"routing_key": self.routing_key.read(), **event(alert, self.linked(alert))})),)

    def told(self, answer: Answer) -> Mapping[str, Any]:
        """That it was taken."""
        said = answer.json()
        if said.get("status") != "success":
            raise Retriable(self.hidden(f"PagerDuty says {said.get('status')}: {said.get('message')}"))
        return {"status": answer.status, "dedup_key": said.get("dedup_key")}


def event(alert: Alert, link: str | None) -> Mapping[str, Any]:
    """A trigger, or the end of one; without the routing key."""
    known = facts(alert, link)
    links = [{"href": known[name], "text": name} for name in ("link", "runbook") if name in known]
    payload = {
        "summary": one_line(f"{title(alert)}: {known['summary']}")[:_SUMMARY_MAX],
        "source": alert.model,
        "severity": str(alert.severity),
        "timestamp": alert.detected_at,
        "component": alert.feature or alert.detector,
        "group": alert.model,
        "class": str(alert.kind),
        "custom_details": known,
    }
    action = "resolve" if alert.status is AlertStatus.RESOLVED else "trigger"
    return {"event_action": action, "dedup_key": alert.fingerprint, "payload": payload, "links": links, "client": "stream-monitor"}
