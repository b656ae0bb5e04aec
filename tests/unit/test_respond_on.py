"""`on`: which alerts an action takes, under which key, and what is said of mistakes."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.alert.alert import AlertStatus, Notification
from stream_monitor.config.actions import Kinds, Quota, parse_quota
from stream_monitor.detect.finding import FindingKind, Severity
from stream_monitor.errors import ConfigError
from stream_monitor.export.reference.alerts import EXAMPLE
from stream_monitor.respond import Action, Alert, Call, on
from stream_monitor.respond.action import collecting


def alert(**fields: Any) -> Alert:
    return msgspec.structs.replace(EXAMPLE, **fields)


def nothing(_: Alert) -> None:
    return None


@pytest.mark.parametrize(
    ("settings", "fields", "taken"),
    [
        ({}, {}, True),
        ({}, {"status": AlertStatus.UPDATED}, True),
        ({}, {"status": AlertStatus.RESOLVED}, False),
        ({"status": "resolved"}, {"status": AlertStatus.RESOLVED}, True),
        ({"status": "firing"}, {"status": AlertStatus.UPDATED}, False),
        ({"severity": "critical"}, {"severity": Severity.WARNING}, False),
        ({"severity": ["warning", "critical"]}, {"severity": Severity.WARNING}, True),
        ({"kind": "bias"}, {"kind": FindingKind.BIAS}, True),
        ({"kind": "bias"}, {}, False),
        ({"model": ("loan", "card")}, {}, True),
        ({"feature": "income"}, {"feature": None}, False),
        ({"segment": {}}, {"segment": {}}, True),
        ({"segment": {}}, {"segment": {"region": "eu"}}, False),
        ({"segment": {"region": "eu"}}, {"segment": {"region": "eu", "sex": "f"}}, True),
        ({"labels": {"team": "risk"}}, {"labels": {}}, False),
        ({"recipient": ["a", "b"]}, {"notification": Notification(notify=True, held=None, recipients=("b", "c"))}, True),
        ({"recipient": "a"}, {"notification": Notification(notify=True, held=None)}, False),
        ({"recipient": "a"}, {}, False),
        ({"labels": {"team": "risk"}}, {"labels": {"team": "risk", "tier": "1"}}, True),
    ],
)
def test_an_action_takes_the_alerts_that_it_names(settings: dict[str, Any], fields: dict[str, Any], taken: bool) -> None:
    assert on(**settings)(nothing).takes(alert(**fields)) is taken


def test_without_statuses_the_key_is_the_alert_s_else_the_publication_s() -> None:
    """So that an alert that becomes critical only with its second publication is acted on, and only once."""
    assert on()(nothing).key(alert(revision=2)) == EXAMPLE.alert_id
    assert on(status="updated")(nothing).key(alert(revision=2)) == f"{EXAMPLE.alert_id}/2"


def test_a_function_stays_one_and_may_take_a_call() -> None:
    @on(severity="critical", rate="1/6h")
    def retrain(alert: Alert, call: Call) -> Mapping[str, Any]:
        return {"model": alert.model, "key": call.idempotency_key, "attempt": call.attempt}

    assert isinstance(retrain, Action)
    assert retrain.name == "retrain"
    assert retrain.options.rate == Quota(1, 6 * 3_600_000)
    assert retrain(EXAMPLE) == {"model": "loan", "key": EXAMPLE.alert_id, "attempt": 1}
    assert on()(nothing)(EXAMPLE) is None


def test_an_object_that_can_be_called_is_an_action() -> None:
    class Pager:
        def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
            return {"paged": alert.model, "attempt": call.attempt}

    with collecting() as found:
        on(kind="bias")(Pager())
        on(name="second")(Pager())
    assert [action.name for action in found] == ["pager", "second"]
    assert found[0](EXAMPLE) == {"paged": "loan", "attempt": 1}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"severty": "critical"}, "unknown key severty; did you mean severity"),
        ({"severity": "fatal"}, "severity.0: 'fatal' must be 'info', 'warning' or 'critical'"),
        ({"rate": "6h"}, "rate: '6h' is not so many in so long; write for example 1/6h"),
        ({"timeout": 3}, "timeout: 3 is not a duration"),
        ({"name": "a/b"}, "cannot be called 'a/b'"),
    ],
)
def test_a_mistake_names_the_setting(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        on(**settings)(nothing)


def test_what_takes_no_alert_is_no_action() -> None:
    with pytest.raises(ConfigError, match="must be a function of an alert"):
        on()(lambda: None)


@given(st.integers(1, 10_000), st.integers(1, 300), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_quota_is_read_as_it_is_written(most: int, length: int, unit: str) -> None:
    assert parse_quota(f"{most}/{length}{unit}").most == most


@pytest.mark.parametrize("text", ["0/1h", "10001/1h", "1/0s", "1", "1/h", "-1/1h", None, 3])
def test_what_is_no_quota_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        parse_quota(text)


def test_every_kind_of_alert_can_be_named() -> None:
    (literal, _) = Kinds.__origin__.__args__  # type: ignore[attr-defined]
    assert set(FindingKind) <= set(literal.__args__)
