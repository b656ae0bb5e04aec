"""A responder on the memory broker, with what its actions did and what is on record of them."""

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from stream_monitor.config import Config, parse_config
from stream_monitor.export.metrics import MetricStore
from stream_monitor.export.reference.alerts import EXAMPLE
from stream_monitor.respond import Action, ActionResult, ActionStatus, Alert
from stream_monitor.respond.journal import Journal
from stream_monitor.respond.letters import Letters
from stream_monitor.respond.responder import Incoming, Responder
from stream_monitor.runtime.broker import Broker, Message, TopicPartition
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.topics import actions_topic, topic_specs
from tests.integration.waiting import wait_until

CONFIG: Config = parse_config({"models": {"loan": {"baseline": "loan.baseline.json"}}}, "test")
ACTIONS, ALERTS, LETTERS = (CONFIG.topics.own(name) for name in ("actions", "alerts", "dead-letters"))


def alert(name: str, **fields: Any) -> Alert:
    """An alert of this id."""
    return msgspec.structs.replace(EXAMPLE, alert_id=name, **fields)


def memory_broker() -> MemoryBroker:
    broker = MemoryBroker()
    broker.ensure_topics([*topic_specs(CONFIG), actions_topic(CONFIG)])
    return broker


class Lab:
    """One life of a responder; a second lab on the same broker is the next."""

    def __init__(
        self, actions: Sequence[Action], broker: Broker, clock_ms: Callable[[], int] | None = None, pending_max: int = 1_000
    ) -> None:
        self.store, self.failures = MetricStore(), list[BaseException]()
        self.journal = Journal(broker, ACTIONS, threading.Event())
        self.broker = broker
        self._offsets = itertools.count()
        clock = clock_ms or (lambda: 1_767_600_000_000)
        letters = Letters(ALERTS, LETTERS)
        self.responder = Responder(actions, self.journal, letters, self.store, clock, self.failures.append, pending_max)
        self.responder.own()

    def tell(self, *alerts: Alert | bytes | None) -> bool:
        values = (each.to_json() if isinstance(each, Alert) else each for each in alerts)
        return self.responder.take_in([Incoming(next(self._offsets), b"k", value) for value in values])

    def settle(self) -> None:
        wait_until(lambda: self.responder.pending == 0, "the end of all calls")
        assert not self.failures

    def said(self) -> list[ActionResult]:
        """Everything on record, in order."""
        return [ActionResult.from_json(message.value() or b"") for message in self.messages(ACTIONS)]

    def last(self) -> dict[str, ActionResult]:
        return {result.key: result for result in self.said()}

    def statuses(self, key: str) -> list[ActionStatus]:
        return [result.status for result in self.said() if result.key == key]

    def messages(self, topic: str) -> list[Message]:
        return list(self.broker.read(TopicPartition(topic, 0)))
