"""A user's mistake is one sentence that says what to write instead, with the right exit status and no traceback."""

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from stream_monitor.cli import main
from tests.integration.stack import ROOT, Stack
from tests.kafka.server import free_ports

GOOD: dict[str, Any] = {"models": {"fraud": {"baseline": "fraud.baseline.json"}}}


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Commands set the process' logs up for themselves."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Typed:
    """The command line in this process, for what ends before anything is started."""

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        self._patch, self._captured = patch, captured

    def __call__(self, *arguments: object) -> tuple[int, str]:
        """Exit status and what stands on standard error."""
        self._patch.setattr(sys, "argv", ["stream-monitor", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), self._captured.readouterr().err.strip()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(monkeypatch, capsys)


def run(*arguments: object) -> tuple[int, str]:
    """A process of its own: exit status and the last line of standard error, of which there must be no traceback."""
    command = [sys.executable, "-m", "stream_monitor", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stderr.strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


@pytest.fixture
def folder(tmp_path: Path, baselines: Path) -> Path:
    (tmp_path / "fraud.baseline.json").write_bytes((baselines / "fraud.baseline.json").read_bytes())
    return tmp_path


def config(folder: Path, tree: dict[str, Any]) -> Path:
    path = folder / "monitor.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_nobody_answers_at_the_bootstrap_servers(folder: Path) -> None:
    """Both commands at once: each waits for ten seconds."""
    servers = f"127.0.0.1:{free_ports(1)[0]}"
    path = config(folder, {**GOOD, "kafka": {"bootstrap_servers": servers}})
    with ThreadPoolExecutor() as threads:
        for status, said in threads.map(lambda command: run(*command, "--config", path), [("run",), ("check", "--connect")]):
            assert status == 1
            assert said.startswith(f"stream-monitor: No Kafka answered at {servers}")


MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    ({**GOOD, "kafak": {}}, ["monitor.yaml", "unknown key kafak", "did you mean kafka?"]),
    ({"models": {"fraud": {"baseline": "absent.json"}}}, ["absent.json", "No such file", "stream-monitor baseline"]),
    ({"models": {"fraud": {"baseline": "monitor.yaml"}}}, ["monitor.yaml"]),
    ({"models": {}}, ["monitor.yaml", "models"]),
    ({"models": {"fraud": {"baseline": "fraud.baseline.json", "window": {"size": "10 minutes"}}}}, ["models.fraud.window.size", "10m"]),
    ({"models": {"fraud": {"baseline": "fraud.baseline.json", "features": {"include": ["amont"]}}}}, ["amont", "did you mean amount?"]),
    ({"models": {"fraud": {"baseline": "fraud.baseline.json", "thresholds": {"psy": 0.2}}}}, ["psy", "did you mean psi?"]),
    ({**GOOD, "kafka": {"properties": {"no.such.property": 1}}}, ["kafka.properties", "no.such.property"]),
    ({**GOOD, "kafka": {"properties": {"sasl.password": "${NO_SUCH_VARIABLE}"}}}, ["NO_SUCH_VARIABLE"]),
    ({**GOOD, "metrics": {"port": 99_999}}, ["metrics.port"]),
    ({**GOOD, "topics": {"captures": ["a", "b"], "labels": ["b"]}}, ["topics.labels names 'b'", "topics.captures", "a topic of their own"]),
]


@pytest.mark.parametrize(("tree", "words"), MISTAKES, ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "")
def test_a_bad_config(typed: Typed, folder: Path, tree: dict[str, Any], words: list[str]) -> None:
    status, said = typed("run", "--config", config(folder, tree))
    assert status == 2
    assert said.startswith("stream-monitor: ")
    for word in words:
        assert word in said


def test_a_config_that_is_no_yaml_or_not_there(typed: Typed, folder: Path) -> None:
    broken = folder / "broken.yaml"
    broken.write_text("models:\n  fraud: [")
    status, said = typed("run", "--config", broken)
    assert status == 2
    assert "broken.yaml, line " in said
    status, said = typed("run", "--config", folder / "absent.yaml")
    assert (status, said) == (2, f"stream-monitor: {folder / 'absent.yaml'}: cannot be read: No such file or directory")


def test_a_wrong_role(typed: Typed, folder: Path) -> None:
    status, said = typed("run", "--config", config(folder, GOOD), "--roles", "profile,dectect")
    assert status == 2
    assert said == "stream-monitor: --roles profile,dectect: choose from profile, detect, separated by commas"


@pytest.mark.parametrize("flag", ["--time", "--target", "--prediction", "--drop"])
def test_a_column_that_the_training_data_lack(typed: Typed, folder: Path, flag: str) -> None:
    data = folder / "train.csv"
    data.write_text("amount,age\n1,2\n3,4\n")
    status, said = typed("baseline", data, "--out", folder / "out.json", flag, "amuont")
    assert status == 2
    assert "amuont" in said
    assert "amount" in said
    assert not (folder / "out.json").exists()


def test_files_that_are_not_there(typed: Typed, folder: Path) -> None:
    path = config(folder, GOOD)
    for arguments in (
        ("baseline", folder / "absent.csv", "--out", folder / "out.json"),
        ("replay", "--config", path, "--captures", folder / "absent.jsonl", "--out", folder / "out"),
    ):
        status, said = typed(*arguments)
        assert status == 2
        assert "absent." in said
        assert "there is no such file" in said


def test_labels_that_a_replay_cannot_use(typed: Typed, folder: Path) -> None:
    """Nothing to compare them with, or no JSON lines; a list of labels that lies elsewhere is no reason to run without."""
    for name in ("events.jsonl", "labels.jsonl", "labels.json"):
        (folder / name).write_bytes(b'{"event_id": "a", "model": "fraud", "time": 1767261600000, "label": "yes"}\n')
    with_task = {"models": {"fraud": {"baseline": "fraud.baseline.json", "task": "binary", "positive_class": "yes"}}}
    for tree, file, words in (
        (GOOD, "labels.jsonl", ["no model of the config has a `task`", "such as task: binary"]),
        (with_task, "labels.json", ["labels.json", "the file must end in .jsonl"]),
        (with_task, "absent.jsonl", ["--labels", "absent.jsonl", "there is no such file"]),
    ):
        out = ("--captures", folder / "events.jsonl", "--out", folder / "out")
        status, said = typed("replay", "--config", config(folder, tree), "--labels", folder / file, *out)
        assert status == 2
        for word in words:
            assert word in said


def test_wrong_flags(typed: Typed, folder: Path) -> None:
    assert typed("run")[0] == 2
    assert typed("run", "--config", config(folder, GOOD), "--nonsense")[0] == 2
    assert typed("nonsense")[0] == 2


@pytest.mark.kafka
def test_there_is_no_such_capture_topic(stack: Stack) -> None:
    path = stack.config_file("alone", more={"topics": {"captures": ["absent-topic"], "prefix": stack.prefix}})
    status, said = run("run", "--config", path)
    assert status == 2
    assert "'absent-topic'" in said
    assert stack.bootstrap_servers in said


@pytest.mark.kafka
def test_the_port_is_taken(stack: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, said = run("run", "--config", stack.config_file("alone"), "--port", port)
    assert status == 2
    assert (
        said == f"stream-monitor: port {port} on 127.0.0.1 is taken: set metrics.port (or --port) to another one, or to 0 for any free one"
    )


@pytest.mark.kafka
def test_our_own_topics_have_another_number_of_partitions(stack: Stack) -> None:
    first = stack.monitor("alone")
    first.wait_ready()
    assert first.terminate() == 0
    tree = {**stack.tree, "engine": {**stack.tree["engine"], "profiles_partitions": 3}}
    status, said = run("run", "--config", stack.config_file("alone", revision=2, more=tree))
    assert status == 2
    assert f"{stack.prefix}.profiles" in said
    assert "topics.prefix" in said
