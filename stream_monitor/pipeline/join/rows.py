"""One row per event id: what is kept of its capture and its label, and what that says."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.profile.delay import delay_bin
from stream_monitor.profile.outcome import NO_CLASS
from stream_monitor.profile.outcome_rows import OutcomeRows
from stream_monitor.profile.slices import POSITION_SCALE, Slices

UNSEEN: Final = -1
"""Stands for the time of a capture or label that did not come yet."""

Rows = NDArray[Any]
"""One record per event id, see `row_type`."""


def row_type(groups: int, segmentations: int) -> "np.dtype[np.void]":
    """What is kept of an event. fed: its loss was told to the sequential detectors, which take nothing back."""
    return np.dtype(
        [
            ("id", "<u8"),
            ("time_ms", "<i8"),
            ("label_ms", "<i8"),
            ("first_label_ms", "<i8"),
            ("value", "<f8"),
            ("truth", "<f8"),
            ("stream", "<u2"),
            ("predicted", "<u2"),
            ("score", "<u2"),
            ("label", "<u2"),
            ("fed", "<u1"),
            ("groups", "<u2", (groups,)),
            ("segments", "<u2", (segmentations,)),
        ]
    )


def bytes_of(rows: Rows) -> NDArray[np.uint8]:
    """uint8[n, bytes of a row]: equal where all is equal, NaN too."""
    return rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)


def is_labelled(rows: Rows, plan: JoinPlan) -> NDArray[np.bool_]:
    """Captured, predicted and labelled."""
    if plan.layout.task == "regression":
        paired = np.isfinite(rows["truth"]) & np.isfinite(rows["value"])
    else:
        paired = (rows["label"] != NO_CLASS) & (rows["predicted"] != NO_CLASS)
    return np.asarray(paired & (rows["time_ms"] != UNSEEN), dtype=np.bool_)


def loss_of(rows: Rows, plan: JoinPlan) -> NDArray[np.float64]:
    """float64[n] in [0, 1]: 1 for a wrong class; for a number |e| / (|e| + s), s being the baseline's standard deviation."""
    if plan.layout.task == "regression":
        error = np.abs(rows["value"] - rows["truth"])
        return np.asarray(error / (error + plan.layout.scale), dtype=np.float64)
    return np.asarray(rows["label"] != rows["predicted"], dtype=np.float64)


def loss_slices(seconds: NDArray[np.int64], loss: NDArray[np.int64]) -> Slices:
    """Losses as slices of one column. seconds, loss: int64[n], slice numbers and losses in 2^-20."""
    starts, place = np.unique(seconds, return_inverse=True)
    n, sums = np.zeros((len(starts), 1), dtype=np.int64), np.zeros((len(starts), 3, 1), dtype=np.int64)
    np.add.at(n[:, 0], place, 1)
    for row, values in enumerate((loss, loss * loss, np.abs(2 * loss - POSITION_SCALE))):
        np.add.at(sums[:, row, 0], place, values)
    return Slices(starts, n, sums)


def outcome_rows(rows: Rows) -> OutcomeRows:
    """The same as columns, for `add_outcomes`."""
    delay = delay_bin(rows["first_label_ms"] - rows["time_ms"])
    groups = np.ascontiguousarray(rows["groups"].T)
    plain = (np.ascontiguousarray(rows[name]) for name in ("predicted", "score", "value"))
    predicted, score, value = plain
    return OutcomeRows(predicted, score, value, groups, np.ascontiguousarray(rows["label"]), np.ascontiguousarray(rows["truth"]), delay)


def part_of(rows: OutcomeRows, chosen: NDArray[np.int64]) -> OutcomeRows:
    """Those at the places `chosen`, int64[m]."""
    columns: tuple[Any, ...] = tuple(column[..., chosen] for column in rows)
    return OutcomeRows(*columns)
