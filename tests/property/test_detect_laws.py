"""Laws of distances, tests and scores, for any counts."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from stream_monitor.capture.schema import Column, Kind, Role, Schema
from stream_monitor.detect.decide import Judge
from stream_monitor.detect.distances import DISTANCES, hellinger, js, ks, tvd
from stream_monitor.detect.gate import kolmogorov_smirnov, more_often
from stream_monitor.detect.pair import Inflation, Pair, Side
from stream_monitor.detect.reference import Reference
from stream_monitor.detect.registry import BY_COLUMN, Thresholds
from stream_monitor.profile.layout import FIRST_VALUE, Layout
from stream_monitor.profile.profile import Profile

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
COLUMNS, CODES = 3, 7
LAYOUT = Layout(("amount", "country", "prediction"), (7, 5, 3), (True, False, False))
SCHEMA = Schema(
    (
        Column("amount", Kind.NUMERIC),
        Column("country", Kind.CATEGORICAL),
        Column("prediction", Kind.BOOLEAN, Role.PREDICTION),
    )
)

matrices = arrays(np.int64, (COLUMNS, CODES), elements=st.one_of(st.just(0), st.integers(0, 20), st.integers(0, 10**9)))


def pair(window: Counts, baseline: Counts) -> Pair:
    return Pair(side(window), side(baseline), Inflation.none(len(window)))


def side(counts: Counts) -> Side:
    none = np.zeros(len(counts), dtype=np.int64)
    return Side(counts.sum(axis=1), counts, np.stack([none, none]), none, none)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """A profile on LAYOUT of up to 2,000 events, each column's counts adding up to them."""
    events = draw(st.integers(0, 2000))
    counts: list[int] = []
    for size in LAYOUT.sizes:
        cuts = sorted(draw(st.lists(st.integers(0, events), min_size=size - 1, max_size=size - 1)))
        counts += [high - low for low, high in zip([0, *cuts], [*cuts, events], strict=True)]
    return Profile(events, np.array(counts, dtype=np.int64), np.zeros((2, LAYOUT.columns), dtype=np.int64))


def judge(baseline: Profile) -> Judge:
    none = np.zeros(COLUMNS, dtype=np.int64)
    return Judge(Reference(SCHEMA, LAYOUT, baseline, none, Inflation.none(COLUMNS), {}), Thresholds(), alpha=1e-6, events_min=50)


BOUNDED = ["js", "hellinger", "tvd", "linf", "chi2", "ks"]
DIVERGENCES = ["psi", "kl", "js", "hellinger", "tvd", "chi2"]


@pytest.mark.parametrize("name", sorted(DISTANCES))
@given(window=matrices, baseline=matrices)
def test_distances_are_finite_and_not_negative(name: str, window: Counts, baseline: Counts) -> None:
    scores = DISTANCES[name].score(pair(window, baseline))
    judgeable = (window[:, FIRST_VALUE:].sum(axis=1) > 0) & (baseline[:, FIRST_VALUE:].sum(axis=1) > 0)
    np.testing.assert_array_equal(np.isfinite(scores), judgeable)
    assert (scores[judgeable] >= -1e-9).all()


@pytest.mark.parametrize("name", BOUNDED)
@given(window=matrices, baseline=matrices)
def test_bounded_distances_stay_within_0_and_1(name: str, window: Counts, baseline: Counts) -> None:
    scores = DISTANCES[name].score(pair(window, baseline))
    held = scores[~np.isnan(scores)]
    assert (held >= 0).all()
    assert (held <= 1).all()


@pytest.mark.parametrize("name", sorted(set(DISTANCES) - {"kl", "wasserstein"}))
@given(one=matrices, other=matrices)
def test_distances_are_symmetric_but_those_that_measure_by_the_baseline(name: str, one: Counts, other: Counts) -> None:
    measure = DISTANCES[name].score
    np.testing.assert_allclose(measure(pair(one, other)), measure(pair(other, one)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in DIVERGENCES if name not in ("psi", "kl")])
@given(window=matrices, baseline=matrices)
def test_telling_two_values_apart_no_more_makes_no_divergence_larger(name: str, window: Counts, baseline: Counts) -> None:
    """The data processing inequality; psi and kl have it but for their smoothing."""
    measure = DISTANCES[name].score
    fine, coarse = measure(pair(window, baseline)), measure(pair(joined(window), joined(baseline)))
    held = ~np.isnan(fine)
    assert (coarse[held] <= fine[held] + 1e-9).all()


