"""Outputs and source offsets commit together or not at all."""

import pytest

from stream_monitor.errors import Abortable, BrokerError, Fenced
from stream_monitor.runtime.broker import Member, Record, TopicPartition
from tests.conformance.lab import Lab, expect, next_offsets, read_values, values, wait_for_assignment, wait_for_messages


def test_a_commit_shows_the_outputs_and_moves_the_group(lab: Lab) -> None:
    source, output, group = lab.topic(), lab.topic(), lab.name("group")
    lab.broker.publish([Record(source, b"1"), Record(source, b"2")])
    member = lab.member(group, [source])
    messages = wait_for_messages(member, 2)
    member.begin()
    member.produce([Record(output, b"3")])
    member.commit(next_offsets(messages))
    expect(lab.broker, TopicPartition(output, 0), [b"3"], 2)
    assert member.committed([TopicPartition(source, 0)]) == {TopicPartition(source, 0): 2}
    member.close()

    successor = lab.member(group, [source])
    lab.broker.publish([Record(source, b"4")])
    assert values(wait_for_messages(successor, 1)) == [b"4"]


def test_a_member_commits_again_and_again(lab: Lab) -> None:
    source, output = TopicPartition(lab.topic(), 0), TopicPartition(lab.topic(), 0)
    member = lab.member(lab.name("group"), [source.topic])
    for number in range(5):
        lab.broker.publish([Record(source.topic, str(number).encode())])
        messages = wait_for_messages(member, 1)
        member.begin()
        member.produce([Record(output.topic, message.value()) for message in messages])
        member.commit(next_offsets(messages))
    expect(lab.broker, output, [b"0", b"1", b"2", b"3", b"4"], 10)  # a marker after each


def test_a_transaction_without_source_offsets_commits(lab: Lab) -> None:
    output = TopicPartition(lab.topic(), 0)
    member = lab.member(lab.name("group"), [lab.topic()])
    member.begin()
    member.produce([Record(output.topic, b"1")])
    member.commit({})
    expect(lab.broker, output, [b"1"], 2)


def test_source_offsets_commit_without_outputs(lab: Lab) -> None:
    source = TopicPartition(lab.topic(), 0)
    lab.broker.publish([Record(source.topic, b"1")])
    member = lab.member(lab.name("group"), [source.topic])
    messages = wait_for_messages(member, 1)
    member.begin()
    member.commit(next_offsets(messages))
    assert member.committed([source]) == {source: 1}


def test_no_reader_sees_an_aborted_transaction(lab: Lab) -> None:
    output = TopicPartition(lab.topic(), 0)
    member = lab.member(lab.name("group"), [lab.topic()])
    reader = lab.member(lab.name("group"), [output.topic])
    for value, commits in [(b"a", True), (b"b", False), (b"c", True), (b"d", False)]:
        member.begin()
        member.produce([Record(output.topic, value)])
        lab.flush(member)
        if commits:
            member.commit({})
        else:
            member.abort()
    expect(lab.broker, output, [b"a", b"c"], 8)
    assert values(wait_for_messages(reader, 2)) == [b"a", b"c"]


def test_abort_rewinds_to_the_committed_offset(lab: Lab) -> None:
    source = TopicPartition(lab.topic(), 0)
    lab.broker.publish([Record(source.topic, str(number).encode()) for number in range(4)])
    member = lab.member(lab.name("group"), [source.topic])
    first = wait_for_messages(member, 1)
    member.begin()
    member.commit(next_offsets(first))
    assert values(wait_for_messages(member, 3)) == [b"1", b"2", b"3"]
    member.begin()
    member.abort()
    assert member.position(source) == 1
    assert values(wait_for_messages(member, 3)) == [b"1", b"2", b"3"]


def test_abort_before_the_first_commit_rewinds_to_the_start(lab: Lab) -> None:
    topic = lab.topic(3)
    lab.broker.publish([Record(topic, str(number).encode(), partition=number) for number in range(3)])
    member = lab.member(lab.name("group"), [topic])
    wait_for_messages(member, 3)
    member.begin()
    member.abort()
    assert sorted(message.value() or b"" for message in wait_for_messages(member, 3)) == [b"0", b"1", b"2"]


