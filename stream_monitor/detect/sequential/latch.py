"""From suspicion to report: which suspected changes are large and real, each once.

A detector's threshold says "something may have changed here"; a report needs more. The mean since the suspected change is compared with
the mean of everything since the last reported one, so that ten small steps add up to one report. It is reported when
    |after - before| >= min_shift          and          p < alpha, with at least 30 effective values on either side.
A suspicion stays open until then: a change found early, on few values, is reported as soon as they suffice. After a report the new level is
what later ones are compared with. A change that goes on in the same direction within a minute is the same change, and not reported again.

p is that of a two-sided t-test of the two means with n / phi values, and no more degrees of freedom than phi was found with, times the
number of looks in one window and of the places where the change may have been put (Bonferroni): what is fired on chance in a window
is fired with a probability below alpha. Student's t becomes a normal deviate by Wallace's transformation (Wallace 1959, "Bounds on normal
approximations to Student's and the chi-square distributions", Ann. Math. Statist. 30, pp. 1121-1130), right to a few percent of the
exponent in the far tails where alpha lies.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.sequential.cut import NONE
from stream_monitor.errors import CodecError
from stream_monitor.profile.kernels import compiled

SIDE_MIN: Final = 30
"""Effective values on either side of a change."""
SETTLE: Final = 60
"""Slices after a report in which a further drift of the same direction belongs to it."""
CUTS: Final = 64
"""Places where a detector may put the change: a dozen sizes of five buckets."""

LATCH: Final = np.dtype(
    [
        ("all_n", "<f8"),  # everything since the last report
        ("all_total", "<f8"),
        ("all_square", "<f8"),
        ("since_n", "<f8"),  # that part of it which came after the suspected change
        ("since_total", "<f8"),
        ("since_square", "<f8"),
        ("start", "<i8"),  # the first slice of that part, `NONE`: nothing is suspected
        ("reported", "<i8"),  # the last slice of the last reported change, `NONE`: there was none
        ("direction", "<i8"),  # of that change: 1 up, -1 down
    ]
)
REPORT: Final = np.dtype([("start", "<i8"), ("before", "<f8"), ("after", "<f8"), ("p_value", "<f8")])


class Latch:
    """The reported level of each of S series, for one detector."""

    def __init__(self, min_shift: NDArray[np.float64], alpha: float, looks: float) -> None:
        """min_shift: float64[S]; alpha: false reports per series and window; looks: how many slices a window has."""
        self.min_shift, self.alpha, self.trials = np.ascontiguousarray(min_shift, dtype=np.float64), alpha, looks * CUTS
        self.latches = np.zeros(len(min_shift), dtype=LATCH)
        self.latches["start"] = self.latches["reported"] = NONE
        self.reports = np.zeros(len(min_shift), dtype=REPORT)

    def feed(
        self,
        number: int,
        entries: NDArray[np.float64],
        phi: NDArray[np.float64],
        freedom: NDArray[np.float64],
        span: NDArray[np.float64],
        cuts: NDArray[np.void],
    ) -> NDArray[np.int64]:
        """Take in slice `number` and the drifts that the detector found in it; the series that `reports` now tells of, rising.

        phi, freedom, span: float64[S], see `dispersion`.
        """
        found = _feed(self.latches, cuts, self.reports, number, entries, phi, freedom, span, self.min_shift, self.alpha, self.trials)
        return np.flatnonzero(self.reports["start"] != NONE) if found else np.zeros(0, dtype=np.int64)

    def encode(self) -> bytes:
        """The levels."""
        return self.latches.tobytes()

    def load(self, content: bytes) -> None:
        """Back from `encode`. Errors: CodecError."""
        if len(content) != self.latches.nbytes:
            raise CodecError("saved levels of another number of series")
        self.latches = np.frombuffer(content, dtype=LATCH).copy()


@compiled
def p_value(n0: float, n1: float, apart: float, m2: float, phi: float, freedom_max: float) -> float:
    """Two-sided p of two means that are `apart`; m2: squared deviations of all n0 + n1 values from their side's mean; n0, n1 > 0.

    A value at the far end of its range, (1/2)^2, is added to m2: nothing is without variance, whatever constant was seen.
    Fewer than 3 effective values, or no more than one degree of freedom: 1.
    """
    freedom = min((n0 + n1) / phi - 2.0, freedom_max)
    if freedom <= 1.0:
        return 1.0
    variance = (m2 + 0.25) / (n0 + n1 - 1.0)
    squared = apart * apart / (variance * phi * (1.0 / n0 + 1.0 / n1))
    deviate = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0) * math.sqrt(freedom * math.log1p(squared / freedom))
    return math.erfc(deviate / math.sqrt(2.0))


@compiled
def _suspect(latch: Any, cut: Any, number: int) -> None:
    before_n, before_total = latch.all_n - cut.n, latch.all_total - cut.total
    rises = cut.total * before_n > before_total * cut.n
    direction = 1 if rises else -1
    latch.since_n, latch.since_total, latch.since_square, latch.start = cut.n, cut.total, cut.square, cut.start
    if latch.reported != NONE and number - latch.reported <= SETTLE and direction == latch.direction:
        _settle(latch, number, direction)


@compiled
def _settle(latch: Any, number: int, direction: int) -> None:
    """From here on the part after the change is what there is."""
    latch.all_n, latch.all_total, latch.all_square = latch.since_n, latch.since_total, latch.since_square
    latch.start, latch.reported, latch.direction = NONE, number, direction


@compiled
def _judge(latch: Any, report: Any, phi: float, freedom: float, min_shift: float, alpha: float, trials: float) -> bool:
    n0, n1 = latch.all_n - latch.since_n, latch.since_n
    if min(n0, n1) / phi < SIDE_MIN:
        return False
    total, square = latch.all_total - latch.since_total, latch.all_square - latch.since_square
    before, after = total / n0, latch.since_total / n1
    if abs(after - before) < min_shift:
        return False
    m2 = max(square - total * before, 0.0) + max(latch.since_square - latch.since_total * after, 0.0)
    p = min(trials * p_value(n0, n1, after - before, m2, phi, freedom), 1.0)
    if p >= alpha:
        return False
    report.start, report.before, report.after, report.p_value = latch.start, before, after, p
    return True


@compiled
def _add(latch: Any, n: float, mean: float, m2: float) -> None:
    latch.all_n += n
    latch.all_total += n * mean
    latch.all_square += m2 + n * mean * mean
    if latch.start != NONE:
        latch.since_n += n
        latch.since_total += n * mean
        latch.since_square += m2 + n * mean * mean


@compiled
def _feed(
    latches: NDArray[np.void],
    cuts: NDArray[np.void],
    reports: NDArray[np.void],
    number: int,
    entries: NDArray[np.float64],
    phi: NDArray[np.float64],
    freedom: NDArray[np.float64],
    span: NDArray[np.float64],
    min_shift: NDArray[np.float64],
    alpha: float,
    trials: float,
) -> int:
    found = 0
    for s in range(len(latches)):
        latch, cut, report = latches[s], cuts[s], reports[s]
        report.start = NONE
        if entries[0, s] == 0:
            continue
        _add(latch, entries[0, s], entries[1, s], entries[2, s])
        if cut.start != NONE:
            _suspect(latch, cut, number)
        if (
            latch.start != NONE
            and number - latch.start + 1 >= span[s]
            and _judge(latch, report, phi[s], freedom[s], min_shift[s], alpha, trials)
        ):
            _settle(latch, number, 1 if report.after > report.before else -1)
            found += 1
    return found
