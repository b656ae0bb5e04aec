"""What must hold of a run when it is over."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stream_monitor.alert.alert import Alert, AlertStatus, Held
from stream_monitor.alert.grouping import Groups
from stream_monitor.alert.notification import notification_of
from stream_monitor.detect.report import WindowScore
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.saved import decode_manifest
from stream_monitor.pipeline.unit import SILENT_WINDOWS_MAX
from stream_monitor.runtime.broker import TopicPartition
from stream_monitor.runtime.topics import ALERTS, DEAD_LETTERS, PROFILES, STATE, WINDOWS
from stream_monitor.window.progress import Progress, decode
from tests.simulation.actors import NEWER, software
from tests.simulation.cluster import Transaction
from tests.simulation.kinds import Kind
from tests.simulation.labels import Label
from tests.simulation.naive_join import fate
from tests.simulation.oracle import Captures, PartitionOracle, stream_of
from tests.simulation.said import RowKey, Said, family_of, row_key
from tests.simulation.script import Arrival
from tests.simulation.simulation import Simulation
from tests.simulation.violation import Violation

SKEW_MS_MAX = 2_000
"""What two workers' clocks may differ by, and a little time between a poll and its transaction."""
SNAPSHOT_BYTES_MAX = 256 * 1024
"""Of one unit: three columns, a handful of panes."""


def check(run: Simulation) -> None:
    """Raise Violation where anything is not as it must be."""
    with software(NEWER):  # it reads the records of both
        _check(run)


def _check(run: Simulation) -> None:
    captures = Captures.of(published(run), told(run))
    ledger = [each for each in run.broker.ledger if each.committed and each.group.endswith(".profile")]
    reads_labels = bool(run.log.current().joins)
    check_tiling(ledger, captures, captures.labels if reads_labels else {})
    plans = dict(run.log.plans) | {revision: run.log.plan(revision) for revision in run.log.configs}
    check_progress(run, ledger, captures, plans)
    said, dropped, counted = Said(), Counter[str](), Counter[str]()
    for number in range(run.config.engine.profiles_partitions):
        oracle = PartitionOracle(number, plans, captures, run.log.first(), said)
        oracle.run(run.config.topics.own(PROFILES), ledger)
        dropped += oracle.dropped
        counted += sum((join.counted for join in oracle.joins.values()), oracle.counted)
        check_detectors(run, number, oracle)
        left = sum(unit.open_events() for key, unit in oracle.units.items() if not key[1])
        if left:
            raise Violation(f"{left} events are in windows that never closed")
    check_said(run, said)
    check_rejects(run, captures, ledger, plans)
    check_lateness(run, dropped)
    check_counters(run, counted)
    check_reader(run)
    check_bounds(run)


def published(run: Simulation) -> dict[TopicPartition, list[Arrival]]:
    """What is on the captures topic, at its offsets."""
    found: dict[TopicPartition, list[Arrival]] = {TopicPartition("captures", n): [] for n in range(run.script.partitions)}
    for arrival in run.script.arrivals:
        found[TopicPartition("captures", arrival.partition)].append(arrival)
    return found


def told(run: Simulation) -> dict[TopicPartition, list[Label]]:
    """What is on the label topic, at its offsets."""
    found: dict[TopicPartition, list[Label]] = {TopicPartition("labels", n): [] for n in range(run.script.label_partitions)}
    for label in run.script.labels:
        found[TopicPartition("labels", label.partition)].append(label)
    return found


def check_tiling(ledger: Iterable[Transaction], captures: Captures, labels: Mapping[TopicPartition, Sequence[Label]]) -> None:
    """Every capture and (those that somebody reads to the end) every label was taken by exactly one committed transaction, in order."""
    log: dict[TopicPartition, Sequence[Arrival] | Sequence[Label]] = {**captures.log, **labels}
    next_offsets = dict.fromkeys([*captures.log, *captures.labels], 0)
    for transaction in ledger:
        for at, (first, end) in transaction.took.items():
            if first != next_offsets[at] or end < first:
                raise Violation(f"{transaction.transactional_id} took {first} to {end} of {at}, where {next_offsets[at]} is next")
            next_offsets[at] = end
    for at, end in ((at, next_offsets[at]) for at in log):
        if end != len(log[at]):
            raise Violation(f"of {at} {end} messages were taken, {len(log[at])} are there")


