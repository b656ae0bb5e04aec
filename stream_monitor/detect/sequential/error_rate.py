"""DDM and EDDM: has the share of errors risen, have errors come closer together? For a loss that is 0 or 1.

DDM (Gama, Medas, Castillo & Rodrigues 2004, "Learning with Drift Detection", SBIA): with p the share of errors since the start and s its
standard error, a drift is where p + s passes its least value by 3 of its s then. EDDM (Baena-Garcia et al. 2006, "Early Drift Detection
Method"): with m and v mean and deviation of the distance between errors, where m + 2 v falls under 0.9 of its largest value. The change is
where the extreme was; the next entry then begins anew.

An entry is one slice of n values; its errors count as spread evenly over it. With one value per slice every drift is that of river's `DDM`
and `EDDM` with their defaults. Both find many changes that are chance: what is reported, the latch decides.
"""

from math import inf, sqrt
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.sequential.cut import NONE, no_cuts
from stream_monitor.errors import CodecError
from stream_monitor.profile.frame import UNREADABLE

WARM: Final = 30
"""Values (of EDDM: errors) before a drift is possible, as in both papers."""
DRIFT: Final = 3.0
"""Standard errors over the least, of DDM."""
BETA: Final = 0.9
"""Part of the largest distance, of EDDM."""


class _Sums(msgspec.Struct, array_like=True):
    n: float = 0.0
    total: float = 0.0
    square: float = 0.0
    start: int = NONE
    """The first slice of these values; NONE while there is none."""

    def add(self, number: int, n: float, mean: float, m2: float) -> None:
        self.n, self.total, self.square = self.n + n, self.total + n * mean, self.square + m2 + n * mean * mean
        self.start = number if self.start == NONE else self.start


class _DdmRun(msgspec.Struct, array_like=True):
    n: float = 0.0
    p: float = 0.0
    least: float = inf
    least_p: float = 0.0
    least_s: float = 0.0
    since: _Sums = msgspec.field(default_factory=_Sums)
    drifted: bool = False

    def step(self, n: float, mean: float, phi: float) -> bool:
        self.n += n
        self.p += n * (mean - self.p) / self.n
        s = sqrt(max(self.p * (1 - self.p), 0.0) / (self.n / phi))
        if self.n / phi <= WARM:
            return False
        if self.p + s <= self.least:
            self.least, self.least_p, self.least_s, self.since = self.p + s, self.p, s, _Sums()
        return self.p + s > self.least_p + DRIFT * self.least_s


class _EddmRun(msgspec.Struct, array_like=True):
    n: float = 0.0
    last: float = 0.0
    errors: int = 0
    mean: float = 0.0
    m2: float = 0.0
    largest: float = -1.0
    since: _Sums = msgspec.field(default_factory=_Sums)
    drifted: bool = False

    def step(self, n: float, mean: float, phi: float) -> bool:
        errors, before, found = round(n * mean), self.n, False
        self.n += n
        for place in range(1, errors + 1):
            found = self._error(before + n * place / errors) or found
        return found

    def _error(self, place: float) -> bool:
        self.errors += 1
        distance = place - self.last
        apart = distance - self.mean
        self.mean += apart / self.errors
        self.m2 += apart * (distance - self.mean)
        self.last = place
        if place <= WARM:
            return False
        level = self.mean + 2 * sqrt(self.m2 / (self.errors - 1) if self.errors > 1 else 0.0)
        if level > self.largest:
            self.largest, self.since = level, _Sums()
            return False
        return self.errors > WARM and level / self.largest < BETA


_Run = _DdmRun | _EddmRun


class ErrorRate:
    """One run for each of S series, of DDM or EDDM. `cuts`: `CUT`[S], the drifts of the last slice, at the extreme."""

    def __init__(self, series: int, run: type[_Run]) -> None:
        self._type = run
        self._runs: list[_Run] = [run() for _ in range(series)]
        self.cuts = no_cuts(series)

    def feed(self, number: int, entries: NDArray[np.float64], phi: NDArray[np.float64]) -> int:
        """Take in slice `number`: entries float64[3, S] of n, mean and M2, phi float64[S] >= 1. How many series drifted."""
        self.cuts["start"] = NONE
        return sum(self._feed(s, number, entries[:, s].tolist(), float(phi[s])) for s in np.flatnonzero(entries[0]).tolist())

    def _feed(self, s: int, number: int, entry: list[float], phi: float) -> bool:
        n, mean, m2 = entry
        if self._runs[s].drifted:
            self._runs[s] = self._type()
        run = self._runs[s]
        run.since.add(number, n, mean, m2)
        run.drifted = run.step(n, mean, phi) and run.since.n > 0
        if run.drifted:
            since = run.since
            self.cuts[s] = (since.start, since.n, since.total, since.square)
        return run.drifted

    def encode(self) -> bytes:
        """The runs."""
        return msgspec.msgpack.encode(self._runs)

    def load(self, content: bytes) -> None:
        """Back from `encode`. Errors: CodecError."""
        try:
            runs = msgspec.msgpack.decode(content, type=list[self._type])  # type: ignore[name-defined]
        except UNREADABLE as error:
            raise CodecError(f"a saved error rate that cannot be read: {error}") from None
        if len(runs) != len(self._runs):
            raise CodecError("a saved error rate of another number of series")
        self._runs = runs


def ddm(series: int) -> ErrorRate:
    """A DDM that has seen nothing."""
    return ErrorRate(series, _DdmRun)


def eddm(series: int) -> ErrorRate:
    """An EDDM that has seen nothing."""
    return ErrorRate(series, _EddmRun)
