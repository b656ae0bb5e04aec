"""Members share partitions, hand them over, and cannot commit what they have lost."""

from collections.abc import Iterator

import pytest

from stream_monitor.errors import Abortable, Fenced
from stream_monitor.runtime.broker import Member, Record, TopicPartition, TopicSpec
from tests.conformance.lab import (
    POLL_S,
    Lab,
    next_offsets,
    read_values,
    values,
    wait_for_assignment,
    wait_for_messages,
    wait_until,
)


def test_a_lone_member_gets_every_partition_and_says_so_once(lab: Lab) -> None:
    topic = lab.topic(3)
    member = lab.member(lab.name("group"), [topic])
    told: list[TopicPartition] = []

    def complete() -> bool:
        polled = member.poll(10, POLL_S)
        told.extend(polled.assigned)
        assert not polled.revoked
        return len(member.assignment()) == 3

    assert member.assignment() == frozenset()
    wait_until(complete, "assignment")
    assert sorted(told) == [TopicPartition(topic, number) for number in range(3)]
    assert member.poll(10, 0).assigned == frozenset()


def test_two_members_share_without_stopping_the_kept_partitions(lab: Lab) -> None:
    topic, group = lab.topic(4), lab.name("group")
    every = {TopicPartition(topic, number) for number in range(4)}
    first = lab.member(group, [topic])
    wait_for_assignment(first, every)
    second = lab.member(group, [topic])
    revoked: set[TopicPartition] = set()

    def shared() -> bool:
        polled = first.poll(10, POLL_S)
        revoked.update(polled.revoked)
        second.poll(10, POLL_S)
        assert not first.assignment() & second.assignment()
        return len(first.assignment()) == len(second.assignment()) == 2

    wait_until(shared, "two partitions each")
    assert revoked == set(second.assignment())  # only what moved, not all
    assert first.assignment() | second.assignment() == every


def test_a_leaving_member_hands_its_partitions_over(lab: Lab) -> None:
    topic, group = lab.topic(2), lab.name("group")
    members = [lab.member(group, [topic]) for _ in range(2)]

    def shared() -> bool:
        for member in members:
            member.poll(10, POLL_S)
        return all(len(member.assignment()) == 1 for member in members)

    wait_until(shared, "one partition each")
    members[0].close()
    wait_for_assignment(members[1], {TopicPartition(topic, 0), TopicPartition(topic, 1)})


def test_what_was_not_committed_is_polled_again_by_the_new_owner(lab: Lab) -> None:
    topic, group = lab.topic(), lab.name("group")
    lab.broker.publish([Record(topic, b"1"), Record(topic, b"2")])
    first = lab.member(group, [topic])
    messages = wait_for_messages(first, 2)
    first.begin()
    first.commit(next_offsets(messages[:1]))
    first.close()
    assert values(wait_for_messages(lab.member(group, [topic]), 1)) == [b"2"]


def test_a_member_past_its_session_timeout_cannot_commit(lab: Lab) -> None:
    source, output, group = TopicPartition(lab.topic(), 0), TopicPartition(lab.topic(), 0), lab.name("group")
    lab.broker.publish([Record(source.topic, b"1")])
    zombie = lab.member(group, [source.topic])
    stale = wait_for_messages(zombie, 1)
    heir = lab.member(group, [source.topic])
    heir.poll(1, 0)
    lab.let_timeouts_pass()
    messages = wait_for_messages(heir, 1)
    assert values(messages) == [b"1"]

    zombie.begin()
    zombie.produce([Record(output.topic, b"zombie")])
    with pytest.raises(Abortable):
        zombie.commit(next_offsets(stale))
    zombie.abort()
    heir.begin()
    heir.produce([Record(output.topic, b"heir")])
    heir.commit(next_offsets(messages))
    wait_until(lambda: read_values(lab.broker, output) != [], "the heir's output")
    assert read_values(lab.broker, output) == [b"heir"]


def test_a_zombie_learns_of_its_loss_and_comes_back(lab: Lab) -> None:
    source, group = TopicPartition(lab.topic(), 0), lab.name("group")
    zombie = lab.member(group, [source.topic])
    wait_for_assignment(zombie, {source})
    heir = lab.member(group, [source.topic])
    lab.let_timeouts_pass()
    wait_for_assignment(heir, {source})
    revoked: set[TopicPartition] = set()

    def noticed() -> bool:
        revoked.update(zombie.poll(10, POLL_S).revoked)
        heir.poll(10, 0)
        return zombie.assignment() == frozenset()

    wait_until(noticed, "the loss")
    assert revoked == {source}
    lab.broker.publish([Record(source.topic, b"1")])
    messages = wait_for_messages(heir, 1)
    assert list(zombie.poll(10, POLL_S).messages) == []
    heir.begin()
    heir.commit(next_offsets(messages))
    heir.close()
    wait_for_assignment(zombie, {source})
    lab.broker.publish([Record(source.topic, b"2")])
    assert values(wait_for_messages(zombie, 1)) == [b"2"]


def test_a_stale_generation_never_commits_twice(lab: Lab) -> None:
    """Whether or not a commit after an unseen rebalance passes, no message may count twice."""
    source, output, group = lab.topic(2), TopicPartition(lab.topic(), 0), lab.name("group")
    lab.broker.publish([Record(source, str(number).encode(), partition=number) for number in range(2)])
    first = lab.member(group, [source])
    messages = wait_for_messages(first, 2)
    second = lab.member(group, [source])
    second.poll(10, POLL_S)
    first.begin()
    first.produce([Record(output.topic, message.value()) for message in messages])
    try:
        first.commit(next_offsets(messages))
    except Abortable:
        first.abort()

    def done() -> bool:
        transfer(first, output.topic)
        transfer(second, output.topic)
        return len(read_values(lab.broker, output)) >= 2

    wait_until(done, "two outputs")
    assert sorted(read_values(lab.broker, output)) == [b"0", b"1"]  # type: ignore[type-var]


