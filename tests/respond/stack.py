"""Responders in processes of their own, on topics of their own, with an action whose effects are lines of a file."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from confluent_kafka import Producer

from stream_monitor.config import Config, load_config
from stream_monitor.respond import ActionResult, ActionStatus, Alert
from stream_monitor.runtime.broker import Record, TopicPartition
from stream_monitor.runtime.kafka import KafkaBroker
from stream_monitor.runtime.topics import ACTIONS, ALERTS, DEAD_LETTERS, actions_topic, topic_specs
from tests.integration.stack import SESSION_MS, Monitor
from tests.integration.waiting import wait_until
from tests.respond.lab import alert

EFFECTS = '''
import os, pathlib, random, time
from stream_monitor.respond import Alert, Call, on

FILE = pathlib.Path(__file__).with_name("effects.txt")


def effect(action: str, call: Call) -> None:
    """One line in one write: whole, or not there."""
    with open(FILE, "ab", buffering=0) as file:
        file.write(f"{action}/{call.idempotency_key} {call.attempt} {os.getpid()}\\n".encode())


@on(backoff="10ms", concurrency=4)
def note(alert: Alert, call: Call):
    time.sleep(random.uniform(0, SLOW_S))
    effect("note", call)
    time.sleep(random.uniform(0, SLOW_S))
    return {"pid": os.getpid()}
'''
"""SLOW_S is put before it."""


@dataclass
class RespondProcess(Monitor):
    """One `stream-monitor respond`; `roles` is its module."""

    def arguments(self) -> list[str]:
        return ["respond", self.roles]


class RespondStack:
    """One test's topics, config and processes; `close` kills what still runs."""

    def __init__(
        self, bootstrap_servers: str, folder: Path, module: str = EFFECTS, slow_s: float = 0.01, prepare: bool = True, **tree: Any
    ) -> None:
        self.bootstrap_servers, self.folder, self.prefix = bootstrap_servers, folder, f"respond-{uuid4().hex[:8]}"
        self.module = folder / f"actions_{uuid4().hex[:8]}.py"
        self.module.write_text(f"SLOW_S = {slow_s}\n{module}")
        self._tree = tree
        self.config: Config = load_config(self.config_file("any"))
        self.broker = KafkaBroker.of(self.config)
        if prepare:
            self.broker.ensure_topics([*topic_specs(self.config), actions_topic(self.config)])
        self.processes: list[RespondProcess] = []

    def config_file(self, instance: str) -> Path:
        path = self.folder / f"{instance}.yaml"
        tree = {
            "kafka": {"bootstrap_servers": self.bootstrap_servers},
            "topics": {"prefix": self.prefix},
            "instance": instance,
            "engine": {"session_timeout": f"{SESSION_MS}ms"},
            "models": {"loan": {"baseline": "loan.baseline.json"}},
        }
        path.write_text(yaml.safe_dump(tree | self._tree))
        return path

    def respond(self, instance: str) -> RespondProcess:
        """Start a process."""
        log = self.folder / f"{instance}-{len(self.processes)}.log"
        made = RespondProcess(instance, str(self.module), self.config_file(instance), log)
        self.processes.append(made)
        made.start()
        return made

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self.broker.close()

    def tell(self, names: Sequence[str], **fields: Any) -> None:
        """Publish alerts of these ids."""
        self.publish([alert(name, **fields).to_json() for name in names])

    def publish(self, values: Sequence[bytes | None]) -> None:
        self.broker.publish([Record(self.topic(ALERTS), value, b"k", 0) for value in values])

    def transact(self, alerts: Sequence[Alert], *, commit: bool) -> None:
        """Publish alerts in a transaction, and commit or abort it."""
        producer = Producer({"bootstrap.servers": self.bootstrap_servers, "transactional.id": uuid4().hex})
        producer.init_transactions()
        producer.begin_transaction()
        for each in alerts:
            producer.produce(self.topic(ALERTS), each.to_json(), b"k")
        producer.flush()
        (producer.commit_transaction if commit else producer.abort_transaction)()

    def topic(self, name: str) -> str:
        return self.config.topics.own(name)

    def said(self) -> list[ActionResult]:
        """Everything on record, in order."""
        return [ActionResult.from_json(message.value() or b"") for message in self.broker.read(TopicPartition(self.topic(ACTIONS), 0))]

    def letters(self) -> list[dict[str, bytes]]:
        """The headers of the dead letters."""
        return [dict(message.headers() or ()) for message in self.broker.read(TopicPartition(self.topic(DEAD_LETTERS), 0))]

    def last(self) -> dict[str, ActionResult]:
        return {result.key: result for result in self.said()}

    def wait_for(
        self, names: Sequence[str], status: ActionStatus = ActionStatus.SUCCEEDED, action: str = "note", deadline_s: float = 60.0
    ) -> None:
        """Until these have this status."""
        wanted = {f"{action}/{name}" for name in names}

        def left() -> set[str]:
            return wanted - {key for key, result in self.last().items() if result.status is status}

        try:
            wait_until(lambda: not left(), f"{len(wanted)} x {status}", deadline_s)
        except AssertionError as error:
            tails = [f"{process.instance}: {process.tail()}" for process in self.processes]
            raise AssertionError("\n".join([f"{error}; left: {sorted(left())[:5]}", *tails])) from None

    def effects(self) -> Counter[str]:
        """Key -> how often its effect took place."""
        return Counter(line.split()[0] for line in self.effect_lines())

    def effect_lines(self) -> list[str]:
        file = self.folder / "effects.txt"
        return file.read_text().splitlines() if file.exists() else []


def check_record(stack: RespondStack, keys: set[str]) -> int:
    """These are done, and no others; every attempt with an effect was begun on record, and none after the end of its key.

    How many effects took place more than once.
    """
    said = stack.said()
    order = {(result.key, result.attempt, result.status): place for place, result in reversed(list(enumerate(said)))}
    ended = {result.key: place for place, result in reversed(list(enumerate(said))) if result.status is ActionStatus.SUCCEEDED}
    assert set(ended) == keys == set(stack.effects())
    for line in stack.effect_lines():
        key, attempt, _ = line.split()
        assert order[key, int(attempt), ActionStatus.STARTED] < ended[key], f"{line}: begun after its end was on record"
    late = [result.key for place, result in enumerate(said) if result.status is ActionStatus.STARTED and place > ended[result.key]]
    assert not late
    assert not any(result.status is ActionStatus.FAILED for result in said)
    return sum(count > 1 for count in stack.effects().values())


def memory_mb(process: Monitor) -> float:
    """Its resident memory."""
    assert process.process is not None
    pages = int(Path(f"/proc/{process.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
