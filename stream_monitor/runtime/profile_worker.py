"""Phase 1 on a broker: captures and labels in; profiles, rows to join, progress and dead letters out; a batch is one transaction.
Keeps no state.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import structlog

from stream_monitor.capture.columns import Columns
from stream_monitor.capture.reject import Reject, dead_letter
from stream_monitor.config import Config
from stream_monitor.errors import Abortable, Retriable
from stream_monitor.pipeline.join import record as join_record
from stream_monitor.pipeline.join.record import JoinRecord
from stream_monitor.pipeline.join.summarise import join_records
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.profile import codec
from stream_monitor.runtime.broker import Broker, Member, Message, Polled, Record, TopicPartition, partition_for
from stream_monitor.runtime.completeness import signed
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.observe import ABORTS_MAX, Meter, Pending, Refusals
from stream_monitor.runtime.sources import Sources
from stream_monitor.runtime.topics import DEAD_LETTER_BYTES_MAX, DEAD_LETTERS, PROFILES
from stream_monitor.window import progress

_log = structlog.get_logger(__name__)

ROWS_WANTED: Final = 50
"""From so many rows on a profile is well below the rows' own size; thinner traffic is gathered for longer."""
CONFIG_POLL_MS: Final = 1_000
"""How often the config log is looked at: a new revision is taken up within about a second."""
LABEL_TOPICS_POLL_MS: Final = 5_000
"""How often it is asked whether a label topic that was missing is there."""
_NO_EVENT: Final = int(np.iinfo(np.int64).min)
"""Stands for the latest event time of a partition all of whose messages were rejected."""


