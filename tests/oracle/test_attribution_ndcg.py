"""The ranking of attributions: NDCG beside scikit-learn, its bound beside every order, its p-value beside chance, and what is found."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score

from stream_monitor.capture.schema import Column, Kind, Schema
from stream_monitor.detect.attributions import NDCG_MIN, Levels, Rankings, highest, ndcg
from stream_monitor.detect.finding import Score, ScoreStatus, is_finding
from stream_monitor.detect.pair import Inflation
from stream_monitor.detect.reference import Reference
from stream_monitor.profile.attributions import Attributions, AttributionSizes
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import Profile

Floats = NDArray[np.float64]
LEVELS = st.integers(2, 7).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 9), min_size=n, max_size=n)] * 2))
SPEC = (Column("a", Kind.NUMERIC), Column("b", Kind.NUMERIC), Column("c", Kind.NUMERIC), Column("d", Kind.NUMERIC))
NAMES = tuple(column.name for column in SPEC)
LAYOUT = Layout(NAMES, (5,) * 4, (True,) * 4)
WEIGHTS = np.array([4.0, 2.0, 1.0, 0.5])


def window_of(values: Floats) -> Profile:
    """A window of n events; values: float64[n, 4]."""
    n = len(values)
    sizes = AttributionSizes(dict(zip(NAMES, values.T, strict=True)), LAYOUT, 1.0)
    nothing = np.zeros((2, 4), dtype=np.int64)
    return Profile(n, np.zeros(LAYOUT.total, dtype=np.int64), nothing, attributions=sizes.of(np.arange(n)))


def rankings(training: Profile, alpha: float = 1e-6, inflation: float = 1.0, threshold: float = NDCG_MIN) -> Rankings:
    ones = np.ones(4)
    reference = Reference(
        Schema(SPEC, attributions=NAMES), LAYOUT, training, ones.astype(np.int64), Inflation(inflation * ones, ones, ones, ones), {}
    )
    return Rankings(reference, set(NAMES), threshold, alpha, 50)


def drawn(seed: int, n: int, weights: Floats = WEIGHTS) -> Floats:
    """Signed attributions with heavy tails: the mean size of each is in proportion to its weight."""
    random = np.random.default_rng(seed)
    return weights * random.normal(size=(n, 4)) * random.exponential(size=(n, 4))


def judged(values: Floats, training: Floats, **options: float) -> dict[str | None, Score]:
    scores = rankings(window_of(training), **options).judge(window_of(values), ScoreStatus.JUDGED)
    return {score.key.feature: score for score in scores}


@given(LEVELS)
def test_it_is_scikit_learns_with_ties_shared(levels: tuple[list[int], list[int]]) -> None:
    gains, order = (np.array(side, dtype=np.float64) for side in levels)
    assume(gains.any())
    assert ndcg(gains, order) == pytest.approx(ndcg_score([gains], [order]), abs=1e-12)


@given(LEVELS, st.floats(0.01, 100))
def test_it_is_1_for_the_baselines_own_order_in_any_unit_and_never_more(levels: tuple[list[int], list[int]], unit: float) -> None:
    gains, order = (np.array(side, dtype=np.float64) for side in levels)
    assume(gains.any())
    assert ndcg(gains, unit * gains) == pytest.approx(1.0)
    assert 0 < ndcg(gains, order) <= 1 + 1e-12
    assert ndcg(gains, order) == pytest.approx(ndcg(unit * gains, order))


def test_one_feature_alone_always_agrees() -> None:
    assert ndcg(np.array([3.0]), np.array([0.0])) == 1.0


@given(st.integers(2, 5).flatmap(lambda n: st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=n, max_size=n)))
@settings(max_examples=60)
def test_no_order_that_its_levels_allow_is_over_the_highest(rows: list[tuple[int, int, int]]) -> None:
    gains, low = (np.array([row[place] for row in rows], dtype=np.float64) for place in (0, 1))
    assume(gains.any())
    high = low + np.array([row[2] for row in rows])
    bound = highest(gains, low, high)
    allowed = [order for order in permutations(range(len(rows))) if not any(low[late] > high[early] for early, late in _pairs(order))]
    reached = max(ndcg(gains, -np.argsort(np.array(order)).astype(np.float64)) for order in allowed)
    assert reached <= bound + 1e-12 <= 1 + 1e-9
    for levels in product(*({one, other} for one, other in zip(low, high, strict=True))):
        assert ndcg(gains, np.array(levels)) <= bound + 1e-12


def _pairs(order: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(order[i], order[j]) for i in range(len(order)) for j in range(i + 1, len(order))]


def test_levels_are_means_and_standard_errors_of_sizes() -> None:
    values = drawn(1, 500)
    levels = Levels.of(window_of(values).attributions, range(4))
    sizes = np.abs(values)
    assert levels.means == pytest.approx(sizes.mean(axis=0), rel=1e-5)
    assert np.sqrt(levels.variances) == pytest.approx(sizes.std(axis=0, ddof=1) / 500**0.5, rel=1e-3)
    assert levels.shares == pytest.approx(sizes.mean(axis=0) / sizes.mean(axis=0).sum(), rel=1e-5)
    assert levels.ranks.tolist() == [1, 2, 3, 4]


def test_a_swap_of_the_first_and_the_last_is_found_and_told_by_feature() -> None:
    scores = judged(drawn(1, 1000, WEIGHTS[::-1]), drawn(2, 1000))
    found = scores[None]
    assert is_finding(found)
    assert found.score == pytest.approx(ndcg_score([WEIGHTS], [WEIGHTS[::-1]]), abs=0.02)
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert [each.name for each in found.measured] == [each.name for each in found.shown]
    assert {each.name: (each.baseline, each.window) for each in found.measured} == {"a": (1, 4), "b": (2, 3), "c": (3, 2), "d": (4, 1)}
    assert (scores["a"].base, scores["a"].score) == pytest.approx((4 / 7.5, 0.5 / 7.5), abs=0.05)


def test_few_events_on_either_side_or_events_that_are_alike_prove_nothing() -> None:
    swapped = drawn(1, 1000, WEIGHTS[::-1])
    assert is_finding(judged(swapped, drawn(2, 1000))[None])
    assert not is_finding(judged(swapped, drawn(2, 20))[None])
    assert not is_finding(judged(swapped[:60], drawn(2, 1000))[None])
    assert judged(swapped[:40], drawn(2, 1000))[None].status is ScoreStatus.TOO_FEW
    assert not is_finding(judged(swapped, drawn(2, 1000), inflation=100.0)[None])


def test_features_that_count_about_the_same_may_change_places() -> None:
    close = np.array([1.03, 1.02, 1.01, 1.0])
    found = judged(drawn(1, 5000, close[::-1]), drawn(2, 5000, close))[None]
    assert found.score is not None
    assert found.score > 0.95
    assert not found.is_over


@pytest.mark.parametrize("weights", [WEIGHTS, np.array([8.0, 1.0, 0.9, 0.8]), np.array([1.0, 0.0, 0.0, 0.0])])
def test_stationary_windows_are_never_found(weights: Floats) -> None:
    """2,000 windows of few events against a baseline of few, at a level of 1 in 1,000: the threshold alone would let some through."""
    found = 0
    for seed in range(100):
        judge = rankings(window_of(drawn(10_000 + seed, 60, weights)), alpha=1e-3)
        scores = [judge.judge(window_of(drawn(100 * seed + number, 60, weights)), ScoreStatus.JUDGED)[0] for number in range(20)]
        found += sum(map(is_finding, scores))
    assert found == 0


def test_constant_attributions_are_certain_and_zeros_say_nothing() -> None:
    training = np.tile(WEIGHTS, (100, 1))
    assert judged(np.tile(WEIGHTS, (100, 1)), training)[None].score == 1.0
    swapped = judged(np.tile(WEIGHTS[::-1], (100, 1)), training)[None]
    assert is_finding(swapped)
    nothing = judged(np.zeros((100, 4)), training)[None]
    assert nothing.p_value == 1.0
    assert not is_finding(nothing)
    assert rankings(window_of(np.zeros((100, 4)))).judge(window_of(training), ScoreStatus.JUDGED) == []


def test_windows_or_training_without_attributions_have_no_scores_and_one_event_proves_nothing() -> None:
    training, silent = window_of(drawn(1, 100)), Profile.empty(LAYOUT)
    assert silent.attributions == Attributions.empty()
    assert rankings(training).judge(silent, ScoreStatus.JUDGED) == []
    assert rankings(silent).judge(training, ScoreStatus.JUDGED) == []
    (one, *_) = rankings(training).judge(window_of(drawn(3, 1, WEIGHTS[::-1])), ScoreStatus.TOO_FEW)
    assert (one.status, one.real) == (ScoreStatus.TOO_FEW, False)


def test_a_threshold_of_its_own_decides_and_none_is_over_1() -> None:
    mild = np.array([2.0, 4.0, 1.0, 0.5])
    assert not judged(drawn(1, 3000, mild), drawn(2, 3000), threshold=0.85)[None].is_over
    assert is_finding(judged(drawn(1, 3000, mild), drawn(2, 3000), threshold=0.95)[None])
    assert judged(drawn(3, 300), drawn(2, 300), threshold=2.0)[None].threshold == 1.0
