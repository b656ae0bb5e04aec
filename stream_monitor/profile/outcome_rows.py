"""Events and their labels as columns, and what they add to the vector of a layout, see `outcome`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.kernels import compiled
from stream_monitor.profile.outcome import NO_CLASS, OutcomeLayout
from stream_monitor.profile.score import SCORE_SUMS


class OutcomeRows(NamedTuple):
    """n events and what is known of each.

    predicted, score, label: uint16[n], codes; groups: uint16[F, n], places in `OutcomeLayout.groups`, and from their number on those of
    combinations of features' bins; value, truth: float64[n], a regression's prediction and label, NaN: there is none; delay: uint8[n],
    bins.
    """

    predicted: NDArray[np.uint16]
    score: NDArray[np.uint16]
    value: NDArray[np.float64]
    groups: NDArray[np.uint16]
    label: NDArray[np.uint16]
    truth: NDArray[np.float64]
    delay: NDArray[np.uint8]


def add_outcomes(layout: OutcomeLayout, rows: OutcomeRows, place: NDArray[np.int64], sign: int, out: NDArray[np.int64]) -> None:
    """Add (sign 1) or take back (sign -1) every row's part to out, int64[P, N], at `place`, int64[n]; rows with -1 are left out."""
    if layout.task == "regression":
        start = layout.starts["errors"]
        _add_errors(
            rows.value,
            rows.truth,
            rows.groups,
            layout.center,
            layout.scale,
            np.array(layout.edges, dtype=np.float64),
            place,
            sign,
            start,
            layout.starts.get("by_value", -1),
            layout.starts.get("answers", -1),
            layout.cells,
            out,
        )
        is_labelled = np.isfinite(rows.value) & np.isfinite(rows.truth)
    else:
        _add_classes(
            rows.predicted,
            rows.label,
            rows.score,
            rows.groups,
            len(layout.classes) + 2,
            layout.positive_code,
            layout.starts.get("scores", -1),
            layout.starts.get("score_sums", -1),
            layout.starts.get("confidence", -1),
            layout.starts.get("groups", -1),
            layout.starts.get("answers", -1),
            len(layout.groups),
            layout.places,
            SCORE_SUMS,
            place,
            sign,
            out,
        )
        is_labelled = rows.label != NO_CLASS
    counted = is_labelled & (place >= 0)
    np.add.at(out, (place[counted], layout.starts["delay"] + rows.delay[counted].astype(np.int64)), sign)


@compiled
def _add_classes(
    predicted: NDArray[np.uint16],
    label: NDArray[np.uint16],
    score: NDArray[np.uint16],
    groups: NDArray[np.uint16],
    codes: int,
    positive: int,
    scores_start: int,
    sums_start: int,
    confidence_start: int,
    groups_start: int,
    answers_start: int,
    first_cell: int,
    places: int,
    summed: NDArray[np.int64],
    place: NDArray[np.int64],
    sign: int,
    out: NDArray[np.int64],
) -> None:
    for i in range(len(place)):
        p = place[i]
        if p < 0:
            continue
        out[p, np.int64(label[i]) * codes + predicted[i]] += sign
        truth = 0 if label[i] == 0 else 2 if label[i] == positive else 1
        says = 1 if predicted[i] == positive else 0
        if scores_start >= 0 and score[i] > 0:
            code = np.int64(score[i])
            out[p, scores_start + (truth * 2 + says) * 512 + (code >> 7)] += sign
            if truth > 0:
                of_truth = code if truth == 2 else 65_536 - code
                out[p, sums_start] += sign * summed[0, of_truth]
                out[p, sums_start + 1] += sign * summed[1, of_truth]
        if confidence_start >= 0 and score[i] > 0:
            outcome = 0 if label[i] == 0 else 2 if label[i] == predicted[i] else 1
            out[p, confidence_start + (outcome * codes + np.int64(predicted[i])) * 128 + (np.int64(score[i]) >> 9)] += sign
        for f in range(groups.shape[0]):
            group = np.int64(groups[f, i])
            if group < first_cell:
                out[p, groups_start + (group * 3 + truth) * 2 + says] += sign
            elif group < places:
                out[p, answers_start + (group - first_cell) * codes + predicted[i]] += sign


@compiled
def _add_errors(
    value: NDArray[np.float64],
    truth: NDArray[np.float64],
    groups: NDArray[np.uint16],
    center: float,
    scale: float,
    edges: NDArray[np.float64],
    place: NDArray[np.int64],
    sign: int,
    start: int,
    bins_start: int,
    answers_start: int,
    cells: int,
    out: NDArray[np.int64],
) -> None:
    for i in range(len(place)):
        p = place[i]
        if p < 0:
            continue
        out[p, start] += sign
        answer = 1 + min(np.searchsorted(edges, value[i], side="right"), len(edges) - 1) if np.isfinite(value[i]) else 0
        for f in range(groups.shape[0]):
            if groups[f, i] < cells:
                out[p, answers_start + np.int64(groups[f, i]) * (len(edges) + 1) + answer] += sign
        if not np.isfinite(value[i]):
            continue
        own = bins_start + 4 * np.searchsorted(edges, value[i], side="right")
        if bins_start >= 0:
            out[p, own] += sign
        if not np.isfinite(truth[i]):
            continue
        e = min(max((value[i] - truth[i]) / scale, -256.0), 256.0)
        y = min(max((truth[i] - center) / scale, -256.0), 256.0)
        absolute, squared = np.int64(np.rint(abs(e) * 1_048_576.0)), np.int64(np.rint(e * e * 16_777_216.0))
        out[p, start + 1] += sign
        out[p, start + 2] += sign * np.int64(np.rint(e * 1_048_576.0))
        out[p, start + 3] += sign * absolute
        out[p, start + 4] += sign * squared
        if bins_start >= 0:
            out[p, own + 1] += sign
            out[p, own + 2] += sign * absolute
            out[p, own + 3] += sign * squared
        out[p, start + 5] += sign * np.int64(np.rint(y * 1_048_576.0))
        out[p, start + 6] += sign * np.int64(np.rint(y * y * 16_777_216.0))
        if truth[i] != 0.0:
            relative = min(abs((value[i] - truth[i]) / truth[i]), 256.0)
            out[p, start + 7] += sign * np.int64(np.rint(relative * 1_048_576.0))
            out[p, start + 8] += sign * np.int64(np.rint(relative * relative * 16_777_216.0))
            out[p, start + 9] += sign
