"""Bad values in one column: missing, of the wrong type, never seen before, out of range, or all the same.

Judged one-sided: fewer is no fault. Detectors of one cause have one gate, so they count as one test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream_monitor.capture.schema import Column, Kind
from stream_monitor.detect.constant import CONSTANT
from stream_monitor.detect.detector import Detector, Gate
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.pair import Counts, Flags, Floats, Pair, Side, ratio
from stream_monitor.profile.layout import FIRST_VALUE, INVALID, MISSING

Part = Callable[[Side, Side], tuple[Counts, Counts]]
"""(side, baseline) -> (how many bad ones, of how many), int64[C] each. For the baseline itself: how many a window like it would have."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One row of `QUALITY`: a `detector.Detector`. The score is a share, in [0, 1]; NaN for a share of nothing.

    The threshold is an increase over the baseline's share (0 for a baseline of nothing). codes: those that the share may be of.
    """

    name: str
    title: str
    cause: str
    default_threshold: float
    part: Part
    gate: Gate
    codes: Callable[[Side, int], Flags]
    kinds: frozenset[Kind] = frozenset(Kind)
    is_quality: bool = True

    def applies_to(self, column: Column) -> bool:
        """Whether it is of one of `kinds`."""
        return column.kind in self.kinds

    def score(self, pair: Pair) -> Floats:
        """float64[C], the window's shares."""
        return ratio(*self.part(pair.window, pair.baseline))

    def base(self, baseline: Side) -> Floats:
        """float64[C], what a window like the baseline would have."""
        return np.nan_to_num(ratio(*self.part(baseline, baseline)))

    def moved(self, pair: Pair, column: int) -> Counts:
        """The codes of bad values that the window holds, the most frequent first."""
        counts = np.where(self.codes(pair.baseline, column), pair.window.counts[column], 0)
        order = np.argsort(-counts, kind="stable")
        codes: Counts = order[counts[order] > 0]
        return codes


@dataclass(frozen=True, slots=True)
class Gone:
    """A `detector.Detector`: 1 where no event of the window holds the feature though the baseline's rows do, else 0; NaN for no events."""

    name: str = "missing_feature"
    title: str = "was in no event"
    cause: str = "missing"
    default_threshold: float = 0.5
    is_quality: bool = True

    @property
    def gate(self) -> Gate:
        """That of `missing_ratio`."""
        return more_missing

    def applies_to(self, column: Column) -> bool:
        """Every column."""
        return True

    def score(self, pair: Pair) -> Floats:
        """float64[C]: 1 or 0."""
        gone = (pair.window.counts[:, MISSING] == pair.window.events) & (pair.baseline.counts[:, MISSING] < pair.baseline.events)
        return np.where(pair.window.events > 0, gone.astype(np.float64), np.nan)

    def base(self, baseline: Side) -> Floats:
        """Zeros."""
        return np.zeros(len(baseline.events))

    def moved(self, pair: Pair, column: int) -> Counts:
        """Missing."""
        return np.array([MISSING], dtype=np.int64)


def more_missing(pair: Pair) -> Floats:
    """Whether missing values are more frequent than in the baseline."""
    return more_often(*_missing(pair.window, pair.baseline), *_missing(pair.baseline, pair.baseline), pair.inflation.missing)


def more_invalid(pair: Pair) -> Floats:
    """Whether values of the wrong type are."""
    return more_often(*_invalid(pair.window, pair.baseline), *_invalid(pair.baseline, pair.baseline), pair.inflation.invalid)


CLUMP: Final = 3.0
"""A category that the baseline lacks by chance comes in the window as often as it likes: counts are divided by this, so that p is hardly
ever too small. Measured on categories of falling and of equal frequency, 200 to 10,000 rows, windows of 200 to 30,000 events, down to
p = 1e-4: undivided up to 229 times too small, divided by 2 up to 12 times, by 3 at most 3 times (1,000 categories of equal frequency)."""


def more_unseen(pair: Pair) -> Floats:
    """Whether categories without a name of their own are more frequent than in the baseline; `_unseen` says what counts there."""
    inflation = CLUMP * pair.inflation.outside
    return more_often(*_unseen(pair.window, pair.baseline), *_unseen(pair.baseline, pair.baseline), inflation)


