"""Distances are scikit-learn's, outliers a plain count, p-values bound Fisher's, whatever batch an event comes in."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.covariance import empirical_covariance, shrunk_covariance

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.binning import fences
from stream_monitor.baseline.build import build
from stream_monitor.baseline.column import NumericColumn
from stream_monitor.baseline.joint import COLUMNS_MAX, FAR, SHRINKAGE, Joint, edges_of
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.position import positions
from stream_monitor.baseline.store import dump, load_baseline
from stream_monitor.baseline.strange import Strange
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.schema import StreamKey
from stream_monitor.capture.table import table_columns
from stream_monitor.detect.decide import Judge
from stream_monitor.detect.finding import Score
from stream_monitor.detect.reference import reference_of
from stream_monitor.detect.registry import Thresholds
from stream_monitor.profile.anomalies import DISTANCE_SCALE, Anomalies
from stream_monitor.profile.profile import Profile

NUMBER = st.none() | st.floats() | st.sampled_from([0.0, 1.0, 1.0, 2.0])


def baseline_of(columns: Mapping[str, Any]) -> Baseline:
    """Of such rows, through the file and back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.parquet"
        pq.write_table(pa.table(dict(columns)), path)
        return load_baseline(dump(build([path], BuildOptions(segments=("group",) if "group" in columns else ())).baseline))


def events_of(baseline: Baseline, columns: Mapping[str, Any]) -> Columns:
    return table_columns(pa.table(dict(columns)), baseline.schema, StreamKey("m", None), "rows")


def strange(baseline: Baseline, columns: Mapping[str, Any]) -> Strange:
    return Strange(baseline, baseline.encode(events_of(baseline, columns)))


def joint(baseline: Baseline) -> Joint:
    assert baseline.joint is not None
    return baseline.joint


def window(baseline: Baseline, columns: Mapping[str, Any]) -> Profile:
    """The profile of such events, with nothing but what anomalies need and the counts."""
    from stream_monitor.baseline.encode import summarise_groups

    coded = baseline.encode(events_of(baseline, columns))
    group = np.zeros(len(coded), dtype=np.int32)
    outliers, distances = Strange(baseline, coded).count(group, 1)
    return Profile(*summarise_groups(baseline, coded, group, 1)[0], anomalies=Anomalies.of(outliers[0], distances[0]))


def scores_of(baseline: Baseline, profile: Profile, alpha: float = 1e-6) -> dict[tuple[str | None, str], Score]:
    judge = Judge(reference_of(baseline), Thresholds(), alpha, 200)
    return {(score.key.feature, score.key.detector): score for score in judge.judge(profile)}


def mixed(n: int, seed: int) -> dict[str, Any]:
    """Correlated, skewed, with gaps, of two values, a text, and one that follows from another."""
    random = np.random.default_rng(seed)
    first = random.standard_normal(n)
    return {
        "a": first,
        "b": np.exp(0.8 * first + 0.6 * random.standard_normal(n)),
        "gaps": np.where(random.random(n) < 0.1, np.nan, random.standard_normal(n)),
        "flag": random.random(n) < 0.2,
        "twice": 2 * first,
        "constant": np.full(n, 7.0),
        "group": random.choice(["x", "y"], n),
    }


def plain_scores(baseline: Baseline, columns: Mapping[str, Any]) -> NDArray[np.float64]:
    """float64[n, D]: Phi^-1 of positions, 0 for what is missing."""
    events = events_of(baseline, columns)
    coded = baseline.encode(events)
    places = joint(baseline).places
    found = np.stack([positions(baseline.columns[c], coded.codes[c], events.values[c]) for c in places], axis=1)
    return np.asarray(np.nan_to_num(stats.norm.ppf((np.rint(found * 4096) + 0.5) / 4097)))


def test_distances_are_those_by_scikit_learns_shrunk_covariance() -> None:
    rows = mixed(2_000, 1)
    baseline = baseline_of(rows)
    assert [baseline.columns[c].column.name for c in joint(baseline).places] == ["a", "b", "gaps", "flag", "twice"]
    precision = np.linalg.inv(shrunk_covariance(empirical_covariance(plain_scores(baseline, rows), assume_centered=True), SHRINKAGE))
    live = mixed(500, 2)
    z = plain_scores(baseline, live)
    wanted = np.einsum("nd,de,ne->n", z, precision, z)
    found = strange(baseline, live).squared / DISTANCE_SCALE
    assert found == pytest.approx(wanted, rel=0.01, abs=0.02)


