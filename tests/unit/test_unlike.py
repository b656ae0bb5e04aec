"""Samples on unlike bins: what is said of them is true of their values, whatever the bins, and all that bins of one kind say."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stream_monitor.baseline.baseline import CategoricalColumn, NumericColumn
from stream_monitor.capture.schema import Column, Kind, Role
from stream_monitor.detect.unlike import by_name, categories_apart, least_distance, numbers_apart

NUMBERS, NAMES = Column("amount", Kind.NUMERIC, Role.FEATURE), Column("region", Kind.CATEGORICAL, Role.FEATURE)
values = st.lists(st.integers(-20, 20).map(float), max_size=60)
edges = st.lists(st.integers(-15, 15).map(float), min_size=2, max_size=8, unique=True).map(sorted)
words = st.lists(st.sampled_from("abcdef"), max_size=60)
named = st.lists(st.sampled_from("abcdef"), max_size=6, unique=True)


def numeric(bounds: list[float]) -> NumericColumn:
    return NumericColumn(NUMBERS, tuple(bounds), (0,) * (len(bounds) + 3), 0.0, 1.0, (0, 0), 2)


def binned(bounds: list[float], sample: list[float]) -> Any:
    codes = [len(bounds) + 1 if value == bounds[-1] else 2 + sum(edge <= value for edge in bounds) for value in sample]
    return np.bincount(codes, minlength=len(bounds) + 3)


def counted(names: list[str], sample: list[str]) -> Any:
    return np.bincount([3 + names.index(value) if value in names else 2 for value in sample], minlength=len(names) + 3)


@given(values, values, edges, edges)
def test_a_distance_on_unlike_bins_is_never_beyond_that_of_the_values(
    one: list[float], two: list[float], a: list[float], b: list[float]
) -> None:
    found = numbers_apart(numeric(a), binned(a, one), numeric(b), binned(b, two), 1.0)
    if not one or not two:
        assert np.isnan(found.value)
        return
    true = max(abs(np.mean(np.array(one) <= at) - np.mean(np.array(two) <= at)) for at in (*one, *two))
    assert 0 <= found.value <= true + 1e-12
    assert found.p_value >= stats.kstwobign.sf(np.sqrt(len(one) * len(two) / (len(one) + len(two))) * true) - 1e-12
    apart = least_distance(numeric(a), binned(a, one), numeric(b), binned(b, two))
    below = [np.mean([each < apart.value for each in side]) for side in (one, two)]
    told = [apart.share, apart.other_share]
    assert all(share <= true + 1e-12 for share, true in zip(told, below, strict=True)), "the larger is a bound, the smaller exact"
    if apart.distance:
        assert min(told) == pytest.approx(below[int(told[0] > told[1])])
        assert max(told) - min(told) == pytest.approx(apart.distance)
    assert least_distance(numeric(b), binned(b, two), numeric(a), binned(a, one)).distance == apart.distance


@given(values.filter(bool), values.filter(bool), edges)
def test_on_equal_edges_it_is_the_distance_of_the_bins(one: list[float], two: list[float], bounds: list[float]) -> None:
    counts, others = binned(bounds, one), binned(bounds, two)
    wanted = np.abs(np.cumsum(counts[2:] / len(one) - others[2:] / len(two))).max()
    assert least_distance(numeric(bounds), counts, numeric(bounds), others).distance == pytest.approx(wanted)


def test_numbers_without_bins_and_single_values() -> None:
    nothing = NumericColumn(NUMBERS, (), (0, 0, 0, 0), 0.0, 0.0, (0, 0), 0)
    one = numeric([1.0, 1.0])
    counts = binned([1.0, 1.0], [1.0])
    assert np.isnan(least_distance(nothing, np.array([0, 0, 5, 0]), one, counts).distance)
    assert least_distance(one, counts, one, counts).distance == 0
    assert least_distance(one, counts, numeric([2.0, 3.0]), binned([2.0, 3.0], [2.5])).distance == 1


@given(words, words, named, named)
def test_categories_are_compared_as_finely_as_both_tell_them(one: list[str], two: list[str], a: list[str], b: list[str]) -> None:
    columns = CategoricalColumn(NAMES, tuple(a), (), 6), CategoricalColumn(NAMES, tuple(b), (), 6)
    names, mine, theirs = by_name(columns[0], counted(a, one), columns[1], counted(b, two))
    assert (mine.sum(), theirs.sum()) == (len(one), len(two))
    for sample, told in ((one, mine), (two, theirs)):
        assert all(sample.count(name) == n for name, n in zip(names, told, strict=True) if name != "other")
    assert {*a} & {*b} & {*one, *two} <= {*names}
    if {*one} <= {*a} and {*two} <= {*b}:
        assert "other" not in names


def test_equal_samples_are_not_apart_and_a_new_class_is_told_by_its_name() -> None:
    old, new = CategoricalColumn(NAMES, ("a", "b"), (), 2), CategoricalColumn(NAMES, ("a", "b", "c"), (), 3)
    same = categories_apart(new, counted(["a", "b", "c"], [*"aab"] * 50), old, counted(["a", "b"], [*"aab"] * 50), 1.0)
    assert (same.value, same.p_value, same.shown) == (0.0, 1.0, ())
    moved = categories_apart(new, counted(["a", "b", "c"], [*"aac"] * 50), old, counted(["a", "b"], [*"aab"] * 50), 1.0)
    assert moved.value > 1
    assert moved.p_value < 1e-9
    assert [each.name for each in moved.shown] == ["b", "c"]
    assert np.isnan(categories_apart(new, counted(["a", "b", "c"], []), old, counted(["a", "b"], [*"ab"]), 1.0).value)
