"""Distances and tests held to scipy, or to their formula written out as a loop."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from stream_monitor.detect.distances import DISTANCES, chi2, hellinger, js, kl, ks, linf, psi, tvd, wasserstein
from stream_monitor.detect.gate import _inflated, _noncentral, alpha, homogeneity, kolmogorov_smirnov, more_often
from stream_monitor.detect.pair import Counts, Inflation, Pair, Side
from stream_monitor.profile.layout import FIRST_VALUE

Rows = NDArray[np.int64]
SEEDS = range(20)


def side(values: Rows) -> Side:
    counts = np.hstack([np.zeros((len(values), FIRST_VALUE), dtype=np.int64), values])
    none = np.zeros(len(values), dtype=np.int64)
    return Side(counts.sum(axis=1), counts, np.stack([none, none]), none, none)


def pair(window: Rows, baseline: Rows, inflation: float = 1.0) -> Pair:
    window, baseline = np.atleast_2d(window), np.atleast_2d(baseline)
    times = np.full(len(window), inflation)
    return Pair(side(window), side(baseline), Inflation(times, times, times, times))


def drawn(seed: int, *, sparse: bool = False) -> tuple[Rows, Rows]:
    """7 columns x 15 values from somewhat unlike distributions; sample sizes from 30 to 30,000."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(15, 0.3 if sparse else 5.0), size=7)
    moved = 0.8 * weights + 0.2 * rng.dirichlet(np.full(15, 5.0), size=7)
    low = 30 if sparse else 300
    sizes = rng.integers(low, 30_000, size=(2, 7))
    return rng.multinomial(sizes[0], moved), rng.multinomial(sizes[1], weights)


