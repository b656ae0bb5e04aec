"""`stream-monitor demo`: ends by itself, finds what goes wrong in each act, tells the same story for the same seed."""

import socket
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream_monitor.cli import demo_loop
from stream_monitor.cli.app import app
from stream_monitor.cli.demo_acts import ACTS, DEARER
from stream_monitor.cli.demo_stage import Stage
from stream_monitor.cli.demo_traffic import LABEL_AFTER_MS, Loan, Service, Traffic, apply
from stream_monitor.errors import InputError, RunError
from stream_monitor.respond import ActionStatus
from tests.integration.page import blocks, pattern

PAGES = [Path(__file__).parents[2] / name for name in ("README.md", "docs/demo.md")]


def demo(out: Path, *more: str) -> str:
    arguments = ["demo", "--headless", "--events", "20000", "--seed", "7", "--out", str(out), *more]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("demo")
    return demo(out), out


def alerts(out: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]


def acts(said: str) -> list[str]:
    """What is said in each, as it happens, each on one line."""
    story, found = " ".join(said.partition("What the monitor found")[0].split()), []
    for act in reversed(ACTS):
        story, mark, told = story.partition(act.says)
        assert mark, act.says
        found.append(told)
    return found[::-1]


def test_every_act_is_told_and_found_out(told: tuple[str, Path]) -> None:
    said, _ = told
    start, shift, back, rise, rule = acts(said)
    assert "firing" not in start + back
    assert "income drifted" in shift
    assert shift.index("estimated accuracy fell") < shift.index("loan 1: accuracy fell"), "before labels came"
    assert "labelled events; inputs drifted as well (income, region), which alone may explain it" in shift
    assert "loan 1: accuracy is back to normal" in back
    assert "labelled events" in rise
    assert "no input drifted, so what they mean changed" in rise
    assert "drifted in" not in rise.partition("deploy")[0]
    assert "disparate impact is 0." in rule
    assert "\x1b" not in said, "headless: no colours"


@pytest.mark.parametrize("seed", ["7", "1"])
def test_at_its_usual_length_no_act_is_missed(seed: str) -> None:
    """What `make demo` does, and another seed. The first is what the pages show of it."""
    result = CliRunner().invoke(app, ["demo", "--headless", "--seed", seed], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    if seed == "7":
        shown = [block.text for page in PAGES for block in blocks(page) if block.text.startswith("What the monitor found")]
        assert len(shown) == len(PAGES)
        assert all(pattern(text.strip()).search(result.stdout) for text in shown), result.stdout


def test_nothing_is_estimated_from_labels(told: tuple[str, Path]) -> None:
    """The estimate's window ended before the first label of its events came."""
    first = next(alert for alert in alerts(told[1]) if alert["kind"] == "estimated_quality")
    starts = datetime.fromisoformat(first["window"]["start"]).timestamp() * 1_000
    known = datetime.fromisoformat(first["detected_at"]).timestamp() * 1_000
    assert starts >= ACTS[1].starts_ms
    assert known < starts + LABEL_AFTER_MS[0]


def test_the_tables_say_how_soon_and_how_good(told: tuple[str, Path]) -> None:
    found, quality = (part.splitlines() for part in told[0].partition("What the monitor found")[2].split("How good the model was"))
    firsts = {row.split("│")[1].strip() for row in found if row.startswith("│")}
    assert firsts == {"", "the shift", "the rise", "the rule"}
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:6]] for row in quality if len(cells := row.split("│")) == 7}
    assert list(rows) == [act.name for act in ACTS]
    estimated, accuracy = ({name: int(row[place].rstrip("%")) for name, row in rows.items()} for place in (0, 1))
    assert estimated["the shift"] < 85 < estimated["the rise"]
    assert abs(estimated["the shift"] - accuracy["the shift"]) < 10
    assert accuracy["the rise"] < 65 < 85 < accuracy["the return"]


def test_the_loop_closes(told: tuple[str, Path]) -> None:
    """Retrained where that helps, and nowhere else; every step on time and in order."""
    start, shift, back, rise, rule = acts(told[0])
    assert "deploy: skipped" in shift + back, "people changed, not what they mean: a new model is no better"
    assert rise.index("accuracy fell") < rise.index("retrain:") < rise.index("deploy: version 2") < rise.index("verify: accuracy")
    assert "loan 1: the alert on accuracy was closed" in rise.partition("retire:")[2]
    assert "loan 2: accuracy fell" not in rise
    assert "mend" not in start
    assert "deploy: skipped" in rule, "the rule is not the model's"
    rows = [row.split("│")[1:4] for row in told[0].partition("What was done about it")[2].splitlines() if row.startswith("│")]
    assert [row[0].strip() for row in rows] == [
        *("the relation changes", "alert", "collect", "retrain", "validate", "deploy", "verify", "retire", "alert resolved")
    ]
    delays = [int(row[2].strip().removesuffix(" s")) for row in rows]
    assert delays == sorted(delays)
    assert delays[-1] < 1_200


def test_a_loop_that_does_not_close_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new model that is held to be no better is not deployed, and the alert on the old one goes on."""
    monkeypatch.setattr(demo_loop, "GAIN_MIN", 1.0)
    with pytest.raises(RunError, match="the loop did not close"):
        CliRunner().invoke(app, ["demo", "--headless", "--events", "20000"], catch_exceptions=False)


def test_a_version_that_is_not_good_is_rolled_back() -> None:
    """Its labels say so: the old one answers again, and the run has failed, with what was undone on record."""
    stage = Stage.mending(Traffic.seeded(7, 20_000))
    assert stage.desk is not None
    practice, spoiled = stage.desk.practice, Service.train([Loan(loan.features, loan.gender, not loan.repaid) for loan in some_loans()])
    for turn in stage.play():
        if any("deploy: version" in line for line in turn.done):
            practice.live.service = spoiled
    failed, *_ = [result for result in stage.desk.results.values() if result.status is ActionStatus.FAILED]
    statuses = {name: step["status"] for name, step in (failed.progress or {})["steps"].items()}
    assert statuses == {"collect": "done", "retrain": "done", "validate": "done", "deploy": "undone", "verify": "failed"}
    assert "under" in (failed.progress or {})["steps"]["verify"]["error"]


def some_loans() -> list[Loan]:
    random = Random(0)
    return [apply(random, DEARER) for _ in range(1_000)]


def test_the_files_are_those_of_replay(told: tuple[str, Path]) -> None:
    _, out = told
    assert {path.name for path in out.iterdir()} == {"alerts.jsonl", "windows.jsonl", "dead_letters.jsonl", "metrics.prom"}
    assert {"income", "region"} <= {alert["feature"] for alert in alerts(out) if alert["status"] == "firing"}
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
