"""An acknowledgement that is lost with its connection, and a transaction that is aborted before the client could ask again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from stream_monitor.runtime.broker import Record, TopicPartition, TopicSpec
from stream_monitor.runtime.kafka import KafkaBroker, KafkaMember, KafkaSettings
from tests.conformance.lab import read_values, wait_until
from tests.kafka.fixtures import own_server
from tests.kafka.proxy import Proxy
from tests.kafka.server import KafkaServer

pytestmark = pytest.mark.kafka

ATTEMPTS = 20
"""By so many refused connections every client has noticed that its own is cut."""


@pytest.fixture
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaServer, Proxy]]:
    with closing(Proxy()) as proxy, own_server(tmp_path_factory, advertised=proxy.address) as server:
        proxy.target = server.bootstrap_servers
        yield server, proxy


def test_what_is_written_after_an_abort_is_not_taken_for_what_was_aborted(behind_proxy: tuple[KafkaServer, Proxy]) -> None:
    """Found on a broker that was stopped and killed under load: the commit succeeded, and a part of a window was lost."""
    server, proxy = behind_proxy
    broker = KafkaBroker(KafkaSettings(proxy.address, transaction_timeout_ms=60_000))
    source, output = TopicPartition("source", 0), TopicPartition("output", 0)
    broker.ensure_topics([TopicSpec(source.topic, 1), TopicSpec(output.topic, 1)])
    log = server.folder / "data" / "output-0" / "00000000000000000000.log"
    member = broker.member("group", [source.topic], "member")
    member.begin()
    member.produce([Record(output.topic, b"aborted")])
    assert isinstance(member, KafkaMember)
    member.flush()
    size = log.stat().st_size

    proxy.hold_answers()
    member.produce([Record(output.topic, b"aborted, and never acknowledged")])
    wait_until(lambda: log.stat().st_size > size, "the record in the broker's log")
    _refuse(proxy)
    with ThreadPoolExecutor(1) as thread:
        aborting = thread.submit(member.abort)
        _refuse(proxy)
        proxy.heal()
        aborting.result()

    member.begin()
    member.produce([Record(output.topic, b"committed")])
    member.commit({})
    wait_until(lambda: read_values(broker, output) == [b"committed"], "what was committed")
    member.close()
    broker.close()


def _refuse(proxy: Proxy) -> None:
    """Cut all connections, until all have tried again."""
    proxy.cut()
    before = proxy.refused
    wait_until(lambda: proxy.refused >= before + ATTEMPTS, "new attempts to connect")
