"""What the in-memory broker adds to the common contract: injected faults, crashes, a clock, compaction, deletion, determinism."""

import threading

import pytest

from stream_monitor.errors import Abortable, Fatal, Fenced, Retriable
from stream_monitor.runtime.broker import Record, TopicPartition, TopicSpec
from stream_monitor.runtime.memory import MemoryBroker, MemoryMember
from stream_monitor.runtime.memory.broker import no_faults

SOURCE, OUTPUT = TopicPartition("in", 0), TopicPartition("out", 0)


class Crash(BaseException):
    """Stands for kill -9 at this point."""


class Clock:
    now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


def cluster(clock: Clock | None = None) -> MemoryBroker:
    broker = MemoryBroker(clock or Clock(), session_timeout_ms=1_000, transaction_timeout_ms=500)
    broker.ensure_topics([TopicSpec("in", 2), TopicSpec("out", 1), TopicSpec("compacted", 1, {"cleanup.policy": "compact"})])
    return broker


def move(member: MemoryMember) -> None:
    """One turn of the loop over everything there is."""
    messages = member.poll(100, 0).messages
    member.begin()
    member.produce([Record("out", message.value()) for message in messages])
    member.commit({TopicPartition(message.topic(), message.partition()): message.offset() + 1 for message in messages})


def outputs_without_faults(broker: MemoryBroker) -> list[bytes | None]:
    broker.faults = no_faults
    return outputs(broker)


def outputs(broker: MemoryBroker) -> list[bytes | None]:
    return [message.value() for message in broker.read(OUTPUT)]


OPERATIONS = ["poll", "begin", "produce", "commit", "committed"]


@pytest.mark.parametrize("at", OPERATIONS)
def test_a_crash_at_any_operation_changes_nothing_for_the_successor(at: str) -> None:
    clock = Clock()
    broker = cluster(clock)
    broker.publish([Record("in", b"1", partition=0), Record("in", b"2", partition=1)])
    victim = broker.member("group", ["in"], "worker")

    def crash(operation: str, transactional_id: str) -> None:
        if operation == at:
            victim.kill()
            raise Crash

    broker.faults = crash
    with pytest.raises(Crash):
        move(victim)
    broker.faults = no_faults
    with pytest.raises(Fatal):
        victim.poll(1, 0)
    victim.close()  # the dead do not leave their group
    heir = broker.member("group", ["in"], "worker")
    clock.now_ms += 1_001
    move(heir)
    assert heir.assignment() == {SOURCE, TopicPartition("in", 1)}
    assert sorted(value or b"" for value in outputs(broker)) == [b"1", b"2"]


def test_a_dead_member_holds_its_partitions_until_its_session_ends() -> None:
    clock = Clock()
    broker = cluster(clock)
    victim = broker.member("group", ["in"], "worker")
    victim.poll(1, 0)
    victim.kill()
    victim.close()
    heir = broker.member("group", ["in"], "worker")
    assert heir.poll(1, 0).assigned == frozenset()
    clock.now_ms += 1_000
    assert heir.poll(1, 0).assigned == frozenset()
    clock.now_ms += 1
    assert len(heir.poll(1, 0).assigned) == 2


def test_an_injected_error_reaches_the_caller_before_the_operation() -> None:
    broker, calls = cluster(), list[tuple[str, str]]()

    def refuse_the_first_commit(operation: str, transactional_id: str) -> None:
        calls.append((operation, transactional_id))
        if calls.count(("commit", "worker")) == 1:
            raise Retriable("not now")

    member = broker.member("group", ["in"], "worker")
    broker.publish([Record("in", b"1", partition=0)])
    broker.faults = refuse_the_first_commit
    with pytest.raises(Retriable):
        move(member)
    assert outputs_without_faults(broker) == []
    broker.faults = lambda operation, transactional_id: calls.append((operation, transactional_id))
    member.commit({SOURCE: 1})
    assert calls == [(operation, "worker") for operation in ("poll", "begin", "produce", "commit", "commit", "committed")]
    assert outputs_without_faults(broker) == [b"1"]


