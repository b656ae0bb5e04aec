"""How columns become counts: the loops over values, compiled by numba.

Source stays Python; machine code is kept beside it (`__pycache__`) between runs. `compile_kernels` makes it ready, so that no
worker compiles inside a transaction. Only whoever encodes events needs this module: importing it imports numba (0.1 s).
Results are exact and the same on every machine: no fastmath, no floating-point sums.
"""

from collections.abc import Callable
from typing import Final, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.layout import FIRST_VALUE, INVALID, MISSING
from stream_monitor.profile.profile import MOMENT_CLIP, MOMENT_SCALE, SQUARE_SCALE

_Function = TypeVar("_Function", bound=Callable[..., None])

_SCALE: Final = float(MOMENT_SCALE)
_SQUARE: Final = float(SQUARE_SCALE)


def _compiled(function: _Function) -> _Function:
    try:
        return cast(_Function, numba.njit(cache=True, error_model="numpy", nogil=True)(function))
    except RuntimeError:  # no folder can be written, as in a read-only container: compile in every process
        return cast(_Function, numba.njit(error_model="numpy", nogil=True)(function))


@_compiled
def encode_numeric(values: NDArray[np.float64], edges: NDArray[np.float64], out: NDArray[np.int32]) -> None:
    """Write each value's code (see `layout`) to `out`.

    values: float64[n], NaN is missing, +-inf invalid; edges: float64[K + 1], finite, not decreasing, or empty (K = 0: all values
    are above); out: int32[n]. Bins are [e_j-1, e_j), the last one [e_K-1, e_K]. Edges are scanned, not searched: for 20 bins
    the scan has no branch and is 9 times as fast as `searchsorted`.
    """
    bins = max(len(edges) - 1, 0)
    inner = edges[:bins]
    top = edges[bins] if len(edges) else -np.inf
    for i in range(len(values)):
        value = values[i]
        code = FIRST_VALUE
        for j in range(bins):
            code += value >= inner[j]
        code += value > top
        if not np.isfinite(value):
            code = MISSING if np.isnan(value) else INVALID
        out[i] = code


@_compiled
def count(codes: NDArray[np.int32], group: NDArray[np.int32], starts: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """Add every row's codes to the counts of its group.

    codes: int32[C, n]; group: int32[n], rows of a negative group are left out; starts: int64[C + 1] or longer;
    counts: int64[G, B], added to. Codes must fit the layout that `starts` describes: nothing is checked here.
    """
    for c in range(codes.shape[0]):
        start = starts[c]
        row = codes[c]
        for i in range(len(group)):
            if group[i] >= 0:
                counts[group[i], start + row[i]] += 1


@_compiled
def add_moments(values: NDArray[np.float64], mean: float, scale: float, group: NDArray[np.int32], out: NDArray[np.int64]) -> None:
    """Add one column's standardised values to the moments of each row's group, as whole numbers (see `Profile.moments`).

    values: float64[n], NaN and +-inf are skipped; scale > 0; group: int32[n], rows of a negative group are left out;
    out: int64[2, G], added to: sums of rint(z 2^20) and of rint(z^2 2^10), z = (x - mean) / scale clipped to +-2^10.
    """
    for i in range(len(values)):
        value = values[i]
        if np.isfinite(value) and group[i] >= 0:
            z = min(max((value - mean) / scale, -MOMENT_CLIP), MOMENT_CLIP)
            out[0, group[i]] += np.int64(np.rint(z * _SCALE))
            out[1, group[i]] += np.int64(np.rint(z * z * _SQUARE))


@_compiled
def count_groups(group: NDArray[np.int32], out: NDArray[np.int64]) -> None:
    """Add the number of each group's rows to `out`, int64[G]; rows of a negative group are left out."""
    for i in range(len(group)):
        if group[i] >= 0:
            out[group[i]] += 1


def compile_kernels() -> None:
    """Compile, or load from the cache, every kernel for the types that the pipeline uses: 3 s at first, then 0.4 s."""
    values, edges, group = np.zeros(1), np.array([0.0, 1.0]), np.zeros(1, dtype=np.int32)
    codes = np.zeros((1, 1), dtype=np.int32)
    encode_numeric(values, edges, codes[0])
    count(codes, group, np.array([0, 5], dtype=np.int64), np.zeros((1, 5), dtype=np.int64))
    add_moments(values, 0.0, 1.0, group, np.zeros((2, 1), dtype=np.int64))
    count_groups(group, np.zeros(1, dtype=np.int64))
