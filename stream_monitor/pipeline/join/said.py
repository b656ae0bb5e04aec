"""What rows of a join say: outcomes by unit and pane, as what must be added, and losses as slices."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.join.rows import UNSEEN, Rows, loss_of, loss_slices, outcome_rows, part_of
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.outcome_rows import OutcomeRows, add_outcomes
from stream_monitor.profile.slices import POSITION_SCALE, SLICE_MS, Slices

BLOCK: Final = 256
"""Vectors of panes of units that are added up at a time: 8 MB of a binary model's, 38 MB of one of 32 classes. Labels of one batch may
touch all panes of a week.
"""


class Change(NamedTuple):
    """What rows changed in one pane of one unit: add `by`, int64[m], at the places `at` of its vectors, int64[m], each there once.

    A pane has one vector for each of `JoinPlan.reliefs`, one behind another, for their rows stand for unequal numbers of events.

    touched: rows that changed.
    """

    stream: StreamKey
    segment: Segment
    pane_ms: int
    at: NDArray[np.int64]
    by: NDArray[np.int64]
    touched: int


class Losses(NamedTuple):
    """Losses that became known, of one unit, as slices of one column in the order of the time at which they could be known."""

    stream: StreamKey
    segment: Segment
    slices: Slices


@dataclass(slots=True)
class Answer:
    """What a record or the passing of time did. orphans: labels whose event never came; late: events that came too late to be joined;
    duplicates: captures of an event that was known; narrowed: rows dropped because there were too many.
    """

    changes: list[Change] = field(default_factory=list)
    losses: list[Losses] = field(default_factory=list)
    labels: int = 0
    orphans: int = 0
    late: int = 0
    duplicates: int = 0
    narrowed: int = 0


def differences(plan: JoinPlan, before: Rows, after: Rows, horizon_ms: int | None) -> Iterator[Change]:
    """What units and panes must add so that they stand as `after` says and no longer as `before` does, row by row.

    horizon_ms: panes that begin before it are told of no more, None: all are.
    """
    rows, number = np.concatenate([before, after]), np.concatenate([np.arange(len(before)), np.arange(len(after))])
    told = rows["time_ms"] != UNSEEN
    if horizon_ms is not None:
        told &= plan.pane_of(rows["time_ms"]) >= horizon_ms
    for place, stream in enumerate(plan.streams):
        mine = np.flatnonzero(told & (rows["stream"] == place))
        if len(mine):
            yield from _by_unit(plan, stream, rows[mine], np.where(mine < len(before), -1, 1), number[mine])


def losses(plan: JoinPlan, rows: Rows, watermark_ms: int | None) -> Iterator[Losses]:
    """Slices of the losses of rows that are labelled for the first time; seconds that were read already are moved to the present."""
    known_ms = np.maximum(rows["time_ms"], rows["first_label_ms"])
    if watermark_ms is not None:
        known_ms = np.maximum(known_ms, watermark_ms)
    seconds, loss = -(-known_ms // SLICE_MS), np.rint(loss_of(rows, plan) * POSITION_SCALE).astype(np.int64)
    for place, stream in enumerate(plan.streams):
        mine = np.flatnonzero(rows["stream"] == place)
        for segments, places in _cuts(plan, stream, rows[mine]):
            for segment in np.unique(places).tolist():
                if segment < len(segments):
                    chosen = mine[places == segment]
                    yield Losses(stream, segments[segment], loss_slices(seconds[chosen], loss[chosen]))


def _by_unit(plan: JoinPlan, stream: StreamKey, rows: Rows, signs: NDArray[np.int64], number: NDArray[np.int64]) -> Iterator[Change]:
    """number: the same for what a row was and what it is: it counts once as touched."""
    panes, outcome, relief = plan.pane_of(rows["time_ms"]), outcome_rows(rows), plan.relief_place(rows["groups"])
    panes_max = BLOCK // len(plan.reliefs)
    for segments, places in _cuts(plan, stream, rows):
        units, row = len(segments), np.flatnonzero(places < len(segments))
        keys, place = np.unique(panes[row] * units + places[row], return_inverse=True)
        touched = np.bincount(np.unique(number[row] * len(keys) + place) % max(len(keys), 1), minlength=len(keys))
        row, place = row[order := np.argsort(place, kind="stable")], place[order]
        for start in range(0, len(keys), panes_max):
            part = slice(*np.searchsorted(place, (start, start + panes_max)))
            block = part_of(outcome, row[part])
            of_vector = (place[part] - start) * len(plan.reliefs) + relief[row[part]]
            out = _added(plan, block, of_vector, signs[row[part]], min(panes_max, len(keys) - start))
            for key, vector, n in zip(keys[start:].tolist(), out, touched[start:].tolist(), strict=False):
                at = np.flatnonzero(vector)
                yield Change(stream, segments[key % units], key // units, at, vector[at], n)


def _added(plan: JoinPlan, rows: OutcomeRows, place: NDArray[np.int64], signs: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """int64[n, R * N]: the vectors of n panes. place: int64[m], of each row's vector among all of them."""
    out = np.zeros((n * len(plan.reliefs), plan.layout.size), dtype=np.int64)
    for sign in (-1, 1):
        add_outcomes(plan.layout, rows, np.where(signs == sign, place, -1), sign, out)
    return out.reshape(n, -1)


def _cuts(plan: JoinPlan, stream: StreamKey, rows: Rows) -> Iterator[tuple[list[Segment], NDArray[np.int64]]]:
    """The whole, then each segmentation: its segments, and the place of each row among them."""
    yield [()], np.zeros(len(rows), dtype=np.int64)
    for number, segments in enumerate(plan.units(stream)):
        yield segments, rows["segments"][:, number].astype(np.int64)
