"""Config and baselines in the log: who may write, who yields, and what running workers make of a newer one."""

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream_monitor.alert.alert import Alert
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import Config, parse_config
from stream_monitor.errors import ConfigError, Fatal
from stream_monitor.runtime.broker import Record, TopicPartition, TopicSpec
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.topics import ALERTS, CONFIG, prepare_topics
from tests.property.pipeline_world import World, baselines, config_tree, traffic

WINDOW = {"size": "20s", "events_min": 1}


def config(revision: int, **models: Any) -> Config:
    """A config; models: changes of the models' sections (None: removed)."""
    tree = config_tree(WINDOW) | {"revision": revision}
    for name, change in models.items():
        if change is None:
            del tree["models"][name]
        else:
            tree["models"][name] = {**tree["models"][name], **change}
    return parse_config(tree, "test")


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker()
    broker.ensure_topics([TopicSpec("captures", 1)])
    prepare_topics(broker, config(1))
    return broker


def apply(broker: MemoryBroker, wanted: Config) -> ConfigLog:
    log = ConfigLog.of(broker, wanted)
    log.apply(wanted, World.named_baselines(wanted))
    return log


def keys(broker: MemoryBroker) -> list[str]:
    return [(message.key() or b"").decode() for message in broker.read(TopicPartition(config(1).topics.own(CONFIG), 0))]


STRICT: Mapping[str, Any] = {"thresholds": {"psi": 0.1}}


def test_the_first_config_goes_into_an_empty_log_after_its_baselines(broker: MemoryBroker) -> None:
    log = apply(broker, config(1))
    assert log.revision == 1
    assert [key.partition("/")[0] for key in keys(broker)] == ["baseline", "baseline", "baseline", "config"]
    assert log.current().config_id == log.first().config_id
    assert {stream.model for stream in log.current().streams} == {"loan", "fraud"}


def test_the_same_again_writes_nothing(broker: MemoryBroker) -> None:
    apply(broker, config(1))
    before = keys(broker)
    apply(broker, config(1))
    assert keys(broker) == before


def test_a_higher_revision_replaces(broker: MemoryBroker) -> None:
    first = apply(broker, config(1))
    second = apply(broker, config(2, fraud=STRICT))
    assert (second.revision, second.first().revision) == (2, 1)
    assert second.current().config_id != first.current().config_id
    first.refresh()
    assert first.current().config_id == second.current().config_id


def test_a_lower_revision_yields_with_a_warning(broker: MemoryBroker) -> None:
    apply(broker, config(5, fraud=STRICT))
    before = keys(broker)
    with capture_logs() as logs:
        log = apply(broker, config(4))
    assert keys(broker) == before
    assert log.current().revision == 5
    (warning,) = [entry for entry in logs if entry["event"] == "config_is_older"]
    assert (warning["file_revision"], warning["running_revision"]) == (4, 5)
    assert "raise `revision`" in warning["remedy"]


def test_the_same_revision_with_other_content_is_refused_naming_both(broker: MemoryBroker) -> None:
    running = apply(broker, config(3)).current().config_id
    with pytest.raises(ConfigError, match="raise `revision` to 4") as caught:
        apply(broker, config(3, fraud=STRICT))
    assert running in str(caught.value)
    assert str(caught.value).count("c-") == 2


def test_a_baseline_rebuilt_under_the_same_name_is_other_content(broker: MemoryBroker) -> None:
    """The path stands in the file, the content's id in the log."""
    apply(broker, config(1))
    with pytest.raises(ConfigError, match="already in use"):
        ConfigLog.of(broker, config(1)).apply(config(1), {**World.named_baselines(config(1)), "loan": baselines()["other"]})