def test_an_open_transaction_holds_back_what_follows_it(lab: Lab) -> None:
    output = TopicPartition(lab.topic(), 0)
    lab.broker.publish([Record(output.topic, b"before")])
    member = lab.member(lab.name("group"), [lab.topic()])
    member.begin()
    member.produce([Record(output.topic, b"inside")])
    lab.flush(member)
    lab.broker.publish([Record(output.topic, b"after")])
    assert lab.broker.end_offset(output) == 1
    assert read_values(lab.broker, output) == [b"before"]
    member.commit({})
    expect(lab.broker, output, [b"before", b"inside", b"after"], 4)


def test_a_new_producer_fences_the_old_one_and_aborts_its_transaction(lab: Lab) -> None:
    output, transactional_id = TopicPartition(lab.topic(), 0), lab.name("txn")
    zombie = lab.member(lab.name("group"), [lab.topic()], transactional_id)
    zombie.begin()
    zombie.produce([Record(output.topic, b"zombie")])
    lab.flush(zombie)
    heir = lab.member(lab.name("group"), [lab.topic()], transactional_id)
    heir.begin()
    heir.produce([Record(output.topic, b"heir")])
    heir.commit({})
    with pytest.raises(Fenced):
        zombie.commit({})
    expect(lab.broker, output, [b"heir"], 4)


def test_a_fenced_producer_learns_it_at_its_next_transaction_at_the_latest(lab: Lab) -> None:
    output, transactional_id = TopicPartition(lab.topic(), 0), lab.name("txn")
    zombie = lab.member(lab.name("group"), [lab.topic()], transactional_id)
    lab.member(lab.name("group"), [lab.topic()], transactional_id)
    with pytest.raises(Fenced):
        _one_transaction(zombie, output)
    expect(lab.broker, output, [], 0)


def _one_transaction(member: Member, output: TopicPartition) -> None:
    member.begin()
    member.produce([Record(output.topic, b"zombie")])
    member.commit({})


def test_a_transaction_over_its_timeout_is_aborted_and_its_producer_fenced(lab: Lab) -> None:
    output = TopicPartition(lab.topic(), 0)
    member = lab.member(lab.name("group"), [lab.topic()])
    member.begin()
    member.produce([Record(output.topic, b"slow")])
    lab.flush(member)
    lab.let_timeouts_pass()
    expect(lab.broker, output, [], 2)
    with pytest.raises(Fenced):
        member.commit({})
    expect(lab.broker, output, [], 2)


def test_a_killed_member_leaves_nothing_behind_its_successor(lab: Lab) -> None:
    source, output = TopicPartition(lab.topic(), 0), TopicPartition(lab.topic(), 0)
    group, transactional_id = lab.name("group"), lab.name("txn")
    lab.broker.publish([Record(source.topic, b"1")])
    lab.crash_in_transaction(group, source.topic, output.topic, transactional_id)
    assert lab.broker.end_offset(output) == 0
    heir = lab.member(group, [source.topic], transactional_id)
    expect(lab.broker, output, [], 2)
    lab.let_timeouts_pass()
    assert values(wait_for_messages(heir, 1)) == [b"1"]


def test_a_killed_member_without_successor_times_out(lab: Lab) -> None:
    source, output = TopicPartition(lab.topic(), 0), TopicPartition(lab.topic(), 0)
    lab.broker.publish([Record(source.topic, b"1")])
    lab.crash_in_transaction(lab.name("group"), source.topic, output.topic, lab.name("txn"))
    lab.broker.publish([Record(output.topic, b"later")])
    lab.let_timeouts_pass()
    expect(lab.broker, output, [b"later"], 3)


def test_an_unassigned_partition_cannot_be_committed(lab: Lab) -> None:
    mine, other = TopicPartition(lab.topic(), 0), TopicPartition(lab.topic(), 0)
    member = lab.member(lab.name("group"), [mine.topic])
    wait_for_assignment(member, {mine})
    member.begin()
    with pytest.raises(Abortable):
        member.commit({other: 1})
    member.abort()
    assert member.committed([other]) == {other: 0}


def test_without_a_transaction_there_is_nothing_to_commit(lab: Lab) -> None:
    member = lab.member(lab.name("group"), [lab.topic()])
    with pytest.raises(BrokerError):
        member.commit({})


def test_closing_twice_is_harmless_and_aborts(lab: Lab) -> None:
    output = TopicPartition(lab.topic(), 0)
    member = lab.member(lab.name("group"), [lab.topic()])
    member.begin()
    member.produce([Record(output.topic, b"1")])
    lab.flush(member)
    member.close()
    member.close()
    expect(lab.broker, output, [], 2)