def joined(counts: Counts) -> Counts:
    """The last two values as one."""
    return np.hstack([counts[:, :-2], counts[:, -2:].sum(axis=1, keepdims=True), np.zeros((len(counts), 1), dtype=np.int64)])


@pytest.mark.parametrize("name", sorted(DISTANCES))
@given(counts=matrices)
def test_a_distance_to_oneself_is_zero_and_never_significant(name: str, counts: Counts) -> None:
    same = pair(counts, counts)
    scores = DISTANCES[name].score(same)
    np.testing.assert_allclose(np.nan_to_num(scores), 0, atol=1e-12)
    assert (DISTANCES[name].gate(same) > 0.5).all()


@pytest.mark.parametrize("measure", [js, hellinger, tvd])
@given(one=matrices, two=matrices, three=matrices)
def test_metrics_keep_the_triangle_inequality(measure: Callable[[Pair], Floats], one: Counts, two: Counts, three: Counts) -> None:
    direct, around = measure(pair(one, three)), measure(pair(one, two)) + measure(pair(two, three))
    held = ~np.isnan(around) & ~np.isnan(direct)
    assert (direct[held] <= around[held] + 1e-9).all()


@pytest.mark.parametrize("name", [name for name, distance in DISTANCES.items() if not distance.ordered_only])
@given(window=matrices, baseline=matrices, order=st.permutations(range(FIRST_VALUE, CODES)))
def test_the_order_of_values_matters_to_ks_and_wasserstein_alone(name: str, window: Counts, baseline: Counts, order: list[int]) -> None:
    codes = [0, 1, *order]
    shuffled = pair(window[:, codes], baseline[:, codes])
    measure = DISTANCES[name].score
    np.testing.assert_allclose(measure(shuffled), measure(pair(window, baseline)), rtol=1e-9, atol=1e-12)


def test_ks_sees_how_far_mass_moved() -> None:
    """Half of the mass goes to the next value or to the last one but leaves its own either way: the same; a value in between: less."""
    baseline = np.array([[0, 0, 100, 100, 0]])
    assert ks(pair(np.array([[0, 0, 100, 0, 100]]), baseline))[0] == 0.5
    assert ks(pair(np.array([[0, 0, 100, 50, 50]]), baseline))[0] == 0.25


@given(matrices, matrices)
def test_p_values_are_probabilities_whatever_the_counts(window: Counts, baseline: Counts) -> None:
    both = pair(window, baseline)
    for detector in BY_COLUMN.values():
        p_values = detector.gate(both)
        assert p_values.shape == (COLUMNS,)
        assert ((p_values >= 0) & (p_values <= 1)).all(), detector.name


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.data())
def test_more_bad_events_are_less_likely_by_chance(whole: int, baseline_whole: int, data: st.DataObject) -> None:
    baseline_part = data.draw(st.integers(0, baseline_whole))
    parts = np.unique(data.draw(st.lists(st.integers(0, whole), min_size=2, max_size=20)))
    p_values = more_often(parts, np.full_like(parts, whole), np.full_like(parts, baseline_part), np.full_like(parts, baseline_whole))
    assert (np.diff(p_values) <= 1e-12).all()


@given(matrices, matrices, st.integers(2, 5))
def test_the_same_shares_in_larger_samples_are_more_significant(window: Counts, baseline: Counts, factor: int) -> None:
    once, more = pair(window, baseline), pair(window * factor, baseline * factor)
    assert (kolmogorov_smirnov(more) <= kolmogorov_smirnov(once) + 1e-12).all()


@given(profiles(), st.lists(profiles(), min_size=1, max_size=4))
def test_scores_do_not_depend_on_how_a_window_was_split(baseline: Profile, parts: list[Profile]) -> None:
    forward = backward = Profile.empty(LAYOUT)
    for part in parts:
        forward = forward.merge(part)
    for part in reversed(parts):
        backward = part.merge(backward)
    ours = judge(baseline)
    scores = ours.judge(forward)
    assert scores == ours.judge(backward) == judge(baseline).judge(forward)
    assert ours.findings(scores, forward) == judge(baseline).findings(scores, backward)


@given(profiles(), profiles())
def test_findings_are_exactly_the_judged_large_and_real_scores(baseline: Profile, window: Profile) -> None:
    ours = judge(baseline)
    scores = ours.judge(window)
    expected = [
        score
        for score in scores
        if score.status == "judged" and score.score is not None and score.score > score.threshold and (score.p_value or 0) < 1e-6
    ]
    assert [finding.score for finding in ours.findings(scores, window)] == expected
