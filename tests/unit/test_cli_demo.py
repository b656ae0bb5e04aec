"""`stream-monitor demo`: ends by itself, finds the shift, tells the same story for the same seed."""

import socket
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from stream_monitor.cli.app import app
from stream_monitor.errors import InputError


def demo(out: Path, *more: str) -> str:
    arguments = ["demo", "--headless", "--events", "12000", "--seed", "3", "--out", str(out), *more]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("demo")
    return demo(out), out


def test_the_shift_is_found_and_not_before_it(told: tuple[str, Path]) -> None:
    said, _ = told
    before, _, after = said.partition("the applicants change")
    assert "firing" not in before
    assert "firing" in after
    assert "first alert" in after
    assert "\x1b" not in said, "headless: no colours"


def test_the_files_are_those_of_replay(told: tuple[str, Path]) -> None:
    _, out = told
    assert {path.name for path in out.iterdir()} == {"alerts.jsonl", "windows.jsonl", "dead_letters.jsonl", "metrics.prom"}
    alerts = [orjson.loads(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]
    assert {"income", "region"} <= {alert["feature"] for alert in alerts if alert["status"] == "firing"}
    assert "stream_monitor_events_total" in (out / "metrics.prom").read_text()


def test_the_same_seed_tells_the_same_story(told: tuple[str, Path], tmp_path: Path) -> None:
    said, out = told
    again = demo(tmp_path)
    assert again.replace(str(tmp_path), "") == said.replace(str(out), "")
    for name in ("alerts.jsonl", "windows.jsonl"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_the_report_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    report = tmp_path / "demo.html"
    demo(tmp_path / "out", "--report", str(report), "--events", "8000")
    assert "What moved" in report.read_text(encoding="utf-8")


def test_a_taken_port_is_told_and_another_one_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = CliRunner().invoke(app, ["demo", "--events", "400", "--port", str(port)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    first, second, *_ = result.stdout.splitlines()
    assert f"Port {port} is taken" in first
    assert second.startswith("Pages at http://127.0.0.1:")
    assert str(port) not in second


def test_headless_there_are_no_pages_unless_a_port_is_given(told: tuple[str, Path], tmp_path: Path) -> None:
    assert "Pages" not in told[0]
    assert "Pages at http" in demo(tmp_path, "--port", "0", "--events", "400")


def test_a_port_that_there_is_not_names_the_flag() -> None:
    with pytest.raises(InputError, match="--port is 70000"):
        CliRunner().invoke(app, ["demo", "--headless", "--port", "70000"], catch_exceptions=False)
