"""A config of a higher revision is taken up by all members while they run; others are refused or yield."""

from collections import Counter
from pathlib import Path

import pytest

from tests.integration.oracle import Row, counted, dump_captures, utc, wait_until_closed
from tests.integration.stack import CLOSING_MS, SIZE_MS, Monitor, Stack, settings
from tests.integration.traffic import MODELS, Traffic
from tests.integration.waiting import FIGURES, wait_until

pytestmark = pytest.mark.kafka


def test_a_higher_revision_is_run_by_all_and_resolves_what_stood_on_the_old_baseline(stack: Stack) -> None:
    """`fraud` gets the baseline of such traffic as it has; `loan` keeps its own, and its alerts."""
    first = stack.monitor("first")
    first.wait_ready()
    with stack.traffic(rate=3_000, seed=7, phase_s=0) as traffic:
        old = stack.wait_for_rows("alerts", _fire_for_both, "alerts of both models")
        second = stack.monitor("second", config=revised(stack, "second", 2))
        second.wait_ready()
        wait_until(lambda: first.said('"config_taken_up"') == 1, f"{first.instance} to take it up")
        stack.wait_for_rows("alerts", lambda alerts: _firing(alerts, "fraud") == set(), "the old alerts to end")
        known = len(stack.rows("windows"))
        stack.wait_for_rows("windows", lambda rows: len({row["window"]["end"] for row in rows[known:]}) >= 3, "windows on the new baseline")
        others_are_refused_or_yield(stack)
        traffic.finish(CLOSING_MS)
    wait_until_closed(stack, traffic)
    alerts = stack.rows("alerts")
    was_firing = _firing(old, "fraud")
    ended = {alert["alert_id"]: (alert["model"], alert["reason"]) for alert in alerts if alert["status"] == "resolved"}
    assert {ended[alert_id] for alert_id in was_firing} <= {("fraud", "baseline_replaced"), ("fraud", "recovered")}
    assert ("fraud", "baseline_replaced") in ended.values()
    assert _firing(alerts, "fraud") == set(), "the new baseline is that of this traffic"
    assert _firing(alerts, "loan"), "this model's baseline is the old one"
    assert ("loan", "baseline_replaced") not in ended.values()
    was_firing = {alert_id for alert_id in was_firing if ended[alert_id][1] == "baseline_replaced"}
    dropped = every_event_is_accounted_for(stack, traffic, [first, second])
    FIGURES.info(f"{traffic.good:,} events, {dropped:,} dropped at the change; {len(was_firing)} alerts resolved as baseline_replaced")
    assert [first.terminate(), second.terminate()] == [0, 0]


def every_event_is_accounted_for(stack: Stack, traffic: Traffic, monitors: list[Monitor]) -> int:
    """In a window once, or counted as dropped; gives how many were dropped."""
    sent = dump_captures(stack, traffic).events
    last = utc(max(end for _, end in sent))
    rows = [row for row in stack.rows("windows") if row["window"]["end"] <= last]
    seen = Counter((row["model"], row["window"]["end"], row["feature"], row["detector"], row["revision"]) for row in rows)
    assert max(seen.values()) == 1
    kept = counted(rows)
    assert {key: count for key, count in kept.items() if key[0] == "loan"} == {
        key: count for key, count in sent.items() if key[0] == "loan"
    }
    dropped = sum(monitor.metric("dropped_events_total", reason="baseline_replaced") for monitor in monitors)
    assert sum(kept.values()) + dropped == sum(sent.values())
    assert 0 < dropped < 3 * SIZE_MS * traffic.rate / 1000
    return int(dropped)


def others_are_refused_or_yield(stack: Stack) -> None:
    """The running revision with another content: exit 2, naming both. A lower one: a warning, and the log's config is run."""
    tree = settings()
    tree["models"]["loan"]["thresholds"] = {"psi": 0.3}
    other = stack.monitor("other", config=stack.config_file("other", revision=2, more=tree))
    assert other.wait(30) == 2
    sentence = other.log.read_text().splitlines()[-1]
    assert sentence.startswith("stream-monitor: revision 2 is already in use for another config (c-"), sentence
    assert sentence.count("c-") == 2, sentence
    assert other.said("Traceback") == 0
    older = stack.monitor("older", "profile", stack.config_file("older", revision=1))
    older.wait_ready()
    assert older.said('"config_is_older"') == 1
    assert older.terminate() == 0


def revised(stack: Stack, instance: str, revision: int) -> Path:
    """The config with another baseline for `fraud`."""
    tree = settings()
    tree["models"]["fraud"]["baseline"] = "fraud.shifted.json"
    return stack.config_file(instance, revision=revision, more=tree)


def _firing(alerts: list[Row], model: str) -> set[str]:
    ended = {alert["alert_id"] for alert in alerts if alert["status"] == "resolved"}
    return {alert["alert_id"] for alert in alerts if alert["model"] == model} - ended


def _fire_for_both(alerts: list[Row]) -> bool:
    return {alert["model"] for alert in alerts} == set(MODELS)
