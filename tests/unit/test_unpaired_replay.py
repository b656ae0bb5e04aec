"""From events and labels to alerts: ids that never agree, ids that agree no more, and labels that were there before captures."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream_monitor.alert.alert import Alert
from stream_monitor.cli.app import app
from stream_monitor.export.board.levels import others
from stream_monitor.export.board.part import Seen
from stream_monitor.export.pictures import Point
from stream_monitor.export.report.story import Story

START_MS = 1_767_225_600_000
Id = Callable[[int], str | None]


def replay(folder: Path, label_id: Id, delay_ms: int, **model: Any) -> tuple[list[dict[str, Any]], list[Alert]]:
    """A day of events, two a minute, each with a label `delay_ms` later, of the event that `label_id` says."""
    random, events, labels = Random(1), list[dict[str, Any]](), list[dict[str, Any]]()
    for n in range(2 * 60 * 24):
        label, time_ms = random.choice("ab"), START_MS + n * 30_000
        events.append({"event_id": f"e{n}", "model": "m", "time": time_ms, "features": {"x": n % 7}, "prediction": label})
        labels.append({"event_id": label_id(n), "model": "m", "time": time_ms + delay_ms, "label": label})
    for name, rows in {"events": events, "labels": [row for row in labels if row["event_id"] is not None]}.items():
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    config = {"baseline": "m.json", "task": "binary", "positive_class": "a", "window": {"size": "5m", "events_min": 100}, **model}
    tree = {"topics": {"captures": ["c"], "labels": ["l"]}, "models": {"m": config}}
    (folder / "monitor.yaml").write_bytes(orjson.dumps(tree))
    named = ("--config", folder / "monitor.yaml")
    run("baseline", folder / "events.jsonl", *named, "--model", "m", "--numeric", "x", "--out", folder / "m.json")
    said = run("replay", *named, "--captures", folder / "events.jsonl", "--labels", folder / "labels.jsonl", "--out", folder / "out")
    (folder / "said.txt").write_text(said)
    windows = map(orjson.loads, (folder / "out" / "windows.jsonl").read_bytes().splitlines())
    alerts = map(Alert.from_json, (folder / "out" / "alerts.jsonl").read_bytes().splitlines())
    return [row for row in windows if row["detector"] == "unpaired_labels"], [each for each in alerts if each.detector == "unpaired_labels"]


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_ids_that_agree_no_more_are_told_within_two_hours(tmp_path: Path) -> None:
    """For five hours labels bear a prefix."""
    rows, alerts = replay(tmp_path, lambda n: f"order-e{n}" if 1_680 <= n < 2_280 else f"e{n}", 120_000)
    assert [row["window"]["events"] for row in rows] == [116] + [120] * 22
    first, last = alerts[0], alerts[-1]
    assert (first.kind, first.severity, first.started_at) == ("capture_health", "critical", "2026-01-01T14:00:00.000Z")
    assert first.detected_at < "2026-01-01T16:30"
    assert first.annotations.summary == (
        "m: 3.3 % of 120 labels given in the hour from 2026-01-01 14:00 UTC found their events (usually 0 % do not, limit 5 %, p < 1e-12): "
        "do both bear the same event_id and model, and are all events captured?"
    )
    assert [(each.bin, each.baseline, each.window) for each in first.evidence.moved] == [("labels without an event", 0.0, 0.966667)]
    assert (last.status, last.reason) == ("resolved", "recovered")
    assert last.annotations.summary == (
        "m: the share of labels without an event is back to normal in the hour from 2026-01-01 20:00 UTC (0 %, limit 8.3 %)"
    )


def test_metrics_and_the_count_of_windows_are_of_it_what_they_are_of_others(tmp_path: Path) -> None:
    """Its windows are of labels, and no windows of events that nobody judged."""
    replay(tmp_path, lambda n: f"e{n}" if n < 2_000 else None if n % 2 else f"E{n}", 120_000, window={"size": "5m", "every": "2m"})
    metrics = (tmp_path / "out" / "metrics.prom").read_text().splitlines()
    assert 'stream_monitor_drift_score{detector="unpaired_labels",feature="",model="m",segment=""} 1.0' in metrics
    assert 'stream_monitor_alerts_firing{kind="capture_health",model="m",severity="warning"} 1.0' in metrics
    rows = (tmp_path / "out" / "windows.jsonl").read_bytes().splitlines()
    ends = {row["window"]["end"] for row in map(orjson.loads, rows) if row["feature"] is not None}
    assert Story.of([], rows).windows == len(ends)
    counts = re.findall(r"(\d+) (?:judged|too_few|empty|incomplete)", (tmp_path / "said.txt").read_text())
    assert sum(map(int, counts)) == len(ends)


def test_ids_that_never_agree_are_told_on_the_first_day_for_information(tmp_path: Path) -> None:
    _, alerts = replay(tmp_path, lambda n: f"E{n}", 120_000)
    (alert,) = alerts
    assert (alert.severity, alert.started_at) == ("info", "2026-01-01T00:00:00.000Z")
    said = alert.annotations.summary
    assert said.startswith("m: none of 116 labels given in the hour from 2026-01-01 00:00 UTC found its event (limit 90 %, p = "), said
    assert "are all events captured? Labels of events from before captures began find none either" in said


def test_and_once_they_were_waited_for_somebody_is_paged(tmp_path: Path) -> None:
    _, alerts = replay(tmp_path, lambda n: f"E{n}", 120_000, window={"size": "5m", "events_min": 100, "label_lateness": "8h"})
    assert [(each.severity, each.status, each.reason) for each in alerts[:3]] == [
        ("info", "firing", None),
        ("info", "resolved", "superseded"),
        ("warning", "firing", None),
    ]
    assert alerts[2].started_at == "2026-01-01T08:00:00.000Z"


def test_labels_that_were_there_before_captures_page_nobody(tmp_path: Path) -> None:
    """Each comes ten hours after its event, and for ten hours they are of events before the first."""
    rows, alerts = replay(tmp_path, lambda n: f"e{n - 1_200}", 0)
    assert {(each.severity, each.status) for each in alerts} == {("info", "firing"), ("info", "resolved")}
    assert rows[-1]["score"] == 0
    assert alerts[-1].annotations.summary.startswith("m: the share of labels without an event is back to normal, up to and in the hour")


@pytest.mark.parametrize("off", [{"detectors": ["psi"]}, {"thresholds": {"unpaired_labels": 1}}])
def test_it_can_be_off_or_without_a_limit(tmp_path: Path, off: dict[str, Any]) -> None:
    rows, alerts = replay(tmp_path, lambda n: f"E{n}", 120_000, **off)
    assert bool(rows) is ("thresholds" in off)
    assert alerts == []


def test_a_page_shows_the_last_that_is_known_though_newer_windows_of_events_closed() -> None:
    series = {name: [Point(1, 0.5, 0.9), Point(2, None, None)] for name in ("unpaired_labels", "volume")}
    shown = {each["detector"]: each for each in others(Seen(None, None, series, {}), {"unpaired_labels": "critical"})}
    assert (shown["unpaired_labels"]["value"], shown["unpaired_labels"]["state"], shown["volume"]["value"]) == (0.5, "critical", None)
