"""What a window is compared with: a baseline's profile, or that of one of its segments, and what varies there by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Final

import numpy as np

from stream_monitor.baseline.baseline import Baseline, BaselineColumn, NumericColumn
from stream_monitor.baseline.joint import Joint
from stream_monitor.capture.schema import Role, Schema
from stream_monitor.detect.pair import Counts, Flags, Floats, Inflation, Padding, Pair, Side, design_effect
from stream_monitor.profile.layout import MISSING, Layout
from stream_monitor.profile.profile import Profile

UNSEEN_NUMBERS: Final = 2
"""The next value of n + 1 exchangeable ones is the smallest or the largest with chance 2 / (n + 1)."""


@dataclass(frozen=True, eq=False)
class Reference:
    """One baseline as detectors read it, C columns.

    unseen: int64[C], see `Side.unseen`; inflation: of windows with `window_rows` rows of the training data, or where that is None with any
    number.
    natural: detector -> float64[C], the largest score over its base that training data showed by itself ("shift" for both sequential
    detectors), float64[1] for those of the traffic as a whole; those not named showed none. left_out: features of the training data with no
    column. fenced: bool[C], which columns have fences; joint: see `whole.multivariate_outlier_ratio`, None where the baseline has none.
    """

    schema: Schema
    layout: Layout
    profile: Profile
    unseen: Counts
    inflation: Inflation
    natural: Mapping[str, Floats]
    left_out: frozenset[str] = frozenset()
    window_rows: float | None = None
    fenced: Flags | None = None
    joint: Joint | None = None

    @cached_property
    def side(self) -> Side:
        """The profile, to be compared with."""
        fenced = np.zeros(self.layout.columns, dtype=np.bool_) if self.fenced is None else self.fenced
        return self._padding.side(self.profile, self.unseen, fenced)

    def pair(self, window: Profile) -> Pair:
        """A window beside it. An output that a failed call does not owe is not missing."""
        side = self._padding.side(window)
        if window.operations.failed:
            excused = np.where(self._is_output, np.minimum(side.counts[:, MISSING], window.operations.failed), 0)
            counts = side.counts.copy()
            counts[:, MISSING] -= excused
            side = replace(side, events=side.events - excused, counts=counts)
        return Pair(side, self.side, self.inflation_of(window.events), self.natural)

    def inflation_of(self, events: int) -> Inflation:
        """That of a window of so many events."""
        return self.inflation if self.window_rows is None else self.inflation.of_size(events, self.window_rows)

    def joint_inflation_of(self, events: int) -> float:
        """The same of the number of far events."""
        ratio = self.joint.inflation if self.joint else 1.0
        return ratio if self.window_rows is None else design_effect(ratio, events, self.window_rows)

    @cached_property
    def _is_output(self) -> Flags:
        return np.array([column.role is Role.PREDICTION for column in self.schema.columns], dtype=np.bool_)

    @cached_property
    def _padding(self) -> Padding:
        return Padding(self.layout)


def reference_of(baseline: Baseline, profile: Profile | None = None) -> Reference:
    """The reference for the whole of a baseline's traffic, or for the segment that `profile` is of.

    A segment has the whole's natural ranges and inflation, for its own would rest on fewer rows, and its share of the values seen once.
    """
    columns, part = baseline.columns, baseline.profile if profile is None else profile
    names = sorted({name for entry in columns if entry.natural for name in entry.natural.scores})
    return Reference(
        baseline.schema,
        baseline.layout,
        part,
        np.array([_unseen(entry, part.events / max(baseline.rows, 1)) for entry in columns], dtype=np.int64),
        Inflation(*(_inflation(columns, name) for name in ("values", "missing", "invalid", "outside"))),
        {name: np.array([entry.natural.scores.get(name, 0.0) if entry.natural else 0.0 for entry in columns]) for name in names}
        | ({"multivariate_outlier_ratio": np.array([baseline.joint.natural])} if baseline.joint else {}),
        frozenset(baseline.left_out),
        baseline.window_rows,
        np.array([isinstance(entry, NumericColumn) and entry.fences is not None for entry in columns], dtype=np.bool_),
        baseline.joint,
    )


def _unseen(entry: BaselineColumn, share: float) -> int:
    return UNSEEN_NUMBERS if isinstance(entry, NumericColumn) else ceil(entry.singletons * share)


def _inflation(columns: tuple[BaselineColumn, ...], name: str) -> Floats:
    return np.array([entry.natural.inflation.get(name, 1.0) if entry.natural else 1.0 for entry in columns], dtype=np.float64)
