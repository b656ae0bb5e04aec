"""Training data as it comes: each special case has one defined outcome."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.build import Built, build
from stream_monitor.baseline.column import CategoricalColumn, NumericColumn
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.schema import Column, Kind, Role, StreamKey
from stream_monitor.errors import BaselineError, InputError


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """A baseline of these columns, through a Parquet file."""

    def made(columns: dict[str, Any], **options: Any) -> Built:
        path = tmp_path / "train.parquet"
        pq.write_table(pa.table(columns), path)
        return build([path], BuildOptions(**options))

    return made


def numeric(baseline: Baseline, index: int = 0) -> NumericColumn:
    entry = baseline.columns[index]
    assert isinstance(entry, NumericColumn)
    return entry


def categorical(baseline: Baseline, index: int = 0) -> CategoricalColumn:
    entry = baseline.columns[index]
    assert isinstance(entry, CategoricalColumn)
    return entry


def labels_of(baseline: Baseline, values: Any) -> list[str]:
    """What a one-column baseline calls these values."""
    n = len(values)
    columns = Columns(StreamKey("m", None), baseline.schema, np.arange(n), np.zeros(n, dtype=np.int64), (values,))
    return [baseline.label(0, int(code)) for code in baseline.encode(columns).codes[0]]


def test_two_rows_make_two_bins(make: Any) -> None:
    entry = numeric(make({"x": [1.0, 2.0]}).baseline)
    assert entry.edges == (1.0, 2.0, 2.0)
    assert entry.counts == (0, 0, 0, 1, 1, 0)


def test_one_row_is_a_constant(make: Any) -> None:
    assert numeric(make({"x": [1.0]}).baseline).edges == (1.0, 1.0)


def test_no_rows_are_refused(make: Any) -> None:
    with pytest.raises(BaselineError, match=r"train\.parquet: holds no rows"):
        make({"x": pa.array([], pa.float64())})


def test_a_constant_has_below_equal_and_above(make: Any) -> None:
    baseline = make({"x": [3.0] * 50}).baseline
    assert labels_of(baseline, np.array([2.0, 3.0, 4.0])) == ["< 3", "= 3", "> 3"]
    assert (numeric(baseline).sd, numeric(baseline).scale) == (0.0, 3.0)


def test_all_null_numbers_have_no_bins(make: Any) -> None:
    baseline = make({"x": pa.array([None, None, np.nan], pa.float64())}).baseline
    assert numeric(baseline).edges == ()
    assert labels_of(baseline, np.array([1.0, np.nan])) == ["any value", "missing"]


def test_nulls_without_a_type_are_categories_and_said(make: Any) -> None:
    built = make({"x": pa.nulls(3)})
    assert categorical(built.baseline).categories == ()
    assert built.notes == ("`x` holds no values: only its missing ratio can be judged; --drop x leaves it out",)


def test_of_ten_thousand_categories_the_most_frequent_stand(make: Any) -> None:
    names = [f"c{i:05}" for i in range(10_000)] + ["c00007"] * 5 + ["c00003"] * 5
    built = make({"x": names})
    entry = categorical(built.baseline)
    assert entry.categories[:4] == ("c00003", "c00007", "c00000", "c00001"), "by falling count, ties by name"
    assert len(entry.categories) == 100
    assert (entry.counts[2], entry.distinct) == (9_900, 10_000)
    assert labels_of(built.baseline, ["c00003", "c09999", "new", None]) == ["c00003", "other", "other", "missing"]
    assert any("looks like an id" in note for note in built.notes)


def test_many_categories_are_said(make: Any) -> None:
    built = make({"x": [f"c{i % 200}" for i in range(1_000)]})
    assert built.notes == ("`x` has 200 categories: the first 100 are told apart, 50.0% of values are other",)


def test_numbers_as_text_stay_text_until_told(make: Any) -> None:
    built = make({"zip": ["02134", "10001"] * 5})
    assert categorical(built.baseline).categories == ("02134", "10001")
    assert built.notes == ("`zip` holds numbers as text; --numeric zip reads them as numbers",)
    assert numeric(make({"zip": ["02134", "10001"] * 5}, numeric=("zip",)).baseline).edges == (2134.0, 10001.0, 10001.0)


def test_booleans(make: Any) -> None:
    entry = categorical(make({"x": [True, False, True, None]}).baseline)
    assert entry.column.kind is Kind.BOOLEAN
    assert (entry.categories, entry.counts) == (("true", "false"), (1, 0, 0, 2, 1))


def test_numbers_told_to_be_categories_have_their_json_form(make: Any) -> None:
    assert categorical(make({"x": [5, 5, 7]}, categorical=("x",)).baseline).categories == ("5", "7")
    assert categorical(make({"x": [5.0, 5.0, 0.1]}, categorical=("x",)).baseline).categories == ("5.0", "0.1")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([datetime(2026, 1, 1, tzinfo=UTC)]),
        pa.array([date(2026, 1, 1)]),
        pa.array([b"bytes"]),
        pa.array([[1, 2]]),
        pa.array([{"a": 1}]),
    ],
    ids=["timestamp", "date", "binary", "list", "struct"],
)
def test_what_cannot_drift_is_left_out_and_said(make: Any, values: pa.Array) -> None:
    built = make({"x": [1.0], "odd": values})
    assert [column.name for column in built.baseline.schema.columns] == ["x"]
    assert "`odd`" in built.notes[0]


def test_decimals_and_dictionaries(make: Any) -> None:
    baseline = make({"x": pa.array([Decimal("1.5"), Decimal("2.5")]), "y": pa.array(["a", "b"]).dictionary_encode()}).baseline
    assert numeric(baseline, 0).edges == (1.5, 2.5, 2.5)
    assert categorical(baseline, 1).categories == ("a", "b")


def test_infinity_is_invalid_and_nan_missing(make: Any) -> None:
    assert numeric(make({"x": [1.0, 2.0, np.inf, -np.inf, np.nan]}).baseline).counts == (1, 2, 0, 1, 1, 0)


def test_minus_zero_is_zero(make: Any) -> None:
    assert str(numeric(make({"x": [-0.0, 1.0]}).baseline).edges[0]) == "0.0"


def test_the_extremes_of_float64(make: Any) -> None:
    entry = numeric(make({"x": [-1.7e308, 1.7e308, 5e-324, 0.0]}).baseline)
    assert np.isfinite([entry.mean, entry.sd]).all()


def test_heavy_values_have_bins_of_their_own(make: Any) -> None:
    random = np.random.default_rng(3)
    amounts = np.where(random.random(10_000) < 0.6, 0.0, random.exponential(5.0, 10_000))
    entry = numeric(make({"x": amounts}).baseline)
    bins = entry.counts[3:-1]
    assert bins[0] == (amounts == 0).sum()
    rest = np.array(bins[1:])
    assert len(rest) == 19
    assert rest.max() - rest.min() <= 2, "what is not zero is spread evenly"


def test_few_rows_make_few_bins(make: Any) -> None:
    entry = numeric(make({"x": np.arange(50.0)}).baseline)
    assert len(entry.edges) - 1 == 5
    assert set(entry.counts[3:-1]) == {10}


def test_few_values_have_a_bin_each(make: Any) -> None:
    baseline = make({"x": [1, 2, 3, 3] * 50}).baseline
    assert numeric(baseline).edges == (1.0, 2.0, 3.0, 3.0)
    assert labels_of(baseline, np.array([0.5, 1.0, 2.0, 3.0, 3.5])) == ["< 1", "[1, 2)", "[2, 3)", "= 3", "> 3"]


def test_labels_of_a_range(make: Any) -> None:
    baseline = make({"x": np.arange(101.0)}, bins=2).baseline
    assert labels_of(baseline, np.array([-1.0, 0.0, 60.0, 100.0, 101.0, np.nan, np.inf])) == [
        "< 0",
        "[0, 51)",
        "[51, 100]",
        "[51, 100]",
        "> 100",
        "missing",
        "invalid",
    ]


def test_labels_of_near_edges_differ() -> None:
    entry = NumericColumn(Column("x", Kind.NUMERIC), (1.0, 1.0000001, 2.0), (0, 0, 0, 1, 1, 0), 1.0, 1.0, (0, 0), 2)
    assert entry.label(3) == "[1.0, 1.0000001)"


def test_labels_of_categories_that_could_be_mistaken() -> None:
    entry = CategoricalColumn(Column("x", Kind.CATEGORICAL), ("missing", "", "a"), (0, 0, 0, 1, 1, 1), 3)
    assert [entry.label(code) for code in range(6)] == ["missing", "invalid", "other", '"missing"', '""', "a"]


def test_outputs_follow_the_features(make: Any) -> None:
    table = {
        "yhat": ["no", "yes"],
        "p": [0.1, 0.9],
        "x": [1.0, 2.0],
        "y": ["no", "yes"],
        "at": [datetime(2026, 1, 1), datetime(2026, 1, 2)],
    }
    baseline = make(table, prediction="yhat", score="p", target="y", time="at").baseline
    assert baseline.schema.columns == (
        Column("x", Kind.NUMERIC),
        Column("prediction", Kind.CATEGORICAL, Role.PREDICTION),
        Column("prediction.score", Kind.NUMERIC, Role.PREDICTION),
    )
    assert baseline.target == "y"
    assert baseline.time is not None
    assert (baseline.time.first_ms, baseline.time.last_ms) == (1767225600000, 1767312000000)


def test_the_task_says_what_the_prediction_is(make: Any) -> None:
    table = {"x": [1.0, 2.0], "prediction": [0, 1]}
    assert make(table).baseline.schema.columns[1].kind is Kind.NUMERIC
    assert make(table, task="binary").baseline.schema.columns[1].kind is Kind.CATEGORICAL


def test_native_columns(make: Any) -> None:
    table = {
        "event_id": ["1", "2"],
        "model": ["m", "m"],
        "time": [1, 2],
        "features.x": [1.0, 2.0],
        "prediction.label": ["a", "b"],
        "latency_ms": [1, 1],
    }
    baseline = make(table).baseline
    assert [column.name for column in baseline.schema.columns] == ["x", "prediction"]
    assert baseline.time is not None
    assert baseline.time.column == "time"


def test_events_of_several_models_need_a_name(make: Any) -> None:
    table = {"model": ["a", "b", None], "features.x": [1.0, 2.0, 3.0]}
    with pytest.raises(BaselineError, match=r"several models \(a, b\)"):
        make(table)
    assert make(table, model="a").baseline.rows == 2


@pytest.mark.parametrize("flag", ["time", "target", "prediction", "score"])
def test_a_wrong_column_name_is_one_sentence(make: Any, flag: str) -> None:
    with pytest.raises(BaselineError, match=rf"train\.parquet: has no column `amuont` \(--{flag}\); did you mean `amount`\?"):
        make({"amount": [1.0]}, **{flag: "amuont"})


def test_contradictions_are_refused() -> None:
    with pytest.raises(InputError, match="both --categorical and --numeric"):
        BuildOptions(categorical=("x",), numeric=("x",))
    with pytest.raises(InputError, match="from 2 to 200"):
        BuildOptions(bins=1)
    with pytest.raises(InputError, match="two of --time"):
        BuildOptions(time="x", target="x")


def test_a_feature_cannot_bear_the_name_of_the_output(make: Any) -> None:
    with pytest.raises(BaselineError, match="a feature is named `prediction`"):
        make({"features.prediction": [1.0], "prediction": [2.0]})


def test_nothing_left_to_judge_is_refused(make: Any) -> None:
    with pytest.raises(BaselineError, match="has no feature that can be judged"):
        make({"x": [1.0]}, drop=("x",))


def test_files_must_have_the_same_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0], "y": [1.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "b.parquet")
    with pytest.raises(BaselineError, match=r"b\.parquet: has no column `y`, which .*a\.parquet has"):
        build([tmp_path / "a.parquet", tmp_path / "b.parquet"])


def test_files_must_be_of_one_kind(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match=r"b\.csv: is csv, but .*a\.parquet is parquet"):
        build([tmp_path / "a.parquet", tmp_path / "b.csv"])


def test_a_file_of_nulls_takes_its_type_from_the_next(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": pa.nulls(2)}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / "b.parquet")
    assert numeric(build([tmp_path / "a.parquet", tmp_path / "b.parquet"]).baseline).counts == (2, 0, 0, 1, 1, 0)
