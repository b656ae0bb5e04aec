"""The ready action `alertmanager` on a real Alertmanager, whose own webhook shows what the action `webhook` must look like."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from stream_monitor.alert.notification import is_over
from stream_monitor.respond import Alert
from stream_monitor.respond.actions.alertmanager import Alertmanager, posted
from tests.integration.waiting import wait_until
from tests.prometheus.programs import alertmanager, ask
from tests.respond.alerts import ALERT, LINK, LINKED, RESOLVED, UPDATED, act, at, told_of_a_group
from tests.respond.counterpart import Counterpart, Reply, counterpart

CLOCK = datetime.now(UTC)
"""Alertmanager forgets what ended long ago: the test's alerts are of this hour."""


def minutes(count: int) -> str:
    return (CLOCK + timedelta(minutes=count)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


NOW = at(ALERT, started_at=minutes(-40), detected_at=minutes(-35))
LATER = at(UPDATED, started_at=minutes(-40), detected_at=minutes(-30))
ENDED = at(RESOLVED, started_at=minutes(-40), detected_at=minutes(-5), resolved_at=minutes(-6))


class Manager(NamedTuple):
    url: str
    receiver: Counterpart

    def active(self) -> dict[str, Any]:
        """Severity -> alert, of what is active there."""
        return {each["labels"]["severity"]: each for each in ask(self.url, "/api/v2/alerts", {"active": "true"})}

    def severities(self, status: str) -> set[str]:
        """Of all that the receiver was told to have this status."""
        alerts = [alert for asked in self.receiver.asked for alert in asked.json()["alerts"]]
        return {alert["labels"]["severity"] for alert in alerts if alert["status"] == status}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with counterpart(Reply()) as receiver:
        route = {"receiver": "us", "group_by": ["fingerprint"], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
        hooks = {"name": "us", "webhook_configs": [{"url": receiver.url, "send_resolved": True}]}
        config = tmp_path / "alertmanager.yml"
        config.write_text(yaml.safe_dump({"route": route, "receivers": [hooks]}), encoding="utf-8")
        with alertmanager(tmp_path, config) as url:
            yield Manager(url, receiver)


def send(manager: Manager, alert: Alert) -> None:
    act(Alertmanager(urls=(manager.url,), link=LINK), alert)


def test_an_alert_fires_changes_its_severity_and_resolves_once_each(manager: Manager) -> None:
    send(manager, NOW)
    send(manager, NOW)
    wait_until(lambda: bool(manager.receiver.asked), "the alert at the receiver")
    (critical,) = manager.active().values()
    assert critical["labels"] | {"team": "credit", "segment_region": "north", "model": "loan", "feature": "income"} == critical["labels"]
    assert critical["annotations"]["runbook_url"] == ALERT.annotations.runbook
    assert critical["generatorURL"] == LINKED

    send(manager, LATER)
    wait_until(lambda: manager.active().keys() == {"warning"}, "the lower severity alone to be active")
    wait_until(lambda: "critical" in manager.severities("resolved"), "the end of the critical one")

    send(manager, ENDED)
    wait_until(lambda: not manager.active(), "nothing to be active")
    wait_until(lambda: {"critical", "warning"} <= manager.severities("resolved"), "both ends")
    assert manager.severities("firing") == manager.severities("resolved") == {"critical", "warning"}, "no end of what never fired"


def test_a_group_is_one_alert_until_its_last_member_ends(manager: Manager) -> None:
    for alert in told_of_a_group(NOW, at(LATER, alert_id="b", feature="region")):
        send(manager, alert)
        if not is_over(alert):
            wait_until(lambda: len(manager.active()) == 1, "one alert to be active")
    wait_until(lambda: not manager.active(), "nothing to be active")
    told = [alert for asked in manager.receiver.asked for alert in asked.json()["alerts"]]
    assert {alert["labels"]["fingerprint"] for alert in told} == {"g"}
    assert not any("feature" in alert["labels"] for alert in told)


def test_what_never_fired_is_not_ended(manager: Manager) -> None:
    send(manager, ENDED)
    assert not ask(manager.url, "/api/v2/alerts")


def test_another_s_alerts_of_the_same_thread_stay(manager: Manager) -> None:
    """Two clusters that tell one Alertmanager, under labels of their own."""
    for cluster in ("eu", 'u"s'):
        act(Alertmanager(urls=(manager.url,), labels={"cluster": cluster}), NOW)
    act(Alertmanager(urls=(manager.url,), labels={"cluster": "eu"}), ENDED)
    (left,) = manager.active().values()
    assert left["labels"]["cluster"] == 'u"s'


def test_our_webhook_has_the_shape_of_its_webhook(manager: Manager) -> None:
    send(manager, NOW)
    wait_until(lambda: bool(manager.receiver.asked), "the alert at the receiver")
    theirs, ours = manager.receiver.asked[0].json(), json.loads(json.dumps(posted(NOW, LINKED)))
    assert shape(ours) == shape(theirs)
    (alert,) = theirs["alerts"]
    assert ours["version"] == theirs["version"] == "4"
    assert datetime.fromisoformat(ours["alerts"][0]["startsAt"]) == datetime.fromisoformat(alert["startsAt"])
    same = ("status", "labels", "annotations", "generatorURL")
    assert {name: ours["alerts"][0][name] for name in same} == {name: alert[name] for name in same}


def shape(tree: Any) -> Any:
    """The fields and their types; what labels and annotations hold is free."""
    if isinstance(tree, dict):
        return {name: dict if name.endswith(("abels", "nnotations")) else shape(value) for name, value in tree.items()}
    return [shape(each) for each in tree] if isinstance(tree, list) else type(tree)
