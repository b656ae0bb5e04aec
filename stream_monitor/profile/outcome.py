"""What labels said of a pane's events: one vector of whole numbers, signed, so that a correction takes back what was added before.

Outcomes of one layout form a commutative group under addition, exactly: windows add panes, a withdrawn label subtracts.
Every event of the capture stream is in it from the moment it is known, first without a label: coverage is a part of the figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.columns import INVALID
from stream_monitor.profile.kernels import compiled
from stream_monitor.profile.score import SCORE_BINS, SCORE_SUMS

Task = Literal["binary", "multiclass", "regression"]
Vector = NDArray[np.int64]
"""int64[N] on an `OutcomeLayout`."""

CLASSES_MAX: Final = 32
"""Classes with a code of their own, by falling frequency in training; the others are one: 34 x 34 counts a pane."""
CONFIDENCE_BINS: Final = 128
"""Bins of 512 score codes, for every class and whether it was right: 0.043 wide at 0.5, 17 % of what lacks to 1 near it."""
DELAY_BINS: Final = 96
"""Label delays by quarters of a doubling, from a second to half a year."""
SCALE: Final = 2**20
"""Sums, but those of squares, are in 2^-20."""
SQUARE_SCALE: Final = 2**24
"""Squares are in 2^-24: errors of a thousandth of the scale still count, and 2^23 of the largest fit into an int64."""
CLIP: Final = 2.0**8
"""Standardised values and relative errors are clipped here."""

NO_CLASS: Final = 0
"""The code of an absent prediction or label; classes have 1 … K, all others together K + 1."""
ERRORS: Final = (
    "events",
    "labelled",
    "error",
    "absolute",
    "squared",
    "label",
    "label_squared",
    "relative",
    "relative_squared",
    "relative_n",
)
"""What a regression's `errors` are sums of: 1, 1; z, |z| and z^2 of the error over `scale`; y and y^2 of (label - center) / scale;
|error / label|, its square and 1 where the label is not 0. Sums in 2^-20, those of squares in 2^-24."""

BY_VALUE: Final = ("events", "labelled", "absolute", "squared")
"""What is summed over the events of one bin of the prediction, as `ERRORS` are."""


class Group(NamedTuple):
    """One value of a facet (a protected attribute), or of several at once (an intersection): `("gender", "female")`."""

    facet: str
    value: str


@dataclass(frozen=True)
class OutcomeLayout:
    """The shape of one stream's outcomes.

    classes: K names by falling frequency in training, none for a regression; positive: the place of the positive class in them (binary
    only); scored: whether events carry the probability of the positive class, in a multiclass task that of the predicted one;
    groups: all groups of all facets (binary only); center, scale: the baseline's mean and standard deviation of the prediction
    (regression only), scale > 0; edges: rising, between bins of the prediction (regression only), see `by_value`;
    cells: combinations of features' bins by which answers are counted, 0: they are not, see `baseline.answers`.
    """

    task: Task
    classes: tuple[str, ...] = ()
    positive: int | None = None
    scored: bool = False
    groups: tuple[Group, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    edges: tuple[float, ...] = ()
    cells: int = 0

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The parts of a vector, in order.

        joint: [label code, prediction code]; scores: [label: 0 none, 1 negative, 2 positive; prediction: 0 not positive, 1 positive; bin],
        over events with a score; score_sums: sums of (s - y)^2 and of the log loss over those with a label, see `score.SCORE_SUMS`;
        groups: [group; label: 0 none, 1 negative, 2 positive; prediction: 0 not positive, 1 positive];
        confidence: [label: 0 none, 1 another than predicted, 2 as predicted; prediction code; bin], over events with a score;
        errors: see `ERRORS`; by_value: [bin of the prediction: under the first edge, …, from the last on; `BY_VALUE`];
        answers: [combination of features' bins; answer: as `answer_codes`];
        delay: labelled events by the delay of their first label, see `delay_bin`.
        """
        codes = len(self.classes) + 2
        parts: dict[str, tuple[int, ...]] = {}
        if self.task == "regression":
            parts["errors"] = (len(ERRORS),)
            if self.edges:
                parts["by_value"] = (len(self.edges) + 1, len(BY_VALUE))
        else:
            parts["joint"] = (codes, codes)
        if self.task == "binary" and self.scored:
            parts |= {"scores": (3, 2, SCORE_BINS), "score_sums": (2,)}
        if self.task == "multiclass" and self.scored:
            parts["confidence"] = (3, codes, CONFIDENCE_BINS)
        if self.task == "binary" and self.groups:
            parts["groups"] = (len(self.groups), 3, 2)
        if self.cells:
            parts["answers"] = (self.cells, self.answers)
        return parts | {"delay": (DELAY_BINS,)}

    @cached_property
    def starts(self) -> Mapping[str, int]:
        """Where each part begins."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            found[name] = start
            start += prod(shape)
        return found

    @cached_property
    def size(self) -> int:
        """N, the length of a vector."""
        return sum(prod(shape) for shape in self.shapes.values())

    def empty(self) -> Vector:
        """The outcome of no events."""
        return np.zeros(self.size, dtype=np.int64)

    def part(self, vector: Vector, name: str) -> NDArray[np.int64]:
        """One part in its shape, a view of int64[N]; KeyError where the layout has no such part."""
        shape, start = self.shapes[name], self.starts[name]
        return vector[start : start + prod(shape)].reshape(shape)

    def events(self, vector: Vector) -> int:
        """All events, labelled or not."""
        return int(self.part(vector, "errors")[0] if self.task == "regression" else self.part(vector, "joint").sum())

    def labelled(self, vector: Vector) -> int:
        """The events that have a label."""
        return int(self.part(vector, "errors")[1] if self.task == "regression" else self.part(vector, "joint")[1:].sum())

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Class -> its code."""
        return {name: place + 1 for place, name in enumerate(self.classes)}

    @property
    def answers(self) -> int:
        """How many codes answers have: predictions' in `joint`; of numbers 0 for none, then one for each bin, the last two being one."""
        return len(self.edges) + 1 if self.task == "regression" else len(self.classes) + 2

    @property
    def places(self) -> int:
        """How many groups and combinations there are; in `OutcomeRows.groups` this stands for none."""
        return len(self.groups) + self.cells

    def class_codes(self, names: Sequence[str | None]) -> NDArray[np.uint16]:
        """uint16[n]: the codes of classes by their names; `NO_CLASS` for None and `INVALID`."""
        codes, other = self.codes, len(self.classes) + 1
        found = [NO_CLASS if name is None or name is INVALID else codes.get(name, other) for name in names]
        return np.array(found, dtype=np.uint16).reshape(len(names))

    def label_codes(self, names: Sequence[str | None]) -> NDArray[np.uint16]:
        """uint16[n]: as `class_codes`, but a label that is no class by its text is one by the same number ("1.0" for "1"), or word in
        another case where the classes are true and false: as a training target is read.
        """
        found, other = self.class_codes(names), len(self.classes) + 1
        for place in np.flatnonzero(found == other).tolist():
            found[place] = self._meanings.get(_meaning(str(names[place])), other)
        return found

    @cached_property
    def _meanings(self) -> Mapping[float | str | None, int]:
        """Class as a number, or a word that stands for a boolean -> its code."""
        meant = {_meaning(name): code for name, code in self.codes.items()}
        words = {"true", "false"} if set(self.classes) <= {"true", "false"} else set()
        return {meaning: code for meaning, code in meant.items() if isinstance(meaning, float) or meaning in words}

    @property
    def positive_code(self) -> int:
        """The positive class's code; -1: there is none."""
        return -1 if self.positive is None else self.positive + 1


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


def _meaning(text: str) -> float | str:
    try:
        return float(text.replace("_", "x"))  # Python reads 1_0 as ten
    except ValueError:
        return text.strip().lower()


def delay_bin(delay_ms: NDArray[np.int64]) -> NDArray[np.uint8]:
    """uint8[n]: bin 0 below a second (or negative), then four bins for each doubling, the last one open."""
    seconds = np.maximum(delay_ms, 1) / 1000
    bins: NDArray[np.uint8] = np.clip(np.floor(4 * np.log2(np.maximum(seconds, 0.5))) + 1, 0, DELAY_BINS - 1).astype(np.uint8)
    return bins


def delay_of(place: int) -> float:
    """Seconds: the geometric middle of a bin of `delay_bin`, within 9 %."""
    return 0.5 if place == 0 else float(2 ** ((place - 0.5) / 4))


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
