"""Exactly once in memory, call by call: a crash, an abort or a fencing at each call in turn, and what snapshots are worth.

Whatever comes of such failures together is the affair of `tests/simulation`.
"""

from functools import cache

import pytest

from stream_monitor.errors import Abortable, BrokerError, Fenced, Retriable
from stream_monitor.pipeline.saved import save_unit, unit_name
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.step import step
from stream_monitor.runtime.broker import TopicPartition
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.detect_worker import DetectWorker, read_record
from stream_monitor.runtime.memory.broker import no_faults
from stream_monitor.runtime.topics import PROFILES, STATE
from tests.property.pipeline_world import Crash, Event, Outcome, World, config_of, traffic

pytestmark = pytest.mark.usefixtures("quiet_logs")

CONFIG = config_of({"size": "30s", "every": "10s", "events_min": 60}, batch_messages_max=100, alignment=3)
SHORT = config_of({"size": "10s", "events_min": 10, "lateness": "10s"}, snapshot_interval="5s", idle_after="30s", idle_lease="60s")


@cache
def events(seed: int) -> tuple[Event, ...]:
    return tuple(traffic(seed, 400, 150_000))


@cache
def undisturbed(seed: int) -> Outcome:
    world = World(CONFIG, 1).staff(1, 1)
    world.play(events(seed))
    return world.settle().outcome()


@pytest.mark.parametrize("role", ["profile", "detect"])
@pytest.mark.parametrize("error", [Fenced, Retriable, Abortable])
@pytest.mark.parametrize("operation", ["begin", "produce", "commit"])
def test_a_worker_in_trouble_saves_nothing_that_was_not_committed(role: str, operation: str, error: type[BrokerError]) -> None:
    """Every third call fails. The worker has stepped already: leaving (with a last snapshot) or starting over, it must not keep that."""
    world, calls = World(CONFIG, 2, seed=1).staff(1, 1), 0

    def third(called: str, transactional_id: str) -> None:
        nonlocal calls
        if called == operation and f".{role}." in transactional_id:
            calls += 1
            if calls % 3 == 0:
                raise error("injected")

    world.broker.faults = third
    world.play(events(0))
    world.broker.faults = no_faults
    assert world.settle().outcome().lines() == undisturbed(0).lines()
    assert calls > 9


@cache
def few() -> tuple[Event, ...]:
    return tuple(traffic(7, 60, 40_000))


class CrashAt:
    """Dies at the n-th call of the broker, whichever it is."""

    def __init__(self, call: int) -> None:
        self._left = call

    def __call__(self, operation: str, transactional_id: str) -> None:
        if transactional_id:
            self._left -= 1
            if self._left == 0:
                raise Crash(operation)

    @property
    def calls(self) -> int:
        return -self._left


def small_run(faults: CrashAt) -> Outcome:
    world = World(SHORT, 2).staff(1, 1)
    world.broker.faults = faults
    for start in range(0, len(few()), 12):
        for number, event in enumerate(few()[start : start + 12]):
            world.publish(event, number % 2)
        for name in sorted(world.workers):
            world.turn(name)
    outcome = world.settle(rounds=12, step_ms=10_000).outcome()
    assert world.dead_letters() == sum(event.model is None for event in few())
    return outcome


def test_a_crash_at_every_single_call() -> None:
    """One worker of each role, killed once, at each call of the traffic's run in turn; its successor has its instance name."""
    counter = CrashAt(0)
    wanted = small_run(counter).lines()
    assert len(wanted) > 50
    for call in range(1, 80):
        assert small_run(CrashAt(call)).lines() == wanted, f"crash at call {call}"
    assert counter.calls > 80


# ---- snapshots


def saved(state: State) -> dict[str, bytes]:
    return {unit_name(key): save_unit(state, key) for key in state.units}


def stepped(world: World, partition: int, stop: int) -> State:
    """The state as no crash ever touched it: every record of the profiles topic, from the first."""
    log = ConfigLog.of(world.broker, world.config)
    log.refresh()
    state = State.empty(log.first())
    for message in world.broker.read(TopicPartition(world.config.topics.own(PROFILES), partition), 0, stop):
        step(state, read_record(message), log.plan)
    return state


@pytest.mark.parametrize("seed", range(3))
def test_a_restored_state_is_the_undisturbed_one(seed: int) -> None:
    """Newest snapshot + `step` up to the committed offset: the same bytes as from the first record on, at any moment."""
    world = World(CONFIG, 3, seed).staff(1, 1)
    compared = 0

    def compare() -> None:
        nonlocal compared
        if world.random.random() < 0.2:
            world.kill("detect/0")
            worker = world.start("detect", "0")
            assert isinstance(worker, DetectWorker)
            world.now_ms += 31_000  # until the dead one's session has ended
            world.turn("detect/0")
            world.turn("detect/0")
            for partition, owned in worker._owned.items():
                wanted = stepped(world, partition.partition, owned.next_offset)
                assert saved(owned.state) == saved(wanted)
                assert owned.state.tracker.reports == wanted.tracker.reports
                assert owned.state.tracker == wanted.tracker
                compared += len(wanted.units)

    world.play(events(seed), compare)
    assert compared > 5


def state_records(world: World, partition: int, start: int = 0) -> dict[bytes, bytes | None]:
    found = world.broker.read(TopicPartition(world.config.topics.own(STATE), partition), start)
    return {message.key() or b"": message.value() for message in found}


def test_a_snapshot_is_what_a_restart_needs_and_no_more() -> None:
    """After a graceful stop, a new worker goes on from the snapshot alone, even where retention took the profiles."""
    world = World(CONFIG, 3).staff(1, 1)
    world.play(events(0)[:200])
    for _ in range(20):
        world.turn("detect/0")
    world.stop("detect/0")
    for partition in range(3):
        profiles = TopicPartition(CONFIG.topics.own(PROFILES), partition)
        world.broker.delete_before(profiles, world.broker.end_offset(profiles))
    world.broker.compact(CONFIG.topics.own(STATE))
    world.start("detect", "1")
    world.play(events(0)[200:])
    assert world.settle().outcome().lines() == undisturbed(0).lines()


def test_lost_profiles_are_said_aloud(quiet_logs: list[dict[str, object]]) -> None:
    """Retention took records that no snapshot covers: an error that names how many and the remedy."""
    world = World(CONFIG, 3).staff(1, 1)
    world.play(events(0)[:100])
    world.kill("detect/0")
    for partition in range(3):
        profiles = TopicPartition(CONFIG.topics.own(PROFILES), partition)
        world.broker.delete_before(profiles, world.broker.end_offset(profiles))
    world.now_ms += 31_000
    world.start("detect", "1")
    world.turn("detect/1")
    lost = [log for log in quiet_logs if log["event"] == "profiles_lost"]
    assert lost
    assert all("retention" in str(log["remedy"]) and log["log_level"] == "error" for log in lost)
