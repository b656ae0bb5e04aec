"""What training data shows by itself over time: seasons and dependence are found, and nothing where there is nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import Natural
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import content_id, dump, load_baseline
from stream_monitor.pipeline.learn import learn

DAY = 86_400_000
WINDOW = 600_000


@pytest.fixture
def learned(tmp_path: Path) -> Any:
    """A baseline of these columns with its natural ranges, through a Parquet file."""

    def made(columns: dict[str, Any], **options: Any) -> Baseline:
        path = tmp_path / "train.parquet"
        pq.write_table(pa.table(columns), path)
        return learn([path], BuildOptions(**options)).baseline

    return made


def natural(baseline: Baseline, index: int = 0) -> Natural:
    found = baseline.columns[index].natural
    assert found is not None
    return found


def times(n: int, days: int, seed: int = 1) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).integers(0, days * DAY, n))


def ar1(n: int, rho: float, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=n)
    for i in range(1, n):
        values[i] += rho * values[i - 1]
    return values


def sine(at: np.ndarray, seed: int, size: float = 0.5) -> np.ndarray:
    return size * np.sin(2 * np.pi * at / DAY) + np.random.default_rng(seed).normal(size=len(at))


def largest_psi(values: np.ndarray, windows: np.ndarray) -> float:
    """Of all windows, on 20 quantiles, add-1/2 smoothing."""
    bins = np.searchsorted(np.quantile(values, np.linspace(0, 1, 21))[1:-1], values)
    counts = np.bincount(windows * 20 + bins, minlength=20 * (int(windows.max()) + 1)).reshape(-1, 20)
    p = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 10)
    return float(((p - 1 / 20) * np.log(p * 20)).sum(axis=1).max())


def independent(n: int, seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    gaps = np.where(generator.random(n) < 0.03, np.nan, generator.normal(size=n))
    rare = generator.choice(list("abcdef"), n, p=[0.5, 0.3, 0.1, 0.09, 0.009, 0.001])
    return {"normal": generator.normal(size=n), "skewed": generator.exponential(size=n), "gaps": gaps, "rare": rare}


@pytest.mark.parametrize("timed", [True, False])
def test_independent_rows_have_no_natural_range_and_no_inflation(learned: Any, timed: bool) -> None:
    """Nearly: one column in a hundred may show something by its distances, one quantity in a hundred an inflation, and little."""
    columns = {f"{name}{seed}": values for seed in range(10) for name, values in independent(40_000, seed).items()}
    baseline = learned(columns | {"at": times(40_000, 30)}, time="at") if timed else learned(columns)
    shown = [dict(found.scores) for found in (natural(baseline, entry) for entry in range(40)) if found.scores]
    inflated = [value for entry in range(40) for value in natural(baseline, entry).inflation.values()]
    assert baseline.runs is not None
    assert baseline.runs.count > 100
    assert len(shown) <= 2, shown
    assert len(inflated) <= 6
    assert all(value < 4 for value in inflated), inflated


def test_a_daily_season_is_as_large_as_its_largest_window(learned: Any) -> None:
    at = times(400_000, 10)
    values = sine(at, seed=2)
    largest = largest_psi(values, at // WINDOW)
    found = natural(learned({"x": values, "at": at}, time="at"))
    assert found.scores["psi"] == pytest.approx(largest, rel=0.1)
    assert found.scores["shift"] == pytest.approx(0.3, abs=0.06), "the wave's range in the position"
    assert found.inflation.get("values", 1) < 5, "a season that comes every day is no noise"
    assert found.inflation.get("position", 1) < 1.5


def test_rows_in_disorder_show_the_same_season_by_their_times(learned: Any) -> None:
    at = times(60_000, 10)
    columns = {"x": sine(at, seed=3), "at": at}
    order = np.random.default_rng(4).permutation(len(at))
    shuffled = {name: values[order] for name, values in columns.items()}
    assert natural(learned(shuffled, time="at")) == natural(learned(columns, time="at"))


def test_shuffled_rows_without_times_show_nothing(learned: Any) -> None:
    values, generator = sine(times(60_000, 10), seed=3), np.random.default_rng(5)
    baseline = learned({f"x{i}": generator.permutation(values) for i in range(30)})
    shown = [natural(baseline, i) for i in range(30) if natural(baseline, i) != Natural({}, {})]
    assert len(shown) <= 3, shown


def test_a_thousand_rows_show_a_daily_season_by_the_hour(learned: Any) -> None:
    """Five runs of six days each hold every hour; four blocks of the day do not."""
    at = times(1_000, 30)
    baseline = learned({"x": sine(at, seed=6, size=0.7), "at": at}, time="at")
    assert baseline.runs is not None
    assert (baseline.runs.count, baseline.runs.folds[0]) == (5, ("hour of day", 4))
    assert natural(baseline).scores["psi"] > 0.2
    assert natural(baseline).scores["shift"] > 0.2


@pytest.mark.parametrize("timed", [True, False])
def test_values_that_depend_on_their_neighbours_count_for_less(learned: Any, timed: bool) -> None:
    columns = {"x": ar1(60_000, 0.9, seed=7)}
    found = natural(learned(columns | {"at": times(60_000, 30)}, time="at") if timed else learned(columns))
    assert found.inflation["position"] == pytest.approx(19, rel=0.25)
    assert found.inflation["values"] > 10
    assert "shift" not in found.scores, "dependence alone is no slow change"


def test_a_spread_is_believed_where_its_position_shows_that_neighbours_are_alike(learned: Any) -> None:
    """By itself it rarely shows: of AR(1) with 0.3 the position's ratio is 1.9, the spread's 1.2, and chance moves both by 0.08."""
    columns = {f"x{seed:02}": ar1(100_000, 0.3, seed) for seed in range(24)}
    baseline = learned(columns | {"at": times(100_000, 28)}, time="at")
    found = [natural(baseline, index).inflation for index in range(24)]
    assert np.mean([each.get("position", 1.0) for each in found]) == pytest.approx(1.86, rel=0.05)
    spreads = [each.get("spread", 1.0) for each in found]
    assert sum(spread > 1 for spread in spreads) >= 21
    assert min(spread for spread in spreads if spread > 1) < 1.18, "what alone would be taken for chance"


def test_gaps_that_come_in_bursts_inflate_the_missing_count(learned: Any) -> None:
    at = times(60_000, 30)
    generator = np.random.default_rng(8)
    bad = generator.random(int(at[-1]) // WINDOW + 1) < 0.02
    values = np.where(bad[at // WINDOW] & (generator.random(len(at)) < 0.5), np.nan, generator.normal(size=len(at)))
    found = natural(learned({"x": values, "at": at}, time="at"))
    assert found.inflation["missing"] > 5
    assert found.scores["missing_ratio"] > 0.05


def test_categories_beyond_the_named_ones_inflate_what_is_outside(learned: Any) -> None:
    """A campaign: for one day in ten all categories are new."""
    at = times(40_000, 30)
    names = np.where(at // DAY % 10 == 3, [f"new{i % 500}" for i in range(len(at))], "usual")
    found = natural(learned({"x": names, "at": at}, time="at", categories_max=5))
    assert found.inflation["outside"] > 5, "of windows of 9 rows"


def test_one_run_shows_nothing(learned: Any) -> None:
    baseline = learned({"x": np.arange(50.0), "at": np.zeros(50, dtype=np.int64), "none": [None] * 50}, time="at")
    assert baseline.runs is not None
    assert baseline.runs.count == 1
    assert {natural(baseline, i) == Natural({}, {}) for i in range(2)} == {True}


def test_constants_and_columns_without_values_show_nothing(learned: Any) -> None:
    n = 4_000
    baseline = learned({"one": np.full(n, 3.0), "none": pa.nulls(n, pa.float64()), "same": ["a"] * n})
    assert [natural(baseline, i) for i in range(3)] == [Natural({}, {})] * 3


def test_natural_ranges_travel_with_the_file(learned: Any) -> None:
    baseline = learned({"x": ar1(10_000, 0.9, seed=9), "at": times(10_000, 5)}, time="at")
    assert natural(baseline).scores
    assert baseline.id == content_id(baseline)
    assert load_baseline(dump(baseline)) == baseline
