"""Events on a baseline's bins, and their counts by group in one pass."""

from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn, NumericColumn
from stream_monitor.baseline.position import places_of
from stream_monitor.capture.columns import INVALID, Columns, Values
from stream_monitor.profile import kernels
from stream_monitor.profile.layout import FIRST_VALUE, Layout
from stream_monitor.profile.layout import INVALID as INVALID_CODE


@dataclass(frozen=True, slots=True)
class Numbers:
    """A numeric column's values, for the moments: its place in the layout, float64[n], and what standardises them."""

    index: int
    values: NDArray[np.float64]
    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class Coded:
    """n events on a baseline's layout of C columns. codes: int32[C, n]; numbers: one entry per numeric column."""

    codes: NDArray[np.int32]
    numbers: tuple[Numbers, ...]

    def __len__(self) -> int:
        return int(self.codes.shape[1])


class Reference(Protocol):
    """What is needed of a baseline here."""

    @property
    def columns(self) -> tuple[BaselineColumn, ...]:
        """C columns."""
        ...

    @property
    def layout(self) -> Layout:
        """Their layout."""
        ...


class GroupSummary(NamedTuple):
    """Some of the events, in the terms of `Profile`: how many, int64[B] and int64[2, C]."""

    events: int
    counts: NDArray[np.int64]
    moments: NDArray[np.int64]


def encode(baseline: Reference, columns: Columns) -> Coded:
    """Code every value; the columns must be those of the baseline's schema, in its order."""
    codes = np.empty((len(baseline.columns), len(columns)), dtype=np.int32)
    numbers = []
    for index, (entry, values) in enumerate(zip(baseline.columns, columns.values, strict=True)):
        if isinstance(entry, NumericColumn):
            floats = _floats(values)
            kernels.encode_numeric(floats, entry.edge_array, codes[index])
            numbers.append(Numbers(index, floats, entry.mean, entry.scale))
        else:
            codes[index] = _category_codes(entry, values)
    return Coded(codes, tuple(numbers))


def _floats(values: Values) -> NDArray[np.float64]:
    # Contiguous and writable: for any other array numba would compile anew, in the midst of a batch.
    return np.require(values, dtype=np.float64, requirements=["C", "W"])


def _category_codes(entry: CategoricalColumn, values: Values) -> NDArray[np.int32]:
    codes = np.fromiter(map(entry.codes.get, values, repeat(FIRST_VALUE)), dtype=np.int32, count=len(values))
    for row in np.flatnonzero(codes == INVALID_CODE):
        if values[row] is not INVALID:  # a text that only looks like the marker
            codes[row] = FIRST_VALUE
    return codes


def summarise_groups(baseline: Reference, coded: Coded, group: NDArray[np.int32], groups: int) -> list[GroupSummary]:
    """One summary for each group 0 … G - 1, empty ones too. A law: they add up to the summary of all rows.

    group: int32[n], each below `groups`; rows of a negative group are left out.
    """
    layout, group = baseline.layout, np.require(group, dtype=np.int32, requirements=["C", "W"])
    events = np.zeros(groups, dtype=np.int64)
    counts = np.zeros((groups, layout.total), dtype=np.int64)
    moments = np.zeros((layout.columns, 2, groups), dtype=np.int64)
    kernels.count_groups(group, events)
    kernels.count(coded.codes, group, layout.starts, counts)
    for numbers in coded.numbers:
        kernels.add_moments(numbers.values, numbers.mean, numbers.scale, group, moments[numbers.index])
    return [GroupSummary(int(events[g]), counts[g], moments[:, :, g].T.copy()) for g in range(groups)]


def slice_sums(baseline: Reference, coded: Coded, group: NDArray[np.int32], groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sums of `Slices` for each group 0 … G - 1: int64[G, C] values present and int64[G, 3, C].

    group: int32[n], each below `groups`; rows of a negative group are left out. Positions are those of `position.positions`, to the bit.
    A column of which the baseline has no value has none here either.
    """
    group = np.require(group, dtype=np.int32, requirements=["C", "W"])
    numbers = {part.index: part.values for part in coded.numbers}
    sums = np.zeros((len(baseline.columns), 4, groups), dtype=np.int64)
    for index, entry in enumerate(baseline.columns):
        by_code = places_of(entry)
        if by_code is None:
            continue
        codes = coded.codes[index]
        if isinstance(entry, NumericColumn):
            kernels.add_positions(codes, numbers[index], by_code.places, by_code.slopes, by_code.lows, group, sums[index])
        else:
            kernels.add_ranks(codes, by_code.ranks, group, sums[index])
    return sums[:, 0].T.copy(), sums[:, 1:].transpose(2, 1, 0).copy()
