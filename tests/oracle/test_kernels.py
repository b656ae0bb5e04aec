"""The compiled loops against plain numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_monitor.profile import kernels
from stream_monitor.profile.profile import MOMENT_CLIP, MOMENT_SCALE, SQUARE_SCALE

FLOATS = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, 2.0, np.inf, -np.inf, np.nan])
EDGES = st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, 2.0]), min_size=2, max_size=30, unique=True)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    kernels.compile_kernels()


def searched(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """The codes by `searchsorted`: the right side finds the bin, except that the last bin is closed."""
    codes = 2 + np.searchsorted(edges, values, side="right")
    inside = (values == edges[-1]) & np.isfinite(values)
    codes[inside] = 2 + len(edges) - 1
    codes[values > edges[-1]] = 2 + len(edges)
    codes[np.isnan(values)] = 0
    codes[np.isinf(values)] = 1
    return codes


def encoded(values: list[float], edges: list[float]) -> NDArray[np.int32]:
    out = np.full(len(values), -1, dtype=np.int32)
    kernels.encode_numeric(np.array(values, dtype=np.float64), np.array(edges, dtype=np.float64), out)
    return out


@given(st.lists(FLOATS, max_size=50), EDGES, st.booleans())
def test_codes_are_those_of_searchsorted(values: list[float], edges: list[float], degenerate: bool) -> None:
    edges = sorted(edges)
    if degenerate:
        edges.append(edges[-1])
    # Every edge itself is a value too: boundaries are where such code goes wrong.
    values = [*values, *edges]
    expected = searched(np.array(values), np.unique(edges)) if not degenerate else searched_degenerate(values, edges)
    assert encoded(values, edges).tolist() == expected.tolist()


def searched_degenerate(values: list[float], edges: list[float]) -> NDArray[np.int64]:
    """With a last bin of one value: the bins before it are all half-open."""
    array, distinct = np.array(values), np.unique(edges)
    codes = 2 + np.searchsorted(distinct, array, side="right")
    codes[array > distinct[-1]] += 1
    codes[np.isnan(array)] = 0
    codes[np.isinf(array)] = 1
    return codes


def test_a_constant_has_codes_below_equal_and_above() -> None:
    assert encoded([2.9, 3.0, 3.1, np.nan, np.inf, -np.inf], [3.0, 3.0]).tolist() == [2, 3, 4, 0, 1, 1]


def test_without_edges_every_value_is_above() -> None:
    assert encoded([-1e308, 0.0, np.nan, np.inf], []).tolist() == [3, 3, 0, 1]


def test_no_values_give_no_codes() -> None:
    assert encoded([], [1.0, 2.0]).tolist() == []


@given(st.data(), st.integers(0, 60), st.integers(1, 4), st.integers(1, 3))
def test_counts_are_those_of_bincount(data: st.DataObject, n: int, groups: int, columns: int) -> None:
    sizes = data.draw(st.lists(st.integers(3, 9), min_size=columns, max_size=columns))
    seed = data.draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    codes = np.array([random.integers(0, size, n) for size in sizes], dtype=np.int32).reshape(columns, n)
    group = random.integers(-1, groups, n).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    counts = np.zeros((groups, int(starts[-1])), dtype=np.int64)
    kernels.count(codes, group, starts, counts)
    for g in range(groups):
        expected = [np.bincount(row[group == g], minlength=size) for row, size in zip(codes, sizes, strict=True)]
        assert counts[g].tolist() == np.concatenate(expected).tolist()
    events = np.zeros(groups, dtype=np.int64)
    kernels.count_groups(group, events)
    assert events.tolist() == [int((group == g).sum()) for g in range(groups)]


@given(st.lists(FLOATS, max_size=50), st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_moments_are_the_documented_sums(values: list[float], mean: float, scale: float) -> None:
    array = np.array(values, dtype=np.float64)
    group = np.zeros(len(array), dtype=np.int32)
    out = np.zeros((2, 1), dtype=np.int64)
    kernels.add_moments(array, mean, scale, group, out)
    with np.errstate(over="ignore"):
        z = np.clip((array[np.isfinite(array)] - mean) / scale, -MOMENT_CLIP, MOMENT_CLIP)
    assert out[0, 0] == np.rint(z * MOMENT_SCALE).astype(np.int64).sum()
    assert out[1, 0] == np.rint(z * z * SQUARE_SCALE).astype(np.int64).sum()


def test_moments_leave_out_negative_groups() -> None:
    out = np.zeros((2, 2), dtype=np.int64)
    kernels.add_moments(np.array([1.0, 2.0, 3.0]), 0.0, 1.0, np.array([0, -1, 1], dtype=np.int32), out)
    assert out[0].tolist() == [MOMENT_SCALE, 3 * MOMENT_SCALE]
    assert out[1].tolist() == [SQUARE_SCALE, 9 * SQUARE_SCALE]


def test_mean_and_variance_come_back_from_the_moments() -> None:
    values = np.random.default_rng(7).normal(50.0, 3.0, 10_000)
    out = np.zeros((2, 1), dtype=np.int64)
    kernels.add_moments(values, 49.0, 2.0, np.zeros(len(values), dtype=np.int32), out)
    mean, square = out[0, 0] / MOMENT_SCALE / len(values), out[1, 0] / SQUARE_SCALE / len(values)
    assert 49.0 + 2.0 * mean == pytest.approx(values.mean(), abs=1e-6)
    assert 2.0 * np.sqrt(square - mean**2) == pytest.approx(values.std(), abs=1e-3)