def test_a_transaction_dies_by_the_clock_alone() -> None:
    clock = Clock()
    broker = cluster(clock)
    member = broker.member("group", ["in"], "worker")
    member.begin()
    member.produce([Record("out", b"1")])
    clock.now_ms = 500
    assert broker.end_offset(OUTPUT) == 0
    clock.now_ms = 501
    assert broker.end_offset(OUTPUT) == 2
    with pytest.raises(Fenced):
        member.commit({})
    with pytest.raises(Fenced):
        member.abort()
    member.close()


def test_a_session_dies_by_the_clock_alone() -> None:
    clock = Clock()
    broker = cluster(clock)
    first, second = broker.member("group", ["in"], "a"), broker.member("group", ["in"], "b")
    assert first.poll(1, 0).assigned == {SOURCE}
    assert second.poll(1, 0).assigned == {TopicPartition("in", 1)}
    clock.now_ms = 1_000
    second.poll(1, 0)
    clock.now_ms = 1_001
    assert second.poll(1, 0).assigned == {SOURCE}
    assert first.assignment() == {SOURCE}  # it does not know yet
    first.begin()
    with pytest.raises(Abortable):
        first.commit({SOURCE: 0})
    first.abort()
    assert first.poll(1, 0).revoked == {SOURCE}


def test_a_partition_moves_only_when_its_owner_has_polled() -> None:
    broker = cluster()
    first = broker.member("group", ["in"], "a")
    assert len(first.poll(1, 0).assigned) == 2
    second = broker.member("group", ["in"], "b")
    assert second.poll(1, 0).assigned == frozenset()
    revoked = first.poll(1, 0).revoked
    assert len(revoked) == 1
    assert second.poll(1, 0).assigned == revoked


def test_deleted_messages_move_the_first_offset() -> None:
    broker = cluster()
    broker.publish([Record("in", str(number).encode(), partition=0) for number in range(5)])
    broker.delete_before(SOURCE, 3)
    assert [message.offset() for message in broker.read(SOURCE)] == [3, 4]
    member = broker.member("group", ["in"], "worker")
    assert member.committed([SOURCE]) == {SOURCE: 3}
    assert [message.offset() for message in member.poll(100, 0).messages] == [3, 4]
    broker.delete_before(SOURCE, 100)
    assert list(broker.read(SOURCE)) == []
    assert broker.end_offset(SOURCE) == 5


def test_compaction_spares_what_is_not_stable() -> None:
    broker = cluster()
    partition = TopicPartition("compacted", 0)
    broker.publish([Record("compacted", b"1", b"k"), Record("compacted", b"2", b"k"), Record("compacted", None, b"gone")])
    member = broker.member("group", ["in"], "worker")
    member.begin()
    member.produce([Record("compacted", b"3", b"k")])
    broker.compact("compacted")
    assert [message.value() for message in broker.read(partition)] == [b"2"]
    member.commit({})
    assert [message.value() for message in broker.read(partition)] == [b"2", b"3"]
    broker.compact("compacted")
    assert [(message.offset(), message.value()) for message in broker.read(partition)] == [(3, b"3")]
    with pytest.raises(Fatal):
        broker.compact("in")


def test_a_waiting_poll_wakes_up_when_messages_come() -> None:
    broker = MemoryBroker()
    broker.ensure_topics([TopicSpec("in", 1)])
    member = broker.member("group", ["in"], "worker")
    writer = threading.Timer(0.05, lambda: broker.publish([Record("in", b"1")]))
    writer.start()
    assert [message.value() for message in member.poll(1, 30).messages] == [b"1"]
    writer.join()


def test_no_partition_starves() -> None:
    broker = cluster()
    broker.publish([Record("in", b"1", partition=number % 2) for number in range(100)])
    member = broker.member("group", ["in"], "worker")
    seen = {message.partition() for _ in range(2) for message in member.poll(10, 0).messages}
    assert seen == {0, 1}


def test_the_same_calls_give_the_same_log() -> None:
    def run() -> list[str]:
        broker = cluster()
        broker.publish([Record("in", str(number).encode()) for number in range(20)])
        members = [broker.member("group", ["in"], name) for name in "ab"]
        for _ in range(3):
            for member in members:
                move(member)
        return [f"{message.offset()} {message.value()!r} {message.timestamp()}" for message in broker.read(OUTPUT)]

    assert run() == run()
    assert len(run()) == 20
