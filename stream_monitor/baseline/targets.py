"""The first look at training targets: how often each came, and with which scores."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.columns import Columns, Values
from stream_monitor.capture.convert import numbers, texts
from stream_monitor.capture.schema import PREDICTION, SCORE, Kind, Role, Schema
from stream_monitor.profile.score import SCORES, score_codes

DISTINCT_MAX: Final = 1_000
"""Different targets, or predictions, that are counted before we give up: more are no classes but numbers, texts or ids."""
_SCALE: Final = 2**20
_WHOLE: Final = np.rint(np.nan_to_num(SCORES) * _SCALE)
"""float64[SCORE_CODES]: the score of each code in 2^-20, a whole number, so that sums are the same in any order."""


@dataclass(slots=True)
class TargetCounts:
    """The first look. kind: of the predictions, None: there are none; present: whether any row has a target; labelled: rows with one that
    can be compared; targets: rows of each; scores: the sum of their scores in 2^-20 and how many have one.
    """

    kind: Kind | None
    scored: bool
    present: bool = False
    labelled: int = 0
    targets: Counter[str] = field(default_factory=Counter)
    scores: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: Schema) -> Self:
        """Of no rows yet."""
        kinds = {column.name: column.kind for column in schema.columns if column.role is Role.PREDICTION}
        return cls(kinds.get(PREDICTION), SCORE in kinds)

    @property
    def too_many(self) -> bool:
        """Whether targets are no classes: counting has ended."""
        return len(self.targets) > DISTINCT_MAX

    def add(self, columns: Columns) -> None:
        """N more rows."""
        if not columns.labels or self.too_many:
            return
        self.present = True
        if self.kind is Kind.NUMERIC:
            self.labelled += int(np.isfinite(numbers(columns.labels)).sum())
            return
        targets = texts(columns.labels)
        self.labelled += len(targets) - targets.count(None)
        self.targets.update(text for text in targets if text is not None)
        if self.scored and not self.too_many:
            self._add_scores(targets, score_codes(numbers_of(columns, SCORE)))

    def _add_scores(self, targets: Sequence[str | None], codes: NDArray[np.uint16]) -> None:
        names = {name: place for place, name in enumerate(dict.fromkeys(targets))}
        place = np.fromiter(map(names.__getitem__, targets), dtype=np.int64, count=len(targets))[codes > 0]
        sums = np.bincount(place, weights=_WHOLE[codes[codes > 0]], minlength=len(names))  # whole numbers, far below 2^53
        rows = np.bincount(place, minlength=len(names))
        for name, added, n in zip(names, sums.tolist(), rows.tolist(), strict=True):
            if name is not None and n:
                before, count = self.scores.get(name, (0, 0))
                self.scores[name] = (before + int(added), count + n)

    def score_means(self, names: Mapping[str, str]) -> dict[str, float]:
        """Class -> mean score of its rows, in [0, 1]; names: those that targets are read by."""
        sums: dict[str, tuple[int, int]] = {}
        for target, (added, n) in self.scores.items():
            before, count = sums.get(names.get(target, target), (0, 0))
            sums[names.get(target, target)] = (before + added, count + n)
        return {name: total / n / _SCALE for name, (total, n) in sums.items()}


def output_of(columns: Columns, name: str) -> Values:
    """The predictions or scores; they are in the schema."""
    places = [place for place, column in enumerate(columns.schema.columns) if (column.role, column.name) == (Role.PREDICTION, name)]
    return columns.values[places[0]]


def numbers_of(columns: Columns, name: str) -> NDArray[np.float64]:
    """float64[n]: the same, of a numeric column."""
    return np.asarray(output_of(columns, name), dtype=np.float64)
