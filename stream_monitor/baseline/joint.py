"""How far an event lies from the training data, all columns together: shows values that do not go together, each usual by itself.

The squared Mahalanobis distance of normal scores, z = Phi^-1(u), of positions: a Gaussian copula (Liu, Lafferty, Wasserman 2009, "The
nonparanormal", JMLR 10). Positions make it blind to units and skewness; normal scores make pairs near an ellipse, where plain positions
fill a square; and none is beyond 3.7, so that one wild value makes no event strange: that is the affair of its own column. Where a value
is missing z is 0, the median's. Everything that counts is a whole number, so distances are the same in every batch and on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.column import BaselineColumn, NumericColumn
from stream_monitor.baseline.position import places_of
from stream_monitor.capture.schema import Kind, Role

if TYPE_CHECKING:
    from stream_monitor.baseline.encode import Coded

COLUMNS_MAX: Final = 64
"""Columns that are looked at together, the first ones; the cost of an event grows with their square, to 0.2 us at this many."""
ROWS_PER_COLUMN: Final = 10
"""Fewer rows, fewer columns: a covariance of as many columns as rows fits the rows, and no others."""
SHRINKAGE: Final = 0.05
"""How much of the covariance is a multiple of the identity: columns that always agree would make it singular."""
SCORE_SCALE: Final = 2**8
FACTOR_SCALE: Final = 2**10
FACTOR_MAX: Final = 2**20
"""No entry of the factor is larger: 64 columns of scores up to 2^10 then make squared distances below 2^60."""
LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995)
FAR: Final = 0.001
"""The share of training rows in the last bin, or one row."""
_PLACES: Final = 2**12


def _normal_scores() -> NDArray[np.float64]:
    """Float64[`_PLACES` + 1], whole numbers in 1 / `SCORE_SCALE`; odd about the middle."""
    normal = NormalDist()
    return np.array([round(SCORE_SCALE * normal.inv_cdf((place + 0.5) / (_PLACES + 1))) for place in range(_PLACES + 1)], dtype=np.float64)


BY_PLACE: Final = _normal_scores()


@dataclass(frozen=True)
class Joint:
    """places: D columns of the baseline, numeric and boolean features that vary; factor: D rows of a lower triangle, the inverse of the
    covariance's Cholesky factor in 1 / `FACTOR_SCALE`; edges: K - 1 squared distances in 2^-16, rising; counts: K, the training rows by
    distance, each measured without itself: [0, e_1), … [e_K-1, inf), the last one what counts as far.

    natural, inflation: as in `Natural`, of the share of events that are far; neutral where they were not looked for.
    """

    places: tuple[int, ...]
    factor: tuple[tuple[int, ...], ...]
    edges: tuple[int, ...]
    counts: tuple[int, ...]
    natural: float = 0.0
    inflation: float = 1.0

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """float64[D, D], whole numbers."""
        full = np.zeros((len(self.factor), len(self.factor)))
        for i, row in enumerate(self.factor):
            full[i, : len(row)] = row
        return full

    def squared(self, columns: Sequence[BaselineColumn], coded: "Coded") -> NDArray[np.int64]:
        """int64[n]: each event's squared distance, in 2^-16."""
        from stream_monitor.profile.kernels import squared_distances  # numba is loaded only where events are counted

        found = np.empty(len(coded), dtype=np.int64)
        squared_distances(scores(columns, self.places, coded), self.matrix, 1 / FACTOR_SCALE, found)
        return found

    def bins(self, squared: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n] in [0, K)."""
        found: NDArray[np.int64] = np.searchsorted(np.array(self.edges, dtype=np.int64), squared, side="right")
        return found

    def without_itself(self, squared: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
        """Distances of training rows by the covariance of all the others, as those of live events are: d / (1 - d (1 - shrinkage) / n).

        By Sherman & Morrison 1950. With themselves in it rows look closer than any event to come: 200 rows of 20 columns by a fifth.
        """
        share = squared * ((1 - SHRINKAGE) / (rows * float(SCORE_SCALE**2)))
        found: NDArray[np.int64] = np.rint(squared / np.maximum(1 - share, 1e-3)).astype(np.int64)
        return found


def candidates(columns: Sequence[BaselineColumn], rows: int) -> tuple[int, ...]:
    """Columns that are looked at together: of two values, whose order then means nothing, or of numbers, whose order means something."""
    ordered = (Kind.NUMERIC, Kind.BOOLEAN)
    fit = [i for i, each in enumerate(columns) if each.column.role is Role.FEATURE and each.column.kind in ordered and each.distinct > 1]
    return tuple(fit[: min(COLUMNS_MAX, rows // ROWS_PER_COLUMN)])


def scores(columns: Sequence[BaselineColumn], places: Sequence[int], coded: "Coded") -> NDArray[np.float64]:
    """float64[D, n], whole numbers in 1 / `SCORE_SCALE`; 0 for what is no value."""
    from stream_monitor.profile.kernels import write_scores

    found, numbers = np.zeros((len(places), len(coded))), {part.index: part.values for part in coded.numbers}
    for row, place in zip(found, places, strict=True):
        by_code = places_of(columns[place])
        assert by_code is not None, "a column that varies has values"
        if isinstance(columns[place], NumericColumn):
            write_scores(coded.codes[place], numbers[place], by_code.places, by_code.slopes, by_code.lows, BY_PLACE, row)
        else:
            known = np.nan_to_num(by_code.places, nan=0.5)
            row[:] = BY_PLACE[np.rint(known * _PLACES).astype(np.int64)][coded.codes[place]]
    return found


def factor_of(products: NDArray[np.int64], rows: int) -> tuple[tuple[int, ...], ...]:
    """The factor, from the sums of products of scores, int64[D, D], over so many rows.

    Shrunk to (1 - s) S + s mu I, mu the mean variance (Ledoit & Wolf 2004).
    """
    covariance = products / (rows * float(SCORE_SCALE**2))
    size = len(covariance)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / size * np.eye(size)
    inverse = np.linalg.solve(np.linalg.cholesky(shrunk), np.eye(size))
    whole = np.clip(np.rint(FACTOR_SCALE * inverse), -FACTOR_MAX, FACTOR_MAX).astype(np.int64).tolist()
    return tuple(tuple(row[: i + 1]) for i, row in enumerate(whole))


def edges_of(squared: NDArray[np.int64]) -> tuple[int, ...]:
    """Edges from the distances of n >= 1 training rows, rising, so that at most `FAR` of the rows (or one) are at or beyond the last."""
    ordered = np.sort(squared)
    n, far = len(ordered), max(int(len(ordered) * FAR), 1)
    last = int(ordered[n - far])
    if n > far and int(ordered[n - far - 1]) == last:
        last += 1  # equal ones would be too many
    inner = {int(ordered[int(level * n)]) for level in LEVELS}
    return (*sorted(edge for edge in inner if 0 < edge < last), last)
