"""One column of training values, gathered portion by portion, then made into a baseline column."""

import re
from collections import Counter
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.binning import beyond, bin_counts, centre_and_spread, distinct_starts, fences, quantile_edges, single_valued
from stream_monitor.baseline.column import CategoricalColumn, NumericColumn
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.capture.columns import INVALID, Values
from stream_monitor.capture.schema import Column, Kind, Role
from stream_monitor.capture.table import NUMBER_PATTERN
from stream_monitor.profile.profile import MOMENT_CLIP, MOMENT_SCALE, SQUARE_SCALE

ID_VALUES_MIN: Final = 1_000
ID_RATIO_MIN: Final = 0.5
"""A category column with more different values than both looks like an id."""
_NUMBER: Final = re.compile(NUMBER_PATTERN)


class NumberCollector:
    """Keeps the finite values: 8 bytes each, and 24 for a moment while its column is finished."""

    def __init__(self, column: Column, options: BuildOptions) -> None:
        self._column, self._options = column, options
        self._parts: list[NDArray[np.float64]] = []
        self._missing = self._invalid = 0

    def add(self, values: Values) -> None:
        """float64[n]; NaN is missing, infinity invalid."""
        floats = np.asarray(values, dtype=np.float64)
        finite = np.isfinite(floats)
        missing = int(np.isnan(floats).sum())
        self._missing += missing
        self._invalid += len(floats) - int(finite.sum()) - missing
        self._parts.append(floats[finite] + 0.0)  # so that -0.0 is 0.0

    def finish(self) -> tuple[NumericColumn, list[str]]:
        """The column and notes about it; the values are let go."""
        values = np.concatenate([*self._parts, np.empty(0)])
        self._parts.clear()
        values.sort()
        edges = quantile_edges(values, self._options.bins)
        mean, sd = centre_and_spread(values)
        counts = (self._missing, self._invalid, 0, *bin_counts(values, edges), 0)
        column = NumericColumn(self._column, edges, counts, mean, sd, (0, 0), len(distinct_starts(values)), single_valued(values, edges))
        limits, moments = fences(values), standard_moments(values, mean, column.scale)
        return replace(column, moments=moments, fences=limits, outliers=beyond(values, limits)), []


def standard_moments(values: NDArray[np.float64], mean: float, scale: float) -> tuple[int, int]:
    """What `kernels.add_moments` gives for finite values, without numba."""
    with np.errstate(over="ignore"):
        z = np.clip((values - mean) / scale, -MOMENT_CLIP, MOMENT_CLIP)
    return int(np.rint(z * MOMENT_SCALE).astype(np.int64).sum()), int(np.rint(z * z * SQUARE_SCALE).astype(np.int64).sum())


class CategoryCollector:
    """Keeps a count per different value, `counts`."""

    def __init__(self, column: Column, options: BuildOptions) -> None:
        self._column, self._options = column, options
        self.counts: Counter[str] = Counter()
        self._missing = self._invalid = 0

    def add(self, values: Values) -> None:
        """N texts, None or `INVALID`."""
        self._missing += sum(value is None for value in values)
        self._invalid += sum(value is INVALID for value in values)
        self.counts.update(str(value) for value in values if value is not None and value is not INVALID)

    def finish(self) -> tuple[CategoricalColumn, list[str]]:
        """The column and notes about it."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        # A category of the marker's own text could not be told from it in a dictionary.
        named = [item for item in ranked if item[0] != INVALID][: self._options.categories_max]
        other = self.counts.total() - sum(count for _, count in named)
        counts = (self._missing, self._invalid, other, *(count for _, count in named))
        singletons = sum(count == 1 for _, count in ranked)
        return CategoricalColumn(self._column, tuple(name for name, _ in named), counts, len(ranked), singletons), self._notes(other)

    def _notes(self, other: int) -> list[str]:
        name, distinct, total = self._column.name, len(self.counts), self.counts.total()
        if self._column.kind is Kind.BOOLEAN or not distinct:
            return []
        if distinct > ID_VALUES_MIN and distinct > ID_RATIO_MIN * total:
            return [f"`{name}` looks like an id ({distinct:,} different values in {total:,}): it cannot drift; --drop {name} leaves it out"]
        notes = []
        if other:
            kept = self._options.categories_max
            notes.append(f"`{name}` has {distinct:,} categories: the first {kept} are told apart, {other / total:.1%} of values are other")
        forced = self._options.forced(name) is not None
        if not forced and self._column.role is Role.FEATURE and all(map(_NUMBER.match, self.counts)):
            notes.append(f"`{name}` holds numbers as text; --numeric {name} reads them as numbers")
        return notes


def collector(column: Column, options: BuildOptions) -> NumberCollector | CategoryCollector:
    """What gathers a column of this kind."""
    return NumberCollector(column, options) if column.kind is Kind.NUMERIC else CategoryCollector(column, options)
