"""Positions against ranks: u = F(x-) + P(x) / 2 is (mid-rank - 1/2) / n over the training data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import rankdata

from stream_monitor.baseline.collect import CategoryCollector, NumberCollector
from stream_monitor.baseline.column import CategoricalColumn, NumericColumn
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.position import positions
from stream_monitor.capture.columns import INVALID
from stream_monitor.capture.schema import Column, Kind
from stream_monitor.profile import kernels


def numeric(values: NDArray[np.float64], bins: int = 20) -> NumericColumn:
    collector = NumberCollector(Column("x", Kind.NUMERIC), BuildOptions(bins=bins))
    collector.add(values)
    return collector.finish()[0]


def place(entry: NumericColumn, values: NDArray[np.float64]) -> NDArray[np.float64]:
    codes = np.empty(len(values), dtype=np.int32)
    kernels.encode_numeric(values, entry.edge_array, codes)
    return positions(entry, codes, values)


def midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks: NDArray[np.float64] = rankdata(values)
    return (ranks - 0.5) / len(values)


def test_values_with_bins_of_their_own_stand_exactly_at_their_mid_ranks() -> None:
    """A discrete column, and the zeros of a zero-inflated one."""
    values = np.random.default_rng(1).integers(0, 9, 4_000).astype(np.float64)
    np.testing.assert_allclose(place(numeric(values), values), midranks(values), atol=1e-12)
    inflated = np.where(np.arange(4_000) % 2 == 0, 0.0, np.random.default_rng(2).lognormal(size=4_000))
    at_zero = place(numeric(inflated), inflated)[inflated == 0.0]
    np.testing.assert_allclose(at_zero, midranks(inflated)[inflated == 0.0], atol=1e-12)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "uniform", "standard_cauchy"])
def test_continuous_values_stand_within_a_bin_of_their_ranks(draw: str) -> None:
    values = getattr(np.random.default_rng(3), draw)(size=5_000)
    found = place(numeric(values), values)
    assert np.abs(found - midranks(values)).max() < 1 / 20
    assert abs(found.mean() - 0.5) < 0.02


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=300), st.integers(-20, 20))
def test_no_scale_matters_and_order_is_kept(numbers: list[float], power: int) -> None:
    """The law that raw values break: a detector on positions sees the same whatever the unit."""
    values = np.round(np.array(numbers), 3)
    found = place(numeric(values), values)
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= -1e-12).all()
    assert ((found >= 0) & (found <= 1)).all()
    moved = values * 2.0**power  # exact in floating point, so that ties stay ties
    np.testing.assert_allclose(place(numeric(moved), moved), found, atol=1e-9)


def test_what_is_outside_missing_or_constant() -> None:
    entry = numeric(np.arange(100.0))
    np.testing.assert_array_equal(place(entry, np.array([-1e300, -1.0, 100.0, 1e300])), [0, 0, 1, 1])
    assert np.isnan(place(entry, np.array([np.nan, np.inf]))).all()
    constant = numeric(np.full(50, 7.0))
    np.testing.assert_array_equal(place(constant, np.array([6.9, 7.0, 7.1])), [0.0, 0.5, 1.0])
    assert np.isnan(place(numeric(np.array([np.nan])), np.array([1.0]))).all(), "a baseline without a value knows no place"


def test_edges_as_far_apart_as_floats_go() -> None:
    entry = numeric(np.array([-1.7e308, 1.7e308] * 20), bins=2)
    assert np.isfinite(place(entry, np.array([-1.7e308, 0.0, 1.7e308]))).all()


def test_categories_stand_by_falling_frequency_and_others_last() -> None:
    collector = CategoryCollector(Column("c", Kind.CATEGORICAL), BuildOptions(categories_max=2))
    collector.add([*["a"] * 5, *["b"] * 3, *["z"] * 2, None, INVALID])
    entry = collector.finish()[0]
    assert isinstance(entry, CategoricalColumn)
    codes = np.array([3, 4, 2, 0, 1], dtype=np.int32)
    np.testing.assert_allclose(positions(entry, codes, ["a", "b", "z", None, INVALID])[:3], [0.25, 0.65, 0.9])
    assert np.isnan(positions(entry, codes, [])[3:]).all()
