"""One run of the whole pipeline, from one seed, in one thread: workers in turns, time by hand, and trouble at any call of the broker.

Whatever happens is drawn from the seed. A worker's call may hold other workers' turns inside of it: that is how transactions of two
members interleave, how a zombie wakes up, and how a rebalance comes in mid-transaction.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from stream_monitor.config import Config, parse_config
from stream_monitor.errors import StreamMonitorError
from stream_monitor.pipeline.state import State
from stream_monitor.runtime.broker import Message, Record, TopicPartition, TopicSpec
from stream_monitor.runtime.detect_worker import DetectWorker, Owned
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.memory.broker import no_faults
from stream_monitor.runtime.profile_worker import ProfileWorker
from stream_monitor.runtime.topics import ALERTS, prepare_topics
from tests.property.pipeline_world import START_MS, Crash, Numbers, sent_ms
from tests.simulation.actors import NEWER, Actor, Reader, SharedLog, software
from tests.simulation.cluster import SimBroker, Transaction
from tests.simulation.kinds import Kind
from tests.simulation.labels import Label
from tests.simulation.script import Arrival, Script
from tests.simulation.tasks import graded
from tests.simulation.trace import Trace
from tests.simulation.trouble import SESSION_MS, TRANSACTION_MS, Trouble
from tests.simulation.violation import Violation

TURNS_MAX = 1_000
PATIENCE_MS = 6_000
"""Half of the configs wait so long for a transaction that is open; its member writes what it made of the config before."""


@dataclass
class Most:
    """The most ever held at once: panes, unread seconds and revisable windows of a unit, writers in mid-transaction of a partition."""

    panes: int = 0
    seconds: int = 0
    revisions: int = 0
    unannounced: int = 0


class Simulation:
    """See the module. After `run`, what it left behind is for `checks`.

    injected: troubles by kind; stack: who is in a call, outermost first; watermarks: the furthest seen; most: of what must be bounded.
    """

    def __init__(self, script: Script) -> None:
        self.script, self.random = script, Random(f"run {script.seed}")
        self.now_ms, self.trace, self.meter = START_MS, Trace(), Numbers()
        self.injected: Counter[Kind] = Counter(dict.fromkeys(script.seen, 1))
        self.watermarks: dict[TopicPartition, int] = {}
        self.most = Most()
        self.broker = SimBroker(lambda: self.now_ms, session_timeout_ms=SESSION_MS, transaction_timeout_ms=TRANSACTION_MS)
        self.stack: list[Actor] = []
        self._held: dict[Actor, set[int]] = {}
        self._readers: dict[TopicPartition, ProfileWorker] = {}
        self._waiting: list[Arrival | Label] = sorted([*script.arrivals, *script.labels], key=lambda each: each.at_ms)
        self._configs = list(script.configs)
        self._changes = Random(f"changes {script.seed}")
        self._patience_ms = self._changes.choice((0, PATIENCE_MS))
        self.config = _parsed(self._configs.pop(0)[1])
        self._set_up()
        self.actors = [Actor(f"{role}/{n}", role, str(n)) for role, count in script.workers.items() for n in range(count)]
        self.trouble = Trouble(self, self.random)
        self.broker.faults, self.broker.passes_over = self.trouble.hook, self.trouble.passes_over

    def _set_up(self) -> None:
        self.broker.ensure_topics([TopicSpec("captures", self.script.partitions)])
        if self.script.labels:
            self.broker.ensure_topics([TopicSpec("labels", self.script.label_partitions)])
        prepare_topics(self.broker, self.config)
        self.log = SharedLog.of(self.broker, self.config)
        self._apply(self.config)
        self.reader = Reader(self.broker.member("reader", [self.config.topics.own(ALERTS)], "reader"))

    # ---- the run

    def run(self) -> "Simulation":
        """The script to its end, then peace until all is read and every window has closed."""
        self.trouble.now = True
        while self._waiting or self._configs:
            self.pass_time(self.random.randrange(1_500))
            self.trouble.between_turns()
            self.others(self.random.randrange(2 * len(self.actors) + 1))
            if self.random.random() < 0.3:
                self.reader.turn()
        self._settle()
        return self

    def _settle(self) -> None:
        self.trouble.now, self.trouble.down_until_ms = False, 0
        self.say("---- no more trouble")
        if self.script.upgrade_ms is not None:
            for actor in list(self.actors):  # one whose instance was taken over is gone with it
                self.upgrade(actor)
        self._until(self._has_closed_all, 9_000 if self.script.strict else 3_000)
        for actor in [actor for actor in self.actors if actor.role == "profile"]:
            self.close(actor)
        self.actors = [actor for actor in self.actors if actor.role == "detect"]
        self._until(self._has_read_all, 100)
        for _ in range(3):
            self.reader.turn()

    def _until(self, condition: Callable[[], bool], step_ms: int) -> None:
        for _ in range(TURNS_MAX):
            self.now_ms += step_ms
            for actor in list(self.actors):
                self.turn(actor)
            if condition():
                return
        raise Violation(f"nothing comes to rest: {condition.__name__} is not true after {TURNS_MAX} turns of everybody in peace")

    def _has_closed_all(self) -> bool:
        """The watermark is so far beyond the last event that no window can be open or revised, and labels are read."""
        last_ms = max(arrival.event.time_ms for arrival in self.script.arrivals if arrival.accepted)
        owned = self.owned()
        reached = [each.state.tracker.event_time_ms or 0 for each in owned.values()]
        is_all = len(owned) == self.config.engine.profiles_partitions and self._has_read_labels()
        return is_all and min(reached) > last_ms + 60_000

    def _has_read_labels(self) -> bool:
        """Nothing is unread on the label topic, or nobody reads it under the last config."""
        committed = self.broker._cluster.group(f"{self.config.topics.prefix}.profile").committed
        parts = [TopicPartition("labels", number) for number in range(self.script.label_partitions)]
        return not self.log.current().joins or not any(self._read(at, committed.get(at, 0)) for at in parts)

    def _has_read_all(self) -> bool:
        """No record of the profiles topic is unread."""
        owned = self.owned()
        unread = [self._read(partition, each.next_offset) for partition, each in owned.items()]
        return len(owned) == self.config.engine.profiles_partitions and not any(unread)

    def owned(self) -> dict[TopicPartition, Owned]:
        """The state of every profiles partition, where its worker has it."""
        workers = [actor.worker for actor in self.actors if isinstance(actor.worker, DetectWorker)]
        return {partition: owned for worker in workers for partition, owned in worker._owned.items()}

    def pass_time(self, step_ms: int) -> None:
        """Time goes on, and what is due comes: messages and configs, unless the broker is away."""
        self.now_ms += step_ms
        if self.now_ms < self.trouble.down_until_ms:
            return
        while self._waiting and self._waiting[0].at_ms <= self.now_ms:
            self._publish(self._waiting.pop(0))
        while self._configs and self._configs[0][0] + self._patience_ms <= self.now_ms:
            self.apply_next(3)

    @property
    def is_config_due(self) -> bool:
        """Whether a config waits for a transaction to be open."""
        return bool(self._configs) and self._configs[0][0] <= self.now_ms

    def apply_next(self, turns: int) -> None:
        """The next config. turns: of others, of whom some have looked at the config just now, and some do so at once."""
        config = _parsed(self._configs.pop(0)[1])
        self._patience_ms = self._changes.choice((0, PATIENCE_MS))
        self.say("config revision {} is applied", config.revision)
        self.quietly(lambda: self._apply(config))
        self.others(turns)

    def _publish(self, arrival: Arrival | Label) -> None:
        if isinstance(arrival, Label):
            record = Record("labels", arrival.value, partition=arrival.partition, timestamp_ms=self.now_ms)
            self.quietly(lambda: self.broker.publish([record]))
            self.say("labels[{}] <- {} of {}", arrival.partition, arrival.label, arrival.event_id)
            return
        record = Record("captures", arrival.event.value, partition=arrival.partition, timestamp_ms=sent_ms(arrival.event))
        self.quietly(lambda: self.broker.publish([record]))
        self.say("captures[{}] <- event of {} ({} ms old)", arrival.partition, arrival.event.model, self.now_ms - arrival.event.time_ms)

    def _apply(self, config: Config) -> None:
        self.log.apply(config, {name: graded()[name] for name in config.baseline_paths()})

    # ---- turns

    def others(self, turns: int) -> None:
        """So many turns of those who are not in a call."""
        for _ in range(turns):
            free = [actor for actor in self.actors if actor not in self.stack]
            if free:
                self.turn(self.random.choice(free))

    def turn(self, actor: Actor) -> None:
        """One `run_once` as `runtime.process` and a supervisor around it would make it."""
        try:
            self._on_stage(actor, self._start if actor.worker is None else lambda actor: actor.worker.run_once())  # type: ignore[union-attr]
        except Crash:
            self.kill(actor)
        except StreamMonitorError as error:
            self.say("{} ends: {}", actor.name, error)
            self.close(actor)

    def _on_stage(self, actor: Actor, action: Callable[[Actor], None]) -> None:
        """Who calls the broker, with the record version of its software."""
        self.stack.append(actor)
        try:
            with software(actor.version):
                action(actor)
        finally:
            self.stack.pop()

    def _start(self, actor: Actor) -> None:
        log = SharedLog.of(self.broker, self.config)
        log.refresh()
        config = log.in_force(self.config.model_copy(update={"instance": actor.instance}))
        skew_ms = self.script.skews_ms.get(actor.name, 0)
        kind = ProfileWorker if actor.role == "profile" else DetectWorker
        self.say("{} starts{}", actor.name, ", newer software" if actor.version == NEWER else "")
        actor.worker = kind(self.broker, config, log, lambda: self.now_ms + skew_ms, self.meter)

    def close(self, actor: Actor) -> None:
        """A graceful end, unless it dies of it."""
        worker = actor.worker
        if worker is not None:
            try:
                self._on_stage(actor, lambda _: worker.close())
            except Crash:
                worker._member.kill()  # type: ignore[attr-defined]
        actor.worker = None
        self._bury(actor)

    def kill(self, actor: Actor) -> None:
        """kill -9: nothing is closed."""
        self.say("{} is dead", actor.name)
        worker, actor.worker = actor.worker, None
        if isinstance(worker, DetectWorker):
            self.injected[Kind.KILLED_WAITING] += any(waiting(owned.state) for owned in worker._owned.values())
        if worker is not None:
            worker._member.kill()  # type: ignore[attr-defined]
        self._bury(actor)

    def _bury(self, actor: Actor) -> None:
        if actor.ghost and actor in self.actors:
            self.actors.remove(actor)

    def upgrade(self, actor: Actor) -> None:
        """The same process again, on newer software."""
        if actor.version < NEWER:
            self.say("{} is upgraded", actor.name)
            self.close(actor)
            actor.version = NEWER

    def oldest(self) -> int:
        """The software version that a process starts with which joins nobody."""
        return min((actor.version for actor in self.actors), default=NEWER)

    def quietly(self, action: Callable[[], object]) -> None:
        """What the simulator does itself meets no trouble."""
        hook, self.broker.faults = self.broker.faults, no_faults
        action()
        self.broker.faults = hook

    def read(self, topic: str, partition: int = 0) -> list[Message]:
        """All that is committed on a topic of ours."""
        return self._read(TopicPartition(self.config.topics.own(topic), partition))

    def _read(self, partition: TopicPartition, start: int = 0) -> list[Message]:
        found = list[Message]()
        self.quietly(lambda: found.extend(self.broker.read(partition, start)))
        return found

    def after(self, message: Message) -> list[Message]:
        """What stands behind a message in its partition, as far as it is committed."""
        partition = TopicPartition(message.topic(), message.partition())
        return list(MemoryBroker.read(self.broker, partition, message.offset() + 1))

    def say(self, text: str, *values: object) -> None:
        """A line of the trace."""
        self.trace.add(self.now_ms, max(len(self.stack) - 1, 0), text, *values)

    # ---- what holds at every moment

    def watch(self, actor: Actor) -> None:
        """A commit took effect, so what its worker holds is the truth."""
        transaction = actor.worker._member._current  # type: ignore[union-attr]
        taken = [f"{at.topic}[{at.partition}] {first}-{end}" for at, (first, end) in sorted(transaction.took.items()) if end > first]
        if taken:
            self.say("{} commits {}", actor.name, ", ".join(taken))
        if isinstance(actor.worker, ProfileWorker):
            self.injected[Kind.PAUSED_PARTITION] += any(source.paused for source in actor.worker._sources.by_partition.values())
            self._watch_labels(actor.worker, transaction)
        elif isinstance(actor.worker, DetectWorker):
            held = {id(owned) for owned in actor.worker._owned.values()}
            self.injected[Kind.RESTORED_WAITING] += any(
                id(owned) not in self._held.get(actor, set()) and owned.saved_offset and waiting(owned.state)
                for owned in actor.worker._owned.values()
            )
            self._held[actor] = held
            for partition, owned in actor.worker._owned.items():
                if partition in transaction.took:  # it may have lost another and not know yet
                    self._watch_state(partition, owned.state)
                self.most.unannounced = max(self.most.unannounced, len(owned.reading.unannounced))

    def _watch_labels(self, worker: ProfileWorker, transaction: Transaction) -> None:
        """Label partitions that others read before."""
        for at, (first, end) in transaction.took.items():
            if at.topic == "labels" and end > first:
                self.injected[Kind.LABELS_MOVED] += self._readers.get(at, worker) is not worker
                self._readers[at] = worker

    def _watch_state(self, partition: TopicPartition, state: State) -> None:
        reached, before = state.tracker.event_time_ms, self.watermarks.get(partition)
        if before is not None and (reached is None or reached < before):
            raise Violation(f"the watermark of {partition} went back from {before} to {reached}")
        if reached is not None:
            self.watermarks[partition] = reached
        for model, join in state.joins.items():
            if len(join) > join.plan.rows_max:
                raise Violation(f"the join of {model} holds {len(join)} rows, {join.plan.rows_max} are the bound")
        for unit in state.units.values():
            self.most.panes = max(self.most.panes, len(unit.windows.panes))
            self.most.seconds = max(self.most.seconds, len(unit.sequential._pending))
            self.most.revisions = max(self.most.revisions, len(unit.revisions))


def waiting(state: State) -> bool:
    """Whether a model's events wait for labels, or labels for their events."""
    return any(len(join) for join in state.joins.values())


def _parsed(tree: dict[str, Any]) -> Config:
    return parse_config(tree, "simulation")
