"""ADWIN: a window that grows while its parts agree, over all series at once.

Bifet and Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007, pp. 443-448; the variance of merged buckets by
Babcock et al., "Maintaining variance and k-medians over data stream windows", PODS 2003. The window is a list of buckets, at most five of
2^i entries each for every i, so a month of seconds is about a hundred buckets. Where two parts of it have means further apart than chance
explains, it forgets its oldest bucket until they no longer have, and reports a drift; the next entry then begins a new window.

An entry is one slice: n values with their mean and M2. The clock and the window count values, the bound counts n / phi of them.
With one value per slice and phi = 1 every drift, width, total and variance is that of river's `ADWIN` with its default settings, bit
for bit.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.sequential.cut import NONE, no_cuts
from stream_monitor.errors import CodecError
from stream_monitor.profile.kernels import compiled

DELTA: Final = 0.002
"""The chance of a false drift per window that a check may take. What is reported has to pass a stricter test, see `latch`."""
CLOCK: Final = 32
"""A check is due when this many more values have come."""
BUCKETS: Final = 5
"""Of each size, before two of them merge."""
PART_MIN: Final = 5
"""Effective values on either side of a cut."""
GRACE: Final = 10
"""Effective values in a window before it is checked at all."""
LEVELS: Final = 20
"""Sizes of buckets. The window holds up to 5 million slices, two months of seconds; older ones leave it."""

WINDOW: Final = np.dtype(
    [
        ("width", "<f8"),
        ("total", "<f8"),
        ("variance", "<f8"),  # M2 of the window, as river names it
        ("clock", "<i8"),
        ("drifted", "<i8"),
        ("levels", "<i8"),
        ("used", "<i8", (LEVELS,)),
    ]
)
BUCKET: Final = np.dtype([("n", "<f8"), ("total", "<f8"), ("m2", "<f8"), ("start", "<i8")])


class Adwin:
    """One window for each of S series. `cuts`: `CUT`[S], the drifts of the last slice, at the boundary that divides the window best."""

    def __init__(self, series: int) -> None:
        self.windows = np.zeros(series, dtype=WINDOW)
        self.buckets = np.zeros((series, LEVELS, BUCKETS + 1), dtype=BUCKET)
        self.cuts = no_cuts(series)

    def feed(self, number: int, entries: NDArray[np.float64], phi: NDArray[np.float64]) -> int:
        """Take in slice `number`: entries float64[3, S] of n, mean and M2, phi float64[S] >= 1. How many series drifted."""
        return _feed(self.windows, self.buckets, self.cuts, number, entries, phi)

    def encode(self) -> bytes:
        """The windows and the buckets in use."""
        return self.windows.tobytes() + self.buckets[self._in_use()].tobytes()

    def load(self, content: bytes) -> None:
        """Back from `encode`. Errors: CodecError."""
        size = self.windows.nbytes
        if len(content) < size:
            raise CodecError("a saved ADWIN of another number of series")
        self.windows = np.frombuffer(content[:size], dtype=WINDOW).copy()
        used = self.windows["used"]
        if used.min(initial=0) < 0 or used.max(initial=0) > BUCKETS or len(content) - size != int(used.sum()) * BUCKET.itemsize:
            raise CodecError("a saved ADWIN whose buckets do not fit its windows")
        if (self.windows["levels"] != (np.cumsum(used[:, ::-1] > 0, axis=1) > 0).sum(axis=1)).any():
            raise CodecError("a saved ADWIN with buckets of unknown sizes")
        self.buckets[self._in_use()] = np.frombuffer(content[size:], dtype=BUCKET)

    def _in_use(self) -> NDArray[np.bool_]:
        return np.asarray(np.arange(BUCKETS + 1) < self.windows["used"][:, :, None])


@compiled
def _insert(window: Any, rows: Any, number: int, n: float, mean: float, m2: float) -> None:
    before = window.width
    window.width += n
    added = 0.0
    if before > 0:
        apart = mean - window.total / before
        added = before * n * apart * apart / window.width
    window.variance += m2 + added
    window.total += n * mean
    window.levels = max(window.levels, 1)
    _append(window, rows, 0, n, n * mean, m2, number)


@compiled
def _append(window: Any, rows: Any, level: int, n: float, total: float, m2: float, start: int) -> None:
    bucket = rows[level, window.used[level]]
    bucket.n, bucket.total, bucket.m2, bucket.start = n, total, m2, start
    window.used[level] += 1


@compiled
def _take(window: Any, rows: Any, level: int, taken: int) -> None:
    """Remove the oldest buckets of a size."""
    window.used[level] -= taken
    for k in range(window.used[level]):
        rows[level, k] = rows[level, k + taken]


@compiled
def _compress(window: Any, rows: Any) -> None:
    level = 0
    while window.used[level] > BUCKETS:
        if level == LEVELS - 1:
            _forget_oldest(window, rows)
            return
        a, b = rows[level, 0], rows[level, 1]
        apart = a.total / a.n - b.total / b.n
        m2 = a.m2 + b.m2 + a.n * b.n * apart * apart / (a.n + b.n)
        window.levels = max(window.levels, level + 2)
        _append(window, rows, level + 1, a.n + b.n, a.total + b.total, m2, a.start)
        _take(window, rows, level, 2)
        level += 1


@compiled
def _forget_oldest(window: Any, rows: Any) -> None:
    level = window.levels - 1
    n, total, m2 = rows[level, 0].n, rows[level, 0].total, rows[level, 0].m2
    window.width -= n
    window.total -= total
    apart = total / n - window.total / window.width
    window.variance -= m2 + n * window.width * apart * apart / (n + window.width)
    _take(window, rows, level, 1)
    if window.used[level] == 0:
        window.levels -= 1


@compiled
def _disagrees(window: Any, rows: Any, phi: float) -> bool:
    """Whether some cut divides the window into parts whose means are further apart than the bound."""
    confidence = np.log(2.0 * np.log(window.width) / DELTA)
    n0, u0, n1, u1 = 0.0, 0.0, window.width, window.total
    for level in range(window.levels - 1, -1, -1):
        for k in range(window.used[level]):
            bucket = rows[level, k]
            n0 += bucket.n
            n1 -= bucket.n
            u0 += bucket.total
            u1 -= bucket.total
            if n0 / phi < PART_MIN:
                continue
            if n1 / phi < PART_MIN:
                return False
            reciprocal = 1.0 / (n0 / phi - PART_MIN + 1.0) + 1.0 / (n1 / phi - PART_MIN + 1.0)
            bound = np.sqrt(2.0 * reciprocal * (window.variance / window.width) * confidence) + 2.0 / 3.0 * confidence * reciprocal
            if abs(u0 / n0 - u1 / n1) > bound:
                return True
    return False


@compiled
def _divide(window: Any, rows: Any, cut: Any) -> None:
    """The cut that explains most of the window's variance: n0 n1 (mean0 - mean1)^2 / n is the largest."""
    n0, u0, best = 0.0, 0.0, -1.0
    for level in range(window.levels - 1, -1, -1):
        for k in range(window.used[level]):
            bucket = rows[level, k]
            if n0 > 0:
                n1 = window.width - n0
                apart = u0 / n0 - (window.total - u0) / n1
                explained = n0 * n1 * apart * apart
                if explained > best:
                    best = explained
                    cut.start, cut.n, cut.total, cut.square = bucket.start, 0.0, 0.0, 0.0
            n0 += bucket.n
            u0 += bucket.total
            cut.n += bucket.n
            cut.total += bucket.total
            cut.square += bucket.m2 + bucket.total * bucket.total / bucket.n


@compiled
def _reset(window: Any) -> None:
    window.width, window.total, window.variance = 0.0, 0.0, 0.0
    window.clock, window.drifted, window.levels = 0, 0, 0
    window.used[:] = 0


@compiled
def _feed(
    windows: NDArray[np.void],
    buckets: NDArray[np.void],
    cuts: NDArray[np.void],
    number: int,
    entries: NDArray[np.float64],
    phi: NDArray[np.float64],
) -> int:
    drifts = 0
    for s in range(len(windows)):
        window, rows, cut, n = windows[s], buckets[s], cuts[s], entries[0, s]
        cut.start = NONE
        if n == 0:
            continue
        if window.drifted:
            _reset(window)
        _insert(window, rows, number, n, entries[1, s], entries[2, s])
        _compress(window, rows)
        due = window.clock // CLOCK
        window.clock += np.int64(n)
        if window.clock // CLOCK == due or window.width / phi[s] <= GRACE or not _disagrees(window, rows, phi[s]):
            continue
        _divide(window, rows, cut)
        window.drifted = 1
        drifts += 1
        _forget_oldest(window, rows)
        while _disagrees(window, rows, phi[s]):
            _forget_oldest(window, rows)
    return drifts
