"""A process that stands still past its session and transaction time-outs: its work is done by others, and it does not do it again."""

import pytest

from tests.integration.oracle import judge, wait_until_closed
from tests.integration.stack import CLOSING_MS, SESSION_MS, TRANSACTION_MS, Monitor, Stack
from tests.integration.waiting import FIGURES, pause

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow]

STOP_S = max(SESSION_MS, TRANSACTION_MS) / 1000 + 1.5


def test_a_worker_that_stood_still_finds_its_work_taken(stack: Stack) -> None:
    """With another process at hand, either takes over from the other in turn; then, alone, the last comes back by itself."""
    first, second = stack.monitor("first"), stack.monitor("second")
    first.wait_ready()
    second.wait_ready()
    with stack.traffic(rate=2_500, seed=4) as traffic:
        recoveries = [stand_still(monitor) for monitor in (first, second)]
        assert second.terminate() == 0
        recoveries.append(stand_still(first))
        traffic.finish(CLOSING_MS)
    wait_until_closed(stack, traffic)
    FIGURES.info(f"stopped for {STOP_S} s three times, recovered {recoveries}: {judge(stack, traffic)}")
    assert first.terminate() == 0


def stand_still(monitor: Monitor) -> bool:
    """Stop it under load, and let it go on: it recovers, or leaves with 1 and is started again. Whether it recovered by itself."""
    pause(1.5)
    monitor.stop()
    pause(STOP_S)
    monitor.go_on()
    pause(2.0)
    recovered = monitor.status is None
    if not recovered:
        assert monitor.status == 1, monitor.tail()
        assert monitor.said("another process uses instance"), monitor.tail()
        monitor.start()
    monitor.wait_ready()
    return recovered
