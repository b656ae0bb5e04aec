"""Strange values of one feature: beyond the fences, or of categories that were rare; and events whose values do not go together.

Each by the exact two-sample test of shares (`gate.more_often`), one-sided. What they find may be part of something larger: values out of
range, or a drift of the feature. Then it is told there (see `shared_with`), and is an alert of its own only where it is alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream_monitor.capture.schema import Column, Kind, Role
from stream_monitor.detect.detector import Detector, Gate
from stream_monitor.detect.finding import FindingKind
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.pair import Counts, Flags, Floats, Pair, Side, ratio
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE

RARE: Final = 0.01
"""A category is rare up to this share of the baseline's values."""
_OUTSIDE_FENCES: Final = "range"
_DISTRIBUTION: Final = "distribution"


@dataclass(frozen=True, slots=True)
class Outliers:
    """A `detector.Detector`: the share of values beyond the baseline's fences, in [0, 1]; NaN where it has none, or for no values."""

    name: str = "outlier_ratio"
    title: str = "was far outside the usual range"
    cause: str = _OUTSIDE_FENCES
    default_threshold: float = 0.02
    is_quality: bool = False

    @property
    def gate(self) -> Gate:
        """`more_outliers`."""
        return more_outliers

    def applies_to(self, column: Column) -> bool:
        """Numeric features."""
        return column.role is Role.FEATURE and column.kind is Kind.NUMERIC

    def score(self, pair: Pair) -> Floats:
        """float64[C]."""
        return ratio(*_outliers(pair.window, pair.baseline))

    def base(self, baseline: Side) -> Floats:
        """float64[C], the baseline's own share."""
        return np.nan_to_num(ratio(*_outliers(baseline, baseline)))

    def moved(self, pair: Pair, column: int) -> Counts:
        """The codes at both ends that gained: beyond the range, and the outermost bins."""
        held = np.flatnonzero(pair.baseline.values[column]) + FIRST_VALUE
        last = held[-1] if len(held) else FIRST_BIN
        return _gained(pair, column, np.isin(np.arange(pair.baseline.counts.shape[1]), [FIRST_VALUE, FIRST_BIN, last, last + 1]))


@dataclass(frozen=True, slots=True)
class RareCategories:
    """A `detector.Detector`: the share of values that are categories rare in the baseline, in [0, 1]; NaN for no values."""

    name: str = "rare_category_ratio"
    title: str = "was a category rare in training"
    cause: str = _DISTRIBUTION
    default_threshold: float = 0.02
    is_quality: bool = False

    @property
    def gate(self) -> Gate:
        """`burst`."""
        return burst

    def applies_to(self, column: Column) -> bool:
        """Categorical features."""
        return column.role is Role.FEATURE and column.kind is Kind.CATEGORICAL

    def score(self, pair: Pair) -> Floats:
        """float64[C]."""
        return ratio(_rare_counts(pair.window, pair.baseline), np.where(pair.baseline.present > 0, pair.window.present, 0))

    def base(self, baseline: Side) -> Floats:
        """float64[C], the baseline's own share."""
        return np.nan_to_num(ratio(_rare_counts(baseline, baseline), baseline.present))

    def moved(self, pair: Pair, column: int) -> Counts:
        """The rare categories that gained, the one that burst most first."""
        return _gained(pair, column, np.concatenate([np.zeros(FIRST_VALUE, dtype=np.bool_), rare(pair.baseline)[column]]))


def more_outliers(pair: Pair) -> Floats:
    """Whether outliers are more frequent than in the baseline."""
    return more_often(*_outliers(pair.window, pair.baseline), *_outliers(pair.baseline, pair.baseline), pair.inflation.outside)


def burst(pair: Pair) -> Floats:
    """Whether one of the rare categories is more frequent than in the baseline: the smallest p of theirs, times the number of categories.

    Times all of them, rare or not, that either side holds: which ones look rare hangs on the baseline's chance. The sum is not tested for
    the same reason: of 100 categories of 1 % each, the half that came less often in training is expected to come more often from now on.
    """
    flags = rare(pair.baseline)
    window, baseline, shape = pair.window, pair.baseline, flags.shape
    whole, baseline_whole = (np.broadcast_to(side.present[:, None], shape) for side in (window, baseline))
    inflation = np.broadcast_to(pair.inflation.values[:, None], shape)
    p = np.where(flags, more_often(window.values, whole, baseline.values, baseline_whole, inflation), 1.0)
    held = ((window.values > 0) | (baseline.values > 0))[:, FIRST_BIN - FIRST_VALUE :].sum(axis=1)
    smallest: Floats = np.minimum(p.min(axis=1, initial=1.0) * np.maximum(held, 1), 1.0)
    return smallest


def rare(baseline: Side) -> Flags:
    """bool[C, K]: which values have a name and at most `RARE` of the baseline's; "other" has none."""
    flags: Flags = baseline.values <= RARE * baseline.present[:, None]
    flags[:, : FIRST_BIN - FIRST_VALUE] = False
    return flags


def shared_with(kind: FindingKind, cause: str) -> FindingKind:
    """The kind of alerts with which an anomaly of one feature shares them: one change gives one alert, whatever sees it."""
    shared = {_OUTSIDE_FENCES: FindingKind.DATA_QUALITY, _DISTRIBUTION: FindingKind.DATA_DRIFT}
    return shared.get(cause, kind) if kind is FindingKind.ANOMALY else kind


def _outliers(side: Side, baseline: Side) -> tuple[Counts, Counts]:
    return np.maximum(side.outliers, 0), np.where(baseline.outliers < 0, 0, side.present)


def _rare_counts(side: Side, baseline: Side) -> Counts:
    counts: Counts = np.where(rare(baseline), side.values, 0).sum(axis=1)
    return counts


def _gained(pair: Pair, column: int, codes: Flags) -> Counts:
    """Of these codes of values those whose share rose, by how much it did."""
    rise = pair.window.shares[column] - pair.baseline.shares[column]
    rise = np.where(codes[FIRST_VALUE:], rise, 0.0)
    order = np.argsort(-rise, kind="stable")
    found: Counts = order[rise[order] > 0] + FIRST_VALUE
    return found


ANOMALIES: Final[Mapping[str, Detector]] = {row.name: row for row in (Outliers(), RareCategories())}