def more_outside(pair: Pair) -> Floats:
    """Whether more numbers are outside the baseline's range than chance puts there; for continuous values it is never too sure.

    Where a window of m and a baseline of n come from one distribution, all orders of the n + m values are equally likely. At least k
    of the window's lie outside the baseline's range with the chance that of the k + 1 first in a random order at most one is the
    baseline's (by cyclic symmetry: two of the n + 1 gaps between its values lie outside). That is less than the chance of at most
    2 of the first k + 2, which is what `more_often` bounds when the baseline counts 2 of its own values as outside. Equal values
    lie outside less often. Where events are alike, as many as `inflation` count as one, but for those 2.
    """
    part, _ = _outside(pair.baseline, pair.baseline)
    part = np.ceil(part * pair.inflation.outside).astype(np.int64)
    return more_often(*_outside(pair.window, pair.baseline), part, np.maximum(pair.baseline.present, part), pair.inflation.outside)


def _missing(side: Side, _: Side) -> tuple[Counts, Counts]:
    return side.counts[:, MISSING], side.events


def _invalid(side: Side, _: Side) -> tuple[Counts, Counts]:
    return side.counts[:, INVALID], side.events


def _unseen(side: Side, _: Side) -> tuple[Counts, Counts]:
    """Values that are "other"; for the baseline those and as many as it holds once.

    The chance of the next value to be new is about the share of rows whose value stands alone (Good 1953).
    """
    return np.minimum(side.counts[:, FIRST_VALUE] + side.unseen, side.present), side.present


def _outside(side: Side, baseline: Side) -> tuple[Counts, Counts]:
    """Numbers below the lowest and above the highest code that the baseline has a value of; for the baseline its `unseen`.

    For a whole baseline those are the codes below and above its range; one of its segments may end earlier.
    """
    if side is baseline:
        return baseline.unseen, np.where(baseline.present > 0, baseline.present + 1, 0)
    held = baseline.values > 0
    inside = np.maximum.accumulate(held, axis=1) & np.maximum.accumulate(held[:, ::-1], axis=1)[:, ::-1]
    outside: Counts = np.where(inside | ~held.any(axis=1, keepdims=True), 0, side.values).sum(axis=1)
    return outside, np.where(held.any(axis=1), side.present, 0)


def _only(code: int) -> Callable[[Side, int], Flags]:
    return lambda baseline, column: np.arange(baseline.counts.shape[1]) == code


def _outer(baseline: Side, column: int) -> Flags:
    codes = np.arange(baseline.counts.shape[1])
    held = np.flatnonzero(baseline.values[column]) + FIRST_VALUE
    return (codes >= FIRST_VALUE) & ((codes < held[0]) | (codes > held[-1])) if len(held) else np.zeros(len(codes), dtype=np.bool_)


_NUMBERS: Final = frozenset({Kind.NUMERIC})
_CATEGORIES: Final = frozenset(Kind) - _NUMBERS
_MISSING_RATIO: Final = Ratio("missing_ratio", "was missing", "missing", 0.05, _missing, more_missing, _only(MISSING))
_TYPE_MISMATCH_RATIO: Final = Ratio("type_mismatch_ratio", "was of the wrong type", "type", 0.01, _invalid, more_invalid, _only(INVALID))
_ROWS: Final[tuple[Detector, ...]] = (
    Gone(),
    _MISSING_RATIO,
    _TYPE_MISMATCH_RATIO,
    Ratio("unseen_ratio", "was a value not seen in training", "unseen", 0.01, _unseen, more_unseen, _only(FIRST_VALUE), _CATEGORIES),
    Ratio("out_of_range_ratio", "was outside the training range", "range", 0.01, _outside, more_outside, _outer, _NUMBERS),
    CONSTANT,
)
QUALITY: Final[Mapping[str, Detector]] = {row.name: row for row in _ROWS}
RATIOS: Final[Mapping[str, Ratio]] = {row.name: row for row in (_MISSING_RATIO, _TYPE_MISMATCH_RATIO)}
