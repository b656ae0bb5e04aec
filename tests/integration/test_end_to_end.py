"""One process, all roles, nothing goes wrong: what comes out is what a replay says, and the numbers it shows are true."""

import time

import pytest

from stream_monitor.runtime.broker import Record
from tests.integration.fixtures import MakeStack
from tests.integration.oracle import judge, wait_until_closed
from tests.integration.stack import CLOSING_MS, Stack, settings
from tests.integration.traffic import BAD_HEADER, MODELS
from tests.integration.waiting import FIGURES, pause, wait_until

pytestmark = pytest.mark.kafka


@pytest.mark.slow
def test_what_comes_out_is_what_a_replay_says(make_stack: MakeStack, kafka_bootstrap: str) -> None:
    """The traffic just ends: idleness closes the last window. The process is stopped in order half-way and started again."""
    stack = make_stack(kafka_bootstrap, tree=settings(idle_after="3s"))
    monitor = stack.monitor("alone")
    monitor.wait_ready()
    with stack.traffic(rate=4_000, seed=1, phase_s=4.0) as traffic:
        pause(6.0)
        stopping = time.monotonic()
        assert monitor.terminate() == 0, monitor.tail()
        stopped_s = time.monotonic() - stopping
        first_events = traffic.good
        monitor.start().wait_ready()
        pause(6.0)
        traffic.finish()
    wait_until_closed(stack, traffic)
    verdict = judge(stack, traffic)
    FIGURES.info(f"undisturbed: {verdict}; SIGTERM took {stopped_s:.1f} s")
    assert stopped_s < 8
    assert verdict.alerts >= verdict.resolved > 0
    assert 0 < first_events < traffic.good


def test_metrics_tell_the_truth(stack: Stack) -> None:
    monitor = stack.monitor("alone")
    monitor.wait_ready()
    with stack.traffic(rate=3_000, seed=2, phase_s=3.0) as traffic:
        pause(8.0)
        traffic.finish(CLOSING_MS)
    wait_until_closed(stack, traffic)
    closers = stack.partitions
    wait_until(lambda: monitor.metric("events_total") == traffic.good + closers, "all events in the metrics", 10)
    wait_until(lambda: monitor.metric("consumer_lag_messages", topic=stack.captures) == 0, "no lag", 10)
    assert monitor.metric("dead_letters_total", topic=stack.captures) == traffic.bad
    assert monitor.metric("late_events_total") == monitor.metric("dropped_events_total") == 0
    alerts = stack.rows("alerts")
    fired = [alert for alert in alerts if alert["status"] == "firing"]
    resolved = {alert["alert_id"] for alert in alerts if alert["status"] == "resolved"}
    for model in MODELS:
        mine = [alert for alert in fired if alert["model"] == model]
        assert monitor.metric("alerts_total", model=model) == len(mine) > 0
        assert monitor.metric("alerts_firing", model=model) == len({alert["alert_id"] for alert in mine} - resolved)
        assert 0 < monitor.metric("window_end_timestamp_seconds", model=model) <= time.time() + CLOSING_MS / 1000
    last = {
        row["window"]["end"]: row
        for row in stack.rows("windows")
        if row["detector"] == "psi" and row["feature"] == "amount" and row["model"] == MODELS[0]
    }
    assert monitor.metric("drift_score", model=MODELS[0], feature="amount", detector="psi") == pytest.approx(
        last[max(last)]["score"], rel=1e-4
    )
    assert monitor.get("/healthz") == (200, "ok\n")
    assert monitor.terminate() == 0
    FIGURES.info(f"metrics: {traffic.good:,} events, {traffic.bad} dead letters, {len(fired)} alerts")


def test_a_message_of_ten_megabytes_is_a_dead_letter_whole(stack: Stack) -> None:
    monitor = stack.monitor("alone")
    monitor.wait_ready()
    large = b'{"model": "fraud", "padding": "' + b"x" * 10_000_000 + b'"}'
    stack.broker.publish([Record(stack.captures, large, b"large", 0, headers=((BAD_HEADER, b"too_large"),))])
    wait_until(lambda: monitor.metric("dead_letters_total", reason="too_large") == 1, "the dead letter", 30)
    (letter,) = stack.read(f"{stack.prefix}.dead-letters")
    assert (letter.key(), letter.value()) == (b"large", large)
    headers = dict(letter.headers() or [])
    assert (headers["reason"], headers["topic"], headers["partition"], headers["offset"]) == (
        b"too_large",
        stack.captures.encode(),
        b"0",
        b"0",
    )
    assert monitor.terminate() == 0
