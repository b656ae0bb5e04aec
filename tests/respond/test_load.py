"""What `respond` says of mistakes, before it meets a broker."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faust.auth import SASLCredentials, SSLCredentials

from stream_monitor.config import parse_config
from stream_monitor.errors import ConfigError, InputError
from stream_monitor.respond.credentials import credentials
from stream_monitor.respond.load import load_actions, require_sound
from tests.respond.alerts import RESOLVED, UPDATED

GOOD = "from stream_monitor.respond import on\n\n@on()\ndef act(alert): ...\n"


def config(**tree: Any) -> Any:
    return parse_config({"models": {"loan": {"baseline": "a"}}, **tree}, "monitor.yaml")


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1\n", r"mine has no action: put @on\(…\) from stream_monitor.respond before a function of an alert"),
        (
            "import nowhere_at_all\n",
            r"mine cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all' \(.*mine.py, line 1\)",
        ),
        ("\n1 / 0\n", r"mine cannot be imported: ZeroDivisionError: .* \(.*mine.py, line 2\)"),
        (GOOD + GOOD, "two actions are called 'act': give one of them another name"),
        (GOOD.replace("on()", "on(kind='drift')"), r"on\(…\): kind"),
        (GOOD.replace("on()", "on"), r"@on needs its parentheses"),
        ("import os\nos.environ['NOT_SET_ANYWHERE']\n", r"mine cannot be imported: KeyError: 'NOT_SET_ANYWHERE' \(.*mine.py, line 2\)"),
        ("def f(:\n", r"mine cannot be imported: SyntaxError: invalid syntax \(mine.py, line 1\)$"),
        ("import sys\nsys.exit('no token')\n", r"mine ends the process while it is imported: sys.exit\('no token'\) \(.*mine.py, line 2\)"),
        ("from stream_monitor.respond import Workflow, on\nloop = Workflow('loop')\non()(loop)\n", "workflow loop has no step"),
        (GOOD.replace("act(alert)", "act()"), r"on\(…\): act must be a function of an alert"),
    ],
)
def test_a_module_with_a_mistake(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises((ConfigError, InputError), match=sentence):
        load_actions(config(), "monitor.yaml", "mine")


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("nowhere", "there is no module 'nowhere' in this folder"),
        ("nowhere.at.all", "there is no module 'nowhere.at.all' in this folder"),
        ("nowhere.py", "nowhere.py: there is no such file"),
        (None, "nothing to do: name a Python module with @on functions, or put `actions:` into monitor.yaml"),
    ],
)
def test_a_module_that_is_not_there(module: str | None, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_actions(config(), "monitor.yaml", module)


def test_a_file_is_taken_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(GOOD)
    assert [action.name for action in load_actions(config(), "monitor.yaml", "json.py")] == ["act"]


def test_ready_actions_stand_beside_a_module_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    monkeypatch.setenv("HOOK_URL", "https://example.com/hook")
    tell = {"use": "webhook", "on": {"severity": "critical"}, "retries": 7, "with": {"url": "${HOOK_URL}"}}
    actions = load_actions(config(actions={"tell": tell}), "monitor.yaml", "mine")
    assert [(action.name, action.options.retries, action.filter.severity) for action in actions] == [
        ("tell", 7, ("critical",)),
        ("act", 3, None),
    ]


def test_what_opens_something_is_told_of_the_end_unless_statuses_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    page = {"use": "pagerduty", "with": {"routing_key": "k"}}
    entries = {
        "page": page,
        "some": page | {"on": {"status": "firing"}},
        "manager": {"use": "alertmanager", "with": {"urls": ["http://a"]}},
        "ops": {"use": "opsgenie", "with": {"api_key": "k"}},
        "hook": {"use": "webhook", "with": {"url": "http://a"}},
    }
    found = {action.name: action for action in load_actions(config(actions=entries), "monitor.yaml", None)}
    assert [name for name, action in found.items() if action.takes(RESOLVED)] == ["page", "manager", "ops"]
    assert found["page"].key(RESOLVED) == f"{RESOLVED.alert_id}/3"
    assert found["hook"].key(UPDATED) == UPDATED.alert_id


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"use": "webhok"}, "actions.tell.use: there is no ready action 'webhok'; did you mean webhook"),
        ({"use": "fax"}, "actions.tell.use: there is no ready action 'fax'; there are .*webhook"),
        ({"use": "webhook", "with": {"ulr": "https://a"}}, "url is missing; unknown key actions.tell.with.ulr; did you mean url?"),
        ({"use": "webhook", "with": {"url": "ops.example/x"}}, "with.url: write an address that begins with https://"),
        ({"use": "webhook", "on": {"kind": "data_drft"}}, "on.kind.0: 'data_drft' must be .*; did you mean data_drift?"),
        ({"use": "webhook"}, "actions.tell.with.url is missing"),
        ({"use": "webhook", "with": {"url": "${NOT_SET_ANYWHERE}"}}, "actions.tell.with.url: the environment variable NOT_SET_ANYWHERE"),
    ],
)
def test_a_ready_action_with_a_mistake(entry: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_actions(config(actions={"tell": entry}), "monitor.yaml", None)


def test_check_looks_at_settings_as_far_as_they_stand_there() -> None:
    settings = {"url": "${NOT_SET_ANYWHERE}/hook"}
    tell = {"use": "webhook", "with": settings}
    require_sound(config(actions={"tell": tell, "mail": {"use": "email", "with": {"host": "a", "sender": "${ME}", "to": ["b@c.de"]}}}), "f")
    with pytest.raises(ConfigError, match=r"f: unknown key actions.tell.with.urll; did you mean url\?"):
        require_sound(config(actions={"tell": {**tell, "with": {**settings, "urll": 1}}}), "f")


def test_a_mistake_in_a_secret_does_not_tell_it() -> None:
    with pytest.raises(ConfigError) as caught:
        load_actions(config(actions={"tell": {"use": "webhook", "with": {"url": "hunter2hunter2", "nope": 1}}}), "monitor.yaml", None)
    assert "hunter2" not in str(caught.value)


def test_no_security_is_none() -> None:
    assert credentials({"client.id": "me", "socket.timeout.ms": 1_000}) is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "sasl_ssl"])
def test_a_user_and_a_password(mechanism: str, protocol: str) -> None:
    found = credentials({"security.protocol": protocol, "sasl.mechanisms": mechanism, "sasl.username": "me", "sasl.password": "it"})
    assert isinstance(found, SASLCredentials)
    assert (found.username, found.password, found.mechanism.value) == ("me", "it", mechanism)
    assert found.protocol.value == protocol.upper()
    assert (found.ssl_context is not None) == (protocol == "sasl_ssl")


def test_tls_checks_the_host_unless_told_otherwise() -> None:
    found = credentials({"security.protocol": "SSL"})
    assert isinstance(found, SSLCredentials)
    assert found.context.check_hostname
    careless = credentials({"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "none"})
    assert isinstance(careless, SSLCredentials)
    assert not careless.context.check_hostname
    assert careless.context.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"ssl.keystore.location": "x"}, "kafka.properties.ssl.keystore.location: `respond` does not know it; .*ssl.ca.location"),
        ({"sasl.oauthbearer.method": "oidc"}, "sasl.oauthbearer.method"),
        ({"security.protocol": "TLS"}, "security.protocol: TLS is not one of PLAINTEXT, SSL"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}, "sasl.mechanism: `respond` knows PLAIN, .*, not GSSAPI"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "me"}, "sasl.password is missing"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/nowhere.pem"}, "ssl.ca.location: .*No such file"),
        ({"security.protocol": "SSL", "ssl.certificate.location": "/nowhere.pem"}, "ssl.certificate.location: .*No such file"),
    ],
)
def test_security_that_cannot_be_had_is_told(properties: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        credentials(properties)
