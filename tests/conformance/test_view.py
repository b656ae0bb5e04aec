"""A group from outside: who is in it, who owns what, and how far behind it is."""

from stream_monitor.runtime.broker import GroupView, Record, TopicPartition
from tests.conformance.lab import Lab, next_offsets, wait_for_assignment, wait_for_messages, wait_until

TIMEOUT_S = 10.0


def test_a_group_that_was_never_joined_has_nobody_and_all_before_it(lab: Lab) -> None:
    topic = lab.topic(2)
    lab.broker.publish([Record(topic, b"1", partition=1)] * 3)
    assert lab.broker.group(lab.name("group"), [topic, lab.name("absent")], TIMEOUT_S) == GroupView(
        (), True, {TopicPartition(topic, 0): 0, TopicPartition(topic, 1): 3}
    )


def test_members_are_known_by_their_transactional_ids_with_what_they_own(lab: Lab) -> None:
    topic, group = lab.topic(2), lab.name("group")
    names = sorted([lab.name("txn"), lab.name("txn")])
    members = {name: lab.member(group, [topic], name) for name in names}

    def shared() -> bool:
        for member in members.values():
            member.poll(10, 0.2)
        view = lab.broker.group(group, [topic], TIMEOUT_S)
        return view.is_settled and [len(one.partitions) for one in view.members] == [1, 1]

    wait_until(shared, "a partition each, seen from outside")
    seen = lab.broker.group(group, [topic], TIMEOUT_S).members
    assert {one.name: one.partitions for one in seen} == {name: member.assignment() for name, member in members.items()}
    assert all(one.host for one in seen)


def test_what_is_committed_is_behind_no_more(lab: Lab) -> None:
    topic, group = lab.topic(), lab.name("group")
    partition = TopicPartition(topic, 0)
    lab.broker.publish([Record(topic, b"1")] * 5)
    member = lab.member(group, [topic])
    taken = wait_for_messages(member, 2)[:2]
    assert lab.broker.group(group, [topic], TIMEOUT_S).lags == {partition: 5}, "polled is not committed"
    member.begin()
    member.commit(next_offsets(taken))
    wait_until(lambda: lab.broker.group(group, [topic], TIMEOUT_S).lags == {partition: 3}, "the commit, seen from outside")


def test_who_has_left_is_shown_no_more_and_what_it_committed_stays(lab: Lab) -> None:
    topic, group = lab.topic(), lab.name("group")
    partition = TopicPartition(topic, 0)
    lab.broker.publish([Record(topic, b"1")] * 2)
    member = lab.member(group, [topic])
    taken = wait_for_messages(member, 2)
    member.begin()
    member.commit(next_offsets(taken))
    member.close()
    wait_until(lambda: lab.broker.group(group, [topic], TIMEOUT_S) == GroupView((), True, {partition: 0}), "an empty group")


def test_looking_changes_nothing(lab: Lab) -> None:
    topic, group = lab.topic(), lab.name("group")
    member = lab.member(group, [topic])
    wait_for_assignment(member, {TopicPartition(topic, 0)})
    views = [lab.broker.group(group, [topic], TIMEOUT_S) for _ in range(3)]
    polled = member.poll(1, 0)
    assert (polled.assigned, polled.revoked) == (frozenset(), frozenset())
    assert views[0].members == views[-1].members
