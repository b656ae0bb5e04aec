"""Phase 1: a micro-batch of messages becomes one profile per stream and pane, and dead letters. Keeps nothing."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.encode import Coded, summarise_groups
from stream_monitor.capture.columns import Columns, Raw
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.profile.codec import PaneProfile
from stream_monitor.profile.profile import SAMPLES_MAX, Profile, Sample

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


def summarise(plan: Plan, columns: Sequence[Columns], messages: Sequence[Raw]) -> list[PaneProfile]:
    """One profile per stream and pane of these decoded events; `columns[…].rows` index `messages`."""
    return [pane for part in columns for pane in _panes(plan, plan.streams[part.stream], part, messages)]


def _panes(plan: Plan, stream: StreamPlan, columns: Columns, messages: Sequence[Raw]) -> Iterator[PaneProfile]:
    pane_ms = stream.spec.pane_ms
    starts, group = np.unique(columns.time_ms - columns.time_ms % pane_ms, return_inverse=True)
    coded = stream.baseline.encode(columns)
    summaries = summarise_groups(stream.baseline, coded, group.astype(np.int32), len(starts))
    priorities = _priorities(columns.rows, messages)
    for index, (start, summary) in enumerate(zip(starts.tolist(), summaries, strict=True)):
        samples = _samples(np.flatnonzero(group == index), priorities, coded, columns.rows, messages)
        profile = Profile(*summary, samples)
        yield PaneProfile(stream.key, (), start, pane_ms, stream.baseline.id, plan.revision, profile)


def _priorities(rows: NDArray[np.int64], messages: Sequence[Raw]) -> NDArray[np.uint64]:
    """A pseudo-random number per message, from its coordinates alone (splitmix64), so that the same events are always the samples."""
    taken = messages if len(rows) == len(messages) else [messages[row] for row in rows.tolist()]  # rows rise: as many are all
    offsets = np.array([message.offset() for message in taken], dtype=np.uint64)
    partitions = np.array([message.partition() for message in taken], dtype=np.uint64)
    mixed = (offsets + (partitions << np.uint64(48))) * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))


def _samples(
    members: NDArray[np.int64], priorities: NDArray[np.uint64], coded: Coded, rows: NDArray[np.int64], messages: Sequence[Raw]
) -> tuple[Sample, ...]:
    if len(members) > SAMPLES_MAX:
        members = members[np.argpartition(priorities[members], SAMPLES_MAX)[:SAMPLES_MAX]]
    codes = coded.codes[:, members].T.astype("<u2")
    taken = [(int(priorities[member]), messages[int(rows[member])]) for member in members]
    found = (
        Sample(priority, message.topic(), message.partition(), message.offset(), row.tobytes())
        for (priority, message), row in zip(taken, codes, strict=True)
    )
    return tuple(sorted(found))