class ProfileWorker:
    """One member of the profile group; one thread calls `run_once` in a loop, then `close`.

    broker, config_log: this thread's own; clock: ms since the epoch; meter: where numbers go.
    """

    def __init__(self, broker: Broker, config: Config, config_log: ConfigLog, clock: Callable[[], int], meter: Meter) -> None:
        self._broker, self._config, self._config_log, self._clock = broker, config, config_log, clock
        self._meter, self._pending, self._refusals = meter, Pending(meter), Refusals()
        self._aborts = 0
        """In a row."""
        self._started_ms = clock()
        self._sources = Sources()
        self._interval_ms: float = config.engine.commit_interval
        self._config_checked_ms = self._labels_checked_ms = clock()
        self._use(config_log.current())
        self._partition_counts = self._count_partitions()
        self._label_topics = self._present_label_topics()
        for topic in self._wanted_label_topics() - self._label_topics:
            _log.warning("no_label_topic", topic=topic, remedy="create it, and it will be read; or name another in topics.labels")
        self._member: Member = broker.member(
            f"{config.topics.prefix}.profile",
            [*config.topics.captures, *sorted(self._label_topics)],
            f"{config.topics.prefix}.profile.{config.instance}",
        )

    @property
    def ready(self) -> bool:
        """Whether the group has given this member its share; after two sessions without one it stands by, which is a share as well."""
        standby_ms = 2 * self._config.engine.session_timeout
        return bool(self._member.assignment()) or self._clock() - self._started_ms > standby_ms

    def run_once(self) -> None:
        """Poll, summarise, commit. Errors: Retriable, Fenced, Fatal, CodecError."""
        started_ms = self._clock()
        polled = self._member.poll(self._config.engine.batch_messages_max, self._interval_ms / 1000)
        self._take_over(polled)
        self._follow_config()
        self._follow_label_topics()
        if not self._sources.by_partition:
            return
        try:
            self._transact(polled.messages)
        except Abortable as error:
            self._abort(error)
        self._align()
        self._adapt(len(polled.messages), self._clock() - started_ms)

    def close(self) -> None:
        """Leave the group; what is not committed will be done by others. Never raises."""
        self._give_up(list(self._sources.by_partition))
        self._member.close()

    def _take_over(self, polled: Polled) -> None:
        self._give_up(polled.revoked)
        if polled.assigned:
            self._sources.assign(self._member.committed(polled.assigned), self._clock())
            self._partition_counts = self._count_partitions()

    def _give_up(self, partitions: Iterable[TopicPartition]) -> None:
        self._sources.revoke(partitions)
        for partition in partitions:
            self._meter.drop("consumer_lag_messages", {"topic": partition.topic, "partition": str(partition.partition)})

    def _follow_config(self) -> None:
        now_ms = self._clock()
        if now_ms - self._config_checked_ms >= CONFIG_POLL_MS:
            self._config_checked_ms = now_ms
            self._config_log.refresh()
            if self._config_log.revision > self._plan.revision:
                self._use(self._config_log.current())
                if self._plan.config.topics != self._config.topics:
                    raise Retriable(f"config revision {self._plan.revision} names other topics: joining anew")
                _log.info("config_taken_up", revision=self._plan.revision, config_id=self._plan.config_id)

    def _follow_label_topics(self) -> None:
        """Join anew where one is there that was not, or that nobody wanted before."""
        now_ms = self._clock()
        if now_ms - self._labels_checked_ms >= LABEL_TOPICS_POLL_MS and not self._wanted_label_topics() <= self._label_topics:
            self._labels_checked_ms = now_ms
            if found := self._present_label_topics() - self._label_topics:
                raise Retriable(f"label topic {', '.join(sorted(found))} is there now: joining anew")

    def _use(self, plan: Plan) -> None:
        self._plan, self._decoder, self._label_decoder = plan, plan.decoder(), plan.label_decoder()

    def _transact(self, messages: Sequence[Message]) -> None:
        captures, labels = self._split(messages)
        columns, rejects = self._decoder.decode(captures, self._clock())
        told, refused = self._label_decoder.decode(labels, range(len(labels)), self._clock())
        panes = summarise(self._plan, columns, captures)
        self._track(captures, columns)
        self._track(labels, ())
        self._member.begin()
        self._member.produce([*self._dead_letters(rejects, captures), *self._dead_letters(refused, labels)])
        profiles = [self._profile(pane) for pane in panes]
        profiles += [self._row_record(record) for record in join_records(self._plan, columns, told)]
        self._member.produce(profiles)
        self._member.produce(self._progress(Counter(record.partition for record in profiles)))
        for part in columns:
            self._pending.add("events_total", len(part), model=part.stream.model)
            self._pending.add("unknown_fields_total", part.unknown_fields, model=part.stream.model)
            if part.stream in self._decoder.saturated:
                self._pending.add("limit_hits_total", len(part), limit="unknown_field_names")
        self._member.commit(self._sources.next_offsets())
        self._sources.committed()
        self._aborts = 0
        self._observe_lag()
        self._pending.committed()
        self._refusals.committed(rejects, self._clock())

    def _split(self, messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
        """Captures and labels."""
        if not self._label_topics:
            return messages, ()
        labels = [message for message in messages if message.topic() in self._label_topics]
        return [message for message in messages if message.topic() not in self._label_topics] if labels else messages, labels

    def _wanted_label_topics(self) -> frozenset[str]:
        """Those of the config, where a model has a task."""
        return frozenset(self._config.topics.labels) if self._plan.joins else frozenset()

    def _present_label_topics(self) -> frozenset[str]:
        return frozenset(topic for topic in self._wanted_label_topics() if self._broker.partition_count(topic) is not None)

    def _track(self, messages: Sequence[Message], columns: Sequence[Columns]) -> None:
        """Note what came from each partition. Arrays, not a dict of rows: 0.2 us per message instead of 0.6, which were a tenth of all."""
        lasts = {(message.topic(), message.partition()): message for message in messages}
        numbers = {place: number for number, place in enumerate(lasts)}
        places = np.array([numbers[message.topic(), message.partition()] for message in messages], dtype=np.int64)
        latest = np.full(len(lasts), _NO_EVENT, dtype=np.int64)
        for part in columns:
            np.maximum.at(latest, places[part.rows], part.time_ms)
        now_ms = self._clock()
        for (place, message), time_ms in zip(lasts.items(), latest.tolist(), strict=True):
            self._sources.saw(TopicPartition(*place), message.offset() + 1, None if time_ms == _NO_EVENT else time_ms, now_ms)

    def _dead_letters(self, rejects: Iterable[Reject], messages: Sequence[Message]) -> Iterable[Record]:
        for reject in rejects:
            letter = dead_letter(messages[reject.row], reject, DEAD_LETTER_BYTES_MAX)
            self._pending.add("dead_letters_total", topic=messages[reject.row].topic(), reason=reject.reason)
            yield Record(self._config.topics.own(DEAD_LETTERS), letter.value, letter.key, headers=letter.headers)

    def _profile(self, pane: codec.PaneProfile) -> Record:
        key = pane.stream.model.encode()
        partition = partition_for(key, self._config.engine.profiles_partitions)
        return Record(self._config.topics.own(PROFILES), codec.encode(pane), key, partition, signed(self._config.instance))

    def _row_record(self, record: JoinRecord) -> Record:
        key = record.model.encode()
        partition = partition_for(key, self._config.engine.profiles_partitions)
        return Record(self._config.topics.own(PROFILES), join_record.encode(record), key, partition, signed(self._config.instance))

    def _progress(self, records: Mapping[int | None, int]) -> Iterable[Record]:
        """One for every profiles partition; records: how many profiles this transaction wrote to each."""
        clock_ms = self._clock()
        reports = self._sources.progress(self._at_end(), self._config.engine.idle_after, clock_ms)
        sources = tuple(each for each in reports if each.topic not in self._label_topics)  # labels tell no event time
        frame = progress.encode(progress.Progress(clock_ms, self._plan.revision, sources, self._partition_counts))
        topic, writer = self._config.topics.own(PROFILES), self._config.instance
        partitions = range(self._config.engine.profiles_partitions)
        return [Record(topic, frame, partition=number, headers=signed(writer, records.get(number, 0))) for number in partitions]

    def _at_end(self) -> set[TopicPartition]:
        ends = {partition: self._member.end_offset(partition) for partition in self._sources.by_partition}
        return {partition for partition, end in ends.items() if end is not None and self._member.position(partition) >= end}

    def _abort(self, error: Abortable) -> None:
        _log.warning("transaction_aborted", role="profile", error=str(error))
        self._pending.aborted()
        self._aborts += 1
        if self._aborts >= ABORTS_MAX:
            raise Retriable(f"{ABORTS_MAX} transactions in a row were aborted, the last because: {error}") from error
        self._member.abort()
        self._sources.rewind(self._member.committed(self._sources.by_partition))

    def _align(self) -> None:
        """Pause the partitions that run too far ahead of the slowest, so that catching up opens a bounded number of panes."""
        engine = self._plan.config.engine
        pane_ms = max(stream.spec.pane_ms for stream in self._plan.streams.values())
        ahead = self._sources.ahead(self._at_end(), engine.alignment * pane_ms, engine.idle_after, self._clock())
        paused = {partition for partition, source in self._sources.by_partition.items() if source.paused}
        if ahead - paused:
            self._member.pause(ahead - paused)
        if paused - ahead:
            self._member.resume(paused - ahead)
        self._sources.pause(ahead, self._clock())

    def _adapt(self, rows: int, elapsed_ms: int) -> None:
        """The commit interval: the shortest in which about `ROWS_WANTED` rows come, within its bounds."""
        engine = self._config.engine
        wanted = ROWS_WANTED * max(elapsed_ms, 1) / rows if rows else engine.commit_interval_max
        self._interval_ms = min(max(wanted, engine.commit_interval), engine.commit_interval_max)

    def _observe_lag(self) -> None:
        for partition in self._sources.by_partition:
            end = self._member.end_offset(partition)
            if end is not None:
                lag = max(0, end - self._member.position(partition))
                self._pending.set("consumer_lag_messages", lag, topic=partition.topic, partition=str(partition.partition))

    def _count_partitions(self) -> tuple[tuple[str, int], ...]:
        counts = ((topic, self._broker.partition_count(topic)) for topic in self._config.topics.captures)
        return tuple((topic, count) for topic, count in counts if count is not None)
