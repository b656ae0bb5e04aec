"""Two replays compared: what is new, gone, moved or changed, and nothing else."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.cli.compare import Change, compare, read_alerts
from stream_monitor.errors import InputError


def alert(feature: str = "amount", started: str = "06:00", **changes: Any) -> Alert:
    """One publication; `ended` says when it resolved."""
    ended = changes.pop("ended", None)
    time = f"2026-11-22T{started}:00.000Z"
    tree: dict[str, Any] = {
        "alert_id": f"{feature} {started}",
        "fingerprint": f"{feature} {changes.get('detector', 'psi')}",
        "revision": 1,
        "status": "firing" if ended is None else "resolved",
        "severity": "warning",
        "kind": "data_drift",
        "model": "loan",
        "version": None,
        "segment": {},
        "feature": feature,
        "detector": "psi",
        "score": 0.3,
        "threshold": 0.2,
        "p_value": 1e-9,
        "window": {"start": time, "end": time, "events": 300},
        "started_at": time,
        "detected_at": time,
        "resolved_at": ended and f"2026-11-22T{ended}:00.000Z",
        "reason": None,
        "change_point": None,
        "baseline_id": "b",
        "config_id": "c",
        "labels": {},
        "annotations": {"summary": "", "runbook": None},
        "evidence": {"moved": [], "samples": []},
    }
    return Alert.from_json(orjson.dumps(tree | changes))


def changes(before: list[Alert], now: list[Alert]) -> list[tuple[str, str]]:
    found = compare(before, now)
    return [(each.change.value, (each.now or each.before).first.feature or "") for each in found.differences]  # type: ignore[union-attr]


def test_the_same_alerts_are_no_difference_whatever_their_config() -> None:
    alerts = [alert(), alert("income", "07:00")]
    found = compare(alerts, [alert(config_id="d"), alert("income", "07:00", score=0.31)])
    assert (found.differences, found.same, found.table()) == ((), 2, None)


def test_alerts_are_new_or_gone() -> None:
    assert changes([alert("income")], [alert("amount")]) == [("new", "amount"), ("gone", "income")]
    assert changes([], [alert()]) == [("new", "amount")]
    assert changes([alert()], []) == [("gone", "amount")]


def test_an_alert_that_began_at_another_window_has_moved() -> None:
    assert changes([alert(started="06:00", ended="08:00")], [alert(started="07:00")]) == [("moved", "amount")]
    assert changes([alert(detector="psi")], [alert(detector="ks")]) == [("moved", "amount")]


def test_alerts_that_never_fired_together_have_not_moved() -> None:
    before = [alert(started="06:00"), alert(started="06:00", ended="06:30")]
    assert changes(before, [alert(started="07:00")]) == [("gone", "amount"), ("new", "amount")]


def test_one_new_alert_stands_in_for_one_old_one_only() -> None:
    before = [alert(started="06:00", ended="07:00"), alert(started="06:10", ended="07:00")]
    assert changes(before, [alert(started="06:20", ended="07:00")]) == [("gone", "amount"), ("moved", "amount")]


@pytest.mark.parametrize("change", [{"severity": "critical"}, {"ended": "07:00"}])
def test_another_severity_or_end_is_a_change(change: dict[str, Any]) -> None:
    found = compare([alert()], [alert(**change)])
    assert [each.change for each in found.differences] == [Change.CHANGED]
    assert found.same == 0


def test_segments_and_kinds_are_never_mixed() -> None:
    assert changes([alert(segment={"region": "eu"})], [alert(detector="ks")]) == [("new", "amount"), ("gone", "amount")]
    assert changes([alert(kind="data_quality")], [alert(detector="ks")]) == [("new", "amount"), ("gone", "amount")]


def test_the_worst_severity_of_a_life_counts() -> None:
    escalated = [alert(), alert(severity="critical"), alert(ended="07:00")]
    tree = compare(escalated, []).tree()
    assert tree["differences"][0]["before"]["severity"] == "critical"
    assert tree["differences"][0]["before"]["ended_at"] == "2026-11-22T07:00:00.000Z"
    assert tree["differences"][0]["now"] is None


def test_alerts_are_read_from_the_folder_of_an_earlier_replay(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(alert().to_json() + b"\n")
    assert read_alerts(tmp_path) == [alert()]
    with pytest.raises(InputError, match=r"--compare .*: .*alerts.jsonl cannot be read: .*; give the --out folder of an earlier replay"):
        read_alerts(tmp_path / "absent")
    (tmp_path / "alerts.jsonl").write_bytes(alert().to_json() + b"\n{}\n")
    with pytest.raises(InputError, match=r"alerts.jsonl, line 2: not an alert"):
        read_alerts(tmp_path)
