"""Who takes part in a simulation: processes with one role each, of one software version or another, and a reader of alerts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.store import load_baseline
from stream_monitor.config import parse_shared
from stream_monitor.pipeline.plan import Plan, compile_plan
from stream_monitor.profile import frame
from stream_monitor.runtime.broker import Member, Message, TopicPartition
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.detect_worker import DetectWorker
from stream_monitor.runtime.profile_worker import ProfileWorker
from tests.simulation.labels import ROWS_SCALE
from tests.simulation.tasks import graded

NEWER = frame.VERSION + 1
"""The record version that members of the newer software write; they read the older too."""


@dataclass(eq=False)
class Actor:
    """A process with one role. worker: None while it is down. ghost: its instance was taken over; it lives until it learns of that."""

    name: str
    role: str
    instance: str
    version: int = frame.VERSION
    worker: ProfileWorker | DetectWorker | None = None
    ghost: bool = False


@contextmanager
def software(version: int) -> Iterator[None]:
    """Within, this process runs the software that writes records of this version."""
    before, frame.VERSION = frame.VERSION, version  # type: ignore[misc]
    try:
        yield
    finally:
        frame.VERSION = before  # type: ignore[misc]


class SharedLog(ConfigLog):
    """A config log whose plans are compiled once a process; they hold no state."""

    def _compile(self, shared: bytes) -> Plan:
        return _compiled(shared, self.topic)


@cache
def _compiled(shared: bytes, name: str) -> Plan:
    config = parse_shared(shared, name)
    plan = compile_plan(config, shared, {each: _by_id()[each] for each in config.baseline_paths()})
    joins = {model: replace(join, rows_max=join.rows_max // ROWS_SCALE) for model, join in plan.joins.items()}
    return replace(plan, joins=joins)


@cache
def _by_id() -> dict[str, Baseline]:
    return {each.id: each for each in (load_baseline(content, name) for name, content in graded().items())}


@dataclass
class Reader:
    """A consumer of alerts that reads committed data as it comes, and commits what it has seen."""

    member: Member
    seen: list[Message] = field(default_factory=list)

    def turn(self) -> None:
        messages = self.member.poll(50, 0).messages
        if messages:
            last = messages[-1]
            self.member.begin()
            self.member.commit({TopicPartition(last.topic(), last.partition()): last.offset() + 1})
            self.seen += messages
