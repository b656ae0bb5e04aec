"""Several processes share the work: they join and leave under load, and two must not have one name."""

import pytest

from tests.integration.oracle import judge, wait_until_closed
from tests.integration.stack import CLOSING_MS, Stack
from tests.integration.waiting import FIGURES, pause, wait_until

pytestmark = pytest.mark.kafka


@pytest.mark.slow
def test_members_join_and_leave_under_load(stack: Stack) -> None:
    """One to three processes; of the two detect partitions the third gets none. In the end two of the others are left."""
    first = stack.monitor("first")
    first.wait_ready()
    with stack.traffic(rate=4_000, seed=5, phase_s=4.0) as traffic:
        second = stack.monitor("second")
        second.wait_ready()
        pause(1.0)
        third = stack.monitor("third", "profile")
        third.wait_ready()
        pause(1.0)
        assert first.terminate() == 0, first.tail()
        pause(1.0)
        fourth = stack.monitor("fourth", "detect")
        fourth.wait_ready()
        pause(1.0)
        assert third.terminate() == 0, third.tail()
        pause(1.0)
        traffic.finish(CLOSING_MS)
    wait_until_closed(stack, traffic)
    verdict = judge(stack, traffic)
    FIGURES.info(f"four members came, two went: {verdict}")
    assert verdict.alerts >= verdict.resolved > 0
    assert [second.terminate(), fourth.terminate()] == [0, 0]


def test_of_two_processes_with_one_instance_one_leaves(stack: Stack) -> None:
    """They fence each other; who is fenced for the second time within a minute says why and exits with 1. Nothing is counted twice."""
    monitors = [stack.monitor("same", "profile", stack.config_file("same")) for _ in range(2)]
    detect = stack.monitor("detect", "detect")
    with stack.traffic(rate=2_000, seed=6) as traffic:
        wait_until(lambda: any(monitor.status is not None for monitor in monitors), "one of the two to leave")
        (left,) = [monitor for monitor in monitors if monitor.status is not None]
        (stays,) = [monitor for monitor in monitors if monitor is not left]
        assert left.status == 1
        last_line = left.log.read_text().splitlines()[-1]
        assert last_line.startswith("stream-monitor: another process uses instance 'same'"), left.tail()
        assert left.said("Traceback") == 0
        stays.wait_ready()
        detect.wait_ready()
        pause(1.0)
        traffic.finish(CLOSING_MS)
    wait_until_closed(stack, traffic)
    FIGURES.info(f"one instance twice: {judge(stack, traffic)}")
    assert [stays.terminate(), detect.terminate()] == [0, 0]