def test_a_training_row_is_measured_without_itself() -> None:
    rows = mixed(60, 3)
    baseline = baseline_of(rows)
    z = plain_scores(baseline, rows)
    size = z.shape[1]
    whole = z.T @ z / 60
    middle = np.trace(whole) / size * SHRINKAGE * np.eye(size)
    without = [(1 - SHRINKAGE) * (whole - np.outer(row, row) / 60) + middle for row in z]
    wanted = [float(row @ np.linalg.solve(each, row)) for row, each in zip(z, without, strict=True)]
    found = joint(baseline).without_itself(strange(baseline, rows).squared, 60) / DISTANCE_SCALE
    assert found == pytest.approx(wanted, rel=0.03, abs=0.03)


@given(st.lists(st.tuples(NUMBER, NUMBER, st.none() | st.booleans()), min_size=1, max_size=40), st.data())
@settings(max_examples=60, deadline=None)
def test_an_event_is_as_far_and_as_strange_in_any_batch(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    baseline = baseline_of(mixed(200, 4))
    none = [None] * len(rows)
    a, b, flag = zip(*rows, strict=True)
    table = pa.table(
        {
            **{name: pa.array(values, pa.float64()) for name, values in {"a": a, "b": b, "gaps": none, "twice": a, "constant": b}.items()},
            "flag": pa.array(flag, pa.bool_()),
            "group": pa.array(none, pa.string()),
        }
    )

    def seen(part: pa.Table) -> tuple[Anomalies, list[int]]:
        coded = baseline.encode(table_columns(part, baseline.schema, StreamKey("m", None), "rows"))
        found = Strange(baseline, coded)
        outliers, distances = found.count(np.zeros(len(coded), dtype=np.int32), 1)
        return Anomalies.of(outliers[0], distances[0]), found.squared.tolist()

    cut = data.draw(st.integers(0, len(rows)))
    (whole, all_of_it), (one, left), (two, right) = (seen(part) for part in (table, table[:cut], table[cut:]))
    assert left + right == all_of_it
    assert one.merge(two) == whole == two.merge(one)
    assert whole.joint.sum() == len(rows)
    for index, values in ((0, a), (1, b)):
        entry = baseline.columns[index]
        assert isinstance(entry, NumericColumn)
        assert entry.fences is not None
        low, high = entry.fences
        plain = sum(value is not None and np.isfinite(value) and not low <= value <= high for value in values)
        assert (int(whole.outliers[index]) if not whole.is_empty else 0) == plain


def test_what_is_missing_stands_in_the_middle() -> None:
    baseline = baseline_of(mixed(500, 5))
    nothing = pa.table({name: pa.nulls(1, pa.float64()) for name in ("a", "b", "gaps", "twice", "constant")})
    nothing = nothing.append_column("flag", pa.nulls(1, pa.bool_())).append_column("group", pa.nulls(1, pa.string()))
    coded = baseline.encode(table_columns(nothing, baseline.schema, StreamKey("m", None), "rows"))
    assert Strange(baseline, coded).squared.tolist() == [0]


@pytest.mark.parametrize("n", [1, 2, 19])
def test_few_rows_have_no_distances(n: int) -> None:
    baseline = baseline_of(mixed(n, 6))
    assert baseline.joint is None
    profile = window(baseline, mixed(300, 7))
    assert len(profile.anomalies.joint) == 0
    found = scores_of(baseline, profile)[None, "multivariate_outlier_ratio"]
    assert (found.score, found.p_value, found.real) == (None, None, False)


def test_constant_columns_have_neither_fences_nor_distances() -> None:
    baseline = baseline_of({"one": np.full(300, 3.0), "two": np.arange(300.0)})
    assert baseline.joint is None
    first, second = baseline.columns
    assert isinstance(first, NumericColumn)
    assert isinstance(second, NumericColumn)
    assert (first.fences, second.fences) == (None, (-379.0, 678.0))
    found = scores_of(baseline, window(baseline, {"one": np.full(300, 9.0), "two": np.full(300, 1e6)}))
    assert found["one", "outlier_ratio"].score is None
    assert found["two", "outlier_ratio"].score == 1.0


def test_columns_and_rows_bound_each_other() -> None:
    many = {f"f{i:02}": np.random.default_rng(i).standard_normal(300) for i in range(70)}
    assert len(joint(baseline_of(many)).places) == 30
    assert len(joint(baseline_of({name: np.tile(values, 3) for name, values in many.items()})).places) == COLUMNS_MAX


def test_fences_are_tukeys() -> None:
    assert fences(np.array([])) is None
    assert fences(np.array([1.0])) is None
    assert fences(np.array([0.0, 1.0, 1.0, 1.0, 2.0])) is None, "half of the values are alike"
    assert fences(np.array([-1e308, -1e308, 1e308, 1e308])) is None, "a fence is no float"
    assert fences(np.arange(5.0)) == (1 - 3 * 2, 3 + 3 * 2)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=3_000))