def check_progress(run: Simulation, ledger: Iterable[Transaction], captures: Captures, plans: dict[int, Plan]) -> None:
    """Nobody tells an event time beyond the events that were taken, nor calls a partition idle that has something to say."""
    latest_ms = dict.fromkeys(captures.log, 0)
    active_ms = dict.fromkeys(captures.log, 0)
    for transaction in ledger:
        progress = progress_of(run, transaction)
        plan = plans[progress.revision]
        for at, (first, end) in ((at, taken) for at, taken in transaction.took.items() if at in captures.log):
            times = [each.event.time_ms for each in captures.log[at][first:end] if stream_of(each, plan) is not None]
            latest_ms[at] = max([latest_ms[at], *times])
            active_ms[at] = transaction.begun_ms if times else active_ms[at]
        for source in progress.sources:
            at = TopicPartition(source.topic, source.partition)
            if at not in captures.log:
                raise Violation(f"{transaction.transactional_id} told the time of {at}")
            if source.event_time_ms is not None and source.event_time_ms > latest_ms[at]:
                raise Violation(f"{transaction.transactional_id} told {source.event_time_ms} of {at}, where {latest_ms[at]} was read")
            if source.idle and transaction.took[at][1] < transaction.ends[at]:
                raise Violation(f"{transaction.transactional_id} called {at} idle, which it had not read to its end")
            if source.idle and transaction.begun_ms - active_ms[at] < plan.config.engine.idle_after - SKEW_MS_MAX:
                raise Violation(f"{transaction.transactional_id} called {at} idle too soon after an event")


def progress_of(run: Simulation, transaction: Transaction) -> Progress:
    """What a transaction told of its sources."""
    return decode(transaction.wrote[TopicPartition(run.config.topics.own(PROFILES), 0)][-1][1])


def check_detectors(run: Simulation, number: int, oracle: PartitionOracle) -> None:
    """ADWIN and Page-Hinkley have read what the oracle's have, to the bit; nothing waits any more, and what is of no use is forgotten."""
    state = run.owned()[TopicPartition(run.config.topics.own(PROFILES), number)].state
    if state.units.keys() != oracle.units.keys():
        raise Violation(f"units {sorted(state.units)} are alive where {sorted(oracle.units)} should be")
    for key, unit in state.units.items():
        if unit.windows.dirty or unit.sequential._pending or len(unit.windows.panes) > unit.plan.spec.events_min:
            raise Violation(f"{key} holds more at rest than the trailing run that the next window may borrow")
        naive = oracle.units[key]
        if unit.sequential.encode() != naive.watch.encode():
            raise Violation(f"the sequential detectors of {key} did not read the same values")
        if (unit.labelled is None) != (naive.outcomes is None):
            raise Violation(f"{key} has a task, or should have one")
        if unit.labelled is not None and naive.outcomes is not None and unit.labelled.concept.encode() != naive.outcomes.concept.encode():
            raise Violation(f"the sequential detectors of {key} did not read the same losses")
    fresh = Groups()
    for alert in state.firing():
        fresh._put(alert)
    if fresh._members != state.groups._members:
        raise Violation("the groups of alerts are not what fires")
    held = {model: len(join) for model, join in state.joins.items()}
    if held != {model: len(join.rows) for model, join in oracle.joins.items()}:
        raise Violation(f"joins hold {held} rows at rest")


