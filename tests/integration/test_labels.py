"""Labels on a real Kafka: whatever the partitions, keys and order, the figures are those of a dictionary of all events and labels."""

from pathlib import Path

import orjson
import pytest

from stream_monitor.runtime.broker import TopicSpec
from tests.integration import labels
from tests.integration.labels import World
from tests.integration.oracle import utc
from tests.integration.stack import Stack, settings
from tests.integration.waiting import FIGURES

pytestmark = pytest.mark.kafka

PARTITIONS = {"one": (1, 3), "three": (3, 8), "eight": (8, 1)}
"""Model -> partitions of its captures and of its labels: they need not agree."""


@pytest.fixture
def stack(kafka_bootstrap: str, tmp_path: Path):  # type: ignore[no-untyped-def]  # a generator
    labels.baseline_file(tmp_path)
    tree = {**settings(idle_after="10m"), "models": {name: labels.model(facets={"group": {"privileged": "m"}}) for name in PARTITIONS}}
    made = Stack(kafka_bootstrap, tmp_path, tree=tree, partitions=1)
    yield made
    made.close()


@pytest.mark.slow
def test_figures_are_those_of_a_dictionary_for_any_number_of_partitions(stack: Stack) -> None:
    """Three models with topics of their own get the same events and labels; three workers share the topics."""
    world = World.of(1, 3_000)
    captures = {name: f"{stack.captures}-{name}" for name in PARTITIONS}
    told = {name: f"{stack.captures}-labels-{name}" for name in PARTITIONS}
    specs = [TopicSpec(captures[name], counts[0]) for name, counts in PARTITIONS.items()]
    stack.broker.ensure_topics([*specs, *(TopicSpec(told[name], counts[1]) for name, counts in PARTITIONS.items())])
    topics = {"topics": {"captures": [*captures.values()], "labels": [*told.values()], "prefix": stack.prefix}}
    monitors = [stack.monitor(each, config=stack.config_file(each, more=topics)) for each in ("first", "second", "third")]
    for monitor in monitors:
        monitor.wait_ready()
    for items, ahead_ms in ((world.soon, 60_000), (world.later, 2 * labels.LATENESS_MS)):
        for name in PARTITIONS:
            labels.publish(stack, items, name, captures[name], told[name])
        labels.wait_until_read(stack, [*captures.values(), *told.values()])
        for name in PARTITIONS:
            labels.pass_time(stack, ahead_ms, name, captures[name])
    wanted = world.figures()
    rows = stack.wait_for_rows(
        "windows", lambda rows: all(labels.equal(labels.final_figures(rows, name), wanted) for name in PARTITIONS), f"figures {wanted}"
    )
    finals = [last_rows(rows, name) for name in PARTITIONS]
    assert finals[0] == finals[1] == finals[2]
    FIGURES.info("%d rows of label figures are the same for 1, 3 and 8 partitions", len(finals[0]))
    assert [monitor.terminate() for monitor in monitors] == [0, 0, 0]


def last_rows(rows: list[labels.Row], name: str) -> dict[object, bytes]:
    """The last telling of each window by labels, bias and estimates with it, without what hangs on when a window was told."""
    names = {row["detector"] for row in rows if row["detector"].startswith(("estimated_", "statistical", "equal_opp"))} | {*labels.FIGURES}
    last, last_end = {}, utc(labels.START_MS + labels.WINDOWS * labels.SIZE_MS)
    for row in rows:
        if row["model"] == name and row["detector"] in names and row["window"]["end"] <= last_end:
            kept = {key: value for key, value in row.items() if key not in ("model", "revision")}
            last[row["window"]["end"], row["detector"], orjson.dumps(row["segment"])] = orjson.dumps(kept)
    return last
