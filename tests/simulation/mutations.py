"""Bugs on purpose: each is one mistake that somebody could make here, switched on for a run. All must be caught, or the simulator is blind.

`python -m tests.simulation --mutation NAME --seeds 0-99` shows how one is caught.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import msgspec

from stream_monitor.alert.life import AlertBook, BookState
from stream_monitor.alert.telling import TellingState
from stream_monitor.capture.decode import Decoder
from stream_monitor.detect.sequential.watch import Sequential
from stream_monitor.errors import CodecError, VersionError
from stream_monitor.pipeline import saved
from stream_monitor.pipeline import step as steps
from stream_monitor.pipeline.beside import Beside
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.unit import Unit
from stream_monitor.profile.profile import Profile
from stream_monitor.runtime import detect_worker
from stream_monitor.runtime.broker import Record, TopicPartition
from stream_monitor.runtime.completeness import Reading
from stream_monitor.runtime.detect_worker import DetectWorker, Owned
from stream_monitor.runtime.memory import MemoryMember
from stream_monitor.runtime.memory.groups import Group
from stream_monitor.runtime.memory.log import PartitionLog
from stream_monitor.runtime.memory.transactions import Transactions
from stream_monitor.runtime.profile_worker import ProfileWorker
from stream_monitor.runtime.snapshots import Snapshots
from stream_monitor.runtime.sources import Sources
from stream_monitor.window.progress import SourceProgress, Tracker
from stream_monitor.window.windows import Windows

Mutation = Callable[[], Any]
MUTATIONS: dict[str, Mutation] = {}
"""By name; the docstring says what is wrong."""


def mutation(make: Callable[[], Iterator[None]]) -> Mutation:
    """Register a context manager under its name."""
    MUTATIONS[make.__name__] = contextmanager(make)
    return MUTATIONS[make.__name__]


def instead(owner: Any, name: str, make: Callable[[Any], Any]) -> Any:
    """`owner.name` is `make(original)` within."""
    return patch.object(owner, name, make(getattr(owner, name)))


# ---- phase 1


@mutation
def offsets_committed_before_outputs() -> Iterator[None]:
    """The offsets go in a transaction of their own, before that of the outputs."""

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def begin(member: MemoryMember) -> None:
            original(member)
            worker = member.__dict__.get("worker")
            if worker is not None:
                ends = worker._sources.next_offsets()
                member.commit(ends)
                original(member)

        return begin

    def transact(original: Callable[..., None]) -> Callable[..., None]:
        def run(worker: ProfileWorker, messages: Sequence[Any]) -> None:
            worker._member.__dict__["worker"] = worker
            original(worker, messages)

        return run

    with instead(MemoryMember, "begin", make), instead(ProfileWorker, "_transact", transact):
        yield


@mutation
def progress_to_one_partition() -> Iterator[None]:
    """Progress goes to the first profiles partition alone."""
    with instead(ProfileWorker, "_progress", lambda original: lambda worker: list(original(worker))[:1]):
        yield


@mutation
def dead_letters_forgotten() -> Iterator[None]:
    """What is no event is left out in silence."""
    with instead(ProfileWorker, "_dead_letters", lambda _: lambda worker, rejects, messages: []):
        yield


@mutation
def future_event_accepted() -> Iterator[None]:
    """An event from the future is taken, and moves the watermark."""
    with instead(Decoder, "decode", lambda original: lambda decoder, messages, clock_ms: original(decoder, messages, None)):
        yield


@mutation
def event_time_kept_over_an_abort() -> Iterator[None]:
    """After an abort the watermark is told as far as what was read, which nobody has."""

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def rewind(sources: Sources, committed: Mapping[TopicPartition, int]) -> None:
            for partition, next_offset in committed.items():
                sources.by_partition[partition].next_offset = next_offset

        return rewind

    with instead(Sources, "rewind", make):
        yield


@mutation
def not_rewound_after_an_abort() -> Iterator[None]:
    """After an abort reading goes on where it was."""

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def abort(member: MemoryMember) -> None:
            before = dict(member._positions)
            original(member)
            member._positions |= before

        return abort

    with instead(MemoryMember, "abort", make):
        yield


@mutation
def lost_partition_still_reported() -> Iterator[None]:
    """A revoked partition stays among the sources, and its old place is told on."""
    with instead(Sources, "revoke", lambda _: lambda sources, partitions: None):
        yield


@mutation
def paused_partition_is_idle() -> Iterator[None]:
    """A partition that we paused or lag behind on counts as silent."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def progress(sources: Sources, at_end: Any, idle_after_ms: int, clock_ms: int) -> tuple[SourceProgress, ...]:
            awake = {at: replace(each, paused=False) for at, each in sources.by_partition.items()}
            return original(Sources(awake), set(awake), min(idle_after_ms, 3_000), clock_ms)  # type: ignore[no-any-return]

        return progress

    with instead(Sources, "progress", make):
        yield


