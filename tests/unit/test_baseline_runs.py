"""How training data is cut into runs and folded by season."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_monitor.baseline import runs as cut
from stream_monitor.baseline.build import build_with_runs
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.runs import SEASONS, TrainingRuns, plan_by_rows, plan_by_time

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONDAY = 4 * DAY  # 1970-01-05


def runs_of(folder: Path, times: np.ndarray, values: np.ndarray | None = None, rows_min: int = 10) -> TrainingRuns:
    path = folder / "t.parquet"
    x = np.arange(len(times), dtype=float) if values is None else values
    pq.write_table(pa.table({"at": pa.array(times, pa.timestamp("ms")), "x": x}), path, row_group_size=17)
    return build_with_runs([path], BuildOptions(time="at", rows_min=rows_min, window_ms=10 * MINUTE))[1]


def test_windows_are_joined_until_they_hold_enough() -> None:
    times = np.repeat([0, 10 * MINUTE, 30 * MINUTE, 40 * MINUTE], [3, 2, 6, 4])
    plan = plan_by_time(times, 10 * MINUTE, 5, cells=10)
    assert plan.starts.tolist() == [0, 30 * MINUTE], "what is left at the end joins the last"
    assert (plan.runs.by, plan.runs.count, plan.span_ms) == ("time", 2, 40 * MINUTE)


def test_windows_begin_at_multiples_of_their_size_and_before_the_epoch_too() -> None:
    times = np.array([-1, 0, 9, 10])
    assert plan_by_time(times, 10, 1, cells=10).starts.tolist() == [-10, 0, 10]


def test_rows_without_times_make_runs_in_their_order() -> None:
    assert plan_by_rows(11, 5, cells=10).starts.tolist() == [0, 5], "the eleventh row joins the second"
    assert plan_by_rows(3, 5, cells=10).starts.tolist() == [0]


def test_there_are_at_most_so_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "RUNS_MAX", 4)
    assert plan_by_time(np.arange(10) * MINUTE, MINUTE, 1, cells=10).starts.tolist() == [0, 3 * MINUTE, 6 * MINUTE, 9 * MINUTE]
    assert len(plan_by_rows(103, 1, cells=10).starts) <= 4
    monkeypatch.setattr(cut, "CELLS_MAX", 20)
    assert len(plan_by_time(np.arange(10) * MINUTE, MINUTE, 1, cells=10).starts) == 2


def test_the_order_of_rows_does_not_matter_where_there_are_times(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    times, values = np.sort(generator.integers(0, 3 * DAY, 400)), generator.normal(size=400)
    order = generator.permutation(400)
    first, second = runs_of(tmp_path, times, values), runs_of(tmp_path, times[order], values[order])
    assert first.runs == second.runs
    assert np.array_equal(first.parts.counts, second.parts.counts)
    assert np.array_equal(first.parts.moments, second.parts.moments)
    assert np.allclose(first.parts.sums, second.parts.sums, rtol=1e-12)


def test_runs_and_folds_hold_every_row_that_has_a_time(tmp_path: Path) -> None:
    times = pa.array([None] * 5 + list(range(0, 20 * DAY, HOUR)), pa.int64()).to_numpy(zero_copy_only=False)
    runs = runs_of(tmp_path, times.astype("datetime64[ms]"))
    assert int(runs.parts.events.sum()) == 480
    assert [(fold.name, int(fold.parts.events.sum())) for fold in runs.folds] == [("hour of day", 480), ("day of week", 480)]
    assert all(np.allclose(fold.weights.sum(axis=1), 1) for fold in runs.folds)


def test_without_a_readable_time_the_rows_order_is_the_time(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, np.full(30, np.datetime64("NaT", "ms")))
    assert (runs.runs.by, runs.runs.count, runs.folds) == ("rows", 3, ())


@pytest.mark.parametrize(("days", "folds"), [(2, []), (3, ["hour of day"]), (14, ["hour of day"]), (15, ["hour of day", "day of week"])])
def test_a_season_needs_more_than_two_of_its_cycles(tmp_path: Path, days: int, folds: list[str]) -> None:
    times = np.arange(0, days * DAY, HOUR)
    assert [fold.name for fold in runs_of(tmp_path, times, rows_min=1).folds] == folds


def test_there_are_as_many_blocks_of_the_day_as_hold_enough_rows(tmp_path: Path) -> None:
    times = np.arange(0, 10 * DAY, HOUR)  # 10 rows of every hour
    for rows_min, blocks in [(10, 24), (11, 12), (30, 8), (40, 6), (120, 2)]:
        fold = runs_of(tmp_path, times, rows_min=rows_min).folds[0]
        assert (len(fold.judged), set(fold.parts.events.tolist())) == (blocks, {240 // blocks})
    assert [fold.name for fold in runs_of(tmp_path, times, rows_min=121).folds] == []


def test_hours_with_hardly_any_rows_are_left_out(tmp_path: Path) -> None:
    working = np.array([time for time in range(0, 10 * DAY, 10 * MINUTE) if 8 <= time % DAY // HOUR < 18])
    fold = runs_of(tmp_path, np.append(working, 3 * HOUR)).folds[0]
    assert fold.judged == tuple(range(8, 18))


def test_days_of_the_week_begin_on_monday_in_utc() -> None:
    week = SEASONS[1]
    assert week.step_of(np.array([MONDAY, MONDAY + DAY - 1, MONDAY + 6 * DAY, MONDAY - 1])).tolist() == [0, 0, 6, 6]


def test_few_rows_of_weeks_are_folded_into_working_days_and_week_ends(tmp_path: Path) -> None:
    times = MONDAY + np.arange(0, 21 * DAY, DAY // 4)  # 12 rows of every day of the week
    fold = runs_of(tmp_path, times, rows_min=24).folds[-1]
    assert (fold.name, fold.parts.events.tolist()) == ("day of week", [60, 24])
