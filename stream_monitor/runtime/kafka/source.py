"""A member's consuming half: polling, rebalances, positions, rewinding."""

from collections.abc import Iterable, Sequence
from typing import cast

import confluent_kafka as client
from confluent_kafka import Consumer, KafkaError, KafkaException

from stream_monitor.errors import BrokerError, Fatal

from ..broker import Message, Polled, TopicPartition
from .generation import capture
from .settings import LOGGER, KafkaSettings, invalid_setting
from .triage import RIGHTS, call, error_of, insist, triage

NO_OFFSET = -1001
CONSUME_COUNT_MAX = 1_000_000
"""What librdkafka takes for one `consume`."""


class Source:
    """One group member's consumer; see `runtime.broker.Member` for the contract and `generation` for why metadata is captured here.

    name: as which the group shows it.
    """

    def __init__(self, settings: KafkaSettings, group: str, topics: Sequence[str], name: str) -> None:
        self.generation: bytes | None = None
        self.assignment: frozenset[TopicPartition] = frozenset()
        self._group = group
        self._timeout_s = settings.request_timeout_s
        self._owned: set[TopicPartition] = set()
        self._revoked: set[TopicPartition] = set()
        self._assigned: set[TopicPartition] = set()
        self._served = False
        self._paused: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._to_rewind: set[TopicPartition] = set()
        try:
            self._consumer = Consumer(settings.group_member(group, name), logger=LOGGER)
        except KafkaException as exception:
            raise Fatal(invalid_setting(exception)) from exception
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def poll(self, messages_max: int, timeout_s: float) -> Polled:
        """See `Member.poll`."""
        self._rewind()
        self.generation = capture(self._consumer)
        self._served = False
        self._assigned, self._revoked = set(), set()
        batch = call(lambda: self._consumer.consume(min(max(messages_max, 1), CONSUME_COUNT_MAX), timeout_s), "Poll")
        if self._served:
            self.generation = capture(self._consumer)
            self.assignment = frozenset(self._owned)
        messages = self._accept(batch)
        return Polled(messages, frozenset(self._assigned), frozenset(self._revoked))

    def end_offset(self, partition: TopicPartition) -> int | None:
        """See `Member.end_offset`: the end that a fetch ran into, or the high watermark, which is beyond it while a transaction is open."""
        if partition not in self.assignment:
            return None
        try:
            _, high = self._consumer.get_watermark_offsets(client.TopicPartition(*partition), cached=True)
        except KafkaException:
            high = -1
        end = max(high, self._ends.get(partition, -1))
        return end if end >= 0 else None

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Member.committed`."""
        wanted = [client.TopicPartition(*partition) for partition in partitions]
        doing = f"Read the committed offsets of group {self._group!r}"
        found = insist(lambda: self._committed_once(wanted), doing, self._timeout_s)
        return {TopicPartition(one.topic, one.partition): one.offset if one.offset >= 0 else self._first(one) for one in found}

    def position(self, partition: TopicPartition) -> int:
        """See `Member.position`; blocks before the first message."""
        if partition not in self._positions:
            if partition not in self.assignment:
                raise KeyError(partition)
            if partition in self._to_rewind:
                return self.committed([partition])[partition]  # not kept: the client is still elsewhere, and `_rewind` must see that
            self._positions |= self.committed([partition])
        return self._positions[partition]

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """See `Member.pause`."""
        changed = self.assignment.intersection(partitions) - self._paused
        self._paused |= changed
        if changed:
            call(lambda: self._consumer.pause([client.TopicPartition(*partition) for partition in changed]), "Pause")

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """See `Member.resume`."""
        changed = self._paused.intersection(partitions)
        self._paused -= changed
        if changed:
            call(lambda: self._consumer.resume([client.TopicPartition(*partition) for partition in changed]), "Resume")

    def rewind(self) -> None:
        """Go back to the committed offsets of every assigned partition; what fails now is done by the next poll."""
        self._to_rewind = set(self.assignment)
        try:
            self._rewind()
        except BrokerError as error:
            LOGGER.warning("Rewinding is put off to the next poll: %s", error)

    def close(self) -> None:
        """Leave the group. Never raises."""
        try:
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            LOGGER.warning("Closing the consumer: %s", error)

    # ---- rebalances: callbacks from inside `consume` and `close`

    def _on_assign(self, _: Consumer, partitions: list[client.TopicPartition]) -> None:
        self._served = True
        gained = {TopicPartition(one.topic, one.partition) for one in partitions}
        self._owned |= gained
        self._assigned |= gained
        if again := gained & self._revoked:  # its old messages are in the same batch: drop all and begin anew
            self._to_rewind |= again

    def _on_revoke(self, _: Consumer, partitions: list[client.TopicPartition]) -> None:
        self._served = True
        lost = {TopicPartition(one.topic, one.partition) for one in partitions}
        self._owned -= lost
        self._revoked |= lost - self._assigned
        self._assigned -= lost
        self._forget(lost)

    def _forget(self, partitions: set[TopicPartition]) -> None:
        self._paused -= partitions
        self._to_rewind -= partitions
        for partition in partitions:
            self._positions.pop(partition, None)
            self._ends.pop(partition, None)

    # ---- batches

    def _accept(self, batch: list["client.Message[bytes, bytes]"]) -> list[Message]:
        """Take note of positions and ends; drop errors and what is not ours to return."""
        good = cast(list[Message], [message for message in batch if message.error() is None])
        if self._served or self._to_rewind:
            good = [message for message in good if self._is_due(message)]
        lasts = {(message.topic(), message.partition()): message.offset() for message in good}
        for (topic, number), offset in lasts.items():
            partition = TopicPartition(topic, number)
            self._positions[partition] = offset + 1
            self._ends.pop(partition, None)
        if len(good) < len(batch):
            for message in batch:
                if (error := message.error()) is not None:
                    self._note(message, error)
        return good

    def _is_due(self, message: Message) -> bool:
        partition = TopicPartition(message.topic(), message.partition())
        return partition in self._owned and partition not in self._to_rewind

    def _note(self, message: "client.Message[bytes, bytes]", error: KafkaError) -> None:
        """An error that came as a message: the end of a partition, or something to log, or to leave for."""
        if error.code() == KafkaError._PARTITION_EOF:
            self._reached_end(TopicPartition(str(message.topic()), int(message.partition() or 0)), message.offset())
        elif error.fatal() or error.code() in RIGHTS:
            raise triage(error, f"Consume {message.topic() or 'messages'} as group {self._group!r}")
        else:
            LOGGER.warning("%s: %s", message.topic() or self._group, error.str())

    def _reached_end(self, partition: TopicPartition, offset: int | None) -> None:
        if offset is None or partition not in self._owned or partition in self._to_rewind:
            return
        if offset >= self._positions.get(partition, 0):
            self._positions[partition] = self._ends[partition] = offset

    # ---- rewinding

    def _rewind(self) -> None:
        if not self._to_rewind:
            return
        for partition, offset in self.committed(sorted(self._to_rewind)).items():
            if self._positions.get(partition) != offset:
                self._seek(partition, offset)
            self._positions[partition] = offset
            self._ends.pop(partition, None)
            self._to_rewind.discard(partition)

    def _seek(self, partition: TopicPartition, offset: int) -> None:
        """Seek; a partition that is not being fetched yet knows no seek and is assigned anew at the offset."""
        target = client.TopicPartition(partition.topic, partition.partition, offset)
        try:
            self._consumer.seek(target)
        except KafkaException as exception:
            if error_of(exception).code() != KafkaError._STATE:
                raise triage(error_of(exception), f"Rewind {partition.topic}[{partition.partition}]") from exception
            call(lambda: self._consumer.incremental_unassign([target]), "Rewind")
            call(lambda: self._consumer.incremental_assign([target]), "Rewind")
            if partition in self._paused:
                call(lambda: self._consumer.pause([target]), "Rewind")

    def _committed_once(self, wanted: list[client.TopicPartition]) -> list[client.TopicPartition]:
        found = self._consumer.committed(wanted, timeout=self._timeout_s)
        for one in found:
            if one.error is not None:
                raise KafkaException(one.error)
        return found

    def _first(self, partition: client.TopicPartition) -> int:
        doing = f"Read the first offset of {partition.topic}[{partition.partition}]"
        return insist(lambda: self._consumer.get_watermark_offsets(partition, timeout=self._timeout_s), doing, self._timeout_s)[0]
