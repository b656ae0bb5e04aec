"""Page-Hinkley: how far the sum of deviations from the running mean has come from its lowest, and from its highest, point.

Page, "Continuous inspection schemes", Biometrika 41 (1954), pp. 100-115, in both directions. For values x with running mean m,
    up: sum of (x - m - delta) less its minimum        down: maximum of the sum of (x - m + delta) less that sum,
and a drift is reported where one of them passes the threshold; the next entry then begins anew. The change is where the extreme was.

An entry is one slice: n values with their mean, which count as n / phi. With one value per slice and phi = 1 every drift is that of
river's `PageHinkley` with the same parameters, bit for bit. Their default here forgets nothing (alpha = 1): river's alpha = 0.9999 bounds
the sum's memory, and gave 2,992 alarms in 10^8 stationary values; delta = 0.025 is half the least shift worth a report, and for values in
[0, 1] the chance of a false drift per start is below exp(-2 delta threshold / (1/12)) = exp(-30).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.sequential.cut import NONE, no_cuts
from stream_monitor.errors import CodecError
from stream_monitor.profile.kernels import compiled

_SUMS: Final = ("n", "total", "square")
RUN: Final = np.dtype(
    [
        ("weight", "<f8"),  # effective values since the start
        ("mean", "<f8"),
        ("rise", "<f8"),
        ("fall", "<f8"),
        ("lowest", "<f8"),
        ("highest", "<f8"),
        *[(name, "<f8") for name in _SUMS],  # of the values since the start
        *[(f"low_{name}", "<f8") for name in _SUMS],  # the same when the sum was lowest
        *[(f"high_{name}", "<f8") for name in _SUMS],
        ("low_start", "<i8"),  # the first slice after that, `NONE` while there is none
        ("high_start", "<i8"),
        ("drifted", "<i8"),
        ("started", "<i8"),
    ]
)


@dataclass(frozen=True, slots=True)
class Limits:
    """alpha: what is left of a sum after one more value; delta: a deviation that does not count; threshold: of the sums;
    values_min: effective values before a drift is possible.
    """

    alpha: float = 1.0
    delta: float = 0.025
    threshold: float = 50.0
    values_min: float = 30.0


class PageHinkley:
    """One run for each of S series. `cuts`: `CUT`[S], the drifts of the last slice, at the extreme."""

    def __init__(self, series: int, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.runs = np.zeros(series, dtype=RUN)
        self.cuts = no_cuts(series)

    def feed(self, number: int, entries: NDArray[np.float64], phi: NDArray[np.float64]) -> int:
        """Take in slice `number`: entries float64[3, S] of n, mean and M2, phi float64[S] >= 1. How many series drifted."""
        limits = self.limits
        return _feed(self.runs, self.cuts, number, entries, phi, limits.alpha, limits.delta, limits.threshold, limits.values_min)

    def encode(self) -> bytes:
        """The runs."""
        return self.runs.tobytes()

    def load(self, content: bytes) -> None:
        """Back from `encode`. Errors: CodecError."""
        if len(content) != self.runs.nbytes:
            raise CodecError("a saved Page-Hinkley of another number of series")
        self.runs = np.frombuffer(content, dtype=RUN).copy()


@compiled
def _start(run: Any) -> None:
    run.weight, run.mean, run.rise, run.fall = 0.0, 0.0, 0.0, 0.0
    run.lowest, run.highest = np.inf, -1.0
    run.n, run.total, run.square = 0.0, 0.0, 0.0
    run.low_n, run.low_total, run.low_square = 0.0, 0.0, 0.0
    run.high_n, run.high_total, run.high_square = 0.0, 0.0, 0.0
    run.low_start, run.high_start, run.drifted, run.started = NONE, NONE, 0, 1


@compiled
def _add(run: Any, number: int, n: float, mean: float, m2: float) -> None:
    run.n += n
    run.total += n * mean
    run.square += m2 + n * mean * mean
    if run.low_start == NONE:
        run.low_start = number
    if run.high_start == NONE:
        run.high_start = number


@compiled
def _step(run: Any, weight: float, mean: float, alpha: float, delta: float) -> None:
    run.weight += weight
    run.mean += (weight / run.weight) * (mean - run.mean)
    apart = mean - run.mean
    kept = alpha**weight
    run.rise = kept * run.rise + weight * apart - weight * delta
    run.fall = kept * run.fall + weight * apart + weight * delta
    if run.rise < run.lowest:
        run.lowest = run.rise
        run.low_n, run.low_total, run.low_square, run.low_start = run.n, run.total, run.square, NONE
    if run.fall > run.highest:
        run.highest = run.fall
        run.high_n, run.high_total, run.high_square, run.high_start = run.n, run.total, run.square, NONE


@compiled
def _cut(run: Any, cut: Any, rose: bool) -> None:
    if rose:
        cut.start, cut.n, cut.total, cut.square = run.low_start, run.n - run.low_n, run.total - run.low_total, run.square - run.low_square
    else:
        cut.start, cut.n, cut.total, cut.square = (
            run.high_start,
            run.n - run.high_n,
            run.total - run.high_total,
            run.square - run.high_square,
        )


@compiled
def _feed(
    runs: NDArray[np.void],
    cuts: NDArray[np.void],
    number: int,
    entries: NDArray[np.float64],
    phi: NDArray[np.float64],
    alpha: float,
    delta: float,
    threshold: float,
    values_min: float,
) -> int:
    drifts = 0
    for s in range(len(runs)):
        run, cut, n, mean = runs[s], cuts[s], entries[0, s], entries[1, s]
        cut.start = NONE
        if n == 0:
            continue
        if run.drifted or not run.started:
            _start(run)
        _add(run, number, n, mean, entries[2, s])
        _step(run, n / phi[s], mean, alpha, delta)
        rose, fell = run.rise - run.lowest, run.highest - run.fall
        if run.weight >= values_min and max(rose, fell) > threshold:
            _cut(run, cut, rose > threshold)
            run.drifted = 1
            drifts += 1
    return drifts