def test_of_two_first_appliers_one_wins_and_the_other_is_told(broker: MemoryBroker) -> None:
    """Both read the log empty, both write: the first in the log stands, for everybody."""
    one, two = config(1), config(1, fraud=STRICT)
    racing = MemoryBroker.publish

    def publish_second(records: Any) -> None:
        broker.publish = lambda records: racing(broker, records)  # type: ignore[method-assign]
        apply(broker, one)
        racing(broker, records)

    broker.publish = publish_second  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="already in use"):
        apply(broker, two)
    log = ConfigLog.of(broker, one)
    log.refresh()
    assert sum(key.startswith("config/1/") for key in keys(broker)) == 2
    assert "psi" not in log.current().config.models["fraud"].thresholds


def test_two_that_apply_the_same_at_once_both_go_on(broker: MemoryBroker) -> None:
    racing = MemoryBroker.publish

    def publish_second(records: Any) -> None:
        broker.publish = lambda records: racing(broker, records)  # type: ignore[method-assign]
        apply(broker, config(1))
        racing(broker, records)

    broker.publish = publish_second  # type: ignore[method-assign]
    assert apply(broker, config(1)).revision == 1


def test_an_emptied_log_is_fatal_for_who_refers_to_it(broker: MemoryBroker) -> None:
    with pytest.raises(Fatal, match="revision 7"):
        apply(broker, config(1)).plan(7)


def test_compaction_keeps_what_is_needed(broker: MemoryBroker) -> None:
    apply(broker, config(1))
    apply(broker, config(2, loan={"baseline": "other"}))
    broker.compact(config(1).topics.own(CONFIG))
    log = ConfigLog.of(broker, config(1))
    log.refresh()
    assert log.first().revision == 1
    ids = [log.plan(revision).streams[StreamKey("loan", None)].baseline.id for revision in (1, 2)]
    assert ids[0] != ids[1]


# ---- running workers


def test_running_workers_take_up_a_new_config_and_every_event_is_accounted_for() -> None:
    """Mid-stream: a baseline is replaced, a window changed, a version removed; joins of both phases see it at different moments."""
    with capture_logs():
        old = config(1)
        new = config(2, loan={"baseline": "other", "versions": {}}, fraud={"window": {**WINDOW, "size": "15s"}})
        world = World(old, 3, seed=2).staff(2, 2)
        events = traffic(8, 2_000, 200_000)
        world.play(events[:1_000])
        ConfigLog.of(world.broker, new).apply(new, World.named_baselines(new))
        world.play(events[1_000:])
        world.settle()
    reasons = {Alert.from_json(message.value() or b"").reason for message in world.read(ALERTS)}
    assert {"baseline_replaced", "window_changed", "model_removed"} <= reasons
    counts = world.meter
    dropped = {key[2]: count for key, count in counts.counts.items() if key[0] == "dropped_events_total" and key[1] == "loan"}
    assert dropped["baseline_replaced"] > 0
    assert dropped["model_removed"] > 0
    in_windows = sum(score.window.events for key, score in world.outcome().scores.items() if key[4:] == ("region", "psi"))
    lost = counts.total("dropped_events_total") + counts.total("late_events_total")
    assert counts.total("events_total") == in_windows + lost
    assert counts.total("events_total") + world.dead_letters() == world.published


def test_a_worker_that_starts_later_runs_what_the_log_says() -> None:
    with capture_logs():
        world = World(config(1), 1)
        newer = config(2, fraud=None)
        ConfigLog.of(world.broker, newer).apply(newer, World.named_baselines(newer))
        world.staff(1, 1).play(traffic(1, 100, 30_000))
        world.settle(rounds=5)
    letters = [dict(message.headers() or ()) for message in world.read("dead-letters")]
    assert any(letter["reason"] == b"unknown_model" and b"fraud" in letter["detail"] for letter in letters)


@pytest.mark.parametrize(("key", "value"), [(b"config/9/c-0", None), (b"config/x/c-0", b"{}"), (b"\xff", b"{}"), (b"other", b"{}")])
def test_tombstones_and_foreign_records_are_no_configs(broker: MemoryBroker, key: bytes, value: bytes | None) -> None:
    broker.publish([Record(config(1).topics.own(CONFIG), value, key, 0)])
    assert apply(broker, config(1)).revision == 1
