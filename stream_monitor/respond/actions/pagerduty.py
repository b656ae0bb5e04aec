"""The ready action `pagerduty`: an incident by the Events API v2, which ends with the alert."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import is_over, thread_of, thread_severity
from stream_monitor.respond.actions.base import Secret, addressed
from stream_monitor.respond.actions.http import Answer, HttpAction, Request, encoded
from stream_monitor.respond.actions.text import facts, one_line, title
from stream_monitor.respond.call import Call, Retriable

_SUMMARY_MAX: Final = 1024


class PagerDuty(HttpAction):
    """`dedup_key` is the alert's group, else its fingerprint: all that is said joins the open incident; its end, of a group the last one's,
    resolves it.

    Source: https://developer.pagerduty.com/docs/events-api-v2.
    """

    has_end: ClassVar[bool] = True

    routing_key: Secret
    """The integration key of the service."""
    recipients: Mapping[str, Secret] = Field(default={})
    """Recipient that rules name -> integration key of its service; alerts that name none of them go to `routing_key`."""
    url: str = "https://events.pagerduty.com/v2/enqueue"
    """For accounts in Europe: `https://events.eu.pagerduty.com/v2/enqueue`."""

    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """One for each service."""
        told = event(alert, self.linked(alert))
        keys = addressed(alert, self.recipients, self.routing_key)
        return [Request(self.url, encoded({"routing_key": key.read(), **told})) for key in keys]

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
        "severity": str(thread_severity(alert)),
        "timestamp": alert.detected_at,
        "component": alert.feature or alert.detector,
        "group": alert.model,
        "class": str(alert.kind),
        "custom_details": known,
    }
    action = "resolve" if is_over(alert) else "trigger"
    return {"event_action": action, "dedup_key": thread_of(alert), "payload": payload, "links": links, "client": "stream-monitor"}