def test_members_that_join_and_leave_lose_and_repeat_nothing(lab: Lab) -> None:
    source, output, group, total = lab.topic(4), lab.topic(2), lab.name("group"), 2_000
    lab.broker.publish(Record(source, str(number).encode(), key=str(number).encode()) for number in range(total))
    members = [lab.member(group, [source])]
    out = [TopicPartition(output, number) for number in range(2)]
    for change in _changes():
        if change == "join":
            members.append(lab.member(group, [source]))
        else:
            members.pop(0).close()
        for _ in range(3):
            for member in members:
                transfer(member, output, 40)

    def complete() -> bool:
        moved = [transfer(member, output, 200) for member in members]
        return not any(moved) and sum(len(list(lab.broker.read(partition))) for partition in out) >= total

    wait_until(complete, "all transferred")
    seen = [message.value() for partition in out for message in lab.broker.read(partition)]
    assert len(seen) == total
    assert sum(int(value or b"0") for value in seen) == total * (total - 1) // 2


def _changes() -> Iterator[str]:
    yield from ["join", "join", "leave", "join", "leave", "leave", "join"]


def transfer(member: Member, output: str, messages_max: int = 100) -> int:
    """One turn of the transactional loop; what was moved."""
    messages = member.poll(messages_max, POLL_S).messages
    if not messages:
        return 0
    member.begin()
    try:
        member.produce([Record(output, message.value(), message.key()) for message in messages])
        member.commit(next_offsets(messages))
    except Abortable:
        member.abort()
        return 0
    return len(messages)


def test_committed_defaults_to_the_first_offset(lab: Lab) -> None:
    partition = TopicPartition(lab.topic(), 0)
    lab.broker.publish([Record(partition.topic, b"1")])
    assert lab.member(lab.name("group"), [partition.topic]).committed([partition]) == {partition: 0}


def test_pause_stops_messages_and_keeps_the_membership(lab: Lab) -> None:
    topic = lab.topic(2)
    left, right = TopicPartition(topic, 0), TopicPartition(topic, 1)
    member = lab.member(lab.name("group"), [topic])
    wait_for_assignment(member, {left, right})
    member.pause([left])
    lab.broker.publish([Record(topic, b"left", partition=0), Record(topic, b"right", partition=1)])
    assert values(wait_for_messages(member, 1)) == [b"right"]
    assert list(member.poll(10, POLL_S).messages) == []
    assert member.assignment() == {left, right}
    member.resume([left])
    assert values(wait_for_messages(member, 1)) == [b"left"]


def test_a_paused_partition_stays_paused_over_an_abort(lab: Lab) -> None:
    topic = lab.topic(2)
    lab.broker.publish([Record(topic, b"left", partition=0), Record(topic, b"right", partition=1)])
    member = lab.member(lab.name("group"), [topic])
    wait_for_messages(member, 2)
    member.pause([TopicPartition(topic, 0)])
    member.begin()
    member.abort()
    assert values(wait_for_messages(member, 1)) == [b"right"]
    assert list(member.poll(10, POLL_S).messages) == []
    member.resume([TopicPartition(topic, 0)])
    assert values(wait_for_messages(member, 1)) == [b"left"]


def test_position_meets_the_end_when_all_is_read(lab: Lab) -> None:
    source = TopicPartition(lab.topic(), 0)
    writer = lab.member(lab.name("group"), [lab.topic()])
    reader = lab.member(lab.name("group"), [source.topic])
    for commits in (True, False):
        writer.begin()
        writer.produce([Record(source.topic, b"1")])
        lab.flush(writer)
        if commits:
            writer.commit({})
        else:
            writer.abort()
    assert values(wait_for_messages(reader, 1)) == [b"1"]

    def caught_up() -> bool:
        assert list(reader.poll(10, POLL_S).messages) == []
        return reader.position(source) == reader.end_offset(source) == 4

    wait_until(caught_up, "position past marker and aborted messages")


def test_a_topic_made_after_the_join_is_assigned(lab: Lab) -> None:
    early, late = lab.topic(), lab.name("topic")
    member = lab.member(lab.name("group"), [early, late])
    wait_for_assignment(member, {TopicPartition(early, 0)})
    lab.broker.ensure_topics([TopicSpec(late, 1)])
    wait_for_assignment(member, {TopicPartition(early, 0), TopicPartition(late, 0)})


def test_a_fenced_twin_still_holds_its_share_and_gives_way_when_it_leaves(lab: Lab) -> None:
    """Two processes with one transactional id are two members: fencing stops what the old one writes, not what it owns."""
    topic, output, group, transactional_id = lab.topic(2), TopicPartition(lab.topic(), 0), lab.name("group"), lab.name("txn")
    old = lab.member(group, [topic], transactional_id)
    wait_for_assignment(old, {TopicPartition(topic, 0), TopicPartition(topic, 1)})
    new = lab.member(group, [topic], transactional_id)

    def shared() -> bool:
        old.poll(10, POLL_S)
        new.poll(10, POLL_S)
        return len(old.assignment()) == len(new.assignment()) == 1

    wait_until(shared, "one partition each")
    with pytest.raises(Fenced):
        _say(old, output, b"old")
    _say(new, output, b"new")
    old.close()
    wait_for_assignment(new, {TopicPartition(topic, 0), TopicPartition(topic, 1)})
    wait_until(lambda: read_values(lab.broker, output) == [b"new"], "the new one's output, and nothing else")


def _say(member: Member, output: TopicPartition, value: bytes) -> None:
    member.begin()
    member.produce([Record(output.topic, value)])
    member.commit({})