def check_said(run: Simulation, said: Said) -> None:
    """The windows and alerts topics end where the oracle does, and say nothing twice."""
    found, revisions = Said(), dict[RowKey, int]()
    for message in run.read(WINDOWS):
        row = msgspec.json.decode(message.value() or b"", type=WindowScore)
        key, family = row_key(row), family_of(row)
        known, window = found.rows.get(key), (*key[:-2], family)
        newest = revisions.get(window, row.revision if family == "groups" else 0)  # a group may be compared from now on
        if (known is not None and row.revision <= known.revision) or row.revision not in (newest, newest + 1):
            raise Violation(f"said twice, or not at all: {row} after {known}, where {newest} is the window's newest revision")
        revisions[window] = row.revision
        found.tell([row], [])
    run.injected[Kind.REVISING] += sum(revision > 1 for revision in revisions.values())
    for message in run.read(ALERTS):
        alert = Alert.from_json(message.value() or b"")
        before = found.alerts.get(alert.alert_id)
        if alert.revision != (1 if before is None else before.revision + 1):
            raise Violation(f"alert {alert.alert_id} was said twice, or not at all: revision {alert.revision}")
        found.tell([], [alert])
    check_groups(Alert.from_json(message.value() or b"") for message in run.read(ALERTS))
    compare("window scores", found.rows, said.rows)
    compare("alerts", {key: facts(alert) for key, alert in found.alerts.items()}, {key: facts(a) for key, a in said.alerts.items()})


def facts(alert: Alert) -> tuple[object, ...]:
    """What the oracle knows of an alert."""
    told: tuple[object, ...] = ()
    if (said := notification_of(alert)) is not None:  # who tells for a group is known when all have spoken
        told = (said.notify or said.held is Held.GROUPED, None if said.held is Held.GROUPED else said.held, said.rules, said.group)
    return (alert.status.value, alert.severity.value, alert.score, alert.started_at, alert.resolved_at, alert.revision, *told)


def check_groups(alerts: Iterable[Alert]) -> None:
    """What a group tells for others is told: one telling for the group and window, that lists what fires."""
    told, grouped = set[tuple[str | None, str]](), set[tuple[str | None, str]]()
    for alert in alerts:
        said = notification_of(alert)
        if said is not None and said.group is not None and said.notify:
            told.add((said.group, alert.resolved_at or alert.window.end))
            if alert.status is not AlertStatus.RESOLVED and alert.alert_id not in {each.alert_id for each in said.members}:
                raise Violation(f"{alert.alert_id} tells for a group that it is no member of")
        elif said is not None and said.held is Held.GROUPED:
            grouped.add((said.group, alert.resolved_at or alert.window.end))
    if lost := grouped - told:
        raise Violation(f"nobody tells for {lost}")


def compare(what: str, found: dict, wanted: dict) -> None:  # type: ignore[type-arg]
    differing = [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]
    if differing:
        key = min(differing, key=repr)
        raise Violation(
            f"{len(differing)} of {len(wanted)} {what} differ, first {key}:\n  said   {found.get(key)}\n  wanted {wanted.get(key)}"
        )


def check_rejects(run: Simulation, captures: Captures, ledger: Iterable[Transaction], plans: dict[int, Plan]) -> None:
    """Input = profiled + dead letters, to the event; a foreign record is a dead letter too, once."""
    letters = Counter(dict(message.headers() or ()).get("reason", b"") for message in run.read(DEAD_LETTERS))
    foreign = letters.pop(b"not_a_record", 0)
    if foreign != run.trouble.foreign:
        raise Violation(f"{foreign} dead letters of {run.trouble.foreign} foreign records")
    wanted = 0
    for transaction in ledger:
        plan = plans[progress_of(run, transaction).revision]
        for at, (a, b) in transaction.took.items():
            wanted += sum(stream_of(each, plan) is None for each in captures.log.get(at, ())[a:b])
            wanted += sum(fate(each, plan) == "refused" for each in captures.labels.get(at, ())[a:b])
    if letters.total() != wanted:
        raise Violation(f"{letters.total()} dead letters, {wanted} messages are no events: {dict(letters)}")


