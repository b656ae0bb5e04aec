"""Labels on a real Kafka: whatever the partitions, keys and order, the figures are those of a dictionary of all events and labels."""

from pathlib import Path

import orjson
import pytest

from stream_monitor.runtime.broker import Record, TopicSpec
from tests.integration import labels
from tests.integration.labels import Capture, Label, World
from tests.integration.oracle import Row, utc
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


BAD = (
    ("not_json", b"{oops"),
    ("empty", b""),
    ("missing_field", b'{"event_id": "e1", "model": "one", "time": 1767261600000}'),
    ("unknown_model", b'{"event_id": "e1", "model": "other", "time": 1767261600000, "label": "yes"}'),
    ("wrong_type", b'{"event_id": "e1", "model": "one", "time": 1767261600000, "label": ["yes"]}'),
    ("time_out_of_range", b'{"event_id": "e1", "model": "one", "time": "2170-01-01T00:00:00Z", "label": "yes"}'),
)
"""Reason and value of messages that are no labels."""


def test_a_label_topic_may_come_later_and_hold_anything(stack: Stack) -> None:
    """Until it is there the monitor says so and runs without; then it reads it from its beginning, within seconds."""
    told, world = f"{stack.captures}-labels", World.of(3, 300)
    topics = {"topics": {"captures": [stack.captures], "labels": [told], "prefix": stack.prefix}}
    monitor = stack.monitor("alone", config=stack.config_file("alone", more=topics))
    monitor.wait_ready()
    assert monitor.said("no_label_topic") == 1
    labels.publish(stack, [item for item in world.soon if isinstance(item, Capture)], "one", stack.captures, told)
    labels.wait_until_read(stack, [stack.captures])
    stack.broker.ensure_topics([TopicSpec(told, 2)])
    labels.publish(stack, [item for item in world.soon if isinstance(item, Label)], "one", stack.captures, told)
    stack.broker.publish([Record(told, value, reason.encode()) for reason, value in BAD])
    labels.wait_until_read(stack, [told])
    world.later.clear()
    labels.pass_time(stack, 2 * labels.LATENESS_MS, "one", stack.captures)
    wanted = world.figures()
    stack.wait_for_rows("windows", lambda rows: labels.equal(labels.final_figures(rows, "one"), wanted), f"figures {wanted}")
    letters = [dict(letter.headers() or []) for letter in stack.read(f"{stack.prefix}.dead-letters")]
    assert sorted(letter["reason"].decode() for letter in letters) == sorted(reason for reason, _ in BAD)
    assert {letter["topic"].decode() for letter in letters} == {told}
    assert monitor.terminate() == 0


def last_rows(rows: list[Row], name: str) -> dict[tuple[str, str, bytes], bytes]:
    """The last telling of each window by labels, bias and estimates with it, without what hangs on when a window was told."""
    names = {row["detector"] for row in rows if row["detector"].startswith(("estimated_", "statistical", "equal_opp"))} | {*labels.FIGURES}
    last, last_end = {}, utc(labels.START_MS + labels.WINDOWS * labels.SIZE_MS)
    for row in rows:
        if row["model"] == name and row["detector"] in names and row["window"]["end"] <= last_end:
            kept = {key: value for key, value in row.items() if key not in ("model", "revision")}
            last[row["window"]["end"], row["detector"], orjson.dumps(row["segment"])] = orjson.dumps(kept)
    return last