@settings(max_examples=60, deadline=None)
def test_few_rows_are_at_or_beyond_the_last_edge(squared: list[int]) -> None:
    values = np.array(squared)
    edges = edges_of(values)
    assert list(edges) == sorted(set(edges))
    assert (values >= edges[-1]).sum() <= max(FAR * len(values), 1)


def test_shares_and_their_p_values_are_plain_counts_and_bounds_on_fishers() -> None:
    random = np.random.default_rng(8)
    rows = {
        "x": random.exponential(size=2_000),
        "y": random.standard_normal(2_000),
        "c": random.choice(list("abcde"), 2_000, p=[0.6, 0.39, 0.004, 0.003, 0.003]),
    }
    baseline = baseline_of(rows)
    live = {"x": np.where(random.random(800) < 0.03, 7.5, random.exponential(size=800)), "y": random.standard_normal(800)}
    live["c"] = np.where(random.random(800) < 0.03, "d", random.choice(["a", "b"], 800))
    found = scores_of(baseline, window(baseline, live))
    entry = baseline.columns[0]
    assert isinstance(entry, NumericColumn)
    assert entry.fences is not None
    beyond, before = (int((side["x"] > entry.fences[1]).sum()) for side in (live, rows))
    outliers = found["x", "outlier_ratio"]
    assert (outliers.score, outliers.base) == (beyond / 800, before / 2_000)
    fisher = float(stats.hypergeom.sf(beyond - 1, 2_800, beyond + before, 800))
    assert fisher <= (outliers.p_value or 0) <= 100 * fisher
    rare = found["c", "rare_category_ratio"]
    burst, usual = ((side["c"] == "d").sum() for side in (live, rows))
    assert rare.score == pytest.approx(np.isin(live["c"], list("cde")).mean())
    assert rare.base == pytest.approx(np.isin(rows["c"], list("cde")).mean())
    assert 5 * float(stats.hypergeom.sf(burst - 1, 2_800, burst + usual, 800)) <= (rare.p_value or 0) < 1e-5
    assert not rare.real, "alpha is less"


@pytest.mark.parametrize("rows", [200, 2_000])
def test_like_traffic_is_found_strange_no_more_often_than_alpha_says(rows: int) -> None:
    """20 correlated columns and 100 categories of 1 % each, of 40 baselines; windows so large that any bias would show."""
    wrong = {"outlier_ratio": 0, "rare_category_ratio": 0, "multivariate_outlier_ratio": 0}
    for seed in range(40):
        random = np.random.default_rng(seed)
        mixing = random.standard_normal((20, 20))

        def drawn(n: int, random: np.random.Generator = random, mixing: NDArray[np.float64] = mixing) -> dict[str, Any]:
            numbers = random.standard_normal((n, 20)) @ mixing
            found: dict[str, Any] = {f"f{i:02}": np.exp(numbers[:, i] / 4) if i % 2 else numbers[:, i] for i in range(20)}
            return found | {"c": random.integers(0, 100, n).astype(str)}

        baseline = baseline_of(drawn(rows))
        found = scores_of(baseline, window(baseline, drawn(5_000)), alpha=1e-3)
        for name in wrong:
            wrong[name] += any(score.real and score.is_over for (_, detector), score in found.items() if detector == name)
    assert wrong["multivariate_outlier_ratio"] <= 1, wrong
    assert wrong["rare_category_ratio"] <= 1, wrong
    assert wrong["outlier_ratio"] <= 3, wrong  # 20 columns each
