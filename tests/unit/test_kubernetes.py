"""The manifests are what Kubernetes takes, and fit the image and the config."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from stream_monitor.config import Config, load_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
MANIFESTS = {name: yaml.safe_load((FOLDER / name).read_text(encoding="utf-8")) for name in KUSTOMIZATION["resources"]}
VERSIONS = ("1.29", "1.34")


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("HOSTNAME", "stream-monitor-0")
    return load_config(FOLDER / "monitor.yaml")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_what_its_schema_says(name: str, version: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_every_manifest_is_applied() -> None:
    there = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml", "monitor.yaml"}
    assert set(MANIFESTS) == there


def test_the_config_is_mounted_where_the_command_looks_and_serves_where_it_is_probed(config: Config) -> None:
    container = MANIFESTS["statefulset.yaml"]["spec"]["template"]["spec"]["containers"][0]
    (files,) = [each["files"] for each in KUSTOMIZATION["configMapGenerator"] if each["name"] == "stream-monitor"]
    mounted = {file.partition("=")[0]: (FOLDER / file.rpartition("=")[2]).resolve() for file in files}
    assert all(path.is_file() for path in mounted.values())
    assert {model.baseline for model in config.models.values()} <= mounted.keys()
    assert container["args"][-1] == "/etc/stream-monitor/monitor.yaml"
    assert container["ports"][0]["containerPort"] == config.metrics.port == MANIFESTS["service.yaml"]["spec"]["ports"][0]["port"]
    assert config.metrics.host == "0.0.0.0"
    assert config.instance == "stream-monitor-0"
    probes = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert probes == {"/healthz", "/readyz"}


def test_the_responder_finds_its_files_and_serves_where_it_is_probed(config: Config) -> None:
    container = MANIFESTS["respond.yaml"]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["respond", "--config", "/etc/stream-monitor/monitor.yaml", "/etc/stream-monitor/responder.py"]
    assert container["ports"][0]["containerPort"] == config.respond.port
    assert "responder.py=../docker/responder.py" in KUSTOMIZATION["configMapGenerator"][0]["files"]


def test_whom_a_selector_means_bears_its_labels_and_nobody_else() -> None:
    pods = {name: MANIFESTS[name]["spec"]["template"]["metadata"]["labels"] for name in ("statefulset.yaml", "respond.yaml")}
    for name, labels in pods.items():
        assert MANIFESTS[name]["spec"]["selector"]["matchLabels"] == labels
    assert pods["statefulset.yaml"] != pods["respond.yaml"]
    assert MANIFESTS["service.yaml"]["spec"]["selector"] == pods["statefulset.yaml"]
    (pairs,) = [each["pairs"] for each in KUSTOMIZATION["labels"] if each["includeTemplates"]]
    assert MANIFESTS["network.yaml"]["spec"]["podSelector"]["matchLabels"] == pairs


@pytest.mark.parametrize("manifest", ["statefulset.yaml", "respond.yaml"])
def test_the_pod_may_do_as_little_as_the_composed_one(manifest: str) -> None:
    pod = MANIFESTS[manifest]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    assert container["image"] == f"stream-monitor:{version[1]}"
