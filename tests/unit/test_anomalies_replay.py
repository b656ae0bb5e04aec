"""From a file of events to alerts: outliers, bursts of a rare category and values that do not go together are one alert each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.detect.report import WindowScore
from tests.property.pipeline_world import START_MS
from tests.replayed import replayed

MINUTE_MS = 60_000
PER_WINDOW = 400
WRONG = range(5, 9)
"""Windows in which something is wrong, where anything is."""
SHOPS = [*(f"s{i}" for i in range(5)), *(f"r{i}" for i in range(8))]
SHARES = [0.19] * 5 + [0.05 / 8] * 8
RHO = 0.95
BURSTS = {"rare": 0.04, "drift": 0.2}
"""How much of the traffic is one rare shop."""


def events(windows: int, seed: int, wrong: str = "") -> list[dict[str, Any]]:
    """Minutes of steady events; in `WRONG` some amounts are far out, a rare shop bursts, or height and weight do not go together."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(windows * PER_WINDOW):
        window = number // PER_WINDOW
        now = wrong if window in WRONG else ""
        height, noise = random.standard_normal(2)
        features: dict[str, Any] = {
            "amount": float(random.exponential()) if now != "outliers" or random.random() > 0.06 else float(random.uniform(6, 8)),
            "shop": str(random.choice(SHOPS, p=SHARES)) if random.random() > BURSTS.get(now, 0.0) else "r3",
            "height": float(height + (1.5 if now == "shift" else 0.0)),
            "weight": float((-RHO if now == "joint" else RHO) * height + np.sqrt(1 - RHO**2) * noise),
            "region": str(random.choice(["north", "south"])),
        }
        time_ms = START_MS + window * MINUTE_MS + number % PER_WINDOW * MINUTE_MS // PER_WINDOW
        found.append({"event_id": f"e{number}", "model": "loan", "time": time_ms, "features": features, "prediction": {"label": "yes"}})
    return found


def replay(folder: Path, bodies: list[dict[str, Any]], **model: Any) -> tuple[list[WindowScore], list[Alert]]:
    return replayed(folder, bodies, events(20, 99), BuildOptions(rows_min=400), **model)


def only(alerts: list[Alert]) -> Alert:
    """The first publication of the only alert."""
    (alert,) = (each for each in alerts if each.revision == 1)
    assert (alert.kind, alert.started_at) == ("anomaly", "2026-01-01T10:05:00.000Z")
    assert alerts[-1].status == "resolved"
    return alert


def test_outliers_within_the_training_range_are_one_alert(tmp_path: Path) -> None:
    bodies = events(12, 1, "outliers")
    _, alerts = replay(tmp_path, bodies)
    alert = only(alerts)
    assert (alert.detector, alert.feature) == ("outlier_ratio", "amount")
    said = alert.annotations.summary
    assert said.startswith("loan: amount was far outside the usual range in "), said
    assert alert.evidence.moved[0].bin.startswith("["), "the last bin, whose values are within the training range"
    far = [bodies[sample.offset]["features"]["amount"] for sample in alert.evidence.samples]
    assert all(value > 3 for value in far)


def test_a_burst_of_one_rare_category_names_it(tmp_path: Path) -> None:
    bodies = events(12, 2, "rare")
    _, alerts = replay(tmp_path, bodies)
    alert = only(alerts)
    assert (alert.detector, alert.feature) == ("rare_category_ratio", "shop")
    assert alert.evidence.moved[0].bin == "r3"
    said = alert.annotations.summary
    assert said.startswith("loan: shop was a category rare in training in "), said
    assert ": r3 rose from 0." in said
    assert all(bodies[sample.offset]["features"]["shop"].startswith("r") for sample in alert.evidence.samples)


def test_a_burst_that_makes_the_feature_drift_is_part_of_that_alert(tmp_path: Path) -> None:
    _, alerts = replay(tmp_path, events(12, 2, "drift"))
    (alert,) = (each for each in alerts if each.revision == 1)
    assert (alert.kind, alert.feature) == ("data_drift", "shop")
    assert "rare_category_ratio" in [each.detector for each in alert.evidence.detectors]


@pytest.mark.parametrize("segments", [[], ["region"]])
def test_a_correlation_that_flips_is_found_though_no_feature_moves(tmp_path: Path, segments: list[str]) -> None:
    bodies = events(12, 3, "joint")
    rows, alerts = replay(tmp_path, bodies, segments=segments)
    whole = [alert for alert in alerts if not alert.segment]
    alert = only(whole)
    assert (alert.detector, alert.feature, alert.severity) == ("multivariate_outlier_ratio", None, "critical")
    assert len({tuple(each.segment.items()) for each in alerts}) == 1 + 2 * len(segments)
    worst = alert.evidence.samples
    assert len(worst) == 8
    distances = [sample.distance or 0.0 for sample in worst]
    assert distances == sorted(distances, reverse=True)
    for sample in worst:
        features = bodies[sample.offset]["features"]
        assert features["height"] * features["weight"] < 0, "these do not go together"
        assert sample.offset // PER_WINDOW == WRONG[0]
    said = alert.annotations.summary
    assert said.startswith("loan: the traffic holds events whose features do not go together as in training in the minute from "), said
    scores = [row.score for row in rows if row.detector == "multivariate_outlier_ratio" and not row.segment and row.revision == 1]
    assert len(scores) == 12
    assert all((score or 0) > 0.2 if window in WRONG else (score or 0) < 0.01 for window, score in enumerate(scores))


def test_a_feature_that_drifts_explains_that_its_events_are_far(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(12, 5, "shift"))
    far = [row for row in rows if row.detector == "multivariate_outlier_ratio" and (row.score or 0) > 0.1]
    assert len(far) == len(WRONG)
    assert all((row.p_value or 1) < 1e-9 for row in far), "the score and its test are told"
    assert [(alert.kind, alert.feature) for alert in alerts if alert.revision == 1] == [("data_drift", "height")]


def test_steady_traffic_is_quiet_and_other_alerts_have_no_distances(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(60, 4), segments=["region"])
    assert alerts == []
    told = {name: [row.feature for row in rows[:100] if row.detector == name] for name in ("outlier_ratio", "rare_category_ratio")}
    assert told == {"outlier_ratio": ["amount", "height", "weight"], "rare_category_ratio": ["shop", "region"]}
    _, alerts = replay(tmp_path, events(12, 1, "outliers"))
    assert b"distance" not in alerts[0].to_json()
