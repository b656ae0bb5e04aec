"""What the whole pipeline must have said, from the captures and from how the committed transactions cut and ordered them.

One pass, the naive way: events are kept one by one and windows counted anew; there are no profiles that merge, no panes that are
dropped, no snapshots, no offsets that are restored. It shares with the pipeline the baseline's edges, the Judge, the detectors and the
alert's life, which have oracles of their own. Of the log it believes which transaction took which captures, under which config and at
which clock; that those ranges tile the captures, and that no event time was told beyond what was taken, it demands (`Violation`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stream_monitor.alert.publication import Reason
from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.runtime.broker import TopicPartition, partition_for
from stream_monitor.window.progress import Progress
from stream_monitor.window.progress import decode as read_progress
from tests.property.pipeline_world import Event
from tests.simulation.cluster import Transaction
from tests.simulation.facts import Facts
from tests.simulation.labels import Label
from tests.simulation.naive_join import Arrived, Change, NaiveJoin, fate, meaning
from tests.simulation.naive_pairing import NaivePairing
from tests.simulation.naive_unit import Key, NaiveUnit, Version
from tests.simulation.said import Said
from tests.simulation.script import Arrival
from tests.simulation.violation import Violation


@dataclass
class Captures:
    """The captures topic: what is at each offset, and the facts of each event."""

    log: Mapping[TopicPartition, Sequence[Arrival]]
    events: list[Event]
    place: dict[int, int]
    """id of an event -> its row."""
    labels: Mapping[TopicPartition, Sequence[Label]]
    """The label topic, the same way."""
    known: dict[str, Facts] = field(default_factory=dict)

    @classmethod
    def of(cls, log: Mapping[TopicPartition, Sequence[Arrival]], labels: Mapping[TopicPartition, Sequence[Label]]) -> "Captures":
        events = list({id(each.event): each.event for part in log.values() for each in part if each.accepted}.values())
        return cls(log, events, {id(event): row for row, event in enumerate(events)}, labels)

    def facts(self, plan: StreamPlan) -> Facts:
        if plan.baseline.id not in self.known:
            self.known[plan.baseline.id] = Facts.of(plan.baseline, self.events)
        return self.known[plan.baseline.id]


@dataclass
class Watermark:
    """Event time that all source partitions have passed, from all that was reported."""

    event_time_ms: dict[TopicPartition, int | None] = field(default_factory=dict)
    owner_clock_ms: dict[TopicPartition, int] = field(default_factory=dict)
    idle_since_ms: dict[TopicPartition, int | None] = field(default_factory=dict)
    """The newest clock when the last report said idle; None: it did not."""
    clock_ms: int = 0
    reached_ms: int | None = None

    def take(self, progress: Progress, plan: Plan, partitions: int) -> None:
        self.clock_ms = max(self.clock_ms, progress.clock_ms)
        for each in progress.sources:
            at = TopicPartition(each.topic, each.partition)
            times = [time for time in (each.event_time_ms, self.event_time_ms.get(at)) if time is not None]
            self.event_time_ms[at] = max(times, default=None)
            self.owner_clock_ms[at] = max(progress.clock_ms, self.owner_clock_ms.get(at, 0))
            self.idle_since_ms[at] = self.clock_ms if each.idle else None
        everyone = [TopicPartition("captures", number) for number in range(partitions)]
        if not all(at in self.event_time_ms for at in everyone):
            return
        awake = [at for at in everyone if not self._is_idle(at, plan.config.engine.idle_lease)]
        if awake:
            times = [time for at in awake if (time := self.event_time_ms[at]) is not None]
            reached = min(times) if len(times) == len(awake) else None
        else:
            reached = min(self.owner_clock_ms[at] for at in everyone)
        if reached is not None:
            self.reached_ms = max(reached, self.reached_ms or reached)

    def _is_idle(self, at: TopicPartition, lease_ms: int) -> bool:
        since = self.idle_since_ms[at]
        return since is not None and since + lease_ms > self.clock_ms


@dataclass
class PartitionOracle:
    """One profiles partition."""

    number: int
    plans: Mapping[int, Plan]
    captures: Captures
    plan: Plan
    said: Said
    dropped: Counter[str] = field(default_factory=Counter)
    watermark: Watermark = field(default_factory=Watermark)
    units: dict[Key, NaiveUnit] = field(default_factory=dict)
    joins: dict[str, NaiveJoin] = field(default_factory=dict)
    pairings: dict[str, NaivePairing] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    """What became of labels, of joins that are gone."""

    def run(self, topic: str, ledger: Sequence[Transaction]) -> None:
        at = TopicPartition(topic, self.number)
        moments: list[tuple[int, Transaction, Progress, bool]] = []
        for transaction in ledger:
            records = transaction.wrote.get(at, [])
            if not records:
                raise Violation(f"a transaction of {transaction.transactional_id} told nothing to {at}")
            progress = read_progress(records[-1][1])
            if len(records) > 1:
                moments.append((records[0][0], transaction, progress, False))
            moments.append((records[-1][0], transaction, progress, True))
        for _, transaction, progress, is_progress in sorted(moments, key=lambda moment: moment[0]):
            if progress.revision > self.plan.revision:
                self._adopt(self.plans[progress.revision])
            if is_progress:
                self._go_on(progress)
            else:
                self._arrive(transaction, self.plans[progress.revision])

    def _arrive(self, transaction: Transaction, made_under: Plan) -> None:
        by_unit: dict[Key, list[int]] = {}
        took = sorted(transaction.took.items())
        for at, (first, end) in took:
            for arrival in self.captures.log.get(at, ())[first:end]:
                stream = stream_of(arrival, made_under)
                if stream is None or self._partition_of(stream) != self.number:
                    continue
                reason = self._unfit(stream, made_under)
                if reason is not None:
                    self.dropped[reason] += 1
                    continue
                for segment in segments_of(made_under.streams[stream], arrival.event):
                    if segment in self.plan.streams[stream].judges:
                        by_unit.setdefault((stream, segment), []).append(self.captures.place[id(arrival.event)])
        for key, rows in by_unit.items():
            unit = self.units.get(key)
            if unit is None:
                plan = self.plan.streams[key[0]]
                unit = self.units[key] = NaiveUnit.new(key, plan, self.captures.facts(plan), self._reached(plan))
            late = unit.arrive(rows)
            self.dropped["late"] += late if not key[1] else 0
        for model, arrived in sorted(self._arrived(took, made_under).items()):
            self._join(model, arrived)

    def _arrived(self, took: Sequence[tuple[TopicPartition, tuple[int, int]]], made_under: Plan) -> dict[str, Arrived]:
        """What a transaction brought to the joins that read it as it was meant."""
        found: dict[str, Arrived] = {}
        for at, (first, end) in took:
            for arrival in self.captures.log.get(at, ())[first:end]:
                stream = stream_of(arrival, made_under)
                if stream is not None and self._reads(stream.model, made_under):
                    segments = tuple(segments_of(made_under.streams[stream], arrival.event))
                    fits = self._unfit(stream, made_under) is None
                    found.setdefault(stream.model, Arrived()).captures.append((stream if fits else None, segments, arrival.event))
            for label in self.captures.labels.get(at, ())[first:end]:
                if fate(label, made_under) == "taken" and label.model and label.event_id and self._reads(label.model, made_under):
                    found.setdefault(label.model, Arrived()).labels.append((label.event_id, label.time_ms, label.label))
        return found

    def _reads(self, model: str, made_under: Plan) -> bool:
        if partition_for(model.encode(), self.plan.config.engine.profiles_partitions) != self.number:
            return False
        return meaning(self.plan, model) is not None and meaning(self.plan, model) == meaning(made_under, model)

    def _join(self, model: str, arrived: Arrived) -> None:
        plan = self.plan.joins[model]
        join = self.joins.setdefault(model, NaiveJoin(plan))
        self._tell(join, join.arrive(arrived, self._reached(self.plan.streams[plan.streams[0]])))

    def _tell(self, join: NaiveJoin, changes: Sequence[Change]) -> None:
        for key, unit in self.units.items():
            if key[0].model == join.plan.model and unit.outcomes is not None:
                unit.outcomes.arrive(changes, join)

    def _partition_of(self, stream: StreamKey) -> int:
        return partition_for(stream.model.encode(), self.plan.config.engine.profiles_partitions)

    def _unfit(self, stream: StreamKey, made_under: Plan) -> str | None:
        old, new = made_under.streams[stream], self.plan.streams.get(stream)
        if new is None:
            return "model_removed"
        if new.baseline.id != old.baseline.id:
            return "baseline_replaced"
        return "window_changed" if new.spec.pane_ms != old.spec.pane_ms else None

    def _reached(self, plan: StreamPlan) -> int | None:
        reached = self.watermark.reached_ms
        return None if reached is None else reached - plan.spec.watermark_delay_ms

    def _go_on(self, progress: Progress) -> None:
        self.watermark.take(progress, self.plan, len(self.captures.log))
        before = {key: Version(key[0], unit.facts, list(unit.rows)) for key, unit in self.units.items()}
        for key, unit in sorted(self.units.items(), key=lambda item: repr(item[0])):
            reached = self._reached(unit.plan)
            others = [each for other, each in before.items() if other != key and (other[0].model, other[1]) == (key[0].model, key[1])]
            if reached is not None:
                unit.go_on(reached, self.watermark.clock_ms, self.joins.get(key[0].model), others, self.said)
        for model, join in self.joins.items():
            plan = self.plan.streams[StreamKey(model, None)]
            reached = self._reached(plan)
            if reached is not None:
                self.pairings.setdefault(model, NaivePairing.new(model, plan)).go_on(reached, join, self.said)
                join.go_on(reached)

    def _adopt(self, plan: Plan) -> None:
        relabelled = {model for model in self.plan.config.models if meaning(self.plan, model) != meaning(plan, model)}
        for model in list(self.pairings):
            self._adopt_pairing(model, plan, is_relabelled=model in relabelled)
        self.plan, clock_ms = plan, self.watermark.clock_ms
        for model in relabelled & self.joins.keys():
            self.counted += self.joins.pop(model).counted
        for model, join in self.joins.items():
            self._tell(join, join.adopt(plan.joins[model]))
        for key, unit in list(self.units.items()):
            new = plan.streams.get(key[0])
            reason = ended(unit.plan, new, key)
            if new is not None and reason is None:
                if key[0].model in relabelled:
                    unit.relabel(new, clock_ms, self.said)
                unit.adopt(new, clock_ms, self.said)
                continue
            assert reason is not None
            unit.resolve(reason, clock_ms, self.said)
            self.dropped[reason.value] += unit.open_events() if not key[1] else 0
            del self.units[key]
            if new is not None and key[1] in new.judges:
                self.units[key] = unit.successor(new, self.captures.facts(new), self._reached(new))

    def _adopt_pairing(self, model: str, plan: Plan, *, is_relabelled: bool) -> None:
        pairing, old, key = self.pairings[model], self.plan.streams[StreamKey(model, None)], StreamKey(model, None)
        reason = ended(old, plan.streams.get(key), (key, ())) or (Reason.LABELS_CHANGED if is_relabelled else None)
        reached = self._reached(old)
        if reason is not None:
            pairing.end(reason, self.watermark.clock_ms if reached is None else reached, self.said)
        if model in plan.joins:
            forgot = plan.joins[model].baselines != self.plan.joins[model].baselines
            pairing.adopt(plan.streams[key], reached, forgot=forgot, anew=reason is not None)
        else:
            del self.pairings[model]


def ended(old: StreamPlan, new: StreamPlan | None, key: Key) -> Reason | None:
    """Why what was known of a stream is void under a newer config: the documented rule, written again on purpose."""
    if new is None:
        return Reason.MODEL_REMOVED
    if new.baseline.id != old.baseline.id:
        return Reason.BASELINE_REPLACED
    if new.spec != old.spec:
        return Reason.WINDOW_CHANGED
    return None if key[1] in new.judges else Reason.SEGMENT_REMOVED


def stream_of(arrival: Arrival, plan: Plan) -> StreamKey | None:
    """The stream of an event under a config, None where it is none."""
    event = arrival.event
    if not arrival.accepted or event.model is None:
        return None
    keys = [key for key in (StreamKey(event.model, event.version), StreamKey(event.model, None)) if key in plan.streams]
    return keys[0] if keys else None


def segments_of(plan: StreamPlan, event: Event) -> list[tuple[tuple[str, str], ...]]:
    """The whole, and each segment that holds this event."""
    found: list[tuple[tuple[str, str], ...]] = [()]
    for each in plan.segmentations:
        value = event.body["features"].get(each.name)
        found.append(((each.name, value if value in each.values else "other"),))
    return found