def check_lateness(run: Simulation, dropped: Counter[str]) -> None:
    """Where nothing came late, nothing is late; no counter says more than what the oracle dropped."""
    if run.script.strict and dropped["late"]:
        raise Violation(f"{dropped['late']} events were late, though none came late: the watermark ran ahead")
    counted = run.meter.total("late_events_total")
    if counted > dropped["late"]:
        raise Violation(f"{counted} events were counted late, {dropped['late']} were")
    unsure = run.injected[Kind.ANSWER_LOST] + run.injected[Kind.CRASH]  # a worker may die between its commit and its count
    if not unsure and counted != dropped["late"]:
        raise Violation(f"{counted} events were counted late, {dropped['late']} were")
    run.injected[Kind.LATE] += dropped["late"]


COUNTERS = {
    "labels": ("labels_total",),
    "orphans": ("label_orphans_total",),
    "late": ("label_late_events_total",),
    "narrowed": ("limit_hits_total", "label_join_rows"),
}


def check_counters(run: Simulation, wanted: Counter[str]) -> None:
    """What became of labels is counted, never twice; what a client passed over just before it left may not be."""
    unsure = run.injected[Kind.ANSWER_LOST] + run.injected[Kind.CRASH] + run.injected[Kind.SKIPPED]
    for name, place in COUNTERS.items():
        counted = sum(count for key, count in run.meter.counts.items() if key[: len(place)] == place)
        if counted > wanted[name] or (not unsure and counted != wanted[name]):
            raise Violation(f"{counted} {name} of labels were counted, {wanted[name]} are right")
    run.injected[Kind.NARROWED] += wanted["narrowed"]


def check_reader(run: Simulation) -> None:
    """A reader that followed the alerts while they came saw what is committed, once and in order."""
    for _ in range(5):
        run.reader.turn()
    seen = [(message.offset(), message.value()) for message in run.reader.seen]
    there = [(message.offset(), message.value()) for message in run.read(ALERTS)]
    if seen != there:
        raise Violation(f"a committed reader saw {len(seen)} alerts, {len(there)} are committed")


def check_bounds(run: Simulation) -> None:
    """What is held stays small however long it lasts, and the state topic keeps nothing of units that are gone."""
    most, bound_ms = run.most, held_ms(run)
    writers = sum(1 for _ in {each.transactional_id for each in run.broker.ledger})
    bounds = {"panes": bound_ms // 5_000, "seconds": bound_ms // 1_000, "revisions": bound_ms // 5_000 + SILENT_WINDOWS_MAX}
    for name, bound in {**bounds, "unannounced": writers}.items():
        if getattr(most, name) > bound:
            raise Violation(f"{getattr(most, name)} {name} were held at once, {bound} are the bound")
    for number in range(run.config.engine.profiles_partitions):
        messages = run.broker.read(TopicPartition(run.config.topics.own(STATE), number))
        kept = {message.key() or b"": message.value() for message in messages}
        check_snapshot({key: value for key, value in kept.items() if value is not None})


def held_ms(run: Simulation) -> int:
    """Event time of which something is held: what alignment lets run ahead of the slowest, disorder, a window, lateness, what is borrowed.

    A partition that lags is waited for; what the others sent in the meantime is held too.
    """
    lag_ms = max(arrival.at_ms - arrival.event.time_ms for arrival in run.script.arrivals if arrival.accepted)
    return run.config.engine.alignment * 20_000 + lag_ms + 5_000 + 20_000 + 20_000 + 60_000


def check_snapshot(kept: dict[bytes, bytes]) -> None:
    """What compaction leaves of a partition of the state topic."""
    manifest = kept.pop(b"manifest", None)
    chunks = {} if manifest is None else decode_manifest(manifest).chunks
    wanted = {f"{name}/{index}".encode() for name, count in chunks.items() for index in range(count)}
    if kept.keys() != wanted:
        raise Violation(f"the state topic keeps {sorted(kept.keys() - wanted)} for nobody, and misses {sorted(wanted - kept.keys())}")
    for key, value in kept.items():
        if len(value) > SNAPSHOT_BYTES_MAX:
            raise Violation(f"the snapshot of {key!r} has {len(value)} bytes")
