"""The broker goes away under load, in order and killed, and comes back: the workers wait, and nothing is lost or doubled."""

import time

import pytest

from tests.integration.fixtures import MakeStack
from tests.integration.oracle import judge, wait_until_closed
from tests.integration.stack import CLOSING_MS, settings
from tests.integration.waiting import FIGURES, pause
from tests.kafka.server import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.soak]


def test_workers_survive_the_restart_of_the_broker(make_stack: MakeStack, kafka_server: KafkaServer) -> None:
    # Transactions outlive the broker's absence: two that time out within a minute would be taken for another process' doing.
    stack = make_stack(kafka_server.bootstrap_servers, tree=settings(transaction_timeout="20s"))
    monitors = [stack.monitor("first"), stack.monitor("second")]
    for monitor in monitors:
        monitor.wait_ready()
    away = []
    with stack.traffic(rate=2_000, seed=8) as traffic:
        for end in (kafka_server.stop, kafka_server.kill):
            pause(3.0)
            started = time.monotonic()
            end()
            pause(1.0)
            kafka_server.start()
            away.append(time.monotonic() - started)
        pause(3.0)
        traffic.finish(CLOSING_MS)
    wait_until_closed(stack, traffic)
    FIGURES.info(f"the broker was away for {away[0]:.1f} and {away[1]:.1f} s: {judge(stack, traffic)}")
    assert [monitor.terminate() for monitor in monitors] == [0, 0]
    assert [monitor.starts for monitor in monitors] == [1, 1]
