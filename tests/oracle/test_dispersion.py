"""Ratios of variances: the textbook's statistics, and how often they say that there is something where there is nothing."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from stream_monitor.detect.dispersion import NO_MORE, count_dispersion, mean_dispersion, slow_range, spread_range
from stream_monitor.detect.pair import Floats


def test_the_ratio_of_counts_is_pearsons_chi_square_over_its_freedom() -> None:
    counts = np.random.default_rng(1).multinomial(50, [0.2, 0.3, 0.5], size=8).astype(float)
    counts[3] *= 2.0
    shares = (counts.sum(axis=0) / counts.sum())[None]
    oracle = chi2_contingency(counts, correction=False)
    assert count_dispersion(counts, shares, 1).ratio == pytest.approx(oracle.statistic / oracle.dof)


def test_with_many_rows_so_is_its_p_value() -> None:
    counts = np.random.default_rng(2).multinomial(5_000, [0.2, 0.3, 0.5], size=40).astype(float)
    shares = (counts.sum(axis=0) / counts.sum())[None]
    assert count_dispersion(counts, shares, 1).p_value == pytest.approx(chi2_contingency(counts).pvalue, rel=0.01)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.999, 0.001], [*[0.099] * 10, 0.0099, 0.0001], [0.01] * 100])
def test_independent_counts_are_not_beyond_chance(shares: list[float]) -> None:
    """At level 0.01, rare values and all."""
    generator = np.random.default_rng(3)
    found = []
    for _ in range(300):
        counts = generator.multinomial(200, shares, size=60).astype(np.float64)
        found.append(count_dispersion(counts, (counts.sum(axis=0) / counts.sum())[None], 1))
    assert np.mean([each.ratio for each in found]) == pytest.approx(1, abs=0.05)
    assert np.mean([each.p_value < 0.01 for each in found]) <= 0.025


def test_counts_that_come_in_clusters_have_the_clusters_size_as_ratio() -> None:
    """Every event four times: the variance of a count is four times that of independent ones."""
    counts = (4 * np.random.default_rng(4).multinomial(50, [0.25] * 4, size=500)).astype(np.float64)
    found = count_dispersion(counts, np.full((1, 4), 0.25), 1)
    assert found.ratio == pytest.approx(4, rel=0.1)
    assert found.p_value < 1e-12


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_means_of_runs_show_how_values_hang_together(rho: float) -> None:
    """Batch means of AR(1) near (1 + rho) / (1 - rho); and what neighbours explain is no slow change."""
    n, means, variance = batches(ar1(400 * 200, rho, seed=6), 200)
    assert mean_dispersion(n, means, variance).ratio == pytest.approx((1 + rho) / (1 - rho), rel=0.25)
    assert slow_range(n, means, variance, 0.01) == 0.0


def test_a_slow_wave_is_a_range_and_no_dispersion() -> None:
    wave = np.sin(np.arange(400 * 200) / (400 * 200) * 20 * np.pi)
    n, means, variance = batches(ar1(400 * 200, 0.5, seed=7) + wave, 200)
    assert mean_dispersion(n, means, variance).ratio == pytest.approx(3, rel=0.3)
    assert slow_range(n, means, variance, 0.01) == pytest.approx(2, abs=0.7)


def test_chance_is_shrunk_away_from_a_range() -> None:
    """Forty means that truly fill [0, 1], each with an error as large as they differ: their plain range is nearly twice as wide."""
    generator, truth = np.random.default_rng(8), np.linspace(0, 1, 40)
    means = truth + generator.normal(scale=truth.std(), size=(200, 40))
    shrunk = [spread_range(np.full(40, 100.0), each, 100 * truth.var(), 0.5) for each in means]
    assert np.ptp(means, axis=1).mean() > 1.7
    assert np.mean(shrunk) == pytest.approx(1, abs=0.3)


def test_equal_means_have_no_range() -> None:
    generator = np.random.default_rng(9)
    means = generator.normal(scale=0.1, size=(200, 30))
    assert sum(spread_range(np.full(30, 100.0), each, 1.0, 0.01) > 0 for each in means) <= 5


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_of_few_runs_nothing_is_known(runs: int) -> None:
    n, means = np.full(runs, 10.0), np.arange(runs, dtype=float)
    assert mean_dispersion(n, means, 1.0) == NO_MORE
    assert count_dispersion(np.full((runs, 2), 5.0), np.full((1, 2), 0.5), 1) == NO_MORE
    assert slow_range(n[:1], means[:1], 1.0, 0.01) == 0.0


def test_empty_runs_and_constants_say_nothing() -> None:
    zeros = np.zeros(9)
    assert mean_dispersion(zeros, zeros, 1.0) == NO_MORE
    assert mean_dispersion(np.ones(9), np.arange(9.0), 0.0) == NO_MORE
    assert slow_range(np.ones(9), np.arange(9.0), 0.0, 0.01) == 0.0
    assert count_dispersion(np.zeros((9, 3)), np.full((1, 3), 1 / 3), 1) == NO_MORE
    assert count_dispersion(np.tile([7.0, 0.0], (9, 1)), np.array([[1.0, 0.0]]), 1) == NO_MORE


def ar1(n: int, rho: float, seed: int) -> Floats:
    """A stationary series of variance 1 / (1 - rho^2)."""
    noise = np.random.default_rng(seed).normal(size=n)
    values = np.empty(n)
    last = 0.0
    for i, each in enumerate(noise.tolist()):
        last = values[i] = rho * last + each
    return values


def batches(values: Floats, size: int) -> tuple[Floats, Floats, float]:
    runs = values.reshape(-1, size)
    means = runs.mean(axis=1)
    within = float(((runs - means[:, None]) ** 2).sum()) / (values.size - len(runs))
    return np.full(len(runs), float(size)), means, within
