"""What goes wrong in a run: between turns, and at any call that a worker makes of the broker."""

from collections.abc import Callable
from itertools import takewhile
from random import Random
from typing import TYPE_CHECKING

from stream_monitor.errors import Abortable, BrokerError, Fenced, Retriable
from stream_monitor.pipeline.saved import decode_manifest
from stream_monitor.runtime.broker import Message, Record, TopicPartition
from stream_monitor.runtime.profile_worker import CONFIG_POLL_MS
from stream_monitor.runtime.topics import CONFIG, PROFILES, STATE
from tests.property.pipeline_world import Crash
from tests.simulation.actors import NEWER, Actor, software
from tests.simulation.kinds import Kind

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

SESSION_MS = 10_000
TRANSACTION_MS = 5_000
DEPTH_MAX = 3
"""Calls within calls."""
FOREIGN = (b"not ours", b"SM", b"SMX\x00\x00\x00\x00\x00", None)
ASKING = ("poll", "committed_offsets", "read", "end_offset", "first_offset", "partition_count", "commit")
"""Calls that Kafka may refuse for the moment."""


class Trouble:
    """Draws from the run's seed. now: whether it may strike."""

    def __init__(self, run: "Simulation", random: Random) -> None:
        self.run, self.random, self.now = run, random, False
        self.down_until_ms = 0
        """The broker does not answer before."""
        self.foreign = 0
        self._passed_over: set[tuple[int, int]] = set()
        self._numbers = dict(run.script.workers)
        """The next instance of each role."""

    # ---- between turns

    def between_turns(self) -> None:
        for kind in (Kind.KILL, Kind.LEAVE, Kind.JOIN, Kind.TWIN, Kind.RESTART, Kind.COMPACTION, Kind.RETENTION, Kind.FOREIGN):
            if self.random.random() < 5 * self.run.script.troubles.get(kind, 0.0):
                self._happen(kind)
        upgrade_ms = self.run.script.upgrade_ms
        if upgrade_ms is not None and self.run.now_ms >= upgrade_ms and self.random.random() < 0.3:
            self._upgrade_next()

    def _happen(self, kind: Kind) -> None:
        match kind:
            case Kind.KILL:
                self._on_somebody(kind, self.run.kill)
            case Kind.LEAVE:
                self._on_somebody(kind, self.run.close)
            case Kind.JOIN:
                self._join()
            case Kind.TWIN:
                self._twin()
            case Kind.RESTART:
                self.down_until_ms = self.run.now_ms + self.random.randrange(500, 12_000)
                self._note(kind)
            case Kind.COMPACTION:
                self._note(kind)
                for topic in (STATE, CONFIG):
                    self.run.broker.compact(self.run.config.topics.own(topic))
            case Kind.RETENTION:
                self._retain()
            case _:
                self._publish_foreign()

    def _on_somebody(self, kind: Kind, action: Callable[[Actor], None]) -> None:
        up = [actor for actor in self.run.actors if actor.worker is not None and actor not in self.run.stack]
        if up:
            actor = self.random.choice(up)
            self._note(kind, actor)
            action(actor)

    def _join(self) -> None:
        role = self.random.choice(("profile", "detect"))
        peers = [actor for actor in self.run.actors if actor.role == role]
        if len(peers) < 4:
            number = self._numbers[role]
            self._numbers[role] += 1
            version = min((actor.version for actor in peers), default=self.run.oldest())
            self.run.actors.append(Actor(f"{role}/{number}", role, str(number), version))
            self._note(Kind.JOIN, self.run.actors[-1])

    def _twin(self) -> None:
        """A second process with the instance of a living one, which goes on until it learns of it."""
        up = [actor for actor in self.run.actors if actor.worker is not None and not actor.ghost and actor not in self.run.stack]
        if up:
            old = self.random.choice(up)
            old.ghost = True
            self.run.actors.append(Actor(old.name, old.role, old.instance, old.version))
            self._note(Kind.TWIN, old)

    def _retain(self) -> None:
        """Kafka drops the profiles that the newest snapshots cover, but for those of transactions whose progress is yet to be read."""
        own = self.run.config.topics.own
        for number in range(self.run.config.engine.profiles_partitions):
            saved = [message.value() for message in self.run.read(STATE, number) if message.key() == b"manifest"]
            if saved and saved[-1] is not None:
                self._note(Kind.RETENTION)
                with software(NEWER):
                    next_offset = self._announced(number, decode_manifest(saved[-1]).next_offset)
                self.run.broker.delete_before(TopicPartition(own(PROFILES), number), next_offset)

    def _announced(self, number: int, next_offset: int) -> int:
        """How far before this all records are of transactions whose progress came: one of the others may have been passed over."""
        begun: dict[object, int] = {}
        for message in self.run.read(PROFILES, number):
            headers = message.headers() or ()
            if message.offset() < next_offset and headers:
                begun.setdefault(headers[0], message.offset())
                if (message.value() or b"")[:3] == b"SMG":
                    del begun[headers[0]]
        return min([next_offset, *begun.values()])

    def _publish_foreign(self) -> None:
        self._note(Kind.FOREIGN)
        self.foreign += 1
        partition = self.random.randrange(self.run.config.engine.profiles_partitions)
        record = Record(self.run.config.topics.own(PROFILES), self.random.choice(FOREIGN), b"key", partition)
        self.run.quietly(lambda: self.run.broker.publish([record]))

    def _upgrade_next(self) -> None:
        first = self.run.script.upgrade_first
        old = [actor for actor in self.run.actors if actor.version < NEWER and actor not in self.run.stack]
        if old:
            self.run.upgrade(min(old, key=lambda actor: actor.role != first))

    # ---- at any call

    def hook(self, operation: str, transactional_id: str) -> None:
        """Before every call of the broker, and after each commit has taken effect; see `runtime.memory.state.Faults`."""
        if not self.run.stack:
            return
        if operation == "committed":
            self.run.watch(self.run.stack[-1])
        if self.run.now_ms < self.down_until_ms:
            self._answer_nothing(operation)
        if self.now and self.run.is_config_due and operation == "produce":
            self._make_stale(self.run.stack[-1])
        if self.now and operation not in ("abort", "ensure_topics"):
            for kind, chance in self.run.script.troubles.items():
                if self.random.random() < chance:
                    self._strike(kind, operation)

    def _make_stale(self, actor: Actor) -> None:
        """Others go over to a newer config, and then this one writes what it made of the older."""
        if actor.role == "profile" and len(self.run.stack) < DEPTH_MAX:
            self._note(Kind.STALE, actor)
            self.run.now_ms += CONFIG_POLL_MS
            self.run.apply_next(12)

    def _answer_nothing(self, operation: str) -> None:
        """The broker is away: calls time out, as the Kafka member says it."""
        self.run.now_ms += self.random.randrange(100, 1_500)
        self.run.say("{}: no answer to {}", self.run.stack[-1].name, operation)
        match operation:
            case "begin" | "committed":
                return
            case "produce":
                raise Abortable("the broker is away")
            case "commit" | "abort":
                raise Fenced("no answer: only a new member can tell what took effect")
            case _:
                raise Retriable("the broker is away")

    def _strike(self, kind: Kind, operation: str) -> None:
        in_transaction, can_nest = operation in ("produce", "commit"), len(self.run.stack) < DEPTH_MAX
        match kind:
            case Kind.CRASH:
                self._raise(kind, operation, Crash(operation))
            case Kind.ABORT if in_transaction:
                self._raise(kind, operation, Abortable("injected"))
            case Kind.FENCED if in_transaction or operation == "begin":
                self._raise(kind, operation, Fenced("injected"))
            case Kind.RETRIABLE if operation in ASKING:
                self._raise(kind, operation, Retriable("injected"))
            case Kind.ANSWER_LOST if operation == "committed":
                self._raise(kind, operation, Fenced("no answer: only a new member can tell what took effect"))
            case Kind.TIMEOUT if in_transaction:
                self._note(kind, self.run.stack[-1], operation)
                self.run.now_ms += TRANSACTION_MS + 1
            case Kind.INTERLEAVED if in_transaction and can_nest:
                self._note(kind, self.run.stack[-1], operation)
                self.run.others(3)
            case Kind.REBALANCE if in_transaction and can_nest:
                self._note(kind, self.run.stack[-1], operation)
                self._happen(self.random.choice((Kind.JOIN, Kind.LEAVE)))
                self.run.others(6)
            case Kind.ZOMBIE if operation != "committed" and can_nest:
                self._note(kind, self.run.stack[-1], operation)
                self.run.pass_time(SESSION_MS + 1)
                self.run.others(8)
            case _:
                return

    def passes_over(self, message: Message) -> bool:
        """A profile that its reader does not get, once; where others' reports come before its own transaction's, order would matter."""
        place, chance = (message.partition(), message.offset()), self.run.script.troubles.get(Kind.SKIPPED, 0.0)
        if not self.now or not self.run.stack or place in self._passed_over or not self.run.script.strict:
            return False
        kind = (message.value() or b"")[:3]
        if message.topic() != self.run.config.topics.own(PROFILES) or kind not in (b"SMP", b"SMJ"):
            return False
        if kind == b"SMJ" and not self._is_alone(message):
            return False
        if self.random.random() >= 5 * chance:
            return False
        self._passed_over.add(place)
        self._note(Kind.SKIPPED, self.run.stack[-1])
        return True

    def _is_alone(self, message: Message) -> bool:
        """Whether nobody else's record comes before its transaction's progress: the order of labels may matter at any time."""
        later = self.run.after(message)
        own = takewhile(lambda other: (other.headers() or ())[:1] == (message.headers() or ())[:1], later)
        return any((other.value() or b"")[:3] == b"SMG" for other in own)

    def _raise(self, kind: Kind, operation: str, error: BrokerError | Crash) -> None:
        self._note(kind, self.run.stack[-1], operation)
        raise error

    def _note(self, kind: Kind, actor: Actor | None = None, operation: str = "") -> None:
        self.run.injected[kind] += 1
        self.run.say("!! {}{}{}", kind.value, f" at {operation}" if operation else "", f" of {actor.name}" if actor else "")
