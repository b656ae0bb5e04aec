"""What ships beside the package fits together: the composed services, the image, the locks."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families as parse

from stream_monitor.cli.check import check
from stream_monitor.config import Config, load_config
from stream_monitor.export.catalog import PREFIX
from stream_monitor.export.metrics import MetricStore
from stream_monitor.respond.load import load_actions

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "deploy/example/Dockerfile").read_text(encoding="utf-8")
LOCKS = ("requirements.lock", "requirements-runtime.lock", "requirements-example.lock")


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    given = COMPOSE["services"]["monitor"]["environment"]["STREAM_MONITOR_TOKEN"]
    monkeypatch.setenv("STREAM_MONITOR_TOKEN", re.fullmatch(r"\$\{STREAM_MONITOR_TOKEN:-(\w+)\}", given)[1])  # type: ignore[index]
    return load_config(ROOT / "deploy/docker/monitor.yaml")


def pins(lock: str) -> dict[tuple[str, str], str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {(name, marker): version for name, version, marker in re.findall(r"^([a-z0-9-]+)==(\S+)( ; .*?)? \\$", text, re.MULTILINE)}


def test_the_compose_file_is_what_its_specification_says() -> None:
    schema = Draft202012Validator(json.loads((ROOT / "tests/compose/compose-spec.json").read_text(encoding="utf-8")))
    assert [error.message for error in schema.iter_errors(COMPOSE)] == []
    monitor = {**COMPOSE["services"]["monitor"], "port": []}
    assert list(schema.iter_errors({**COMPOSE, "services": {"monitor": monitor}})), "a typo is an error"


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", ["monitor", "responder"])
def test_the_monitor_runs_without_privileges(name: str) -> None:
    monitor = COMPOSE["services"][name]
    assert monitor["read_only"] is True
    assert monitor["cap_drop"] == ["ALL"]
    assert monitor["security_opt"] == ["no-new-privileges:true"]
    assert not monitor["user"].startswith("0")
    assert re.search(r"^USER 10001", DOCKERFILE, re.MULTILINE)
    assert all(volume.endswith(":ro") for volume in monitor["volumes"])


@pytest.mark.parametrize("name", ["service", "applicants"])
def test_the_example_runs_without_privileges(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert re.search(r"^USER 10001", EXAMPLE, re.MULTILINE)


def test_the_monitor_waits_for_a_healthy_kafka_and_its_topics(config: Config) -> None:
    services = COMPOSE["services"]
    assert "healthcheck" in services["kafka"]
    assert services["monitor"]["depends_on"] == {
        "kafka": {"condition": "service_healthy"},
        "topics": {"condition": "service_completed_successfully"},
    }
    made = re.search(r"for topic in ([^;]+);", services["topics"]["command"][0])
    assert made
    assert set(made[1].split()) == {*config.topics.captures, *config.topics.labels}


def test_the_monitor_finds_kafka_and_is_found(config: Config) -> None:
    advertised = COMPOSE["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"://{config.kafka.bootstrap_servers}" in advertised
    assert COMPOSE["services"]["monitor"]["ports"] == [f"127.0.0.1:9108:{config.metrics.port}"]
    assert config.metrics.host == "0.0.0.0"
    assert config.metrics.token == "demo", "pages are shown beyond the container's own loopback"
    assert COMPOSE["services"]["responder"]["environment"] == COMPOSE["services"]["monitor"]["environment"]
    assert f"EXPOSE {config.metrics.port}" in DOCKERFILE


def test_the_responder_has_its_module_and_is_probed_where_it_serves(config: Config) -> None:
    responder = COMPOSE["services"]["responder"]
    assert [action.name for action in load_actions(config, "", str(ROOT / "deploy/docker/responder.py"))] == ["log"]
    assert responder["command"][-1] == "/etc/stream-monitor/responder.py"
    assert responder["ports"] == [f"127.0.0.1:9109:{config.respond.port}"]
    assert f":{config.respond.port}/healthz" in responder["healthcheck"]["test"][-1]


def test_nothing_is_to_be_said_of_the_composed_config(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """The baseline is not of older software, and fits the config: deploy/example/training.py says how it is made."""
    check(ROOT / "deploy/docker/monitor.yaml")
    assert "warning" not in capsys.readouterr().out


def test_the_image_copies_what_the_builder_is_sent() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")}
    lines = [line.split()[1:-1] for line in (DOCKERFILE + EXAMPLE).splitlines() if line.startswith("COPY ") and "--from" not in line]
    copied = {source for sources in lines for source in sources}
    assert copied == sent


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_hashed_and_names_no_machine(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?://|--index-url|--find-links|file:|\s/\w+/", text)
    blocks = re.split(r"\n(?=[a-z0-9-]+==)", text)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_locks_agree_and_hold_what_the_project_names() -> None:
    everything, runtime, example = (pins(lock) for lock in LOCKS)
    assert runtime.items() | example.items() <= everything.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["respond"]]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    served = [*project["dependencies"], *project["optional-dependencies"]["example"]]
    for requirements, lock in ((needed, runtime), (served, example), (needed + extras, everything)):
        names = {re.split(r"[<>=\[; ]", requirement)[0].lower() for requirement in requirements}
        assert names - {"stream-monitor"} <= {name for name, _ in lock}


def test_the_metrics_of_the_store_are_all_prefixed() -> None:
    assert all(family.name.startswith(PREFIX) for family in parse(MetricStore().text()))
