"""Slices: what sequential detectors read. All values of one second of event time, as exact sums of their positions.

A detector that works through single values depends on their order, and there is none across partitions. One that works through
slices does not: slices merge exactly, whoever saw which part, and are read in the order of their time.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

SLICE_MS: Final = 1_000
"""A change is placed to the second; 500 values a second still show a shift of a quarter of a standard deviation within two slices."""
POSITION_SCALE: Final = 2**20
"""Positions are whole multiples of 2^-20; 2^22 values of a column in one slice fit into an int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """S slices of the C columns of one baseline; slices without events are left out.

    starts: int64[S], slice numbers (event time in ms // `SLICE_MS`), rising. n: int64[S, C], values present (neither missing nor invalid).
    sums: int64[S, 3, C], over those values: sum of q, of q^2 and of |2q - 2^20|, where q = rint(u 2^20) and u is the value's position.
    The third is the series of spread, |2u - 1|; the sum of its squares follows from the other three.

    Slices of one baseline form a commutative monoid under `merge`, exactly.
    """

    starts: NDArray[np.int64]
    n: NDArray[np.int64]
    sums: NDArray[np.int64]

    @classmethod
    def empty(cls, columns: int) -> Self:
        """No slices: the zero of `merge`."""
        zeros = np.zeros
        return cls(zeros(0, dtype=np.int64), zeros((0, columns), dtype=np.int64), zeros((0, 3, columns), dtype=np.int64))

    def merge(self, other: "Slices") -> "Slices":
        """The slices of both sides' events. Both must have the same columns."""
        if not len(self) or not len(other):
            return self if len(self) else other
        starts = np.union1d(self.starts, other.starts)
        n = np.zeros((len(starts), self.n.shape[1]), dtype=np.int64)
        sums = np.zeros((len(starts), 3, self.n.shape[1]), dtype=np.int64)
        for side in (self, other):
            rows = np.searchsorted(starts, side.starts)  # each side's are unique: plain += adds every row once
            n[rows] += side.n
            sums[rows] += side.sums
        return Slices(starts, n, sums)

    def part(self, first: int, end: int) -> "Slices":
        """Those at the places first … end - 1."""
        return Slices(self.starts[first:end], self.n[first:end], self.sums[first:end])

    def __len__(self) -> int:
        return len(self.starts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slices) and (
            np.array_equal(self.starts, other.starts) and np.array_equal(self.n, other.n) and np.array_equal(self.sums, other.sums)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside
