"""Partition invariance: the same events give the same windows and alerts, whatever the partitions, workers, turns and order."""

import gzip
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.cli.sources import read_chunks
from stream_monitor.config import Config
from stream_monitor.pipeline.replay import Chunk, Replay
from stream_monitor.pipeline.state import Outputs
from tests.property.pipeline_oracle import AlertFacts, Expected, expect
from tests.property.pipeline_world import DELAY_MS, START_MS, Event, Outcome, World, capture, config_of, plan_of, traffic

pytestmark = pytest.mark.usefixtures("quiet_logs")

SPAN_MS = 150_000
TUMBLING: dict[str, Any] = {}
SLIDING = {"size": "30s", "every": "10s", "events_min": 35}  # some windows hold enough, some borrow
GAPS = {"size": "20s", "every": "15s", "events_min": 30, "window_max": "45s"}  # panes of 5 s, and trailing runs that find too few
WINDOWS = {"tumbling": TUMBLING, "sliding": SLIDING, "gaps": GAPS, "segments": TUMBLING}


@cache
def events(seed: int) -> tuple[Event, ...]:
    return tuple(traffic(seed, 600, SPAN_MS))


@cache
def expected(window: str, seed: int, *, goes_on: bool = True) -> Expected:
    """goes_on: time does, after the last event, long enough for silence to be noticed, and messages have times; not so in a file."""
    return expect(plan_of(config(window)), events(seed), until_ms=START_MS + 2_000_000 if goes_on else None, timed=goes_on)


@cache
def config(window: str) -> Config:
    return config_of(WINDOWS[window], ("region",) if window == "segments" else (), batch_messages_max=100, alignment=2)


def facts(alerts: dict[str, Alert]) -> dict[str, AlertFacts]:
    return {
        alert_id: (alert.status.value, alert.severity.value, alert.score, alert.started_at, alert.resolved_at)
        for alert_id, alert in alerts.items()
    }


def hold(outcome: Outcome, wanted: Expected) -> None:
    """The outcome is what the oracle says, to the byte."""
    assert sorted(score.to_json() for score in outcome.scores.values()) == sorted(score.to_json() for score in wanted.scores)
    assert facts(outcome.alerts) == wanted.alerts


def move_in_and_out(world: World) -> None:
    """Now and then a worker joins or leaves; one of each role always stays."""
    random = world.random
    if random.random() > 0.2:
        return
    role = random.choice(["profile", "detect"])
    here = sorted(name for name in world.workers if name.startswith(role))
    if len(here) > 1 and random.random() < 0.5:
        world.stop(random.choice(here))
    elif len(here) < 4:
        world.start(role, f"later-{world.published}-{random.random()}")


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("partitions", "profile", "detect"), [(1, 1, 1), (3, 2, 3), (8, 3, 2)])
def test_partitions_workers_and_turns_do_not_matter(window: str, partitions: int, profile: int, detect: int) -> None:
    for seed in (1, 2):
        world = World(config(window), partitions, seed).staff(profile, detect)
        world.play(events(seed), lambda world=world: move_in_and_out(world))  # type: ignore[misc]
        hold(world.settle().outcome(), expected(window, seed))
        assert world.meter.total("late_events_total") == 0


def test_the_whole_outcome_is_the_same_to_the_byte() -> None:
    """What the oracle leaves out (evidence, summaries, samples apart) does not depend on partitions either."""
    lines = []
    for partitions, workers in ((1, 1), (3, 2), (8, 3)):
        world = World(config("sliding"), partitions, seed=partitions).staff(workers, workers)
        world.play(events(3), lambda world=world: move_in_and_out(world))  # type: ignore[misc]
        lines.append(world.settle().outcome().lines())
    assert lines[0] == lines[1] == lines[2]
    assert len(lines[0]) > 1_000


@pytest.mark.parametrize("seed", range(3))
def test_any_order_within_the_watermark_delay(seed: int) -> None:
    """Other arrival orders of the same events: sorted by time, and shifted by other random delays below `watermark_delay`."""
    world = World(config("tumbling"), 3, seed).staff(2, 2)
    random = world.random
    order = {event: event.time_ms + (random.random() * DELAY_MS if seed else 0) for event in events(1)}
    world.play(sorted(events(1), key=order.__getitem__))
    hold(world.settle().outcome(), expected("tumbling", 1))


def test_low_traffic_is_judged_on_trailing_runs() -> None:
    """A few events a minute on eight partitions, most of them idle most of the time, with the default leases."""
    seldom = config_of({"events_min": 25}, idle_after="5s", idle_lease="10s")
    few = traffic(5, 150, 600_000)
    world = World(seldom, 8, seed=5).staff(2, 2)
    random, waiting = world.random, list(few)
    while waiting:
        world.now_ms += 500
        while waiting and waiting[0].time_ms <= world.now_ms:
            world.publish(waiting.pop(0), random.randrange(8))
        for name in random.sample(sorted(world.workers), len(world.workers)):
            world.turn(name)
    wanted = expect(plan_of(seldom), few, until_ms=world.now_ms + 100_000)
    hold(world.settle(rounds=20, step_ms=5_000).outcome(), wanted)
    assert {score.status for score in wanted.scores} == {"judged", "too_few"}


@pytest.mark.parametrize("window", WINDOWS)
def test_replay_says_what_production_said(window: str, tmp_path: Path) -> None:
    """The same events as files: one, three, gzipped; each file is one source partition."""
    for files in (1, 3):
        parts: list[list[bytes]] = [[] for _ in range(files)]
        for number, event in enumerate(events(1)):
            parts[number % files].append(event.value or b"")
        paths = [tmp_path / f"{files}-{number}.jsonl.gz" for number in range(files)]
        for path, part in zip(paths, parts, strict=True):
            path.write_bytes(gzip.compress(b"\n".join(part)))
        hold(replayed(config(window), paths), expected(window, 1, goes_on=False))


def replayed(config: Config, paths: Sequence[Path]) -> Outcome:
    plan, said = plan_of(config), Outputs()
    chunks: list[Iterator[Chunk]] = [read_chunks(path, plan, lambda done, total: None) for path in paths]
    for _, outputs in Replay(plan, chunks).run():
        said.extend(outputs)
    return Outcome.of(said.scores, said.alerts)


def test_late_events_are_counted_to_the_event() -> None:
    """Arrivals with any delay: every event is in a window, or late, or a dead letter; none twice, none nowhere."""
    free = config_of({"events_min": 1, "lateness": "10s"}, alignment=2)
    world = World(free, 3, seed=9).staff(2, 2)
    random = world.random
    arrivals = {event: event.time_ms + random.expovariate(1 / 12_000) for event in events(2)}
    world.play(sorted(events(2), key=arrivals.__getitem__))
    outcome = world.settle().outcome()
    in_windows = sum(score.window.events for key, score in outcome.scores.items() if key[4:] == ("amount", "psi"))
    late, dead = world.meter.total("late_events_total"), world.dead_letters()
    assert late > 0
    assert world.meter.total("events_total") == in_windows + late
    assert world.meter.total("events_total") + dead == world.published
    assert dead == world.meter.total("dead_letters_total")
    assert world.meter.total("dropped_events_total") == 0


def test_an_event_from_the_future_moves_nothing() -> None:
    """One producer lives in 2070: its events are dead letters, and the windows are those without it."""
    world = World(config("tumbling"), 3, seed=4).staff(1, 1)
    future = capture(world.random, 10_000, "loan", None, 3_170_000_000_000, False)
    between = iter(events(1))
    for event in between:
        world.publish(event, world.random.randrange(3))
        if world.random.random() < 0.05:
            world.broker.publish([_record(future, world.random.randrange(3))])
            world.published += 1
        if world.random.random() < 0.2:
            world.turn(world.random.choice(sorted(world.workers)))
    hold(world.settle().outcome(), expected("tumbling", 1))
    letters = [dict(message.headers() or ()) for message in world.read("dead-letters")]
    rejected = [letter for letter in letters if letter["reason"] == b"time_out_of_range"]
    assert len(rejected) > 10
    assert world.meter.total("events_total") + len(letters) == world.published


def _record(event: Event, partition: int) -> Any:
    from stream_monitor.runtime.broker import Record

    return Record("captures", event.value, partition=partition, timestamp_ms=START_MS)
