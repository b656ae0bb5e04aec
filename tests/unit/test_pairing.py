"""What a newer config does to whether labels find their events: a new baseline lets events go, and no label of theirs is missed."""

import math
from collections.abc import Iterable
from functools import cache

import msgspec
import numpy as np
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.baseline.store import load_baseline
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import parse_config
from stream_monitor.pipeline.join.record import Captured, JoinRecord
from stream_monitor.pipeline.plan import Plan, compile_plan
from stream_monitor.pipeline.saved import Manifest
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.pipeline.step import step
from stream_monitor.window.progress import Progress, SourceProgress
from tests.property.test_join_laws import Capture, Label, record_of, spread
from tests.simulation.tasks import graded, graded_name

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
KEY = StreamKey("loan", None)
DELAY_MS = 30 * MINUTE_MS


@cache
def plan(revision: int) -> Plan:
    """1: one baseline, 2: another, 3: the first and no task, 4: no such model, 5: it is switched off, 6: others are."""
    model = {"baseline": "other" if revision == 2 else "loan", "window": {"size": "1h", "events_min": 40, "watermark_delay": "0s"}}
    model |= {"task": "binary", "positive_class": "b"} if revision not in (3, 4) else {}
    on = {5: ["psi"], 6: ["unpaired_labels"]}.get(revision)
    loaded = {name: load_baseline(graded()[graded_name(name, "binary")], name) for name in ("loan", "other")}
    models = {"loan": model | {"detectors": on}} if revision != 4 else {"fraud": {"baseline": "other"}}
    config = parse_config({"revision": revision, "topics": {"captures": ["c"], "labels": ["l"]}, "models": models}, "test")
    used = {name: loaded[name] for name in config.baseline_paths()}
    return compile_plan(config, config.shared({name: each.id for name, each in used.items()}), used)


def hours(state: State, first: int, end: int, *, prefix: int = 0) -> Outputs:
    """Three events a minute and the labels of those half an hour before, for whole hours; prefix: on the ids of labels."""
    outputs, now = Outputs(), state.plan
    join = now.joins["loan"]
    for minute in range(first * 60, end * 60):
        time_ms, items = minute * MINUTE_MS, list[Capture | Label]()
        for number in range(3 * minute, 3 * minute + 3):
            items.append(Capture(spread(number + 1), time_ms, 2, 9, math.nan, 0))
            items += [Label(spread(number - 89 + prefix), time_ms, 1, math.nan)] if number >= 90 else []
        record = record_of(items, join.layout)
        rows = record.captures[0].rows._replace(groups=np.zeros((join.group_columns, 3), dtype=np.uint16))
        captures = (Captured(KEY, now.streams[KEY].baseline.id, rows),)
        outputs.extend(step(state, JoinRecord("loan", now.revision, join.layout_id, captures, record.labels), plan))
        outputs.extend(step(state, progress(now.revision, time_ms), plan))
    assert outputs.unreadable is None
    return outputs


def progress(revision: int, time_ms: int) -> Progress:
    return Progress(time_ms, revision, (SourceProgress("c", 0, time_ms // MINUTE_MS, time_ms, False),), (("c", 1),))


def pairs(outputs: Outputs) -> list[tuple[str, int, float | None, str]]:
    rows = [row for row in outputs.scores if row.detector == "unpaired_labels"]
    return [(row.window.end[11:16], row.window.events, row.score, row.status) for row in rows]


def told(alerts: Iterable[Alert]) -> list[Alert]:
    """Of the alerts those on this; of labels that are all alike there are others."""
    return [alert for alert in alerts if alert.detector == "unpaired_labels"]


def test_a_new_baseline_lets_events_go_and_their_labels_raise_nothing() -> None:
    state = State.empty(plan(1))
    assert {row[2:] for row in pairs(hours(state, 0, 15))} == {(0.0, "judged")}
    before = state.pairings["loan"]
    outputs = step(state, progress(2, 15 * HOUR_MS), plan)
    assert state.pairings["loan"] is not before
    outputs.extend(hours(state, 15, 19))
    assert pairs(outputs) == [("16:00", 180, 0.5, "judged"), ("17:00", 180, 0.0, "judged")]
    assert told(outputs.alerts) == []
    lost, *_ = told(hours(state, 19, 22, prefix=10**6).alerts)
    assert (lost.severity, lost.started_at[11:16], lost.baseline_id) == ("critical", "19:00", plan(2).streams[KEY].baseline.id)


@pytest.mark.parametrize(("revision", "reason"), [(2, "baseline_replaced"), (3, "labels_changed"), (4, "model_removed")])
def test_its_alert_is_closed_where_a_newer_config_changes_its_ground(revision: int, reason: str) -> None:
    state = State.empty(plan(1))
    (fires,) = told(hours(state, 0, 4, prefix=10**6).alerts)
    assert told(state.firing()) == [fires]
    closed = told(step(state, progress(revision, 4 * HOUR_MS), plan).alerts)
    assert [(alert.alert_id, alert.status, alert.reason) for alert in closed] == [(fires.alert_id, "resolved", reason)]
    assert told(state.firing()) == []
    assert ("loan" in state.pairings) is (revision == 2)


@pytest.mark.parametrize(("revision", "ends"), [(5, True), (6, False)])
def test_its_alert_is_closed_where_a_newer_config_switches_it_off(revision: int, ends: bool) -> None:
    state = State.empty(plan(1))
    (fires,) = told(hours(state, 0, 4, prefix=10**6).alerts)
    closed = told(step(state, progress(revision, 4 * HOUR_MS), plan).alerts)
    assert [(alert.alert_id, alert.reason) for alert in closed] == ([(fires.alert_id, "detector_removed")] if ends else [])
    assert told(state.firing()) == ([] if ends else [fires])


def test_a_snapshot_holds_it() -> None:
    state = State.empty(plan(1))
    hours(state, 0, 4, prefix=10**6)
    manifest = msgspec.msgpack.decode(msgspec.msgpack.encode(Manifest.of(state, 7, {}, {})), type=Manifest)
    assert list(manifest.state(plan(1)).firing()) == told(state.firing()) != []
