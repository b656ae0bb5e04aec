"""Phase 2 on a broker: profiles in; window scores, alerts and snapshots out. State is restored when a partition is assigned."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from stream_monitor.alert.alert import AlertStatus
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import Config
from stream_monitor.errors import Abortable, CodecError, Retriable, RunError
from stream_monitor.pipeline.join import record as join_record
from stream_monitor.pipeline.join.record import JoinRecord
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.pipeline.step import step
from stream_monitor.profile import codec
from stream_monitor.profile.codec import Sealed
from stream_monitor.profile.frame import FrameKind, kind_of
from stream_monitor.runtime.broker import Broker, Member, Message, Record, TopicPartition, partition_for
from stream_monitor.runtime.completeness import Reading, read_again
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.detect_meter import DetectMeter
from stream_monitor.runtime.observe import ABORTS_MAX, Audience, Meter, Nobody
from stream_monitor.runtime.snapshots import Snapshots, restore_snapshot
from stream_monitor.runtime.topics import ALERTS, DEAD_LETTERS, PROFILES, STATE, WINDOWS
from stream_monitor.window import progress
from stream_monitor.window.progress import Progress

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Owned:
    """One profiles partition that this member owns, restored. `next_offset` is that of the next record to step over."""

    state: State
    snapshots: Snapshots
    reading: Reading
    next_offset: int
    saved_offset: int
    saved_ms: int
    """next_offset and clock of the last snapshot."""
    restored_to: int = 0
    """What records before this offset say was said before, by whoever owned the partition."""


class DetectWorker:
    """One member of the detect group; one thread calls `run_once` in a loop, then `close`.

    broker, config_log: this thread's own; clock: ms since the epoch; meter: where numbers go; audience: who sees all that is committed.
    """

    def __init__(
        self,
        broker: Broker,
        config: Config,
        config_log: ConfigLog,
        clock: Callable[[], int],
        meter: Meter,
        audience: Audience | None = None,
    ) -> None:
        self._broker, self._config, self._config_log, self._clock = broker, config, config_log, clock
        self._meter = DetectMeter(meter, clock, clock())
        self._audience: Audience = audience or Nobody()
        self._owned: dict[TopicPartition, Owned] = {}
        self._started_ms = clock()
        self._aborts = 0
        """In a row."""
        self._foreign: list[Record] = []
        """Dead letters for what is on the profiles topic and no record of ours."""
        self._is_clean = True
        """Whether the states are as of the last commit: only then may they be saved."""
        prefix = config.topics.prefix
        self._member: Member = broker.member(f"{prefix}.detect", [config.topics.own(PROFILES)], f"{prefix}.detect.{config.instance}")

    @property
    def ready(self) -> bool:
        """Whether the group has given this member its share (none after two sessions: it stands by) and all of it is restored."""
        standby = self._clock() - self._started_ms > 2 * self._config.engine.session_timeout
        return (bool(self._owned) or standby) and self._member.assignment() <= self._owned.keys()

    def run_once(self) -> None:
        """Poll, step, commit. Errors: Retriable, Fenced, Fatal, CodecError, VersionError."""
        engine = self._config.engine
        polled = self._member.poll(engine.batch_messages_max, engine.commit_interval / 1000)
        self._give_up(polled.revoked)
        self._restore(polled.assigned)
        due = self._due()
        try:
            if polled.messages or due:
                self._transact(polled.messages, due)
        except Abortable as error:
            self._start_over(error)
        for partition, owned in self._owned.items():
            streams = _streams_on(partition, owned.state)
            self._meter.tick(owned.state, streams)
            self._audience.follows(owned.state, streams)

    def close(self) -> None:
        """Save the state and leave the group. Never raises: where saving fails, the next owner has a little more to replay."""
        try:
            if self._is_clean:
                self._transact([], [partition for partition, owned in self._owned.items() if owned.next_offset > owned.saved_offset])
        except RunError as error:
            _log.warning("not_saved_at_close", error=str(error))
        finally:
            self._give_up(frozenset(self._owned))
            self._member.close()

    def _transact(self, messages: Sequence[Message], due: Sequence[TopicPartition]) -> None:
        outputs = Outputs()
        touched = set(due)
        self._is_clean = False
        self._foreign.clear()
        for message in messages:
            partition = TopicPartition(message.topic(), message.partition())
            touched.add(partition)
            self._step(self._owned[partition], message, outputs)
        self._member.begin()
        self._member.produce(_records(outputs, self._config))
        self._member.produce(self._foreign)
        for partition in due:
            self._member.produce(self._snapshot(self._owned[partition]))
        self._member.commit({partition: self._owned[partition].next_offset for partition in touched})
        self._is_clean, self._aborts = True, 0
        states = [owned.state for owned in self._owned.values()]
        self._meter.committed(outputs, states)
        self._audience.committed(outputs, states)
        for alert in outputs.alerts:
            log = _log.info if alert.status is AlertStatus.RESOLVED else _log.warning
            log(f"alert_{alert.status}", severity=alert.severity, alert_id=alert.alert_id, summary=alert.annotations.summary)

    def _step(self, owned: Owned, message: Message, outputs: Outputs) -> None:
        if message.offset() < owned.next_offset:  # the group's offsets were set back: the state holds this record already
            _log.warning("record_known", partition=message.partition(), offset=message.offset(), next_offset=owned.next_offset)
            return
        gap = owned.reading.take(message)
        if gap is not None:
            for missed in read_again(self._broker, message, gap):
                self._take(owned, missed, outputs if missed.offset() >= owned.restored_to else Outputs())
        self._take(owned, message, outputs)
        owned.next_offset = message.offset() + 1

    def _take(self, owned: Owned, message: Message, outputs: Outputs) -> None:
        try:
            said = step(owned.state, read_record(message), self._config_log.plan)
            outputs.extend(said)
            problem = said.unreadable
        except CodecError as error:
            problem = str(error)
        if problem is not None:
            _log.error("foreign_record", topic=message.topic(), partition=message.partition(), offset=message.offset(), error=problem)
            self._foreign.append(_foreign_letter(message, problem, self._config.topics.own(DEAD_LETTERS)))

    def _snapshot(self, owned: Owned) -> Iterator[Record]:
        owned.saved_offset, owned.saved_ms = owned.next_offset, self._clock()
        yield from owned.snapshots.records(owned.state, owned.next_offset, owned.reading.unannounced)

    def _due(self) -> list[TopicPartition]:
        """Partitions whose last snapshot is older than the snapshot interval."""
        interval, now_ms = self._config.engine.snapshot_interval, self._clock()
        return [p for p, owned in self._owned.items() if owned.next_offset > owned.saved_offset and now_ms - owned.saved_ms >= interval]

    def _restore(self, partitions: Iterable[TopicPartition]) -> None:
        committed = self._member.committed(partitions) if partitions else {}
        for partition, next_offset in sorted(committed.items()):
            self._owned[partition] = self._restored(partition, next_offset)

    def _restored(self, partition: TopicPartition, committed: int) -> Owned:
        """Newest snapshot + `step` over the profiles up to the committed offset; what those steps say was said before."""
        state_partition = TopicPartition(self._config.topics.own(STATE), partition.partition)
        found = restore_snapshot(self._broker, state_partition, self._config_log.plan)
        state, snapshots, reading, saved = found or (State.empty(self._config_log.first()), Snapshots(state_partition), Reading(), 0)
        first = self._broker.first_offset(partition)
        if first > saved:
            _log.error(
                "profiles_lost", partition=partition.partition, from_offset=saved, to_offset=first, remedy="raise the topic's retention.ms"
            )
        if self._broker.end_offset(partition) < committed:  # a new leader that does not know all yet: to skip what it hides loses it
            raise Retriable(f"{partition.topic} [{partition.partition}] ends before offset {committed}, which was committed")
        owned = Owned(state, snapshots, reading, saved, saved, self._clock(), restored_to=committed)
        for message in self._broker.read(partition, saved, committed):
            self._step(owned, message, Outputs())
        owned.next_offset = max(owned.next_offset, committed)
        _log.info("restored", partition=partition.partition, snapshot_offset=saved, next_offset=committed, units=len(state.units))
        return owned

    def _give_up(self, partitions: Iterable[TopicPartition], *, for_now: bool = False) -> None:
        """for_now: they will be restored at once."""
        for partition in partitions:
            owned = self._owned.pop(partition, None)
            if owned is not None:
                streams = _streams_on(partition, owned.state)
                self._meter.lost(owned.state, streams)
                if not for_now:
                    self._audience.lost(streams)

    def _start_over(self, error: Abortable) -> None:
        """The state is ahead of what was committed: drop it and restore."""
        _log.warning("transaction_aborted", role="detect", error=str(error))
        self._aborts += 1
        if self._aborts >= ABORTS_MAX:
            raise Retriable(f"{ABORTS_MAX} transactions in a row were aborted, the last because: {error}") from error
        partitions = list(self._owned)
        self._give_up(partitions, for_now=True)
        self._is_clean = True
        self._member.abort()
        self._restore(partitions)


def read_record(message: Message) -> Sealed | Progress | JoinRecord:
    """A record of the profiles topic. Errors: CodecError, VersionError."""
    value = message.value() or b""
    kind = kind_of(value)
    if kind is FrameKind.PROGRESS:
        return progress.decode(value)
    return join_record.decode(value) if kind is FrameKind.JOIN else codec.decode(value)


def _streams_on(partition: TopicPartition, state: State) -> list[StreamKey]:
    """The streams whose profiles come by this partition."""
    count = state.plan.config.engine.profiles_partitions
    return [key for key in state.plan.streams if partition_for(key.model.encode(), count) == partition.partition]


def _foreign_letter(message: Message, problem: str, topic: str) -> Record:
    place = {"topic": message.topic(), "partition": str(message.partition()), "offset": str(message.offset())}
    headers = {"reason": "not_a_record", "detail": problem[:200], **place}
    return Record(topic, message.value(), message.key(), headers=tuple((name, text.encode()) for name, text in headers.items()))


def _records(outputs: Outputs, config: Config) -> Iterator[Record]:
    windows, alerts = config.topics.own(WINDOWS), config.topics.own(ALERTS)
    for score in outputs.scores:
        yield Record(windows, score.to_json(), score.model.encode())
    for alert in outputs.alerts:
        yield Record(alerts, alert.to_json(), alert.fingerprint.encode(), headers=alert.headers())
