"""Page-Hinkley against river's, bit for bit where every slice is one value; with more values, against running sums written out."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from river import drift

from stream_monitor.detect.sequential.cut import NONE
from stream_monitor.detect.sequential.page_hinkley import Limits, PageHinkley
from stream_monitor.errors import CodecError

Floats = NDArray[np.float64]
RIVERS: Final[Any] = drift.PageHinkley  # river has no types
State = tuple[float, ...]
"""Drifted, n, mean, both sums, the lowest and the highest."""

LIMITS: Final = {
    "ours": Limits(),
    "river's": Limits(alpha=1 - 0.0001, delta=0.005, threshold=50.0, values_min=30),
    "quick": Limits(alpha=0.99, delta=0.01, threshold=2.0, values_min=10),
    "at once": Limits(alpha=1.0, delta=0.0, threshold=0.5, values_min=1),
}
KINDS: Final[dict[str, Callable[[np.random.Generator], Floats]]] = {
    "uniform": lambda rng: rng.random(32_000),
    "steps": lambda rng: np.clip(rng.normal(np.repeat([0.3, 0.6, 0.2, 0.25, 0.9], 2_000), 0.1), 0, 1),
    "ramp": lambda rng: np.clip(rng.normal(np.linspace(0.2, 0.8, 10_000), 0.1), 0, 1),
    "constant": lambda _: np.full(5_000, 0.3),
    "constants": lambda _: np.repeat([0.5, 0.1, 0.7], 1_000),
    "zeros and ones": lambda rng: (rng.random(8_000) < np.repeat([0.5, 0.7, 0.01, 0.1], 2_000)).astype(np.float64),
    "heavy tails": lambda rng: np.clip(0.5 + 0.02 * rng.standard_cauchy(8_000) + np.repeat([0.0, 0.1], 4_000), 0, 1),
}
DRIFTING: Final = set(KINDS) - {"uniform", "constant"}


def single(values: Floats) -> Floats:
    """Slices of one value each: float64[3, S]."""
    return np.stack([np.ones_like(values), values, np.zeros_like(values)])


def moments(values: Floats) -> Floats:
    """One slice of one series: float64[3, 1]."""
    return np.array([[len(values)], [values.mean()], [((values - values.mean()) ** 2).sum()]])


def cut_of(detector: PageHinkley, series: int = 0) -> tuple[float, ...] | None:
    cut = detector.cuts[series]
    return None if cut["start"] == NONE else tuple(cut.item())


def trace(values: Floats, limits: Limits) -> list[State]:
    detector, phi = PageHinkley(1, limits), np.ones(1)
    found: list[State] = []
    for number in range(len(values)):
        drifts = detector.feed(number, single(values[number : number + 1]), phi)
        run = detector.runs[0]
        found.append((drifts > 0, *(float(run[name]) for name in ("weight", "mean", "rise", "fall", "lowest", "highest"))))
    return found


def rivers(values: Floats, limits: Limits) -> list[State]:
    """Its state is private, and read all the same: equal reports alone would hide an error for long."""
    detector = RIVERS(min_instances=limits.values_min, delta=limits.delta, threshold=limits.threshold, alpha=limits.alpha)
    found: list[State] = []
    for value in values.tolist():
        detector.update(value)
        mean, sums = detector._x_mean, (detector._sum_increase, detector._sum_decrease)
        found.append((detector.drift_detected, mean.n, mean.get(), *sums, detector._min_increase, float(detector._max_decrease)))
    return found


def test_rivers_limits_are_its_defaults() -> None:
    detector = RIVERS()
    assert asdict(LIMITS["river's"]) == {
        "alpha": detector.alpha,
        "delta": detector.delta,
        "threshold": detector.threshold,
        "values_min": detector.min_instances,
    }


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_value_per_slice_is_rivers_page_hinkley_to_the_bit(kind: str, limits: str) -> None:
    values = KINDS[kind](np.random.default_rng(1))
    found = trace(values, LIMITS[limits])
    assert found == rivers(values, LIMITS[limits])
    assert any(drifted for drifted, *_ in found) or kind not in DRIFTING, "or the comparison shows little"


RUNS = st.lists(st.tuples(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 120)), min_size=1, max_size=8)


def noisy(runs: list[tuple[float, int]], noise: float, seed: int) -> Floats:
    levels = np.repeat([level for level, _ in runs], [length for _, length in runs])
    return np.clip(levels + noise * np.random.default_rng(seed).uniform(-1, 1, len(levels)), 0, 1)


@given(RUNS, st.sampled_from([0.0, 0.05, 0.5]), st.integers(0, 9), st.sampled_from(sorted(LIMITS)))
def test_short_runs_of_any_levels_are_rivers(runs: list[tuple[float, int]], noise: float, seed: int, limits: str) -> None:
    values = noisy(runs, noise, seed)
    assert trace(values, LIMITS[limits]) == rivers(values, LIMITS[limits])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=100), st.floats(0.9, 1), st.floats(0, 0.1), st.floats(0, 3), st.integers(1, 40))
def test_any_values_and_limits_are_rivers(values: list[float], alpha: float, delta: float, threshold: float, values_min: int) -> None:
    limits = Limits(alpha, delta, threshold, values_min)
    assert trace(np.array(values), limits) == rivers(np.array(values), limits)


def test_several_series_at_once_are_each_alone() -> None:
    columns = [KINDS[kind](np.random.default_rng(3))[:3_000] for kind in KINDS]
    together, alone, phi = PageHinkley(len(columns)), [PageHinkley(1) for _ in columns], np.ones(len(columns))
    for number, row in enumerate(np.stack(columns, axis=1)):
        drifts = together.feed(number, single(row), phi)
        assert drifts == sum(each.feed(number, single(row[s : s + 1]), phi[:1]) for s, each in enumerate(alone))
        assert [cut_of(together, s) for s in range(len(columns))] == [cut_of(each) for each in alone]
    assert together.encode() == b"".join(each.encode() for each in alone)


def drawn(seed: int) -> list[Floats]:
    """Slices of 1 to 40 values at three levels."""
    rng = np.random.default_rng(seed)
    levels = np.repeat([0.3, 0.6, 0.2], 130)
    return [np.clip(rng.normal(level, 0.15, rng.integers(1, 40)), 0, 1) for level in levels]


def first_drift(slices: list[Floats], phi: float, limits: Limits) -> tuple[int, int] | None:
    """(slice of the drift, first slice of the change), counted from the beginning. Sums that forget nothing."""
    weight = np.array([len(values) / phi for values in slices])
    mean = np.array([values.mean() for values in slices])
    apart = mean - np.cumsum(weight * mean) / np.cumsum(weight)
    rise, fall = np.cumsum(weight * (apart - limits.delta)), np.cumsum(weight * (apart + limits.delta))
    rose, fell = rise - np.minimum.accumulate(rise), np.maximum.accumulate(fall) - fall
    late = np.flatnonzero((np.maximum(rose, fell) > limits.threshold) & (np.cumsum(weight) >= limits.values_min))
    if not len(late):
        return None
    end = int(late[0])
    extreme = rise[: end + 1].argmin() if rose[end] > limits.threshold else fall[: end + 1].argmax()
    return end, int(extreme) + 1


@pytest.mark.parametrize("phi", [1.0, 3.5])
@pytest.mark.parametrize("seed", range(4))
def test_slices_of_many_values_are_their_weighted_sums(seed: int, phi: float) -> None:
    slices, limits, begun, drifts = drawn(seed), Limits(threshold=20.0), 0, 0
    detector = PageHinkley(1, limits)
    expected = first_drift(slices, phi, limits)
    for number, values in enumerate(slices):
        drifted = detector.feed(number, moments(values), np.array([phi])) > 0
        assert drifted == (expected is not None and number == begun + expected[0])
        assert (cut_of(detector) is None) == (not drifted)
        if drifted and expected is not None:
            since = np.concatenate(slices[begun + expected[1] : number + 1])
            assert cut_of(detector) == pytest.approx((begun + expected[1], len(since), since.sum(), (since**2).sum()))
            begun, drifts = number + 1, drifts + 1
            expected = first_drift(slices[begun:], phi, limits) if begun < len(slices) else None
    assert drifts >= 2


def test_a_slice_forgets_as_much_as_its_effective_values() -> None:
    """Sums after a slice of weight w: alpha^w of the old ones."""
    limits, phi = Limits(alpha=0.99, delta=0.1, threshold=1e9), 4.0
    detector, rise, weight, total = PageHinkley(1, limits), 0.0, 0.0, 0.0
    for number, values in enumerate(drawn(9)):
        detector.feed(number, moments(values), np.array([phi]))
        w = len(values) / phi
        weight, total = weight + w, total + w * values.mean()
        rise = 0.99**w * rise + w * (values.mean() - total / weight - 0.1)
        assert detector.runs[0]["rise"] == pytest.approx(rise)
        assert detector.runs[0]["weight"] == pytest.approx(weight)


def test_before_the_least_number_of_effective_values_there_is_no_drift() -> None:
    limits, phi = Limits(threshold=0.5, values_min=30), np.full(1, 10.0)
    detector = PageHinkley(1, limits)
    found = [detector.feed(number, np.array([[10.0], [float(number >= 10)], [0.0]]), phi) for number in range(30)]
    assert found == [0] * 29 + [1], "the sum is beyond the threshold since slice 10"
    assert cut_of(detector) == (10, 200, 200, 200)


@pytest.mark.parametrize("seed", range(2))
def test_slices_without_values_change_nothing(seed: int) -> None:
    """Not even after a drift: it is reported once, and the run still waits for the next value. Nor before the first one."""
    dense, thin, phi, empty = PageHinkley(1), PageHinkley(1), np.ones(1), np.zeros((3, 1))
    assert thin.feed(-1, empty, phi) == 0
    for number, values in enumerate(drawn(seed)):
        assert thin.feed(number, moments(values), phi) == dense.feed(number, moments(values), phi)
        assert thin.encode() == dense.encode()
        assert thin.feed(number, empty, phi) == 0
        assert cut_of(thin) is None
        assert thin.encode() == dense.encode()


@given(RUNS, st.integers(0, 9), st.integers(0, 400), st.sampled_from(sorted(LIMITS)))
@settings(max_examples=40)
def test_a_saved_page_hinkley_goes_on_to_the_bit(runs: list[tuple[float, int]], seed: int, cut: int, limits: str) -> None:
    values, phi = np.stack([noisy(runs, 0.05, seed), noisy(runs, 0.3, seed)], axis=1), np.ones(2)
    whole, part = PageHinkley(2, LIMITS[limits]), PageHinkley(2, LIMITS[limits])
    for number, row in enumerate(values):
        if number == cut % len(values):
            saved, part = part, PageHinkley(2, LIMITS[limits])
            part.load(saved.encode())
            assert part.encode() == saved.encode()
        assert part.feed(number, single(row), phi) == whole.feed(number, single(row), phi)
        assert [cut_of(part, s) for s in (0, 1)] == [cut_of(whole, s) for s in (0, 1)]
    assert part.encode() == whole.encode()


def test_a_saved_page_hinkley_of_another_length_is_refused() -> None:
    good = PageHinkley(2).encode()
    PageHinkley(2).load(good)
    for bad in (b"", good[:-1], good + b"\0", PageHinkley(3).encode()):
        with pytest.raises(CodecError):
            PageHinkley(2).load(bad)
