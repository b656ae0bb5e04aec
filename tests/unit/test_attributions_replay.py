"""From a file of events to alerts: a model that rests on other features than in training is one alert, and nothing else is."""

from pathlib import Path
from typing import Any

import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.detect.report import WindowScore
from stream_monitor.errors import ConfigError
from tests.attributed import WEIGHTS, events
from tests.replayed import replayed

SHARE = {name: weight / sum(WEIGHTS.values()) for name, weight in WEIGHTS.items()}


def replay(folder: Path, bodies: list[dict[str, Any]], past: list[dict[str, Any]], **model: Any) -> tuple[list[WindowScore], list[Alert]]:
    return replayed(folder, bodies, past, BuildOptions(segments=tuple(model.get("segments", ()))), **model)


def test_a_model_that_rests_on_other_features_is_one_alert_that_says_which(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(20, 1, swapped=range(8, 14)), events(10, 99))
    assert {alert.kind for alert in alerts} == {"attribution_drift"}
    assert [alert.status for alert in alerts] == ["firing", "resolved"]
    alert = alerts[0]
    assert (alert.detector, alert.feature, alert.severity, alert.threshold) == ("attribution_ndcg", None, "critical", 0.9)
    assert alert.started_at == "2026-01-01T10:08:00.000Z"
    assert {each.bin for each in alert.evidence.moved} == {"income", "debt", "tenure", "region"}
    shares = {each.bin: (each.baseline, each.window) for each in alert.evidence.moved}
    assert shares["income"] == pytest.approx((SHARE["income"], SHARE["region"]), abs=0.02)
    said = alert.annotations.summary
    assert said.startswith("loan: what the answers rest on changed in the minute from 2026-01-01 10:08 UTC (NDCG 0.56 under 0.90, p < "), (
        said
    )
    assert ": region rose from rank 5 (" in said
    assert ", income fell from rank 1 (5" in said
    assert alerts[-1].annotations.summary.startswith("loan: what the answers rest on is back to normal in the minute"), alerts[-1]
    told = {row.feature: row for row in rows if row.detector == "attribution_share"}
    assert {name: row.score for name, row in told.items()} == pytest.approx(SHARE, abs=0.05)
    assert {row.threshold for row in told.values()} == {None}


def test_attributions_in_another_unit_rank_the_same(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(6, 2, unit=5.0), events(10, 99))
    assert alerts == []
    assert min(row.score or 0 for row in rows if row.detector == "attribution_ndcg") > 0.97


def test_a_segment_is_held_against_its_own_ranking(tmp_path: Path) -> None:
    """In the north the model rests on other features, in training too; then it does so in the south."""

    def mixed(windows: int, seed: int, swapped: range) -> list[dict[str, Any]]:
        north, south = events(windows, seed, swapped=range(windows)), events(windows, seed + 1, swapped)
        for number, (body, other) in enumerate(zip(north, south, strict=True)):
            body["features"]["region"], other["features"]["region"] = "north", "south"
            other["event_id"] = f"s{number}"
        return sorted(north + south, key=lambda body: body["time"])

    past = mixed(10, 90, range(0))
    assert replay(tmp_path, mixed(6, 3, range(0)), past, segments=["region"])[1] == []
    _, alerts = replay(tmp_path, mixed(12, 5, range(6, 12)), past, segments=["region"])
    assert {alert.kind for alert in alerts} == {"attribution_drift"}
    assert {"region": "south"} in [alert.segment for alert in alerts]
    assert {"region": "north"} not in [alert.segment for alert in alerts]


def test_nothing_is_said_where_training_or_traffic_has_none_or_the_detector_is_off(tmp_path: Path) -> None:
    live, past = events(12, 4, swapped=range(6, 12)), events(10, 99)
    without = [{name: value for name, value in body.items() if name != "attributions"} for body in past]
    swapped = [{name: value for name, value in body.items() if name != "attributions"} for body in live]
    for bodies, training, model in ((live, without, {}), (swapped, past, {}), (live, past, {"detectors": ["psi"]})):
        rows, alerts = replay(tmp_path, bodies, training, **model)
        assert alerts == []
        assert {row.detector for row in rows if row.detector.startswith("attribution")} == set()


def test_a_share_has_no_threshold_and_the_config_that_gives_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.loan\.thresholds: 'attribution_share' is told and not judged"):
        replay(tmp_path, events(1, 1), events(2, 99), thresholds={"attribution_share": 0.1})


def test_a_feature_that_the_config_leaves_out_is_not_ranked(tmp_path: Path) -> None:
    live = events(8, 1)
    for body in live:
        body["attributions"]["income"] = 0.0
    assert [alert.status for alert in replay(tmp_path, live, events(10, 99))[1]] == ["firing"]
    rows, alerts = replay(tmp_path, live, events(10, 99), features={"exclude": ["income"]})
    assert alerts == []
    assert "income" not in {row.feature for row in rows}
