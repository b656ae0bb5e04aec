"""How many independent values a slice is worth: n / phi, because values that come together are often alike.

Traffic comes in sessions, retries and batches; a thousand copies of one event are one event. phi is the ratio of the variance between
groups of values to the variance of all values, 1 for independent ones. It is the largest of three:

- between slices: mean squares of a one-way analysis of variance, slices being the groups. Slices are compared with the mean of their own
  level, which ends with every reported shift;
- between blocks of a minute: half the mean square of the differences of successive blocks' means (von Neumann 1941). What wanders
  for minutes shows here, while a shift of the level is in one difference only and so hardly hides itself. It is the less certain the fewer
  blocks there were: `freedom` is how many degrees of freedom it has, for tests to count in. Longer blocks, of 9 and 68
  minutes, count as well once there were enough: what changes by the minute is split between two blocks of one, what wanders for ten
  minutes over several, so that these are alike, and their differences show a part of it only;
- what the training data showed: 1 + icc (m - 1), the design effect of clusters of m values (Kish 1965, "Survey Sampling", sec. 5.4), m
  being how many come in the length of time over which icc was found.

The denominator is the variance of all values, not that within groups, because phi multiplies the former; with the latter, a column
constant within each slice would never be judged again.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.errors import CodecError
from stream_monitor.profile.kernels import compiled

SLICES_MIN: Final = 30
"""Slices of two values or more before what they differ by is believed: its standard error is then a quarter."""
BLOCK: Final = 64
"""Slices in a block: a minute, the length of a scrape, a batch job's step, a burst."""
LONG: Final = (8, 64)
"""Blocks in a longer one. With blocks of a minute alone, three partitions whose shares changed by the minute gave 11 reports in 8 months;
without those of an hour, values that wander with a memory of ten minutes gave 7 in 9."""
LONG_MIN: Final = 30
"""Differences of longer blocks (4 and 34 hours of them) before they are believed: earlier they would hide a change that comes early."""
WANDERS: Final = 4.0
"""Where phi is so many times that of blocks of a minute, values wander for longer, and how far they go is not normal: of what |2u - 1| does
in a far excursion of u, a test of means knows nothing. A change must then have lasted for the longest block."""
SAFETY: Final = 2.5
"""icc is counted this many times: found on 500 runs it may be a quarter too small, the means of runs that touch are alike, so that their
differences show a fifth too little of it, and no run is as long as the feature's memory. With 1.5, a feature that wanders with a memory
of 10 minutes gave 16 reports in 30 days."""
NEUMANN: Final = 2 / 3
"""Degrees of freedom per difference: what the variance of successive differences is worth beside the usual one."""

RECORD: Final = np.dtype(
    [
        ("first", "<i8"),  # the first slice
        ("slices", "<i8"),
        ("shared", "<i8"),  # slices of two values or more
        ("levels", "<i8"),
        ("values", "<f8"),
        ("within", "<f8"),  # sums of squares
        ("between", "<f8"),
        ("level_n", "<f8"),
        ("level_mean", "<f8"),
    ]
)
BLOCKS: Final = np.dtype(
    [
        ("number", "<i8"),  # of the present block
        ("n", "<f8"),
        ("mean", "<f8"),
        ("last_n", "<f8"),  # of the block before, 0: none to compare with
        ("last_mean", "<f8"),
        ("pairs", "<i8"),
        ("differences", "<f8"),  # sum of squared differences, each over 1 / n + 1 / n
    ]
)

_VERSION_2: Final = np.dtype([("record", RECORD), ("blocks", BLOCKS)])
"""A series in records of version 2, which knew no long blocks."""


@dataclass(frozen=True)
class Clustering:
    """What the training data showed, of S series. ratio: float64[S] >= 1, the variance of a run's mean over that of independent rows.

    rows: how many rows a run had; slices: how long one was, 0: not known, and then the ratio holds at any rate.
    """

    ratio: NDArray[np.float64]
    rows: float = 1.0
    slices: float = 0.0

    @property
    def least(self) -> NDArray[np.float64]:
        """float64[S]: phi at any rate."""
        return np.ascontiguousarray(self.ratio if self.slices == 0 else np.ones(len(self.ratio)), dtype=np.float64)

    @property
    def icc(self) -> NDArray[np.float64]:
        """float64[S] in [0, 1]: the intraclass correlation."""
        if self.slices == 0 or self.rows <= 1:
            return np.zeros(len(self.ratio))
        return np.ascontiguousarray(np.clip(SAFETY * (self.ratio - 1) / (self.rows - 1), 0.0, 1.0))


