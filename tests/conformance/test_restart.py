"""A broker that restarts, in order or killed, forgets nothing that was committed and shows nothing that was not.

In memory a restart is the absence of answers (see `tests/simulation/trouble.py`); what is there before is there after.
"""

from collections.abc import Callable, Iterator

import pytest

from stream_monitor.errors import BrokerError
from stream_monitor.runtime.broker import Member, Record, TopicPartition
from tests.conformance.kafka_lab import KafkaLab
from tests.conformance.lab import Lab, MemoryLab, next_offsets, read_values, values, wait_for_messages, wait_until
from tests.kafka.server import KafkaServer

Restart = Callable[[], None]


@pytest.fixture(params=["memory", pytest.param("stop", marks=pytest.mark.kafka), pytest.param("kill", marks=pytest.mark.kafka)])
def restarting(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, Restart]]:
    """A lab, and how to restart its broker."""
    if request.param == "memory":
        yield MemoryLab(), lambda: None
        return
    server: KafkaServer = request.getfixturevalue("kafka_server")
    lab = KafkaLab(server.bootstrap_servers)

    def restart() -> None:
        server.stop() if request.param == "stop" else server.kill()
        server.start()

    yield lab, restart
    lab.close()


def test_a_restart_changes_nothing_that_is_committed(restarting: tuple[Lab, Restart]) -> None:
    lab, restart = restarting
    source, output, group = TopicPartition(lab.topic(), 0), TopicPartition(lab.topic(), 0), lab.name("group")
    transactional_id = lab.name("txn")
    lab.broker.publish(Record(source.topic, str(number).encode()) for number in range(4))
    member = lab.member(group, [source.topic], transactional_id)
    messages = wait_for_messages(member, 4)
    _commit(member, output, b"committed", next_offsets(messages[:2]))
    member.begin()
    member.produce([Record(output.topic, b"open")])
    lab.flush(member)
    restart()

    wait_until(lambda: _answer(lambda: read_values(lab.broker, output)) == [b"committed"], "what was committed")
    heir = _born(lab, group, source.topic, transactional_id)
    assert heir.committed([source]) == {source: 2}
    with pytest.raises(BrokerError):
        member.commit(next_offsets(messages))
    member.close()
    taken = wait_for_messages(heir, 2)
    assert values(taken) == [b"2", b"3"]
    _commit(heir, output, b"heir", next_offsets(taken))
    wait_until(lambda: _answer(lambda: read_values(lab.broker, output)) == [b"committed", b"heir"], "the heir's output")
    assert read_values(lab.broker, source) == [b"0", b"1", b"2", b"3"]


def _commit(member: Member, output: TopicPartition, value: bytes, offsets: dict[TopicPartition, int]) -> None:
    member.begin()
    member.produce([Record(output.topic, value)])
    member.commit(offsets)


def _answer(ask: Callable[[], list[bytes | None]]) -> list[bytes | None] | None:
    """None while the broker does not answer."""
    try:
        return ask()
    except BrokerError:
        return None


def _born(lab: Lab, group: str, topic: str, transactional_id: str) -> Member:
    """A member, as soon as the broker lets one in."""
    made: list[Member] = []

    def born() -> bool:
        try:
            made.append(lab.member(group, [topic], transactional_id))
        except BrokerError:
            return False
        return True

    wait_until(born, "a new member")
    return made[0]
