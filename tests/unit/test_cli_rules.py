"""What `check` says of rules, and what `replay` would have sent."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import notification_of
from stream_monitor.cli.app import app
from tests.property.pipeline_world import baselines, config_tree, traffic

RULES: list[dict[str, Any]] = [
    {"name": "all", "group_by": ["kind"], "repeat_every": "60s", "recipients": ["team"]},
    {"name": "wait", "match": {"kind": "data_quality"}, "windows": {"firing": 2, "of": 3}},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in baselines().items():
        (tmp_path / name).write_bytes(content)
    bodies = [event.value for event in traffic(2, 900, 150_000) if event.value is not None and event.model is not None]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(bodies))
    return tmp_path


def config(folder: Path, rules: list[dict[str, Any]], own: list[dict[str, Any]] | None = None) -> Path:
    tree = config_tree({"size": "20s", "events_min": 40})
    tree["rules"], tree["models"]["loan"]["rules"] = rules, own or []
    del tree["engine"]
    (folder / "monitor.yaml").write_bytes(orjson.dumps(tree))
    return folder / "monitor.yaml"


def run(command: str, config: Path, *more: str) -> str:
    result = CliRunner().invoke(app, [command, "--config", str(config), *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def replay(config: Path, *more: str) -> str:
    folder = config.parent
    return run("replay", config, "--captures", str(folder / "events.jsonl"), "--out", str(folder / "out"), *more)


def test_a_silence_that_is_over_and_a_rule_that_is_never_heard_are_said(folder: Path) -> None:
    silence = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}
    ahead = {"start": "2020-01-01T00:00:00Z", "end": "2999-01-01T00:00:00Z"}
    path = config(folder, [{"name": "quiet", "silences": [ahead, silence]}], [{"severity": "info"}, {"severity": "critical"}])
    said = " ".join(run("check", path).split())
    assert "warning: quiet: silences.1 is over since 2020-01-02T00:00:00+00:00; remove it" in said
    assert "silences.0" not in said
    assert "warning: models.loan.rules.1: is never heard: what it sets, models.loan.rules.0 before it sets for the same alerts" in said
    assert len(orjson.loads(run("check", path, "--json"))["warnings"]) >= 2


def test_an_action_about_what_is_not_there_is_said(folder: Path) -> None:
    path = config(folder, [])
    tell = {"use": "webhook", "on": {"model": ["laon", "loan"], "feature": "amont"}, "with": {"url": "${HOOK_URL}"}}
    chat = {"use": "slack", "with": {"url": "${HOOK_URL}"}}
    page = {"use": "slack", "with": {"url": "${HOOK_URL}", "link": "https://monitor.example/models/{model}"}}
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"actions": {"tell": tell, "chat": chat, "page": page}}))
    said = " ".join(run("check", path).split())
    assert "warning: actions.tell.on.model: no alert is about 'laon'; did you mean loan?" in said
    assert "warning: actions.tell.on.feature: no alert is about 'amont'; did you mean amount?" in said
    assert "warning: actions.chat.with.link: whoever this wakes is told no place to look" in said
    assert "actions.page.with.link" not in said


def test_replay_counts_what_is_on_the_alerts(folder: Path) -> None:
    path = config(folder, RULES)
    report = orjson.loads(replay(path, "--json"))["notifications"]
    alerts = [Alert.from_json(line) for line in (folder / "out/alerts.jsonl").read_bytes().splitlines()]
    marks = [mark for alert in alerts if (mark := notification_of(alert)) is not None]
    assert len(marks) == len(alerts) > 0
    assert sum(row["sent"] for row in report) == sum(mark.notify for mark in marks)
    assert {row["recipient"] for row in report} == {"team"}
    assert sum(row["held"].get("windows", 0) for row in report) > 0
    for reason in ("grouped", "repeat_every", "untold"):
        assert sum(row["held"].get(reason, 0) for row in report) == sum(mark.held == reason for mark in marks)


def test_replay_shows_it_as_a_table(folder: Path) -> None:
    said = replay(config(folder, RULES))
    assert "What rules would have sent" in said
    assert "all, wait" in said


def test_without_rules_nothing_is_said_of_them(folder: Path) -> None:
    path = config(folder, [])
    assert "would have sent" not in replay(path)
    assert orjson.loads(replay(path, "--json"))["notifications"] == []


def test_two_replays_give_the_same_bytes(folder: Path) -> None:
    path = config(folder, RULES)
    replay(path)
    first = (folder / "out/alerts.jsonl").read_bytes()
    replay(path)
    assert (folder / "out/alerts.jsonl").read_bytes() == first


def test_a_group_is_told_for_every_alert_that_is_held_for_it(folder: Path) -> None:
    """The end of a replay leaves out what is cut short; nobody may wait for it to tell."""
    replay(config(folder, [{"group_by": []}]))
    told, held = set[tuple[str | None, str]](), set[tuple[str | None, str]]()
    for line in (folder / "out/alerts.jsonl").read_bytes().splitlines():
        alert = Alert.from_json(line)
        mark = notification_of(alert)
        assert mark is not None
        (told if mark.notify else held).add((mark.group, alert.resolved_at or alert.window.end))
    assert held
    assert held <= told