@pytest.mark.parametrize("seed", SEEDS)
def test_js_is_scipys_distance_base_2(seed: int) -> None:
    window, baseline = drawn(seed, sparse=True)
    expected = [jensenshannon(w, b, base=2) for w, b in zip(window, baseline, strict=True)]
    np.testing.assert_allclose(js(pair(window, baseline)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_kl_is_scipys_relative_entropy_of_the_smoothed_shares(seed: int) -> None:
    window, baseline = drawn(seed, sparse=True)
    expected = [float(stats.entropy(*smoothed(w, b))) for w, b in zip(window, baseline, strict=True)]
    np.testing.assert_allclose(kl(pair(window, baseline)), expected, rtol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_distances_of_plain_shares_are_their_formulas(seed: int) -> None:
    window, baseline = drawn(seed, sparse=True)
    both = pair(window, baseline)
    for column, (w, b) in enumerate(zip(window / window.sum(axis=1)[:, None], baseline / baseline.sum(axis=1)[:, None], strict=True)):
        shares = [(p, q) for p, q in zip(w.tolist(), b.tolist(), strict=True) if p + q > 0]
        assert hellinger(both)[column] == pytest.approx(math.sqrt(1 - math.fsum(math.sqrt(p * q) for p, q in shares)), rel=1e-6)
        assert tvd(both)[column] == pytest.approx(math.fsum(max(p - q, 0) for p, q in shares))
        assert linf(both)[column] == pytest.approx(max(abs(p - q) for p, q in shares))
        assert chi2(both)[column] == pytest.approx(math.fsum((p - q) ** 2 / (p + q) for p, q in shares) / 2)


def test_chi2_at_equal_sizes_is_pearsons_statistic_over_their_sum() -> None:
    window, baseline = np.array([300, 500, 200]), np.array([250, 450, 300])
    statistic, *_ = stats.chi2_contingency(np.vstack([window, baseline]), correction=False)
    assert chi2(pair(window, baseline))[0] == pytest.approx(statistic / 2000)


@pytest.mark.parametrize("seed", SEEDS)
def test_wasserstein_is_scipys_of_the_positions(seed: int) -> None:
    """Values spread evenly inside each bin, at their places in the baseline's distribution: 400 points stand for each bin."""
    window, baseline = drawn(seed)
    for w, b, score in zip(window, baseline, wasserstein(pair(window, baseline)), strict=True):
        q = b / b.sum()
        starts = np.concatenate([[0], np.cumsum(q)[:-1]])
        places = (starts[:, None] + q[:, None] * (np.arange(400) + 0.5) / 400).ravel()
        expected = stats.wasserstein_distance(places, places, np.repeat(w / 400, 400), np.repeat(b / 400, 400)) * math.sqrt(12)
        assert score == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(("shift", "tolerance"), [(0.1, 0.01), (0.3, 0.02), (0.45, 0.03)])
def test_wasserstein_of_a_shifted_normal_is_about_the_shift_in_standard_deviations(shift: float, tolerance: float) -> None:
    edges = stats.norm.ppf(np.linspace(0, 1, 21))
    window = np.rint(np.diff(stats.norm.cdf(edges, shift)) * 1e9).astype(np.int64)
    assert wasserstein(pair(window, np.full(20, 50_000_000)))[0] == pytest.approx(shift, abs=tolerance)


def test_the_default_thresholds_are_crossed_by_about_one_shift_of_a_normal_value() -> None:
    """All but L-infinity, which watches single values, fire between 0.35 and 0.5 standard deviations."""
    edges = stats.norm.ppf(np.linspace(0, 1, 21))
    for name, distance in DISTANCES.items():
        fires = {}
        for shift in (0.35, 0.5):
            window = np.rint(np.diff(stats.norm.cdf(edges, shift)) * 1e9).astype(np.int64)
            fires[shift] = bool(distance.score(pair(window, np.full(20, 50_000_000)))[0] > distance.default_threshold)
        assert fires == ({0.35: False, 0.5: False} if name == "linf" else {0.35: False, 0.5: True}), name


@pytest.mark.parametrize("seed", SEEDS)
def test_psi_is_its_formula(seed: int) -> None:
    window, baseline = drawn(seed, sparse=True)
    np.testing.assert_allclose(psi(pair(window, baseline)), [plain_psi(w, b) for w, b in zip(window, baseline, strict=True)], rtol=1e-9)


def plain_psi(window: Counts, baseline: Counts) -> float:
    return math.fsum((p - q) * math.log(p / q) for p, q in zip(*smoothed(window, baseline), strict=True))


def smoothed(window: Counts, baseline: Counts) -> tuple[list[float], list[float]]:
    held = [(w, b) for w, b in zip(window.tolist(), baseline.tolist(), strict=True) if w + b > 0]
    n, m, k = sum(w for w, _ in held), sum(b for _, b in held), len(held)
    return [(w + 0.5) / (n + 0.5 * k) for w, _ in held], [(b + 0.5) / (m + 0.5 * k) for _, b in held]


@pytest.mark.parametrize("clusters", [4, 20])
def test_tests_keep_their_level_when_events_come_in_clusters(clusters: int) -> None:
    """The mean wanders: of every `clusters` events the values are alike. With that inflation, p < 0.01 in less than 1 of 100 windows."""
    rng = np.random.default_rng(clusters)
    base = rng.multinomial(40_000, np.full(10, 0.1))
    windows = clusters * rng.multinomial(2000 // clusters, np.full(10, 0.1), size=2000)
    baselines = np.tile(base, (2000, 1))
    inflation = 1 + (clusters - 1) * 9.0
    for gate in (homogeneity, kolmogorov_smirnov):
        assert (gate(pair(windows, baselines)) < 0.01).mean() > 0.05, "or there would be nothing to mend"
        assert (gate(pair(windows, baselines, inflation)) < 0.01).mean() <= 0.01


def test_the_tail_of_inflated_counts_is_never_too_small() -> None:
    """Against chi-square(df - 1) + inflation x chi-square(1) as drawn."""
    rng = np.random.default_rng(0)
    for freedom, inflation in ((1, 5.0), (4, 1.5), (19, 3.0), (19, 100.0)):
        drawn_ = inflation * rng.chisquare(1, 400_000) + (rng.chisquare(freedom - 1, 400_000) if freedom > 1 else 0)
        for share in (0.5, 0.1, 1e-2, 1e-3, 1e-4):
            statistic = np.quantile(drawn_, 1 - share)
            bound = float(_inflated(np.array([statistic]), np.array([freedom]), np.array([inflation]))[0])
            assert 0.9 * share < bound < 60 * share


@pytest.mark.parametrize("seed", SEEDS)
def test_ks_and_its_p_value_are_scipys_on_the_same_values(seed: int) -> None:
    window, baseline = drawn(seed)
    both = pair(window, baseline)
    scores, p_values = ks(both), kolmogorov_smirnov(both)
    for column, (w, b) in enumerate(zip(window, baseline, strict=True)):
        result = stats.ks_2samp(np.repeat(np.arange(15), w), np.repeat(np.arange(15), b), method="asymp")
        assert scores[column] == pytest.approx(result.statistic, rel=1e-9)
        n, m = w.sum(), b.sum()
        assert p_values[column] == pytest.approx(stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * result.statistic), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(200, 200), (200, 1000), (500, 200), (1000, 3000)])
@pytest.mark.parametrize("target", [1e-2, 1e-4, 1e-7, 1e-9])
def test_the_ks_p_value_is_never_below_the_exact_one(n: int, m: int, target: float) -> None:
    """Samples as far apart as makes p about `target`: part of the window lies below all of the baseline, the rest alongside it."""
    below = round(float(stats.kstwobign.isf(target)) / math.sqrt(n * m / (n + m)) * n)
    baseline = (np.arange(m) + 0.5) / m
    window = np.concatenate([-1 - np.arange(below), (np.arange(n - below) + 0.25) / (n - below)])
    exact = stats.ks_2samp(window, baseline, method="exact")
    values = np.unique(np.concatenate([window, baseline]))
    own_bins = pair(np.isin(values, window).astype(np.int64), np.isin(values, baseline).astype(np.int64))
    assert ks(own_bins)[0] == pytest.approx(exact.statistic)
    assert exact.pvalue <= kolmogorov_smirnov(own_bins)[0] <= 1.6 * exact.pvalue


@pytest.mark.parametrize("seed", SEEDS)
def test_homogeneity_is_scipys_g_test_with_williams_correction(seed: int) -> None:
    window, baseline = drawn(seed)
    p_values = homogeneity(pair(window, baseline))
    for p, w, b in zip(p_values, window, baseline, strict=True):
        expected = stats.contingency.expected_freq(np.vstack([w, b]))
        if expected.min() < 5:
            continue
        g, _, freedom, _ = stats.chi2_contingency(np.vstack([w, b]), correction=False, lambda_="log-likelihood")
        assert p == pytest.approx(stats.chi2.sf(g / williams(w, b), freedom), rel=1e-6, abs=1e-300)


def williams(window: Counts, baseline: Counts) -> float:
    """Sokal & Rohlf, Biometry, box 17.7, for 2 rows."""
    n, m, total = window.sum(), baseline.sum(), window + baseline
    both = n + m
    by_row, by_column = both / n + both / m - 1, both * math.fsum(1 / total) - 1
    return float(1 + by_row * by_column / (6 * both * (len(total) - 1)))


@pytest.mark.parametrize("seed", SEEDS)
def test_homogeneity_pools_what_is_sparse_and_keeps_every_event(seed: int) -> None:
    window, baseline = drawn(seed, sparse=True)
    p_values = homogeneity(pair(window, baseline))
    for p, w, b in zip(p_values, window, baseline, strict=True):
        pooled = np.array(naive_pools(w.tolist(), b.tolist())).T
        if pooled.shape[1] < 2:
            assert p == 1
            continue
        assert stats.contingency.expected_freq(pooled).min() >= 5
        g, _, freedom, _ = stats.chi2_contingency(pooled, correction=False, lambda_="log-likelihood")
        assert p == pytest.approx(stats.chi2.sf(g / williams(pooled[0], pooled[1]), freedom), rel=1e-6, abs=1e-300)


def naive_pools(window: list[int], baseline: list[int]) -> list[tuple[int, int]]:
    """Values that stand alone; sparse ones joined each time that their running expectation passes a multiple of 10."""
    n, m = sum(window), sum(baseline)
    scale = min(n, m) / (n + m)
    alone: list[tuple[int, int]] = []
    pools: dict[int, tuple[int, int]] = {}
    running = 0.0
    for w, b in zip(window, baseline, strict=True):
        if (w + b) * scale >= 5:
            alone.append((w, b))
        elif w + b > 0:
            running += (w + b) * scale
            known = pools.get(int(running // 10), (0, 0))
            pools[int(running // 10)] = (known[0] + w, known[1] + b)
    groups = alone + list(pools.values())
    large = [group for group in groups if sum(group) * scale >= 5]
    small = [group for group in groups if sum(group) * scale < 5]
    if not large:
        return small
    into = min(range(len(large)), key=lambda index: sum(large[index]))
    large[into] = (large[into][0] + sum(w for w, _ in small), large[into][1] + sum(b for _, b in small))
    return large


def test_homogeneity_is_accurate_where_one_minus_cdf_would_be_zero() -> None:
    window, baseline = np.array([300, 700]), np.array([700, 300])
    p = float(homogeneity(pair(window, baseline))[0])
    g, *_ = stats.chi2_contingency(np.vstack([window, baseline]), correction=False, lambda_="log-likelihood")
    assert 0 < p < 1e-70
    assert math.log(p) == pytest.approx(stats.chi2.logsf(g / williams(window, baseline), 1), rel=1e-9)


RATIOS = [
    (20, 200, 2, 200),
    (50, 1000, 100, 10_000),
    (9, 200, 3, 100_000),
    (700, 1000, 50_000, 100_000),
    (30, 1000, 0, 200),
    (199, 200, 80, 200),
]


@pytest.mark.parametrize(("part", "whole", "baseline_part", "baseline_whole"), RATIOS)
def test_more_often_is_never_below_fishers_exact_test(part: int, whole: int, baseline_part: int, baseline_whole: int) -> None:
    args = (np.array([number]) for number in (part, whole, baseline_part, baseline_whole))
    p = float(more_often(*args)[0])
    exact = float(stats.hypergeom.sf(part - 1, whole + baseline_whole, part + baseline_part, whole))
    assert exact <= p * (1 + 1e-9)
    assert math.log(p) <= 0.5 * math.log(exact), "at worst, where half of all events are such, the evidence counts half"


def test_more_often_is_the_exact_test_where_such_events_are_rare() -> None:
    part, whole, baseline_part, baseline_whole = 40, 100_000, 5, 100_000
    p = float(more_often(*(np.array([number]) for number in (part, whole, baseline_part, baseline_whole)))[0])
    assert p == pytest.approx(stats.hypergeom.sf(part - 1, 200_000, 45, 100_000), rel=0.02)
    assert p == pytest.approx(stats.binom.sf(part - 1, 45, 0.5), rel=1e-9)


def test_alpha_spends_the_budget_over_all_tests_of_30_days() -> None:
    """30 features x 4 scores in 5-minute windows: 8,640 windows of 120 tests."""
    assert alpha(1.0, 120, 300_000) == pytest.approx(1 / (8640 * 120))
    levels = [alpha(1.0, tests, 60_000) for tests in (1, 10, 100, 1000)]
    assert all(more > less for more, less in pairwise(levels))
    assert alpha(1e9, 1, 30 * 24 * 3_600_000) == 1.0


@pytest.mark.parametrize("noncentrality", [0.5, 20.0, 600.0, 50_000.0])
@pytest.mark.parametrize("freedom", [1, 4, 19])
def test_the_noncentral_tail_is_scipys(freedom: int, noncentrality: float) -> None:
    """To a twentieth of the exponent, from the middle to 1e-10; where the noncentrality is small, never too small."""
    for p in (0.3, 1e-2, 1e-4, 1e-7, 1e-10):
        statistic = stats.ncx2.isf(p, freedom, noncentrality)
        found = _noncentral(np.array([statistic]), np.array([freedom]), np.array([noncentrality]))[0]
        assert math.log10(found) == pytest.approx(math.log10(p), rel=0.05 if noncentrality > 1 else 0.2, abs=0.02)
        assert found > 0.7 * p


def test_a_window_no_further_than_training_data_was_from_itself_is_not_real() -> None:
    """500 events and a season of PSI 0.25: at that distance nothing is beyond chance; at a multiple of it, it is."""
    baseline, natural = np.full(10, 500), {"psi": np.array([0.25]), "ks": np.array([0.2])}
    for window, is_real in (([80, 70, 60, 55, 50, 50, 45, 40, 30, 20], False), ([200, 120, 60, 40, 30, 20, 10, 10, 5, 5], True)):
        plain = pair(np.array(window), baseline)
        forgiving = replace(plain, natural=natural)
        for test in (homogeneity, kolmogorov_smirnov):
            assert test(plain)[0] < 1e-3
            assert (test(forgiving)[0] < 1e-6) == is_real
            assert test(forgiving)[0] > test(plain)[0]
