"""The second look at training targets: every row counted, as live events and their labels are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.segments import Segmentation, places_in
from stream_monitor.baseline.targets import numbers_of, output_of
from stream_monitor.baseline.truth import Truth
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.convert import numbers, texts
from stream_monitor.capture.schema import PREDICTION, SCORE
from stream_monitor.profile.outcome import Group, OutcomeLayout, Vector
from stream_monitor.profile.outcome_rows import OutcomeRows, add_outcomes
from stream_monitor.profile.score import score_codes


@dataclass(frozen=True, slots=True)
class TruthPlan:
    """How the second look counts. names: target -> its class, where that is another text; segmentations: those of the layout's groups."""

    layout: OutcomeLayout
    names: Mapping[str, str] = field(default_factory=dict)
    segmentations: tuple[Segmentation, ...] = ()

    def add(self, columns: Columns, out: Vector) -> None:
        """Count n more rows."""
        rows = self._numbers(columns) if self.layout.task == "regression" else self._classes(columns)
        add_outcomes(self.layout, rows, np.zeros(len(columns), dtype=np.int64), 1, out[None])

    def truth(self, counts: Vector) -> Truth:
        """What was counted; a training row's label has no delay."""
        self.layout.part(counts, "delay")[:] = 0
        return Truth(self.layout, counts)

    def _numbers(self, columns: Columns) -> OutcomeRows:
        truth = numbers(columns.labels or (None,) * len(columns))
        return _rows(len(columns))._replace(value=_finite(numbers_of(columns, PREDICTION)), truth=_finite(truth))

    def _classes(self, columns: Columns) -> OutcomeRows:
        n, code = len(columns), self.layout.class_codes
        predicted = output_of(columns, PREDICTION)
        assert isinstance(predicted, list), "numbers are no classes"
        label = code([text if text is None else self.names.get(text, text) for text in texts(columns.labels or (None,) * n)])
        rows = _rows(n)._replace(predicted=code(predicted), label=label, groups=self._groups(columns))
        return rows._replace(score=score_codes(numbers_of(columns, SCORE))) if self.layout.scored else rows

    def _groups(self, columns: Columns) -> NDArray[np.uint16]:
        found = np.zeros((len(self.segmentations), len(columns)), dtype=np.uint16)
        start = 0
        for row, each in enumerate(self.segmentations):
            found[row] = start + places_in(each, columns)
            start += len(each.keys)
        return found


def groups_of(segmentations: Iterable[Segmentation]) -> tuple[Group, ...]:
    """All segments, each a group."""
    return tuple(Group(*key) for each in segmentations for (key,) in each.keys)


def _rows(n: int) -> OutcomeRows:
    """N rows of which nothing is known."""
    codes, floats = np.zeros(n, dtype=np.uint16), np.full(n, np.nan)
    return OutcomeRows(codes, codes, floats, np.zeros((0, n), dtype=np.uint16), codes, floats, np.zeros(n, dtype=np.uint8))


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)
