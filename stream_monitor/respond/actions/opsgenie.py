"""The ready action `opsgenie`: an alert of Opsgenie, or of Jira Service Management's operations, which closes with ours."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import is_over, thread_of, thread_severity
from stream_monitor.respond.actions.base import Secret, addressed
from stream_monitor.respond.actions.http import Answer, HttpAction, Request, encoded
from stream_monitor.respond.actions.text import facts, letter, one_line, title
from stream_monitor.respond.call import Call, Retriable

_MESSAGE_MAX: Final = 130
_DESCRIPTION_MAX: Final = 15_000
_TAG_MAX: Final = 50
_PRIORITIES: Final = {"critical": "P1", "warning": "P3", "info": "P5"}


class Opsgenie(HttpAction):
    """`alias` is the alert's group, else its fingerprint: while it is open there, repetitions are counted and open no other; the end, of a
    group the last one's, closes it.

    Source: https://docs.opsgenie.com/docs/alert-api.
    """

    has_end: ClassVar[bool] = True

    api_key: Secret
    """Of an API integration."""
    url: str = "https://api.opsgenie.com/v2/alerts"
    """In Europe `https://api.eu.opsgenie.com/v2/alerts`; of Jira Service Management `https://api.atlassian.com/jsm/ops/integration/v2/alerts`."""
    teams: tuple[str, ...] = ()
    """Names of the teams that are told."""
    recipients: Mapping[str, tuple[str, ...]] = Field(default={})
    """Recipient that rules name -> its teams; alerts that name none of them go to `teams`."""

    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """One."""
        headers = {"Authorization": f"GenieKey {self.api_key.read()}"}
        if is_over(alert):
            close = {"source": "stream-monitor", "note": alert.annotations.summary}
            return (Request(f"{self.url}/{thread_of(alert)}/close?identifierType=alias", encoded(close), headers),)
        teams = [team for teams in addressed(alert, self.recipients, self.teams) for team in teams]
        return (Request(self.url, encoded(created(alert, self.linked(alert), teams)), headers),)

    def told(self, answer: Answer) -> Mapping[str, Any]:
        """That it will be worked on: Opsgenie takes requests, and does them later."""
        said = answer.json()
        if "requestId" not in said:
            raise Retriable("the answer is not Opsgenie's: it has no requestId")
        return {"status": answer.status, "request_id": said["requestId"]}


def created(alert: Alert, link: str | None, teams: Sequence[str]) -> Mapping[str, Any]:
    """A new alert."""
    return {
        "message": title(alert)[:_MESSAGE_MAX],
        "alias": thread_of(alert),
        "description": letter(alert, link)[:_DESCRIPTION_MAX],
        "priority": _PRIORITIES[str(thread_severity(alert))],
        "source": "stream-monitor",
        "entity": one_line(alert.model),
        "tags": [one_line(tag)[:_TAG_MAX] for tag in (alert.kind, alert.severity, alert.model, alert.feature) if tag],
        "details": facts(alert, link),
        "responders": [{"name": team, "type": "team"} for team in teams],
    }
