"""monitor.yaml: a mistake is one sentence with file, field and remedy; secrets stay here; what is shared comes back the same."""

import socket
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.config import Config, config_id, format_duration, load_config, parse_config, parse_duration
from stream_monitor.errors import ConfigError, UserError

LOAN: dict[str, Any] = {"baseline": "loan.json"}


def model(**settings: Any) -> dict[str, Any]:
    return {"models": {"loan": {**LOAN, **settings}}}


def sentence(tree: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(tree, "monitor.yaml")
    text = str(caught.value)
    assert text.startswith("monitor.yaml: ")
    assert "\n" not in text
    return text.removeprefix("monitor.yaml: ")


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({}, "models is missing"),
    ({"models": {}}, "models: write at least one"),
    ({"models": [LOAN]}, "models: write a mapping, KEY: VALUE"),
    ({"models": {"loan": {}}}, "models.loan.baseline is missing"),
    ({"models": {"loan": None}}, "models.loan: write a mapping, KEY: VALUE"),
    ({**model(), "modles": {}}, "unknown key modles; did you mean models?"),
    ({**model(), "topics": {"prefx": "x"}}, "unknown key topics.prefx; did you mean prefix?"),
    ({**model(), "topics": {"zzz": "x"}}, "unknown key topics.zzz; known here: captures, labels, prefix"),
    (model(windw={}), "unknown key models.loan.windw; did you mean window?"),
    (model(window={"sise": "10m"}), "unknown key models.loan.window.sise; did you mean size?"),
    (model(versions={"2": {"basline": "x"}}), "unknown key models.loan.versions.2.basline; did you mean baseline?"),
    (model(overrides={"x": {"threshold": {}}}), "unknown key models.loan.overrides.x.threshold; did you mean thresholds?"),
    (model(facets={"g": {"privilged": "m"}}), "unknown key models.loan.facets.g.privilged; did you mean privileged?"),
    (model(task="binry"), "models.loan.task: 'binry' must be 'binary', 'multiclass' or 'regression'"),
    (model(thresholds={"psi": "high"}), "models.loan.thresholds.psi: must be a valid number"),
    (model(thresholds={"psi": float("nan")}), "models.loan.thresholds.psi: write a finite number"),
    (model(false_alerts_per_30d=0), "models.loan.false_alerts_per_30d: must be greater than 0"),
    (model(false_alerts_per_30d=float("inf")), "models.loan.false_alerts_per_30d: write a finite number"),
    (model(window={"size": 10}), "models.loan.window.size: 10 is not a duration; write for example 250ms, 30s, 10m, 1h or 7d"),
    (model(window={"size": -10}), "models.loan.window.size: -10 is not a duration"),
    (model(window={"size": "10 m"}), "models.loan.window.size: '10 m' is not a duration"),
    (model(window={"size": True}), "models.loan.window.size: True is not a duration"),
    (model(window={"size": "99999999d"}), "models.loan.window.size: 99999999d is too long; write at most 3650d"),
    (model(window={"size": "0s"}), "models.loan.window: size and every must be longer than 0ms"),
    (model(window={"size": "10m", "every": "20m"}), "models.loan.window: every (20m) is longer than size (10m)"),
    (model(window={"size": "2h", "window_max": "1h"}), "models.loan.window: window_max (1h) is shorter than size (2h)"),
    (model(window={"events_min": 0}), "models.loan.window.events_min: must be greater than or equal to 1"),
    (model(topics=["x"]), "models.loan.topics names 'x', which topics.captures does not list"),
    (model(features={"exclude": "amount"}), "models.loan.features.exclude: write a list, [ONE, TWO]"),
    (
        {"models": {"a": {**LOAN, "topics": ["captures"]}, "b": {**LOAN, "topics": ["captures"]}}},
        "models a and b both claim topic 'captures'",
    ),
    ({**model(), "topics": {"captures": []}}, "topics.captures: write at least one"),
    ({**model(), "revision": 0}, "revision: must be greater than or equal to 1"),
    ({**model(), "metrics": {"port": 70_000}}, "metrics.port: must be less than or equal to 65535"),
    ({**model(), "engine": {"snapshot_interval": -5}}, "engine.snapshot_interval: -5 is not a duration"),
    ({**model(), "instance": ""}, "instance: write at least one character"),
    ({**model(), "kafka": {"properties": {"a": [1]}}}, "kafka.properties.a: write a text, a number, true or false"),
    ({**model(), "kafka": {"properties": []}}, "kafka.properties: write a mapping, KEY: VALUE"),
    (
        {**model(), "kafka": {"properties": {"sasl.password": "${NOT_SET}"}}},
        "kafka.properties.sasl.password: the environment variable NOT_SET",
    ),
]


