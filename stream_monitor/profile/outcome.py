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
from stream_monitor.profile.delay import DELAY_BINS
from stream_monitor.profile.score import SCORE_BINS

Task = Literal["binary", "multiclass", "regression"]
Vector = NDArray[np.int64]
"""int64[N] on an `OutcomeLayout`."""

CLASSES_MAX: Final = 32
"""Classes with a code of their own, by falling frequency in training; the others are one: 34 x 34 counts a pane."""
CONFIDENCE_BINS: Final = 128
"""Bins of 512 score codes, for every class and whether it was right: 0.043 wide at 0.5, 17 % of what lacks to 1 near it."""
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


def _meaning(text: str) -> float | str:
    try:
        return float(text.replace("_", "x"))  # Python reads 1_0 as ten
    except ValueError:
        return text.strip().lower()
