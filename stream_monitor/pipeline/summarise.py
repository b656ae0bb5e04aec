"""Phase 1: a micro-batch of messages becomes profiles per stream, segment and pane, and dead letters. Keeps nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.encode import Coded, slice_sums, summarise_groups
from stream_monitor.baseline.segments import Segmentation, places_in
from stream_monitor.baseline.strange import Strange
from stream_monitor.capture import cloudevents
from stream_monitor.capture.columns import Columns, Raw
from stream_monitor.capture.schema import PRODUCER
from stream_monitor.pipeline.plan import Plan, StreamPlan
from stream_monitor.profile import kernels
from stream_monitor.profile.anomalies import Anomalies, Far
from stream_monitor.profile.attributions import Attributions, AttributionSizes
from stream_monitor.profile.codec import PaneProfile, Segment
from stream_monitor.profile.extra import EXTRA_MAX
from stream_monitor.profile.ids import IdSample
from stream_monitor.profile.operations import CallBins, Operations
from stream_monitor.profile.profile import SAMPLES_MAX, Profile, Sample
from stream_monitor.profile.slice_codec import CELLS_MAX
from stream_monitor.profile.slices import SLICE_MS, Slices
from stream_monitor.profile.transit import Senders, Transit

NO_ID: Final = np.uint64(0)
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


def summarise(plan: Plan, columns: Sequence[Columns], messages: Sequence[Raw]) -> list[PaneProfile]:
    """The profiles of these decoded events, of the whole and of each segment, by pane; `columns[…].rows` index `messages`.

    One per stream, segment and pane, but where its slices are too many for one record: then others follow, of no event, with the rest.
    """
    return [pane for part in columns if len(part) for pane in _Batch(plan, plan.streams[part.stream], part, messages).panes()]


@dataclass(frozen=True)
class _Batch:
    """Events of one stream."""

    plan: Plan
    stream: StreamPlan
    columns: Columns
    messages: Sequence[Raw]

    def panes(self) -> Iterator[PaneProfile]:
        """Of the whole, then of each segmentation."""
        yield from self._cut(None)
        for segmentation in self.stream.segmentations:
            yield from self._cut(segmentation)

    def _cut(self, segmentation: Segmentation | None) -> Iterator[PaneProfile]:
        baseline, pane_ms = self.stream.baseline, self.stream.spec.pane_ms
        panes = self.columns.time_ms // pane_ms
        places, labels = self._places(segmentation)
        keys, group = np.unique(panes * len(labels) + places, return_inverse=True)
        summaries = summarise_groups(baseline, self._coded, group.astype(np.int32), len(keys))
        slices, anomalies = self._slices(group, len(keys)), self._anomalies(group.astype(np.int32), len(keys))
        parts = zip(keys.tolist(), _members(group, len(keys)), summaries, slices, anomalies, strict=True)
        for key, members, summary, own, strange in parts:
            pane, place = divmod(key, len(labels))
            transit = Transit.empty() if segmentation else self._senders.of(members)
            told = (self._samples(members), self._ids(members), self._extra(members))
            profile = Profile(*summary, *told, self._operations(members), self._attributions(members), transit, strange)
            for part, rest in zip(_parts(own), _first_then(profile, Profile.empty(baseline.layout)), strict=False):
                yield PaneProfile(self.stream.key, labels[place], pane * pane_ms, pane_ms, baseline.id, self.plan.revision, rest, part)

    def _places(self, segmentation: Segmentation | None) -> tuple[NDArray[np.int32], list[Segment]]:
        """Which segment each row is in, int32[n], and the segments."""
        if segmentation is None:
            return np.zeros(len(self.columns), dtype=np.int32), [()]
        return places_in(segmentation, self.columns), segmentation.keys

    @cached_property
    def _coded(self) -> Coded:
        return self.stream.baseline.encode(self.columns)

    def _slices(self, group: NDArray[np.int64], groups: int) -> Iterator[Slices]:
        """Those of each group."""
        seconds = self.columns.time_ms // SLICE_MS
        first = int(seconds.min())
        span = int(seconds.max()) - first + 1
        keys, place = np.unique(group * span + (seconds - first), return_inverse=True)
        n, sums = slice_sums(self.stream.baseline, self._coded, place.astype(np.int32), len(keys))
        bounds = np.searchsorted(keys // span, np.arange(groups + 1))
        whole = Slices(first + keys % span, n, sums)
        return (whole.part(low, high) for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))

    @cached_property
    def _taken(self) -> Sequence[Raw]:
        """Each event's message."""
        rows, messages = self.columns.rows, self.messages
        return messages if len(rows) == len(messages) else [messages[row] for row in rows.tolist()]  # rows rise: as many are all

    @cached_property
    def _senders(self) -> Senders:
        """Who sent each event, by `metadata.producer` or else by the header `ce_source`, and how long it took."""
        taken, named = self._taken, self.columns.metadata.get(PRODUCER)
        stamps = [stamp_ms if kind else np.nan for kind, stamp_ms in [message.timestamp() for message in taken]]
        delay_ms = np.array(stamps, dtype=np.float64) - self.columns.time_ms
        headers = [message.headers() for message in taken]
        if named is None and not any(headers):
            return Senders(None, delay_ms)
        pairs = zip(named or (None,) * len(taken), taken, strict=True)
        return Senders([name or cloudevents.attribute(message, cloudevents.SOURCE) for name, message in pairs], delay_ms)

    @cached_property
    def _priorities(self) -> NDArray[np.uint64]:
        """A pseudo-random number per message, from its coordinates alone (splitmix64), so that the same events are always the samples."""
        taken = self._taken
        offsets = np.array([message.offset() for message in taken], dtype=np.uint64)
        partitions = np.array([message.partition() for message in taken], dtype=np.uint64)
        mixed = (offsets + (partitions << np.uint64(48))) * _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        return mixed ^ (mixed >> np.uint64(31))

    def _samples(self, members: NDArray[np.int64]) -> tuple[Sample, ...]:
        if len(members) > SAMPLES_MAX:
            members = members[np.argpartition(self._priorities[members], SAMPLES_MAX)[:SAMPLES_MAX]]
        codes = self._coded.codes[:, members].T.astype("<u2")
        taken = [(int(self._priorities[member]), self.messages[int(self.columns.rows[member])]) for member in members]
        found = (
            Sample(priority, message.topic(), message.partition(), message.offset(), row.tobytes())
            for (priority, message), row in zip(taken, codes, strict=True)
        )
        return tuple(sorted(found))

    @cached_property
    def _id_hashes(self) -> NDArray[np.uint64]:
        """uint64[n]; empty where the events have no ids."""
        return hashes_of(self.columns.event_ids)

    def _ids(self, members: NDArray[np.int64]) -> IdSample:
        if not len(self._id_hashes):
            return IdSample.empty()
        hashes = self._id_hashes[members]
        return IdSample.of(hashes[hashes != NO_ID])

    def _extra(self, members: NDArray[np.int64]) -> Mapping[str, int]:
        held = {name: int(flags[members].sum()) for name, flags in self.columns.extra.items()}
        return dict(sorted((name, events) for name, events in held.items() if events)[:EXTRA_MAX])

    @cached_property
    def _call_bins(self) -> CallBins | None:
        return None if self.columns.calls is None else CallBins(self.columns.calls)

    def _operations(self, members: NDArray[np.int64]) -> Operations:
        return Operations.empty() if self._call_bins is None else self._call_bins.of(members)

    @cached_property
    def _attribution_sizes(self) -> AttributionSizes | None:
        baseline, attributed = self.stream.baseline, self.columns.attributions
        return AttributionSizes(attributed, baseline.layout, baseline.attribution.scale) if attributed and baseline.attribution else None

    def _attributions(self, members: NDArray[np.int64]) -> Attributions:
        return Attributions.empty() if self._attribution_sizes is None else self._attribution_sizes.of(members)

    @cached_property
    def _strange(self) -> Strange:
        return Strange(self.stream.baseline, self._coded)

    def _anomalies(self, group: NDArray[np.int32], groups: int) -> Iterator[Anomalies]:
        """Those of each group."""
        outliers, joint = self._strange.count(group, groups)
        far: list[list[Far]] = [[] for _ in range(groups)]
        for row in self._strange.far().tolist():
            message = self.messages[int(self.columns.rows[row])]
            far[group[row]].append(Far(int(self._strange.squared[row]), message.topic(), message.partition(), message.offset()))
        return (Anomalies.of(outliers[g], joint[g], far[g]) for g in range(groups))


