"""Kill -9 at random moments under load: windows and alerts are those of an undisturbed run; none lost, none twice."""

import time
from random import Random

import pytest

from tests.integration.oracle import judge, wait_until_closed
from tests.integration.stack import CLOSING_MS, Monitor, Stack
from tests.integration.waiting import FIGURES, pause

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow]

KILLS = 20
RATE = 2_500


@pytest.mark.parametrize(("role", "other"), [("profile", "detect"), ("detect", "profile")])
def test_a_worker_that_is_killed_again_and_again_changes_nothing(stack: Stack, role: str, other: str) -> None:
    """One of the role at first, then two of them, of which one is killed at a time, then one again. The other role is left alone."""
    random = Random(f"kill {role}")
    started = time.monotonic()
    calm = stack.monitor("calm", other)
    killed = [stack.monitor("one", role)]
    for monitor in (calm, *killed):
        monitor.wait_ready()
    with stack.traffic(rate=RATE, seed=3) as traffic:
        for number in range(KILLS):
            if number == KILLS // 3:
                killed.append(stack.monitor("two", role))
            elif number == 2 * KILLS // 3:
                killed[-1].wait_ready()
                assert killed.pop().terminate() == 0
            kill_and_restart(random, random.choice(killed))
        for monitor in killed:
            monitor.wait_ready()
        pause(1.0)
        traffic.finish(CLOSING_MS)
    wait_until_closed(stack, traffic)
    kills_s = time.monotonic() - started
    verdict = judge(stack, traffic)
    restarts = sum(monitor.starts - 1 for monitor in stack.monitors)
    FIGURES.info(f"{role} killed {KILLS} times in {kills_s:.0f} s, {restarts} restarts: {verdict}")
    assert verdict.alerts >= verdict.resolved > 0
    assert [monitor.terminate() for monitor in (calm, *killed)] == [0] * (1 + len(killed))


def kill_and_restart(random: Random, monitor: Monitor) -> None:
    """Two kills in three come soon after the worker has its share (while it catches up), the others at any moment of its start."""
    if random.random() < 2 / 3:
        monitor.wait_ready()
        pause(random.uniform(0.0, 0.6))
    else:
        pause(random.uniform(0.0, 2.0))
    assert monitor.status is None, monitor.tail()
    monitor.kill()
    monitor.start()
