"""Attributions from raw messages to one summary however they are split, and how far whole numbers are from the values."""

from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.baseline.attribution import ScaleCollector
from stream_monitor.capture.attributions import joined_attributions
from stream_monitor.profile import codec
from stream_monitor.profile.attributions import SIZE_CLIP, SIZE_SCALE, SQUARE_SCALE, Attributions, AttributionSizes
from stream_monitor.profile.layout import Layout
from tests.property.test_profile_laws import LAYOUT, profiles

VALUES = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-10, 10) | st.just(float("nan"))
TWO = Layout(("a", "b"), (5, 5), (True, True))


def summed(values: dict[str, Any], n: int, scale: float = 1.0) -> Attributions:
    return AttributionSizes(values, TWO, scale).of(np.arange(n))


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40), st.lists(st.integers(0, 3), min_size=40, max_size=40))
def test_any_split_of_the_events_gives_the_same(rows: list[tuple[float, float]], part_of: list[int]) -> None:
    columns = dict(zip("ab", np.array(rows).T, strict=True))
    whole, merged = summed(columns, len(rows)), Attributions.empty()
    for part in range(4):
        own = np.flatnonzero(np.array(part_of[: len(rows)]) == part)
        merged = merged.merge(AttributionSizes(columns, TWO, 1.0).of(own))
    assert merged == whole
    assert whole.told == sum(any(value == value for value in row) for row in rows)


@given(st.lists(st.floats(-60, 60), min_size=1, max_size=30), st.integers(-40, 40))
def test_sums_are_right_to_half_a_part_and_squares_are_never_too_small(sizes: list[float], exponent: int) -> None:
    scale = 2.0**exponent
    found = summed({"b": np.array(sizes) * scale}, len(sizes), scale)
    exact = np.abs(sizes)
    assert abs(found.sums[0, 1] / SIZE_SCALE - exact.sum()) <= 0.5 * len(sizes) / SIZE_SCALE + 1e-12
    excess = found.sums[1, 1] / SQUARE_SCALE - (exact**2).sum()
    assert -1e-9 <= excess <= len(sizes) / SQUARE_SCALE + 1e-9
    assert not found.sums[:, 0].any()


def test_the_largest_values_are_clipped_and_as_many_as_moments_count_fit() -> None:
    found = summed({"a": np.array([1e308, -1e308, 65.0])}, 3, 1e-300)
    assert found.sums[:, 0].tolist() == [3 * SIZE_CLIP * SIZE_SCALE, 3 * SIZE_CLIP**2 * SQUARE_SCALE]
    assert 2**33 * SIZE_CLIP**2 * SQUARE_SCALE <= 2**63


@given(st.lists(st.lists(VALUES, min_size=1, max_size=9), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_scale_hangs_on_the_values_alone_and_is_near_their_root_mean_square(parts: list[list[float]], random: Random) -> None:
    values = np.array([value for part in parts for value in part])
    shuffled = random.sample(parts, len(parts))
    one, other = ScaleCollector(), ScaleCollector()
    one.add({"a": values})
    for part in shuffled:
        other.add({"a": np.array(part)})
    assert one.scale() == other.scale()
    finite = values[np.isfinite(values)]
    if not finite.any():
        assert one.scale() is None
        return
    scale = one.scale()
    assert scale is not None
    assert np.frexp(scale)[0] == 0.5
    top = np.abs(finite).max()
    size = top * np.sqrt(np.mean((finite / top) ** 2))
    assert scale / 2 * (1 - 1e-9) <= size or scale == 2.0**-1000
    assert scale >= size / 2 * (1 - 1e-9)


def test_a_scale_is_that_of_the_largest_feature_and_none_without_any() -> None:
    collector = ScaleCollector()
    assert collector.scale() is None
    collector.add({"a": np.zeros(3)})
    assert collector.scale() is None
    collector.add({"a": np.full(5, 0.3), "b": np.array([np.nan, 3.0])})
    assert collector.scale() == 2.0


def test_joined_parts_have_nan_where_one_tells_nothing() -> None:
    joined = joined_attributions([{}, {"a": np.array([1.0])}, {"b": np.array([2.0, 3.0])}], [1, 1, 2])
    assert {name: values.tolist() for name, values in joined.items()} == {
        "a": pytest.approx([np.nan, 1.0, np.nan, np.nan], nan_ok=True),
        "b": pytest.approx([np.nan, np.nan, 2.0, 3.0], nan_ok=True),
    }
    assert joined_attributions([{}, {}], [1, 2]) == {}


@given(profiles())
@settings(deadline=None)
def test_earlier_records_are_read_without_attributions(profile: Any) -> None:
    wire = codec.to_wire(profile)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(wire))
    place = codec.ProfileWire.__struct_fields__.index("attributions")
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(fields[:place]), type=codec.ProfileWire)
    assert codec.from_wire(old, LAYOUT).attributions == Attributions.empty()
    assert codec.from_wire(wire, LAYOUT) == profile


@pytest.mark.parametrize("value", [5e-324, 2.0**-1000, 1.0, 2.0**1023, 1.7976931348623157e308])
def test_the_ends_of_float64_have_a_scale_that_is_finite_and_over_0(value: float) -> None:
    collector = ScaleCollector()
    collector.add({"a": np.array([value, -value])})
    scale = collector.scale()
    assert scale is not None
    assert 2.0**-1000 <= scale <= 2.0**1023
