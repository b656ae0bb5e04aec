"""No data never reads as no drift: a model that drifts and then falls silent, or nearly so, does not recover by it."""

from stream_monitor.alert.alert import Alert
from stream_monitor.detect.finding import FindingKind
from tests.property.pipeline_world import START_MS, World, config_of, traffic

DRIFT = (FindingKind.DATA_DRIFT, FindingKind.PREDICTION_DRIFT)


def firing(world: World) -> list[Alert]:
    """Drift alerts that page, by their last publication."""
    alerts = world.outcome().alerts.values()
    return [alert for alert in alerts if alert.kind in DRIFT and alert.severity != "info" and alert.status != "resolved"]


def test_silence_ends_no_alert_on_drift_and_is_told_itself() -> None:
    world = World(config_of(), 2).staff(1, 1)
    world.play(traffic(3, 2_400, 600_000, [("fraud", None)]))
    world.settle(2, 20_000)
    before = firing(world)
    assert before
    world.settle(40, 20_000)
    assert {alert.alert_id for alert in firing(world)} == {alert.alert_id for alert in before}
    silent = [alert for alert in world.outcome().alerts.values() if alert.detector == "silence"]
    assert [alert.status != "resolved" for alert in silent] == [True]
    last = max(row.window.end for row in world.outcome().scores.values())
    rows = [row for row in world.outcome().scores.values() if row.window.end == last]
    assert {row.detector for row in rows} == {"volume", "silence"}, "of a window without events nothing else is said"


def test_too_few_events_to_judge_end_no_alert_on_drift() -> None:
    world = World(config_of({"window_max": "20s"}), 2).staff(1, 1)
    arrivals = traffic(3, 2_400, 600_000, [("fraud", None)])
    world.play([event for n, event in enumerate(arrivals) if event.time_ms < START_MS + 500_000 or n % 30 == 0])
    world.settle(3, 20_000)
    scores = world.outcome().scores.values()
    late = [row for row in scores if row.feature == "amount" and row.window.start >= "2026-01-01T10:08:40"]
    assert late
    assert {row.status for row in late} == {"too_few"}
    assert any(alert.feature == "amount" for alert in firing(world))