# ---- the watermark


@mutation
def dead_owners_idle_flag_believed() -> Iterator[None]:
    """An idle flag never expires."""
    with instead(Tracker, "_is_idle", lambda _: lambda tracker, report: report.idle):
        yield


@mutation
def unreported_partition_ignored() -> Iterator[None]:
    """A partition that never reported holds nothing back."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def reached(tracker: Tracker) -> int | None:
            known = {topic for topic, _ in tracker.reports}
            counts = {topic: 1 + max(number for name, number in tracker.reports if name == topic) for topic in known}
            before, tracker.partition_counts = tracker.partition_counts, counts
            try:
                return original(tracker)  # type: ignore[no-any-return]
            finally:
                tracker.partition_counts = before

        return reached

    with instead(Tracker, "_reached", make):
        yield


@mutation
def fastest_partition_counts() -> Iterator[None]:
    """The watermark is the maximum over partitions."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def reached(tracker: Tracker) -> int | None:
            times = [report.event_time_ms for report in tracker.reports.values() if report.event_time_ms is not None]
            return original(tracker) and max(times, default=None)

        return reached

    with instead(Tracker, "_reached", make):
        yield


@mutation
def watermark_follows_the_last_report() -> Iterator[None]:
    """The watermark goes back when a slower partition wakes up."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def apply(tracker: Tracker, progress: Any) -> None:
            tracker.event_time_ms = None
            original(tracker, progress)

        return apply

    with instead(Tracker, "apply", make):
        yield


# ---- windows and state


@mutation
def pane_closed_one_early() -> Iterator[None]:
    """Windows close a pane before the watermark passes their end."""
    with instead(Windows, "advance", lambda original: lambda windows, ms: original(windows, ms + windows.spec.pane_ms)):
        yield


@mutation
def nothing_forgotten() -> Iterator[None]:
    """Panes stay though no window can need them any more."""
    with instead(Windows, "forget", lambda _: lambda windows: False):
        yield


@mutation
def late_pane_accepted() -> Iterator[None]:
    """Nothing is ever too late."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def add(windows: Windows, start: int, profile: Profile) -> bool:
            before, windows.spec = windows.spec, replace(windows.spec, lateness_ms=10**12)
            try:
                return original(windows, start, profile)  # type: ignore[no-any-return]
            finally:
                windows.spec = before

        return add

    with instead(Windows, "add", make):
        yield


def forgetful(field: str) -> Any:
    """Where profiles of one pane or window merge, the second's field is lost."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def run(worker: DetectWorker, *arguments: Any) -> None:
            merge = Profile.merge
            with patch.object(Profile, "merge", lambda a, b: replace(merge(a, b), **{field: getattr(a, field)})):
                original(worker, *arguments)

        return run

    return instead(DetectWorker, "_step", make)


@mutation
def merge_forgets_the_moments() -> Iterator[None]:
    """Two profiles merge without the moments of the second."""
    with forgetful("moments"):
        yield


@mutation
def merge_forgets_the_ids() -> Iterator[None]:
    """Two profiles merge without the second's sample of ids."""
    with forgetful("ids"):
        yield


@mutation
def merge_forgets_the_attributions() -> Iterator[None]:
    """Two profiles merge without what the second's features counted."""
    with forgetful("attributions"):
        yield


@mutation
def panes_merge_across_baselines() -> Iterator[None]:
    """A profile made on another baseline is taken."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def unfit(plan: Any, sealed: Any) -> str | None:
            reason = original(plan, sealed)
            return None if reason == "baseline_replaced" else reason

        return unfit

    with instead(steps, "_unfit", make):
        yield


@mutation
def alert_life_advanced_by_a_revision() -> Iterator[None]:
    """A corrected window counts as another window for the alert."""
    with instead(AlertBook, "correct", lambda _: AlertBook.advance):
        yield


@mutation
def silence_never_judged() -> Iterator[None]:
    """Windows without an event are passed over."""
    with instead(Unit, "silent_ends", lambda _: lambda unit, until_ms: range(0)):
        yield


@mutation
def current_version_read_after_it_went_on() -> Iterator[None]:
    """A version is held against what the current one still holds when its own turn comes."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def step(state: State, record: Any, *arguments: Any) -> Any:
            class Now:
                panes = property(lambda _: {key: unit.windows.panes for key, unit in state.units.items()})
                outcomes = property(lambda _: {key[0]: unit.labelled.outcomes.panes for key, unit in state.units.items() if unit.labelled})
                scores, outcome_scores, others = Beside.scores, Beside.outcome_scores, Beside.others

            with patch.object(Beside, "of", lambda _: Now()):
                return original(state, record, *arguments)

        return step

    with instead(steps, "_take_in", make):
        yield


# ---- restarts


