"""Kill -9 and rebalances while labels come: the figures are those of a dictionary; no label is lost, none is counted twice."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from stream_monitor.runtime.broker import TopicSpec
from tests.crash.test_kill import kill_and_restart
from tests.integration import labels
from tests.integration.labels import World
from tests.integration.stack import Stack, settings
from tests.integration.waiting import FIGURES

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow]

SLICES = 10
"""Parts in which events and labels are published; in each a worker is killed, or the group changes."""


@pytest.fixture
def stack(kafka_bootstrap: str, tmp_path: Path) -> Iterator[Stack]:
    """With a model `loan` that has a task, and no topic for its labels yet."""
    labels.baseline_file(tmp_path)
    made = Stack(kafka_bootstrap, tmp_path, tree={**settings(idle_after="10m"), "models": {"loan": labels.model()}})
    yield made
    made.close()


def test_labels_meet_their_events_whoever_is_killed(stack: Stack) -> None:
    """Two workers with all roles, of which one is killed in each slice; in the middle of either half a third joins, then leaves."""
    random, world = Random("kill labels"), World.of(2, 6_000)
    topic = f"{stack.captures}-labels"
    stack.broker.ensure_topics([TopicSpec(topic, 3)])
    topics = {"topics": {"captures": [stack.captures], "labels": [topic], "prefix": stack.prefix}}
    monitors = [stack.monitor(name, config=stack.config_file(name, more=topics)) for name in ("one", "two")]
    for monitor in monitors:
        monitor.wait_ready()
    for items, ahead_ms in ((world.soon, 60_000), (world.later, 2 * labels.LATENESS_MS)):
        third = None
        for number in range(SLICES // 2):
            labels.publish(stack, items[number :: SLICES // 2], "loan", stack.captures, topic)
            if number == 1:
                third = stack.monitor(f"third-{ahead_ms}", config=stack.config_file(f"third-{ahead_ms}", more=topics))
                third.wait_ready()
            elif number == 3 and third is not None:
                assert third.terminate() == 0, third.tail()
            else:
                kill_and_restart(random, random.choice(monitors))
        labels.wait_until_read(stack, [stack.captures, topic])
        labels.pass_time(stack, ahead_ms, "loan", stack.captures)
    wanted = world.figures()
    stack.wait_for_rows("windows", lambda rows: labels.equal(labels.final_figures(rows, "loan"), wanted), f"figures {wanted}", 90.0)
    for monitor in monitors:
        monitor.wait_ready()
    restarts = sum(monitor.starts - 1 for monitor in monitors)
    FIGURES.info("%d items in %d slices, %d restarts: all figures are the dictionary's", len(world.soon + world.later), SLICES, restarts)
    assert [monitor.terminate() for monitor in monitors] == [0, 0]
