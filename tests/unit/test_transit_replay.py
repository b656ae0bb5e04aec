"""From events to alerts: what becomes of captures on their way is one alert that names the producer, and what stays as it was none."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_monitor.alert.alert import Alert
from tests.property.pipeline_world import START_MS, World, config_of, traffic
from tests.unit.test_operations_replay import MINUTE_MS, PER_WINDOW, WRONG, events, opened, replay


def sent_by(bodies: list[dict[str, Any]], wrong: str) -> list[dict[str, Any]]:
    """Three producers take turns; in windows that are wrong one is silent, or the first sends most."""
    found = []
    for number, body in enumerate(bodies):
        name, is_wrong = "abc"[number % 3], number // PER_WINDOW in WRONG
        if is_wrong and wrong == "silent" and name == "b":
            continue
        name = "a" if is_wrong and wrong == "mixed" and number % 5 else name
        found.append({**body, "metadata": {"producer": name}})
    return found


def test_a_silent_producer_is_one_alert_that_names_it_and_ends_when_it_is_back(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, sent_by(events(30, 1), "silent"), window={"size": "1m", "events_min": 100})
    (alert,) = opened(alerts).values()
    assert (alert.kind, alert.detector, alert.feature) == ("capture_health", "producer_silence", None)
    assert alert.started_at == "2026-01-01T10:22:00.000Z"
    said = alert.annotations.summary
    assert said.startswith(
        "loan: producer b is silent in the minute from 2026-01-01 10:22 UTC (about 80 events did not come, p < 1e-12)"
    ), said
    assert said.endswith("last heard before 2026-01-01 10:22:00 UTC, while others go on")
    assert [each.bin for each in alert.evidence.moved] == ["b"]
    assert [each.detector for each in alert.evidence.detectors] == ["producer_silence", "sampling_shift"], "they share an alert"
    assert alerts[-1].status == "resolved"
    assert {row.detector for row in rows} >= {"producer_silence", "sampling_shift"}
    assert not {row.detector for row in rows} & {"capture_delay_p95_ms", "clock_skew_ms"}, "a file's records have no time"


def test_another_mix_of_producers_is_told_as_what_drift_may_come_from(tmp_path: Path) -> None:
    _, alerts = replay(tmp_path, sent_by(events(30, 1), "mixed"))
    (alert,) = opened(alerts).values()
    assert alert.detector == "sampling_shift"
    said = alert.annotations.summary
    assert said.startswith(
        "loan: events come from other producers than usual in the minute from 2026-01-01 10:22 UTC (53 % of 240 events moved"
    )
    assert said.endswith(": a rose from 33 % to 87 %; drift may be theirs alone"), said


def test_producers_that_go_on_are_quiet(tmp_path: Path) -> None:
    assert replay(tmp_path, sent_by(events(30, 1), ""))[1] == []


def test_records_that_come_late_or_from_the_future_are_told_live(monkeypatch: pytest.MonkeyPatch) -> None:
    shift_ms = {"by": 0}
    monkeypatch.setattr("tests.property.pipeline_world.sent_ms", lambda event: event.time_ms + shift_ms["by"])
    world = World(config_of({"size": "20s"}), 2).staff(1, 1)
    arrivals = traffic(3, 2_400, 600_000, [("fraud", None)])
    steady = [event for event in arrivals if event.time_ms < START_MS + 400_000]
    world.play(steady)
    shift_ms["by"] = -30_000
    world.play(arrivals[len(steady) :])
    world.settle()
    alerts = [alert for alert in world.outcome().alerts.values() if alert.kind == "capture_health"]
    assert [alert.detector for alert in alerts] == ["clock_skew_ms"]
    assert "fraud: events come from the future: one in a hundred by 3" in first(world).annotations.summary


def first(world: World) -> Alert:
    found = (Alert.from_json(message.value() or b"") for message in world.read("alerts"))
    return next(alert for alert in found if alert.kind == "capture_health")


def test_metadata_that_names_a_producer_is_read_without_a_segment(tmp_path: Path) -> None:
    bodies = sent_by(events(14, 1), "")
    assert orjson.loads(orjson.dumps(bodies[0]))["metadata"] == {"producer": "a"}
    rows, _ = replay(tmp_path, bodies)
    assert sum(row.detector == "sampling_shift" and row.status == "judged" for row in rows) == 2
    assert START_MS % MINUTE_MS == 0
