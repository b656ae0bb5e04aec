"""What opens something outside closes it: in order, of a group with its last member, whatever filters and rates say of the end."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.alert.alert import AlertStatus
from stream_monitor.detect.finding import Severity
from stream_monitor.respond import Action, ActionStatus, Alert, on
from stream_monitor.respond.actions.base import Secret
from stream_monitor.respond.actions.opsgenie import Opsgenie
from stream_monitor.respond.actions.pagerduty import PagerDuty
from stream_monitor.respond.decide import decide
from stream_monitor.respond.record import Record
from tests.respond.alerts import ALERT, RESOLVED, UPDATED, at, to, told_of_a_group
from tests.respond.counterpart import Asked, Counterpart, Reply, counterpart
from tests.respond.lab import Lab, memory_broker

START_MS = 1_767_600_000_000
REGION = at(ALERT, alert_id="b", fingerprint="f", feature="region", severity=Severity.WARNING)


@dataclass
class Desk:
    """Incidents as PagerDuty's and Opsgenie's interfaces keep them; refuse: so many requests fail before."""

    open: set[str] = field(default_factory=set)
    opened: Counter[str] = field(default_factory=Counter)
    refuse: int = 0

    def answer(self, asked: Asked) -> Reply:
        if self.refuse:
            self.refuse -= 1
            return Reply(503)
        told = asked.json()
        thread = told.get("dedup_key") or told.get("alias") or asked.path.split("/")[-2]
        if told.get("event_action") == "resolve" or "/close" in asked.path:
            self.open.discard(thread)
        elif thread not in self.open:
            self.open.add(thread)
            self.opened[thread] += 1
        return Reply(202, json.dumps({"status": "success", "requestId": "r", "dedup_key": thread}).encode())


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def there(desk: Desk) -> Iterator[Counterpart]:
    with counterpart(desk.answer) as there:
        yield there


KINDS = {
    "pagerduty": lambda url, **more: PagerDuty(routing_key=Secret.model_validate("k"), url=url, **more),
    "opsgenie": lambda url, **more: Opsgenie(api_key=Secret.model_validate("k"), url=url, **more),
}
of_each = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


@of_each
@pytest.mark.parametrize("settings", [{}, {"severity": "critical"}, {"feature": "income", "rate": "1/6h"}], ids=str)
def test_a_group_is_one_incident_until_its_last_member_ends(there: Counterpart, desk: Desk, make: Any, settings: dict[str, Any]) -> None:
    """The last one is none that the filter takes."""
    lab = Lab([on(name="page", **settings)(make(there.url))], memory_broker())
    first, second, last = told_of_a_group(ALERT, REGION)
    for alert in (first, second):
        lab.tell(alert)
        lab.settle()
        assert desk.open == {"g"}
    lab.tell(last)
    lab.settle()
    assert not desk.open
    assert desk.opened == {"g": 1}


@of_each
def test_an_end_waits_for_its_beginning_that_is_tried_again(there: Counterpart, desk: Desk, make: Any) -> None:
    desk.refuse = 2
    lab = Lab([on(name="page", backoff="20ms", retries=5)(make(there.url))], memory_broker())
    lab.tell(ALERT, UPDATED, RESOLVED)
    lab.settle()
    assert not desk.open
    assert desk.opened == {ALERT.fingerprint: 1}


def test_after_a_crash_the_order_is_that_of_the_alerts(there: Counterpart, desk: Desk) -> None:
    """The beginning was attempted after the end had been accepted, so that its message is the later one."""
    broker, action = memory_broker(), on(name="page")(PagerDuty(routing_key=Secret.model_validate("k"), url=there.url))
    record = Record([action])
    results = [decide(record, action, alert, START_MS, offset) for offset, alert in enumerate((ALERT, RESOLVED))]
    for result in reversed(results):
        assert result is not None
        record.apply(result)
    lab = Lab([], broker)
    lab.journal.write([result for result in reversed(results) if result is not None])
    later = Lab([action], broker)
    later.settle()
    assert [asked.json()["event_action"] for asked in there.asked] == ["trigger", "resolve"]


def test_who_is_told_is_whom_the_rules_name(there: Counterpart) -> None:
    own = {"pager": Secret.model_validate("p"), "geo": Secret.model_validate("g")}
    action = PagerDuty(routing_key=Secret.model_validate("k"), url=there.url, recipients=own)
    lab = Lab([on(name="page")(action)], memory_broker())
    for number, names in enumerate([("pager", "nobody"), ("geo", "pager"), ("nobody",), ()]):
        (alert,) = told_of_a_group(at(ALERT, alert_id=f"a{number}"), REGION)[:1]
        lab.tell(to(alert, *names))
        lab.settle()
    assert [asked.json()["routing_key"] for asked in there.asked] == ["p", "g", "p", "k", "k"]


class Opener:
    """Stands for what opens something."""

    has_end = True

    def __call__(self, alert: Alert) -> None: ...


lives = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Severity), st.booleans()), max_size=30)


@given(lives, st.sampled_from([None, "1/6h", "2/6h"]), st.sampled_from([("critical",), ("warning", "critical"), None]))
def test_what_was_opened_is_closed_and_nothing_else_is(told: list[tuple[str, Severity, bool]], rate: Any, severity: Any) -> None:
    """Alerts begin, change their severity, end, and come back; told: which, its severity, whether it ends."""
    action: Action = on(name="open", rate=rate, severity=severity)(Opener())
    record, revisions, outside = Record([action]), Counter[str](), set[str]()
    for name, level, ends in [*told, *((name, Severity.INFO, True) for name in "abc")]:
        revisions[name] += 1
        status = AlertStatus.RESOLVED if ends else AlertStatus.UPDATED
        alert = at(ALERT, alert_id=name, fingerprint=name, revision=revisions[name], severity=level, status=status)
        result = decide(record, action, alert, START_MS)
        if result is None or result.status is ActionStatus.SKIPPED:
            assert not (ends and name in outside)
            continue
        record.apply(result)
        (outside.discard if ends else outside.add)(name)
        assert record.has_opened("open", name) == (name in outside)
    assert not outside
