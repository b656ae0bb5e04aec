"""What a model's join must know: how classes, scores and groups are coded, how long labels are waited for, how many rows there may be."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.answers import Answers
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.segments import Segmentation, places_in
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.convert import category, number
from stream_monitor.capture.labels import Labels
from stream_monitor.capture.schema import PREDICTION, SCORE, Role, StreamKey
from stream_monitor.errors import CodecError
from stream_monitor.pipeline.join.record import OTHER_SEGMENT, CaptureRows, JoinRecord, LabelRows
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.outcome import OutcomeLayout
from stream_monitor.profile.score import score_codes
from stream_monitor.window.spec import WindowSpec


@dataclass(frozen=True)
class JoinPlan:
    """One model's. facets: one segmentation for each facet, whose segments are `layout.groups`, in order; answers: of streams whose
    baseline has any: what their combinations of features' bins are, which are no groups that anybody is compared by.

    baselines: the model's streams, in order, each with its baseline's id; segmentations: by stream; all streams have the outcomes' one
    layout. rows_max: rows held before the join narrows to a sample; relief: of each of `layout.groups`, so many zero bits fewer are
    asked of its events then, see `sample`; empty: of none.
    """

    model: str
    layout: OutcomeLayout
    layout_id: str
    facets: tuple[Segmentation, ...]
    baselines: Mapping[StreamKey, str]
    segmentations: Mapping[StreamKey, tuple[Segmentation, ...]]
    spec: WindowSpec
    label_lateness_ms: int
    rows_max: int
    answers: Mapping[StreamKey, Answers] = field(default_factory=dict)
    relief: tuple[int, ...] = ()

    def check(self, record: JoinRecord) -> None:
        """Codes beyond the layout would be counted wherever they point to. Errors: CodecError."""
        codes = len(self.layout.classes) + 2
        for stream, _, rows in record.captures:
            fits = rows.groups.shape[0] == self.group_columns and rows.segments.shape[0] == self.segment_columns
            facets, cells = rows.groups[: len(self.facets)], rows.groups[len(self.facets) :]
            fits = fits and _below(facets, len(self.layout.groups)) and _below(cells, self.layout.places + 1)
            if not fits or not _below(rows.predicted, codes) or not rows.ids.all():
                raise CodecError(f"rows of {stream.model} that do not fit the layout of their outcomes")
        if record.labels is not None and not (_below(record.labels.label, codes) and record.labels.ids.all()):
            raise CodecError(f"labels of {record.model} that do not fit the layout of their outcomes")

    @property
    def streams(self) -> tuple[StreamKey, ...]:
        """The model's, in order."""
        return tuple(self.baselines)

    @property
    def group_columns(self) -> int:
        """F: one for each facet, and then one for the combination of features' bins, where these are counted."""
        return len(self.facets) + bool(self.layout.cells)

    @property
    def segment_columns(self) -> int:
        """S: how many segmentations the stream with the most of them has."""
        return max((len(each) for each in self.segmentations.values()), default=0)

    @cached_property
    def reliefs(self) -> tuple[int, ...]:
        """All that there are, rising, from 0 on."""
        return tuple(sorted({0, *self.relief}))

    @cached_property
    def _relief_places(self) -> NDArray[np.int64]:
        return np.searchsorted(self.reliefs, self.relief)

    def relief_place(self, groups: NDArray[np.uint16]) -> NDArray[np.int64]:
        """int64[n]: the place in `reliefs` of each event: of its most relieved group. groups: uint16[n, F]."""
        if len(self.reliefs) == 1:
            return np.zeros(len(groups), dtype=np.int64)
        found: NDArray[np.int64] = self._relief_places[groups[:, : len(self.facets)]].max(axis=1)
        return found

    def units(self, stream: StreamKey) -> list[list[Segment]]:
        """For each of the stream's segmentations its segments, by place."""
        return [each.keys for each in self.segmentations[stream]]

    def pane_of(self, time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n]: where the pane of each event time begins."""
        panes: NDArray[np.int64] = time_ms // self.spec.pane_ms * self.spec.pane_ms
        return panes

    def capture_rows(self, columns: Columns, ids: NDArray[np.uint64], taken: NDArray[np.int64]) -> CaptureRows:
        """The events at the places `taken`, int64[n]."""
        by_name = {column.name: place for place, column in enumerate(columns.schema.columns) if column.role is not Role.FEATURE}
        n, time_ms = len(taken), columns.time_ms[taken]
        predicted, value = np.zeros(n, dtype=np.uint16), np.full(n, np.nan)
        if PREDICTION in by_name:
            values = columns.values[by_name[PREDICTION]]
            if isinstance(values, np.ndarray):
                value = np.where(np.isfinite(values[taken]), values[taken], np.nan)
            else:
                predicted = self.layout.class_codes([values[place] for place in taken.tolist()])
        score = np.zeros(n, dtype=np.uint16)
        if SCORE in by_name and self.layout.scored:
            scores = columns.values[by_name[SCORE]]
            assert isinstance(scores, np.ndarray)
            score = score_codes(scores[taken])
        return CaptureRows(ids[taken], time_ms, predicted, score, value, self._groups(columns, taken), self._segments(columns, taken))

    def label_rows(self, labels: Labels, ids: NDArray[np.uint64]) -> LabelRows:
        """The labels as codes and numbers; equal numbers are one class, as in training."""
        time_ms = np.array(labels.time_ms, dtype=np.int64)
        if self.layout.task == "regression":
            truth = np.array([number(value) for value in labels.values], dtype=np.float64)
            return LabelRows(ids, time_ms, np.zeros(len(ids), dtype=np.uint16), truth)
        return LabelRows(ids, time_ms, self.layout.label_codes([category(value) for value in labels.values]), np.full(len(ids), np.nan))

    def _groups(self, columns: Columns, taken: NDArray[np.int64]) -> NDArray[np.uint16]:
        found = np.full((self.group_columns, len(taken)), self.layout.places, dtype=np.uint16)
        start = 0
        for row, facet in enumerate(self.facets):
            found[row] = start + places_in(facet, columns)[taken]
            start += len(facet.keys)
        if columns.stream in self.answers:
            found[-1] = len(self.layout.groups) + self.answers[columns.stream].cells(columns)[taken]
        return found

    def _segments(self, columns: Columns, taken: NDArray[np.int64]) -> NDArray[np.uint16]:
        found = np.full((self.segment_columns, len(taken)), OTHER_SEGMENT, dtype=np.uint16)
        for row, each in enumerate(self.segmentations[columns.stream]):
            found[row] = places_in(each, columns)[taken]
        return found


def _below(codes: NDArray[np.uint16], limit: int) -> bool:
    return int(codes.max(initial=0)) < max(limit, 1)


def layout_id(
    layout: OutcomeLayout, relief: Sequence[int], main: Baseline, segments: Sequence[str], segment_columns: int, spec: WindowSpec
) -> str:
    """16 hex digits that differ where rows of all streams mean something else, or have another shape. main: the model's own baseline."""
    parts = repr((layout, tuple(relief), main.id, list(segments), segment_columns, spec))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
