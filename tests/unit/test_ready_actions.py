"""What ready actions say, and to whom: settings, secrets, names; pure functions of the alert."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream_monitor.alert.alert import Notification
from stream_monitor.respond import Alert, ReadyAction, Refused
from stream_monitor.respond.actions import READY
from stream_monitor.respond.actions.alertmanager import Alertmanager, labels
from stream_monitor.respond.actions.base import Secret
from stream_monitor.respond.actions.http import HttpAction
from stream_monitor.respond.actions.kubernetes_job import KubernetesJob
from stream_monitor.respond.actions.opsgenie import Opsgenie
from stream_monitor.respond.actions.pagerduty import PagerDuty, event
from stream_monitor.respond.actions.slack import Slack, message
from stream_monitor.respond.actions.text import facts, letter, title
from stream_monitor.respond.actions.webhook import signature
from tests.respond.alerts import ALERT, LINK, LINKED, RESOLVED, UPDATED, at, call, told_of_a_group
from tests.respond.http_actions import HTTP, JOB

WHOLE = at(ALERT, feature=None, segment={}, version=None, score=None, threshold=None, p_value=None, change_point=None, labels={})
STRANGE = at(ALERT, model="lo\nan\x00", feature="<!channel> & \r\n" + "f" * 5000, segment={"a b": "=\n", "1é": ""})


def only(action: HttpAction, alert: Alert) -> object:
    (request,) = action.requests(alert, call())
    return request.body


@pytest.mark.parametrize("name", READY)
def test_each_name_has_its_class_which_says_what_every_setting_is(name: str) -> None:
    action = READY[name]
    assert issubclass(action, ReadyAction)
    assert action.__doc__
    assert not [field for field, info in action.model_fields.items() if not info.description]
    assert action.takes_dry_run


def test_an_action_whose_library_is_absent_says_what_to_install() -> None:
    code = """
import sys
sys.modules["aiohttp"] = None
from stream_monitor.respond.actions import READY
from stream_monitor.errors import ConfigError
try:
    READY["webhook"]
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "the action webhook needs aiohttp: pip install 'stream-monitor[respond]'\n"


@pytest.mark.parametrize("case", HTTP.values(), ids=HTTP)
@pytest.mark.parametrize("alert", [WHOLE, STRANGE, UPDATED, RESOLVED], ids=["whole", "strange", "updated", "resolved"])
def test_any_alert_can_be_told(case: object, alert: Alert) -> None:
    action = case.make("http://127.0.0.1:1")  # type: ignore[attr-defined]
    assert action.requests(alert, call())


def test_a_title_is_one_line_and_says_when_it_is_over() -> None:
    assert title(ALERT) == "[CRITICAL] loan (region = north): income, data drift"
    assert title(RESOLVED) == "[RESOLVED] loan (region = north): income, data drift"
    assert title(STRANGE).isprintable()
    assert letter(STRANGE, None).count("\n") == letter(at(STRANGE, model="loan", feature="f", segment={"a": "b"}), None).count("\n")


def test_facts_leave_out_what_there_is_not() -> None:
    assert facts(WHOLE, None).keys() & {"feature", "version", "score", "segment", "link", "resolved_at"} == set()
    assert facts(WHOLE, None)["since"] == ALERT.started_at
    assert facts(ALERT, LINKED)["since"] == ALERT.change_point


def test_a_link_is_filled_in_and_quoted() -> None:
    action = Alertmanager(urls=("http://a",), link=LINK)
    assert action.linked(ALERT) == LINKED
    assert action.linked(at(ALERT, model="a/b?c")) == "https://monitor.example/models/a%2Fb%3Fc"
    for wrong in ("{models}", "{0}", "{", "{model.__class__}", "{model[0]}"):
        with pytest.raises(ValidationError, match="link may hold"):
            Alertmanager(urls=("http://a",), link=wrong)


def test_a_secret_is_a_text_or_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" hush \n")
    assert Secret.model_validate("hush").read() == Secret(file=file).read() == "hush"
    assert "hush" not in f"{Secret.model_validate('hush')!r}{Secret.model_validate('hush').model_dump_json()}"
    for wrong in ("", {}, {"file": file, "value": "x"}, {"value": ""}, {"env": "X"}):
        with pytest.raises(ValidationError):
            Secret.model_validate(wrong)
    file.write_text("\n")
    with pytest.raises(Refused, match="is empty"):
        Secret(file=file).read()
    file.write_bytes(b"\xff")
    with pytest.raises(Refused, match="not text"):
        Secret(file=file).read()
    with pytest.raises(Refused, match="No such file"):
        Secret(file=tmp_path / "none").read()


def test_what_others_say_is_told_without_secrets_and_without_end() -> None:
    action = PagerDuty(routing_key=Secret.model_validate("Bearer abcdefgh"))
    assert action.hidden("you sent abcdefgh: no") == "you sent ***: no"
    assert len(action.hidden("x" * 10_000)) == 500


