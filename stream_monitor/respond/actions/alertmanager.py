"""The ready action `alertmanager`: the alert where a team's routes, silences and receivers already are."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import orjson
from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import is_grouped, is_over, thread_of, thread_severity
from stream_monitor.config.section import Duration
from stream_monitor.respond.actions.base import Secret
from stream_monitor.respond.actions.http import Answer, HttpAction, Request, encoded
from stream_monitor.respond.actions.text import facts
from stream_monitor.respond.call import Call, Retriable

_NEVER: Final = "0001-01-01T00:00:00Z"
"""How Alertmanager says that an alert has no end."""


class Alertmanager(HttpAction):
    """POSTs to `/api/v2/alerts`. An Alertmanager knows an alert by its labels, so that a repetition changes nothing.

    Severity is one of them, and a group is told under that of its worst: what is active there of the same thread with other labels is asked
    for, and ended with each publication.
    """

    has_end: ClassVar[bool] = True

    urls: tuple[str, ...] = Field(min_length=1)
    """Every Alertmanager of the cluster, e.g. `http://alertmanager:9093`: each must know every alert."""
    authorization: Secret | None = None
    """The value of the header `Authorization`."""
    labels: Mapping[str, str] = Field(default={})
    """Further labels, for your routes."""
    expires: Duration = "7d"  # type: ignore[assignment]
    """When Alertmanager may take an alert of which no more is heard for resolved."""

    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """One for each Alertmanager, as if nothing were active there."""
        return [self._said(url, [self._now(alert)]) for url in self.urls]

    async def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any] | None:
        """Ask each what is active, and tell it what is, and what is not any more. Errors: Refused, Retriable."""
        if call.dry_run:
            return await super().__call__(alert, call)
        told: dict[str, Any] = {}
        now = self._now(alert)
        ours = {**self.labels, "fingerprint": thread_of(alert)}
        query = urlencode([("filter", f"{name}={json.dumps(value, ensure_ascii=False)}") for name, value in ours.items()])
        for url in self.urls:
            answer = await self.send(Request(f"{_alerts(url)}?{query}", None, self._headers()), call)
            ended = [_ended(each, alert) for each in _active(answer) if is_over(alert) or each["labels"] != now["labels"]]
            if said := ended if is_over(alert) else [now, *ended]:
                answer = await self.send(self._said(url, said), call)
            told = {"status": answer.status}
        return told

    def _said(self, url: str, alerts: Sequence[Mapping[str, Any]]) -> Request:
        return Request(_alerts(url), encoded(alerts), self._headers())

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": self.authorization.read()} if self.authorization else {}

    def _now(self, alert: Alert) -> Mapping[str, Any]:
        return {
            "labels": {name: value for name, value in (labels(alert) | dict(self.labels)).items() if value},  # it drops what is empty
            "annotations": annotations(alert, self.linked(alert)),
            "startsAt": alert.started_at,
            "endsAt": alert.resolved_at or alert.detected_at if is_over(alert) else _later(alert.detected_at, self.expires),
            "generatorURL": self.linked(alert) or "",
        }


def _alerts(url: str) -> str:
    return f"{url.rstrip('/')}/api/v2/alerts"


def _active(answer: Answer) -> Sequence[Mapping[str, Any]]:
    """Errors: Retriable: something between us and Alertmanager answered."""
    try:
        tree = orjson.loads(answer.body)
        return [{"labels": dict(each["labels"]), "startsAt": str(each["startsAt"])} for each in tree]
    except (ValueError, TypeError, KeyError):
        raise Retriable(f"the answer of status {answer.status} is not Alertmanager's list of alerts") from None


def _ended(active: Mapping[str, Any], alert: Alert) -> Mapping[str, Any]:
    """Not before it began, which Alertmanager refuses."""
    end = (alert.resolved_at if is_over(alert) else None) or alert.detected_at
    return dict(active) | {"endsAt": max(end, active["startsAt"], key=datetime.fromisoformat)}


def labels(alert: Alert) -> dict[str, str]:
    """What an alert is about, in names that Prometheus takes; without the detector, which says how it was found.

    `fingerprint` is its thread. What members of a group need not share is left out: they are told under the same labels.
    """
    own = {"alertname": str(alert.kind), "severity": str(thread_severity(alert)), "model": alert.model, "fingerprint": thread_of(alert)}
    place = {} if is_grouped(alert) else {"version": alert.version, "feature": alert.feature}
    own |= {name: value for name, value in place.items() if value}
    segment = {} if is_grouped(alert) else {f"segment_{_name(name)}": value for name, value in alert.segment.items()}
    return {_name(name): value for name, value in alert.labels.items()} | segment | own


def annotations(alert: Alert, link: str | None) -> dict[str, str]:
    """The facts, with the runbook under the name that Prometheus' rules give it."""
    found = facts(alert, link)
    return {("runbook_url" if name == "runbook" else name): value for name, value in found.items()}


def posted(alert: Alert, link: str | None) -> Mapping[str, Any]:
    """An alert as Alertmanager posts it to its webhooks, version 4: a group of one."""
    status, thread = "resolved" if is_over(alert) else "firing", thread_of(alert)
    one = {
        "status": status,
        "labels": labels(alert),
        "annotations": annotations(alert, link),
        "startsAt": alert.started_at,
        "endsAt": alert.resolved_at or alert.detected_at if is_over(alert) else _NEVER,
        "generatorURL": link or "",
        "fingerprint": thread,
    }
    return {
        "receiver": "stream-monitor",
        "status": status,
        "alerts": [one],
        "groupLabels": {"fingerprint": thread},
        "commonLabels": one["labels"],
        "commonAnnotations": one["annotations"],
        "externalURL": link or "",
        "version": "4",
        "groupKey": f'{{}}:{{fingerprint="{thread}"}}',
        "truncatedAlerts": 0,
    }


def _name(text: str) -> str:
    """A label's name: letters, digits and underscores."""
    return re.sub(r"^(?=[0-9])|[^A-Za-z0-9_]", "_", text)


def _later(time: str, by_ms: int) -> str:
    return (datetime.fromisoformat(time) + timedelta(milliseconds=by_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