class Dispersion:
    """phi of S series, from all slices since the beginning."""

    def __init__(self, clustering: Clustering) -> None:
        self._least, self._icc, self._slices = clustering.least, clustering.icc, clustering.slices
        self._records = np.zeros(len(self._least), dtype=RECORD)
        self._blocks = np.zeros((1 + len(LONG), len(self._least)), dtype=BLOCKS)
        self.phi = self._least.copy()
        self.freedom = np.zeros(len(self._least))
        self.span = np.zeros(len(self._least))
        """float64[S]: slices that must have passed since a change before it is believed."""

    def feed(self, number: int, entries: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take in slice `number`, float64[3, S]; float64[S], phi as of now, overwritten by the next, as are `freedom` and `span`."""
        _feed(self._records, self._blocks, number, entries, self._least, self._icc, self._slices, self.phi, self.freedom, self.span)
        return self.phi

    def end_level(self, series: int) -> None:
        """The next slice of this series begins a new level."""
        self._records["level_n"][series] = 0.0
        self._blocks["n"][:, series] = self._blocks["last_n"][:, series] = 0.0

    def encode(self) -> bytes:
        """All that was seen."""
        return self._records.tobytes() + self._blocks.tobytes()

    def load(self, content: bytes) -> None:
        """Back from `encode`. Errors: CodecError."""
        if len(content) == len(self._records) * _VERSION_2.itemsize:
            saved = np.frombuffer(content, dtype=_VERSION_2)
            self._records, self._blocks[0] = saved["record"].copy(), saved["blocks"]
            return
        if len(content) != self._records.nbytes + self._blocks.nbytes:
            raise CodecError("saved dispersion of another number of series")
        self._records = np.frombuffer(content[: self._records.nbytes], dtype=RECORD).copy()
        self._blocks = np.frombuffer(content[self._records.nbytes :], dtype=BLOCKS).reshape(self._blocks.shape).copy()


@compiled
def _block(one: Any, number: int, n: float, mean: float) -> None:
    """Take a slice into the present block, `number`; one that ends is compared with the one before."""
    if number != one.number:
        if one.last_n > 0 and one.n > 0:
            apart = one.mean - one.last_mean
            one.differences += apart * apart / (1.0 / one.last_n + 1.0 / one.n)
            one.pairs += 1
        one.last_n, one.last_mean = one.n, one.mean
        one.number, one.n, one.mean = number, 0.0, 0.0
    one.n += n
    one.mean += n * (mean - one.mean) / one.n


@compiled
def _feed(
    records: NDArray[np.void],
    blocks: NDArray[np.void],
    number: int,
    entries: NDArray[np.float64],
    least: NDArray[np.float64],
    icc: NDArray[np.float64],
    slices: float,
    phi: NDArray[np.float64],
    freedom: NDArray[np.float64],
    span: NDArray[np.float64],
) -> None:
    for s in range(len(records)):
        n, mean, m2 = entries[0, s], entries[1, s], entries[2, s]
        one = records[s]
        if n > 0:
            if one.slices == 0:
                one.first = number
            if one.level_n == 0:
                one.levels += 1
                one.level_mean = mean
            total = one.level_n + n
            one.between += one.level_n * n * (mean - one.level_mean) * (mean - one.level_mean) / total
            one.level_mean += n * (mean - one.level_mean) / total
            one.level_n = total
            one.within += m2
            one.values += n
            one.slices += 1
            one.shared += n > 1
            _block(blocks[0, s], number // BLOCK, n, mean)
            for size in range(len(LONG)):
                _block(blocks[1 + size, s], number // (BLOCK * LONG[size]), n, mean)
        short = blocks[0, s]
        freedom[s] = NEUMANN * short.pairs
        expected = one.values * slices / (number - one.first + 1.0) if one.slices > 0 else 0.0
        wandering, alike = 1.0 + icc[s] * max(expected - 1.0, 0.0), least[s]
        phi[s] = max(alike, wandering)
        whole = one.between + one.within
        if one.slices <= one.levels or whole <= 0:
            continue
        variance = whole / (one.values - one.levels)
        if one.shared >= SLICES_MIN:
            alike = max(alike, one.between / (one.slices - one.levels) / variance)
        if short.pairs > 0:
            alike = max(alike, short.differences / short.pairs / variance)
        phi[s] = max(phi[s], alike)
        for size in range(len(LONG)):
            long = blocks[1 + size, s]
            if long.pairs >= LONG_MIN:
                wandering = max(wandering, long.differences / long.pairs / variance)
                if wandering > phi[s]:
                    phi[s], freedom[s] = wandering, NEUMANN * long.pairs
        span[s] = BLOCK * LONG[-1] if wandering > WANDERS * alike else 0.0
