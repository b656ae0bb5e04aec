"""The ready action `alertmanager`: the alert where a team's routes, silences and receivers already are."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import Field

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.config.section import Duration
from stream_monitor.respond.actions.base import Secret
from stream_monitor.respond.actions.http import HttpAction, Request, encoded
from stream_monitor.respond.actions.text import facts
from stream_monitor.respond.call import Call

_SEVERITIES: Final = ("info", "warning", "critical")
_NEVER: Final = "0001-01-01T00:00:00Z"
"""How Alertmanager says that an alert has no end."""


class Alertmanager(HttpAction):
    """POSTs to `/api/v2/alerts`. An Alertmanager knows an alert by its labels, so that a repetition changes nothing.

    Since the severity is one of the labels, each publication after the first ends what may have been said at another severity; receivers
    may list such an end of what never fired.
    """

    urls: tuple[str, ...] = Field(min_length=1)
    """Every Alertmanager of the cluster, e.g. `http://alertmanager:9093`: each must know every alert."""
    authorization: Secret | None = None
    """The value of the header `Authorization`."""
    labels: Mapping[str, str] = Field(default={})
    """Further labels, for your routes."""
    expires: Duration = "7d"  # type: ignore[assignment]
    """When Alertmanager may take an alert of which no more is heard for resolved."""

    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """One for each Alertmanager."""
        headers = {"Authorization": self.authorization.read()} if self.authorization else {}
        body = encoded(list(self._alerts(alert)))
        return [Request(f"{url.rstrip('/')}/api/v2/alerts", body, headers) for url in self.urls]

    def _alerts(self, alert: Alert) -> Iterable[Mapping[str, Any]]:
        begun = alert.status is AlertStatus.FIRING
        for severity in (alert.severity,) if begun else _SEVERITIES:
            ends_now = severity != alert.severity
            ends = alert.resolved_at or (alert.detected_at if ends_now else _later(alert.detected_at, self.expires))
            yield {
                "labels": labels(alert) | dict(self.labels) | {"severity": str(severity)},
                "annotations": annotations(alert, self.linked(alert)),
                "startsAt": alert.started_at,
                "endsAt": ends,
                "generatorURL": self.linked(alert) or "",
            }


def labels(alert: Alert) -> dict[str, str]:
    """What an alert is about, in names that Prometheus takes; without the detector, which says how it was found."""
    own = {"alertname": str(alert.kind), "severity": str(alert.severity), "model": alert.model, "fingerprint": alert.fingerprint}
    own |= {name: value for name, value in {"version": alert.version, "feature": alert.feature}.items() if value}
    segment = {f"segment_{_name(name)}": value for name, value in alert.segment.items()}
    return {_name(name): value for name, value in alert.labels.items()} | segment | own


def annotations(alert: Alert, link: str | None) -> dict[str, str]:
    """The facts, with the runbook under the name that Prometheus' rules give it."""
    found = facts(alert, link)
    return {("runbook_url" if name == "runbook" else name): value for name, value in found.items()}


def posted(alert: Alert, link: str | None) -> Mapping[str, Any]:
    """An alert as Alertmanager posts it to its webhooks, version 4: a group of one."""
    status = "resolved" if alert.status is AlertStatus.RESOLVED else "firing"
    one = {
        "status": status,
        "labels": labels(alert),
        "annotations": annotations(alert, link),
        "startsAt": alert.started_at,
        "endsAt": alert.resolved_at or _NEVER,
        "generatorURL": link or "",
        "fingerprint": alert.fingerprint,
    }
    return {
        "receiver": "stream-monitor",
        "status": status,
        "alerts": [one],
        "groupLabels": {"fingerprint": alert.fingerprint},
        "commonLabels": one["labels"],
        "commonAnnotations": one["annotations"],
        "externalURL": link or "",
        "version": "4",
        "groupKey": f'{{}}:{{fingerprint="{alert.fingerprint}"}}',
        "truncatedAlerts": 0,
    }


def _name(text: str) -> str:
    """A label's name: letters, digits and underscores."""
    return re.sub(r"^(?=[0-9])|[^A-Za-z0-9_]", "_", text)


def _later(time: str, by_ms: int) -> str:
    return (datetime.fromisoformat(time) + timedelta(milliseconds=by_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