@pytest.mark.parametrize(("tree", "expected"), MISTAKES, ids=[expected[:60] for _, expected in MISTAKES])
def test_a_mistake_names_field_and_remedy(tree: dict[str, Any], expected: str) -> None:
    assert expected in sentence(tree)


def test_all_mistakes_are_told_at_once_up_to_five() -> None:
    text = sentence(model(a=1, b=2, c=3, d=4, e=5, f=6))
    assert text.count("unknown key") == 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: b: c", "line 1, column 5: is not YAML"),
        (b"models: {loan: [}", "is not YAML"),
        (b"- 1", "holds no settings; it needs at least `models:"),
        (b"", "holds no settings"),
        (b"\xff", "is not UTF-8 text"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_files_that_are_no_config(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "monitor.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as caught:
        load_config(path)
    assert str(caught.value).startswith(str(path))
    assert isinstance(caught.value, UserError), "exit 2"


# ---- environment and secrets


def test_variables_are_put_in_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGION", "eu")
    tree = {**model(segments=["${REGION}"]), "kafka": {"bootstrap_servers": "kafka-${REGION}-1:9092,kafka-${REGION}-2:9092"}}
    config = parse_config(tree, "monitor.yaml")
    assert config.kafka.bootstrap_servers == "kafka-eu-1:9092,kafka-eu-2:9092"
    assert config.models["loan"].segments == ("eu",)


@pytest.mark.parametrize("set_to", ["pod-7", "", None])
def test_the_instance_is_the_host_unless_told(monkeypatch: pytest.MonkeyPatch, set_to: str | None) -> None:
    """Shells often do not export HOSTNAME; the host knows its name all the same."""
    if set_to is None:
        monkeypatch.delenv("HOSTNAME", raising=False)
    else:
        monkeypatch.setenv("HOSTNAME", set_to)
    assert parse_config(model(), "monitor.yaml").instance == (set_to or socket.gethostname())
    assert parse_config({**model(), "instance": "seven"}, "monitor.yaml").instance == "seven"


def test_secrets_and_addresses_are_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    kafka = {"bootstrap_servers": "secret-host:9092", "properties": {"sasl.password": "${PASSWORD}"}}
    config = parse_config({**model(), "kafka": kafka, "instance": "me", "metrics": {"host": "0.0.0.0"}}, "monitor.yaml")
    shared = config.shared({"loan.json": "b-1"})
    assert not any(secret in shared for secret in (b"hunter2", b"secret-host", b"sasl", b'"me"', b"0.0.0.0", b"loan.json"))
    assert set(orjson.loads(shared)) == {"topics", "revision", "engine", "models", "rules"}


# ---- what travels


FULL: dict[str, Any] = {
    "topics": {"captures": ["a", "b"], "prefix": "p"},
    "revision": 4,
    "engine": {"commit_interval": "250ms", "alignment": 3},
    "models": {
        "loan": {
            "baseline": "loan.json",
            "versions": {2: {"baseline": "loan2.json"}},
            "topics": ["a"],
            "task": "binary",
            "positive_class": 1,
            "features": {"include": ["x"], "exclude": [], "categorical": ["x"]},
            "segments": ["region"],
            "facets": {"gender": {"privileged": "male"}},
            "window": {"size": "90s", "every": "30s", "watermark_delay": "0ms", "label_lateness": "30d", "window_max": "36h"},
            "thresholds": {"psi": 0.3, "ks": 1},
            "overrides": {"x": {"thresholds": {"psi": 0.25}}},
            "false_alerts_per_30d": 0.5,
        }
    },
}
IDS = {"loan.json": "b-1", "loan2.json": "b-2"}


@pytest.mark.parametrize("tree", [FULL, model()])
def test_what_is_shared_comes_back_the_same(tree: dict[str, Any]) -> None:
    """Through the log and back, any number of times: the same bytes, so that all members compile the same plan."""
    config = parse_config(tree, "monitor.yaml")
    shared = config.shared(IDS)
    again = parse_config(orjson.loads(shared), "log")
    assert again.shared({"b-1": "b-1", "b-2": "b-2"}) == shared
    assert again.models["loan"].window == config.models["loan"].window
    assert again.engine == config.engine


def test_the_id_is_of_the_content_whatever_order_and_revision() -> None:
    one = parse_config(FULL, "monitor.yaml").shared(IDS)
    turned = {key: FULL[key] for key in reversed(FULL)} | {"revision": 9}
    assert config_id(parse_config(turned, "monitor.yaml").shared(IDS)) == config_id(one)
    other = {**FULL, "engine": {"alignment": 4}}
    assert config_id(parse_config(other, "monitor.yaml").shared(IDS)) != config_id(one)
    assert config_id(parse_config(FULL, "monitor.yaml").shared({**IDS, "loan2.json": "b-3"})) != config_id(one)


def test_baselines_are_named_once_each() -> None:
    tree = {"models": {"a": {"baseline": "x", "versions": {"1": {"baseline": "y"}, "2": {"baseline": "x"}}}, "b": {"baseline": "y"}}}
    assert parse_config(tree, "monitor.yaml").baseline_paths() == ["x", "y"]


# ---- durations and defaults


@given(st.integers(0, 3_650 * 86_400_000))
def test_durations_come_back(duration_ms: int) -> None:
    assert parse_duration(format_duration(duration_ms)) == duration_ms


def test_durations_have_their_shortest_form() -> None:
    forms = {"250ms": 250, "30s": 30_000, "10m": 600_000, "1h": 3_600_000, "7d": 604_800_000, "1500ms": 1_500, "90s": 90_000, "0d": 0}
    assert {format_duration(value): value for value in forms.values()} == forms


def test_defaults() -> None:
    """Those that users rely on: the contract's, and the design's."""
    config = parse_config(model(), "monitor.yaml")
    window, engine = config.models["loan"].window, config.engine
    assert (config.kafka.bootstrap_servers, config.topics.captures, config.topics.prefix) == (
        "localhost:9092",
        ("captures",),
        "stream-monitor",
    )
    assert (config.revision, config.metrics.host, config.metrics.port) == (1, "127.0.0.1", 9108)
    assert (window.size, window.every_ms, window.watermark_delay, window.lateness) == (600_000, 600_000, 5_000, 60_000)
    assert (window.label_lateness, window.events_min, window.window_max) == (7 * 86_400_000, 200, 86_400_000)
    assert (engine.future_max, engine.idle_lease, engine.alignment, engine.snapshot_interval) == (60_000, 10_000, 10, 60_000)
    assert config.models["loan"].false_alerts_per_30d == 1
    assert config.topics.own("alerts") == "stream-monitor.alerts"


def test_a_config_cannot_be_changed() -> None:
    config: Config = parse_config(model(), "monitor.yaml")
    with pytest.raises(ValueError):
        config.revision = 2