@mutation
def restore_skipped() -> Iterator[None]:
    """A new owner begins with an empty state."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def restored(worker: DetectWorker, partition: TopicPartition, committed: int) -> Owned:
            owned: Owned = original(worker, partition, committed)
            return replace(owned, state=State.empty(worker._config_log.current()))

        return restored

    with instead(DetectWorker, "_restored", make):
        yield


@mutation
def restored_from_the_snapshot_alone() -> Iterator[None]:
    """The records between the snapshot and the committed offset are skipped."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def restored(worker: DetectWorker, partition: TopicPartition, committed: int) -> Owned:
            with patch.object(DetectWorker, "_step", lambda *_: None):
                return original(worker, partition, committed)  # type: ignore[no-any-return]

        return restored

    with instead(DetectWorker, "_restored", make):
        yield


@mutation
def snapshot_taken_before_the_commit() -> Iterator[None]:
    """Snapshots are written outside of the transaction: those of an aborted one stay."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def snapshot(worker: DetectWorker, owned: Owned) -> Iterable[Record]:
            worker._broker.publish(list(original(worker, owned)))
            return ()

        return snapshot

    with instead(DetectWorker, "_snapshot", make):
        yield


@mutation
def unsaved_state_saved_at_close() -> Iterator[None]:
    """A worker in trouble saves what was never committed."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def close(worker: DetectWorker) -> None:
            worker._is_clean = True
            original(worker)

        return close

    with instead(DetectWorker, "close", make):
        yield


@mutation
def state_kept_after_an_abort() -> Iterator[None]:
    """After an abort the state goes on, and what is read again is taken for known."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def start_over(worker: DetectWorker, error: Exception) -> None:
            worker._is_clean = True
            worker._member.abort()

        return start_over

    with instead(DetectWorker, "_start_over", make):
        yield


@mutation
def gone_unit_left_in_the_snapshot() -> Iterator[None]:
    """A unit that a config removed is not removed from the state topic's manifest."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def records(held: Snapshots, state: State, next_offset: int, unannounced: Any) -> Iterable[Record]:
            known = dict(held.chunks)
            made = [record for record in original(held, state, next_offset, unannounced) if record.value is not None]
            held.chunks = known | held.chunks
            return made

        return records

    with instead(Snapshots, "records", make):
        yield


@mutation
def pending_seconds_not_saved() -> Iterator[None]:
    """What the sequential detectors have not read yet is lost in a restart."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def encode(watch: Sequential) -> bytes:
            pending, watch._pending = watch._pending, {}
            try:
                return original(watch)  # type: ignore[no-any-return]
            finally:
                watch._pending = pending

        return encode

    with instead(Sequential, "encode", make):
        yield


@mutation
def revisions_not_saved() -> Iterator[None]:
    """How often a window was told is forgotten in a restart."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def save(state: State, key: Any) -> bytes:
            unit = state.units[key]
            kept, unit.revisions = unit.revisions, {}
            try:
                return original(state, key)  # type: ignore[no-any-return]
            finally:
                unit.revisions = kept

        return save

    with instead(saved, "save_unit", make):
        yield


@mutation
def missed_record_not_noticed() -> Iterator[None]:
    """Nobody counts the profiles that a transaction announced."""
    with instead(Reading, "take", lambda _: lambda reading, message: None):
        yield


@mutation
def unannounced_not_saved() -> Iterator[None]:
    """Which profiles of an open transaction were read is forgotten in a restart: they are read twice."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def records(held: Snapshots, state: State, next_offset: int, unannounced: Any) -> Iterable[Record]:
            return original(held, state, next_offset, {})  # type: ignore[no-any-return]

        return records

    with instead(Snapshots, "records", make):
        yield


@mutation
def what_was_told_not_saved() -> Iterator[None]:
    """Which findings were counted, and which alerts were told, is forgotten in a restart."""

    def make(original: Callable[..., BookState]) -> Callable[..., BookState]:
        return lambda book: msgspec.structs.replace(original(book), counted=(), telling=TellingState())

    with instead(AlertBook, "to_state", make):
        yield


# ---- versions, and the broker itself


@mutation
def newer_record_is_foreign() -> Iterator[None]:
    """A record of newer software is put aside as if it were not ours."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(message: Any) -> Any:
            try:
                return original(message)
            except VersionError as error:
                raise CodecError(str(error)) from None

        return read

    with instead(detect_worker, "read_record", make):
        yield


@mutation
def no_fencing() -> Iterator[None]:
    """Nobody is fenced, neither by epoch nor by generation."""
    live = lambda transactions, transactional_id, epoch: transactions._producers[transactional_id]  # noqa: E731
    with instead(Transactions, "_live", lambda _: live), instead(Group, "check", lambda _: lambda group, member_id, partitions: None):
        yield


@mutation
def uncommitted_read() -> Iterator[None]:
    """Readers see what is not committed yet."""
    with patch.object(PartitionLog, "stable_offset", property(lambda log: log.end_offset)):
        yield
