"""Captures to alerts to actions while any process is killed at any moment: nothing is lost, repeated after its record, or out of order."""

from collections import defaultdict
from collections.abc import Iterator
from random import Random

import pytest

from stream_monitor.respond import ActionStatus, Alert
from stream_monitor.runtime.topics import ALERTS
from tests.integration.oracle import judge, wait_until_closed
from tests.integration.stack import CLOSING_MS, Stack
from tests.integration.waiting import FIGURES, pause, wait_until
from tests.respond.stack import EFFECTS, RespondStack, check_record

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow]

KILLS = 20
RATE = 1_000
ACTIONS = f'''{EFFECTS}

@on(status=["firing", "updated", "resolved"], retries=100)
def tell(alert: Alert, call: Call):
    effect("tell", call)
    time.sleep(random.uniform(0, SLOW_S))


class Page:
    """Opens and closes; the other side knows a repetition by its key: a file each."""

    has_end = True

    def __call__(self, alert: Alert, call: Call):
        time.sleep(random.uniform(0, SLOW_S))
        FILE.with_name(call.idempotency_key.replace("/", ".") + ".page").touch()
        effect("page", call)
        time.sleep(random.uniform(0, SLOW_S))


on(name="page", retries=100)(Page())
'''.replace('@on(backoff="10ms", concurrency=4)', "@on(retries=100)")


@pytest.fixture
def responders(stack: Stack) -> Iterator[RespondStack]:
    """On the topics of the workers, which make them."""
    made = RespondStack(stack.bootstrap_servers, stack.folder, ACTIONS, 0.3, prepare=False, topics={"prefix": stack.prefix})
    yield made
    made.close()


def test_twenty_kills_of_workers_and_responders(stack: Stack, responders: RespondStack) -> None:
    random = Random("the whole chain")
    workers = [stack.monitor("profiler", "profile"), stack.monitor("detector", "detect")]
    for worker in workers:
        worker.wait_ready()
    processes = [*workers, responders.respond("r0"), responders.respond("r1")]
    with stack.traffic(rate=RATE, seed=5, phase_s=4.0) as traffic:
        for _ in range(KILLS):
            pause(random.uniform(0.5, 4.5))
            process = random.choice(processes)
            assert process.status is None, process.tail()
            process.kill()
            process.start()
        for process in processes:
            process.wait_ready()
        pause(1.0)
        traffic.finish(CLOSING_MS)
    wait_until_closed(stack, traffic)
    verdict = judge(stack, traffic)
    alerts = [Alert.from_json(message.value() or b"") for message in stack.read(responders.topic(ALERTS))]
    keys = {key for alert in alerts for key in (f"note/{alert.alert_id}", *(f"{name}/{_each(alert)}" for name in ("tell", "page")))}
    wait_until(lambda: {key for key, last in responders.last().items() if last.status is ActionStatus.SUCCEEDED} >= keys, "all actions")
    repeated = check_record(responders, keys)
    assert {path.name for path in stack.folder.glob("*.page")} == {f"{_each(alert).replace('/', '.')}.page" for alert in alerts}
    check_order(responders, alerts)
    restarts = sum(process.starts - 1 for process in processes)
    FIGURES.info(f"{restarts} restarts: {verdict}; {len(keys)} actions, {repeated} effects repeated before their record")
    assert verdict.alerts >= verdict.resolved > 0
    assert [process.terminate() for process in processes] == [0] * len(processes)


def _each(alert: Alert) -> str:
    return f"{alert.alert_id}/{alert.revision}"


def check_order(responders: RespondStack, alerts: list[Alert]) -> None:
    """What is opened and closed is so in the order of the alerts, but for repetitions of the latest."""
    said, done = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    threads = {}
    for alert in alerts:
        threads[f"page/{_each(alert)}"] = alert.fingerprint
        said[alert.fingerprint].append(f"page/{_each(alert)}")
    for line in responders.effect_lines():
        key = line.split()[0]
        if key in threads and key not in done[threads[key]][-1:]:
            done[threads[key]].append(key)
    assert done == said
