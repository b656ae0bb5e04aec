"""What a baseline asks of live traffic: the thresholds that its natural ranges raise, and those worth writing into the config."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stream_monitor.baseline.baseline import Baseline, BaselineColumn
from stream_monitor.baseline.column import NATURAL_FACTOR
from stream_monitor.detect.registry import BY_COLUMN, SEQUENTIAL, Thresholds

COMPLETE_MISSING: Final = 0.01
"""The threshold of `missing_ratio` suggested for a column that was never missing: there, one in a hundred is news."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A threshold that a natural range raises. natural: the largest score over its base in training; configured < effective."""

    column: str
    detector: str
    natural: float
    configured: float
    effective: float


def raised_thresholds(baseline: Baseline, thresholds: Thresholds) -> list[Raised]:
    """By column in the baseline's order, then by detector; a column without natural ranges has none."""
    return [raised for entry in baseline.columns for raised in _raised(entry, thresholds)]


def suggested_overrides(baseline: Baseline, thresholds: Thresholds) -> dict[str, dict[str, dict[str, float]]]:
    """Feature -> {"thresholds": {detector: threshold}}, as `overrides` in the config: those that differ from what is configured.

    Of columns that were never missing in training, `missing_ratio` is lowered to `COMPLETE_MISSING`.
    """
    found: dict[str, dict[str, float]] = {}
    for entry in baseline.columns:
        if entry.counts[0] == 0 and thresholds(entry.column.name, "missing_ratio") > COMPLETE_MISSING:
            found.setdefault(entry.column.name, {})["missing_ratio"] = COMPLETE_MISSING
    for raised in raised_thresholds(baseline, thresholds):
        found.setdefault(raised.column, {})[raised.detector] = raised.effective
    return {name: {"thresholds": found[name]} for name in (entry.column.name for entry in baseline.columns) if name in found}


def _raised(entry: BaselineColumn, thresholds: Thresholds) -> Iterator[Raised]:
    name, scores = entry.column.name, entry.natural.scores if entry.natural else {}
    for detector in (*BY_COLUMN, *SEQUENTIAL):
        natural = scores.get("shift" if detector in SEQUENTIAL else detector, 0.0)
        configured = thresholds(name, detector)
        effective = float(f"{NATURAL_FACTOR * natural:.3g}")
        if effective > configured:
            yield Raised(name, detector, natural, configured, effective)
