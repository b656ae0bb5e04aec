"""From a file of events to alerts: calls that go wrong are one alert each, those that go on as they did none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.detect.registry import OPERATIONS
from stream_monitor.detect.report import WindowScore
from tests.property.pipeline_world import START_MS
from tests.replayed import replayed

MINUTE_MS = 60_000
PER_WINDOW = 240
WRONG = range(22, 26)
"""Windows in which something is wrong, where anything is."""


def events(windows: int, seed: int, wrong: str = "") -> list[dict[str, Any]]:
    """Steady events of a minute's windows; from `WRONG` on calls are slow, fail, or the processor is busy too."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(windows * PER_WINDOW):
        window = number // PER_WINDOW
        now = wrong if window in WRONG else ""
        failed = random.random() < (0.15 if now == "failing" else 0.005)
        body: dict[str, Any] = {
            "event_id": f"e{number}",
            "model": "loan",
            "time": START_MS + window * MINUTE_MS + number % PER_WINDOW * MINUTE_MS // PER_WINDOW,
            "features": {"amount": float(random.normal())},
            "prediction": {"score": float(random.random())},
            "latency_ms": float((310 if now in ("slow", "bottleneck") else 40) * np.exp(0.4 * random.standard_normal())),
            "resources": {"cpu_ratio": float(np.clip(random.normal(0.95 if now == "bottleneck" else 0.3, 0.02), 0, 1))},
        }
        if failed:
            body |= {"status": "error", "error": "timeout" if now else "refused", "prediction": None}
        found.append(body)
    return found


def replay(folder: Path, bodies: list[dict[str, Any]], **model: Any) -> tuple[list[WindowScore], list[Alert]]:
    return replayed(folder, bodies, events(10, 99), **model)


def opened(alerts: list[Alert]) -> dict[str, Alert]:
    """The first publication of each alert, by its detector."""
    return {alert.detector: alert for alert in alerts if alert.revision == 1}


def test_latency_that_jumps_is_one_alert_that_says_from_what_to_what(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(30, 1, "slow"))
    (alert,) = opened(alerts).values()
    assert alert.detector == "latency_p95_ms"
    assert (alert.kind, alert.feature, alert.severity) == ("operational", None, "critical")
    assert alert.started_at == "2026-01-01T10:22:00.000Z"
    assert [each.detector for each in alert.evidence.detectors] == ["latency_p95_ms", "latency_p50_ms", "latency_p99_ms"]
    said = alert.annotations.summary
    assert said.startswith("loan: latency p95 rose from 7"), said
    assert " in the minute from 2026-01-01 10:22 UTC (limit 1" in said
    assert said.endswith(", p < 1e-12), of 240 events")
    assert [each.status for each in alerts][-1] == "resolved"
    assert alerts[-1].annotations.summary.startswith("loan: latency p95 is back to normal in the minute")
    told = {row.detector for row in rows if row.feature is None and row.detector in OPERATIONS}
    quantiles = {"latency_p50_ms", "latency_p95_ms", "latency_p99_ms"}
    assert told == quantiles | {"throughput_per_s", "error_ratio", "cpu_ratio", "bottleneck", "idle_capacity"}
    assert {row.score for row in rows if row.detector == "throughput_per_s"} == {4.0}
    assert {row.threshold for row in rows if row.detector == "throughput_per_s"} == {None}


def test_errors_that_burst_are_one_alert_that_names_their_code(tmp_path: Path) -> None:
    _, alerts = replay(tmp_path, events(30, 2, "failing"))
    assert list(opened(alerts)) == ["error_ratio"]
    alert = opened(alerts)["error_ratio"]
    assert alert.evidence.moved[0].bin == "timeout"
    assert (alert.evidence.moved[0].baseline, alert.evidence.moved[0].window) == (0.0, alert.score)
    assert "loan: error ratio rose from " in alert.annotations.summary
    assert "; most errors: timeout (" in alert.annotations.summary


def test_a_bottleneck_is_told_beside_what_it_is_made_of(tmp_path: Path) -> None:
    _, alerts = replay(tmp_path, events(30, 3, "bottleneck"))
    assert list(opened(alerts)) == ["latency_p95_ms", "cpu_ratio", "bottleneck"]
    said = opened(alerts)["bottleneck"].annotations.summary
    assert said.startswith("loan: a bottleneck: latency p95 rose from "), said
    assert " while CPU use rose from 30 % to 95 % in the minute" in said


def test_a_limit_in_the_config_is_absolute(tmp_path: Path) -> None:
    _, alerts = replay(tmp_path, events(30, 1, "slow"), thresholds={"latency_p50_ms": 400, "latency_p95_ms": 200, "latency_p99_ms": 900})
    assert list(opened(alerts)) == ["latency_p95_ms"]
    assert opened(alerts)["latency_p95_ms"].threshold == 200
    _, alerts = replay(tmp_path, events(14, 1), thresholds={"latency_p95_ms": 20})
    assert list(opened(alerts)) == ["latency_p95_ms"], "it needs no past, and the usual level is no excuse"


def test_steady_calls_are_quiet_and_detectors_can_be_switched_off(tmp_path: Path) -> None:
    assert replay(tmp_path, events(60, 4))[1] == []
    rows, alerts = replay(tmp_path, events(30, 1, "slow"), detectors=["psi", "error_ratio"])
    assert {row.detector for row in rows} == {"psi", "error_ratio"}
    assert alerts == []


@pytest.mark.parametrize("field", ["latency_ms", "resources"])
def test_a_model_whose_events_say_nothing_of_their_calls_has_no_rows_of_it(tmp_path: Path, field: str) -> None:
    bodies = events(14, 5)
    for body in bodies:
        for name in ("latency_ms", "resources", "status", "error"):
            if name != field or body["time"] < START_MS + 5 * MINUTE_MS:
                body.pop(name, None)
    rows, _ = replay(tmp_path, bodies)
    assert sum(row.detector == "throughput_per_s" for row in rows) == 9