def test_a_signature_is_that_of_standard_webhooks() -> None:
    """Their example: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""
    signed = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (signed["webhook-id"], signed["webhook-timestamp"]) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330")
    with pytest.raises(Refused, match="base64"):
        signature("whsec_*", "m", 0, b"")


@given(st.dictionaries(st.text(min_size=1), st.text()), st.dictionaries(st.text(min_size=1), st.text(), max_size=3))
def test_alertmanager_gets_labels_that_prometheus_takes(own: dict[str, str], segment: dict[str, str]) -> None:
    found = labels(at(ALERT, labels=own, segment=segment))
    assert all(name.isascii() and name.isidentifier() for name in found)
    assert (found["alertname"], found["model"], found["severity"]) == ("data_drift", "loan", "critical")


def test_pagerduty_joins_one_incident_and_resolves_it() -> None:
    told = [event(alert, LINKED) for alert in (ALERT, UPDATED, RESOLVED)]
    assert [each["event_action"] for each in told] == ["trigger", "trigger", "resolve"]
    assert {each["dedup_key"] for each in told} == {ALERT.fingerprint}
    assert len(event(STRANGE, None)["payload"]["summary"]) <= 1024
    assert {link["text"] for link in told[0]["links"]} == {"link", "runbook"}


def test_opsgenie_closes_by_the_alias() -> None:
    action = Opsgenie(api_key=Secret.model_validate("k"), teams=("ml",))
    (opened,), (closed,) = action.requests(ALERT, call()), action.requests(RESOLVED, call())
    assert opened.url == "https://api.opsgenie.com/v2/alerts"
    assert closed.url == f"https://api.opsgenie.com/v2/alerts/{ALERT.fingerprint}/close?identifierType=alias"
    assert ALERT.fingerprint.encode() in (opened.body or b"")


def test_a_group_is_told_under_one_thread_with_how_many_fire() -> None:
    begun, one_ended, over = told_of_a_group(ALERT, at(UPDATED, alert_id="b", feature="region"))
    assert title(begun) == "[CRITICAL] loan (region = north): income, data drift, and 1 more"
    assert title(one_ended) == "[WARNING] loan (region = north): income, data drift ended, 1 still firing"
    assert title(over) == "[RESOLVED] loan (region = north): region, data drift"
    assert facts(begun, None)["also_firing"] == "region (region = north): data drift, warning"
    assert [event(alert, None)["event_action"] for alert in (begun, one_ended, over)] == ["trigger", "trigger", "resolve"]
    assert event(one_ended, None)["payload"]["severity"] == "warning"
    assert "also_firing" not in facts(over, None)


def test_whom_rules_name_is_told_where_the_settings_know_them() -> None:
    own = {"geo": Secret.model_validate("https://b"), "risk": Secret.model_validate("https://c")}
    slack = Slack(url=Secret.model_validate("https://a"), recipients=own)
    ops = Opsgenie(api_key=Secret.model_validate("k"), teams=("ml",), recipients={"geo": ("maps", "eu")})
    for names, urls, teams in (
        ((), ["https://a"], ["ml"]),
        (("nobody",), ["https://a"], ["ml"]),
        (("geo", "nobody"), ["https://b"], ["maps", "eu"]),
        (("risk", "geo"), ["https://c", "https://b"], ["maps", "eu"]),
    ):
        alert = at(ALERT, notification=Notification(True, None, recipients=names))
        assert [request.url for request in slack.requests(alert, call())] == urls
        (request,) = ops.requests(alert, call())
        assert [team["name"] for team in json.loads(request.body or b"")["responders"]] == teams


def test_slack_cannot_be_made_to_call_a_channel() -> None:
    told = str(message(STRANGE, None))
    assert "<!channel>" not in told
    assert "&lt;!channel&gt;" in told
    blocks = message(STRANGE, None)["attachments"][0]["blocks"]
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks)


@pytest.mark.parametrize("version", ["1.29", "1.34"])
def test_a_job_is_what_kubernetes_takes_and_its_name_follows_from_the_key(version: str) -> None:
    action = KubernetesJob(name="retrain", token=Secret.model_validate("t"), spec=JOB, ca=None)
    jobs = [action._job(alert, call(key)) for alert, key in ((ALERT, "a/1"), (UPDATED, "a/1"), (ALERT, "a/2"))]
    for job in jobs:
        kubernetes_validate.validate(job, version, strict=True)
    names = [job["metadata"]["name"] for job in jobs]
    assert [one == other for one, other in pairwise(names)] == [True, False]
    (container,) = jobs[0]["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert variables["A"] == "b"
    assert Alert.from_json(variables["STREAM_MONITOR_ALERT"].replace("$$", "$").encode()) == ALERT
    assert JOB["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "b"}], "the settings stay as they are"


def test_a_job_without_containers_is_a_mistake() -> None:
    pods: list[object] = [None, {}, {"containers": []}, {"containers": ["x"]}]
    specs: list[dict[str, object]] = [{}, {"template": None}]
    specs += [{"template": {"spec": pod}} for pod in pods]
    for spec in specs:
        with pytest.raises(ValidationError, match="containers"):
            KubernetesJob(name="retrain", spec=spec)


def test_an_unknown_name_is_a_key_error() -> None:
    assert "carrier_pigeon" not in READY
    with pytest.raises(KeyError):
        READY["carrier_pigeon"]
