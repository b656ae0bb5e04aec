"""Ratios of bad values: how many events lack the value, or hold one of the wrong type. Judged one-sided: fewer is no fault."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream_monitor.capture.schema import Column
from stream_monitor.detect.detector import Gate
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.pair import Counts, Floats, Pair, Side, ratio
from stream_monitor.profile.layout import INVALID, MISSING


@dataclass(frozen=True, slots=True)
class Ratio:
    """One row of `RATIOS`: a `detector.Detector`. The score is the share of events with `code`, in [0, 1]; NaN for no events.

    The threshold is an increase over the baseline's ratio (0 for a baseline of no events).
    """

    name: str
    title: str
    code: int
    default_threshold: float
    is_quality: bool = True

    @property
    def gate(self) -> Gate:
        """Whether `code` is more frequent than in the baseline."""
        return self._more_often

    def applies_to(self, column: Column) -> bool:
        """Every column."""
        return True

    def score(self, pair: Pair) -> Floats:
        """float64[C], the window's ratios."""
        return self._of(pair.window)

    def base(self, baseline: Side) -> Floats:
        """float64[C], the baseline's ratios."""
        return np.nan_to_num(self._of(baseline))

    def moved(self, pair: Pair, column: int) -> Counts:
        """The one code."""
        return np.array([self.code], dtype=np.int64)

    def _of(self, side: Side) -> Floats:
        return ratio(side.counts[:, self.code], side.events)

    def _more_often(self, pair: Pair) -> Floats:
        window, baseline = pair.window, pair.baseline
        return more_often(window.counts[:, self.code], window.events, baseline.counts[:, self.code], baseline.events)


_ROWS: Final = (
    Ratio("missing_ratio", "was missing", MISSING, 0.05),
    Ratio("type_mismatch_ratio", "was of the wrong type", INVALID, 0.01),
)
RATIOS: Final[Mapping[str, Ratio]] = {row.name: row for row in _ROWS}
