"""How columns become counts: the loops over values, compiled by numba.

Source stays Python; machine code is kept beside it (`__pycache__`) between runs. `compile_kernels` makes it ready, so that no
worker compiles inside a transaction. Only whoever encodes events needs this module: importing it imports numba (0.1 s).
Results are exact and the same on every machine: no fastmath, no floating-point sums.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.layout import FIRST_VALUE, INVALID, MISSING
from stream_monitor.profile.profile import MOMENT_CLIP, MOMENT_SCALE, SQUARE_SCALE
from stream_monitor.profile.slices import POSITION_SCALE

_Function = TypeVar("_Function", bound=Callable[..., Any])

_SCALE: Final = float(MOMENT_SCALE)
_SQUARE: Final = float(SQUARE_SCALE)
_POSITION: Final = float(POSITION_SCALE)
_BLOCK: Final = 512
"""Events: 64 columns of them take 256 KB."""


def compiled(function: _Function) -> _Function:
    """Machine code for a loop, cached beside its file. The cache looks at that file alone: call nothing of ours from another one."""
    try:
        return cast(_Function, numba.njit(cache=True, error_model="numpy", nogil=True)(function))
    except RuntimeError:  # no folder can be written, as in a read-only container: compile in every process
        return cast(_Function, numba.njit(error_model="numpy", nogil=True)(function))


@compiled
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


@compiled
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


@compiled
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


@compiled
def add_positions(
    codes: NDArray[np.int32],
    values: NDArray[np.float64],
    places: NDArray[np.float64],
    slopes: NDArray[np.float64],
    lows: NDArray[np.float64],
    group: NDArray[np.int32],
    out: NDArray[np.int64],
) -> None:
    """Add one numeric column's positions to the slices of each row's group, as whole numbers (see `Slices`).

    codes: int32[n]; values: float64[n], read where the code is that of a value; places, slopes, lows: float64 by code, see
    `baseline.position`; group: int32[n], rows of a negative group are left out;
    out: int64[4, G], added to: n and the sums of q, q^2 and |2q - 2^20|.
    """
    for i in range(len(group)):
        g, code = group[i], codes[i]
        if g >= 0 and code >= FIRST_VALUE:
            u = places[code] + slopes[code] * (values[i] / 2 - lows[code])
            q = np.int64(np.rint(min(max(u, 0.0), 1.0) * _POSITION))
            out[0, g] += 1
            out[1, g] += q
            out[2, g] += q * q
            out[3, g] += abs(2 * q - POSITION_SCALE)


@compiled
def add_ranks(codes: NDArray[np.int32], ranks: NDArray[np.int64], group: NDArray[np.int32], out: NDArray[np.int64]) -> None:
    """The same for a column whose codes alone say the position. ranks: int64 by code, q of each."""
    for i in range(len(group)):
        g, code = group[i], codes[i]
        if g >= 0 and code >= FIRST_VALUE:
            q = ranks[code]
            out[0, g] += 1
            out[1, g] += q
            out[2, g] += q * q
            out[3, g] += abs(2 * q - POSITION_SCALE)


@compiled
def count_beyond(values: NDArray[np.float64], low: float, high: float, group: NDArray[np.int32], out: NDArray[np.int64]) -> None:
    """Add the number of each group's finite values below `low` or above `high` to `out`, int64[G].

    values: float64[n]; group: int32[n], rows of a negative group are left out.
    """
    for i in range(len(values)):
        value = values[i]
        if (value < low or value > high) and np.isfinite(value) and group[i] >= 0:
            out[group[i]] += 1


@compiled
def write_scores(
    codes: NDArray[np.int32],
    values: NDArray[np.float64],
    places: NDArray[np.float64],
    slopes: NDArray[np.float64],
    lows: NDArray[np.float64],
    by_place: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write one numeric column's scores to `out`, float64[n]: 0 for what is no value.

    The first five as for `add_positions`; by_place: float64[S + 1], the score at position 0, 1 / S, … 1.
    """
    last = len(by_place) - 1
    for i in range(len(codes)):
        code = codes[i]
        out[i] = 0.0
        if code >= FIRST_VALUE:
            u = places[code] + slopes[code] * (values[i] / 2 - lows[code])
            out[i] = by_place[np.int64(np.rint(min(max(u, 0.0), 1.0) * last))]


@compiled
def squared_distances(scores: NDArray[np.float64], factor: NDArray[np.float64], unit: float, out: NDArray[np.int64]) -> None:
    """Write the squared length of rint(unit x (factor x scores)) of each event to `out`, int64[n].

    scores: float64[D, n]; factor: float64[D, D], lower triangle; all whole numbers, and unit a power of 2, so that every sum is exact:
    an event has the same distance in whatever batch it comes, on every machine. Events go through in blocks that stay in the cache.
    """
    columns, n = scores.shape
    row = np.empty(_BLOCK)
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        out[start : start + size] = 0
        for i in range(columns):
            row[:size] = 0.0
            for j in range(i + 1):
                weight = factor[i, j]
                line = scores[j, start : start + size]
                for k in range(size):
                    row[k] += weight * line[k]
            for k in range(size):
                length = np.int64(np.rint(row[k] * unit))
                out[start + k] += length * length


@compiled
def count_groups(group: NDArray[np.int32], out: NDArray[np.int64]) -> None:
    """Add the number of each group's rows to `out`, int64[G]; rows of a negative group are left out."""
    for i in range(len(group)):
        if group[i] >= 0:
            out[group[i]] += 1


@compiled
def hash_texts(data: NDArray[np.uint8], ends: NDArray[np.int64], out: NDArray[np.uint64]) -> None:
    """Write a 64-bit hash of each text to `out`, the same on every machine.

    data: the bytes of n texts, one after the other; ends: int64[n], where each ends. FNV-1a (Fowler, Noll & Vo 1991), then the last steps
    of splitmix64, so that all bits are even for short texts that differ in one digit.
    """
    start = 0
    for i in range(len(ends)):
        found = np.uint64(0xCBF29CE484222325)
        for j in range(start, ends[i]):
            found = (found ^ np.uint64(data[j])) * np.uint64(0x100000001B3)
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        out[i] = found ^ (found >> np.uint64(31))
        start = ends[i]


def compile_kernels() -> None:
    """Compile, or load from the cache, every kernel for the types that the pipeline uses: 3 s at first, then 0.4 s."""
    values, edges, group = np.zeros(1), np.array([0.0, 1.0]), np.zeros(1, dtype=np.int32)
    codes = np.zeros((1, 1), dtype=np.int32)
    encode_numeric(values, edges, codes[0])
    count(codes, group, np.array([0, 5], dtype=np.int64), np.zeros((1, 5), dtype=np.int64))
    add_moments(values, 0.0, 1.0, group, np.zeros((2, 1), dtype=np.int64))
    count_groups(group, np.zeros(1, dtype=np.int64))
    positions, by_code, out = np.zeros(1), np.zeros(5), np.zeros((4, 1), dtype=np.int64)
    add_positions(codes[0], positions, by_code, by_code, by_code, group, out)
    add_ranks(codes[0], by_code.astype(np.int64), group, out)
    count_beyond(values, 0.0, 1.0, group, np.zeros(1, dtype=np.int64))
    write_scores(codes[0], positions, by_code, by_code, by_code, by_code, np.zeros(1))
    squared_distances(np.zeros((1, 1)), np.zeros((1, 1)), 1.0, np.zeros(1, dtype=np.int64))
    hash_texts(np.zeros(1, dtype=np.uint8), np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.uint64))