def hashes_of(ids: Sequence[str]) -> NDArray[np.uint64]:
    """uint64[n], see `kernels.hash_texts`; `NO_ID` for an empty one, which is none; empty where no event has one (a table without ids)."""
    if not any(ids):
        return np.zeros(0, dtype=np.uint64)
    data = "".join(ids).encode("utf-8", "surrogatepass")
    ends = np.cumsum(np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)))
    if len(data) != ends[-1]:  # not all of it is ASCII
        ends = np.cumsum(np.array([len(text.encode("utf-8", "surrogatepass")) for text in ids], dtype=np.int64))
    hashes = np.empty(len(ids), dtype=np.uint64)
    kernels.hash_texts(np.frombuffer(bytearray(data), dtype=np.uint8), ends, hashes)
    hashes[np.diff(ends, prepend=0) == 0] = NO_ID
    return hashes


def _members(group: NDArray[np.int64], groups: int) -> Iterator[NDArray[np.int64]]:
    """The rows of each group, rising."""
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(groups + 1))
    return (order[low:high] for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def _parts(slices: Slices) -> Iterator[Slices]:
    """At least one, of at most `CELLS_MAX` cells each."""
    step = max(CELLS_MAX // max(slices.n.shape[1], 1), 1)
    return (slices.part(first, first + step) for first in range(0, len(slices), step))


def _first_then(first: Profile, then: Profile) -> Iterator[Profile]:
    yield first
    while True:
        yield then
