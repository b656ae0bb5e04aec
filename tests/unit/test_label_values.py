"""Labels as they are written: equal numbers are one class, live as in training; tables of events bring theirs as a column."""

import numpy as np
import pyarrow as pa
import pytest

from stream_monitor.capture.schema import PREDICTION, Column, Kind, Role, Schema, StreamKey
from stream_monitor.capture.table import table_columns
from stream_monitor.errors import InputError
from stream_monitor.profile.outcome import OutcomeLayout

CLASSES = Schema((Column(PREDICTION, Kind.CATEGORICAL, Role.PREDICTION),))
NUMBERS = Schema((Column(PREDICTION, Kind.NUMERIC, Role.PREDICTION),))


def labels_of(values: object, schema: Schema = CLASSES) -> list[object]:
    table = pa.table({"time": ["2026-01-01"] * 3, "prediction": [1, 0, 1], "label": values})
    return list(table_columns(table, schema, StreamKey("m", None), "events.parquet").labels)


@pytest.mark.parametrize(
    ("classes", "texts", "codes"),
    [
        (("0", "1"), ["1", "1.0", "+1", "1e0", "0.0", None, "2", "one", "nan", "1_0"], [2, 2, 2, 2, 1, 0, 3, 3, 3, 3]),
        (("0.5", "yes"), [".5", "0.50", "Yes", "yes"], [1, 1, 3, 2]),
        (("false", "true"), ["True", "FALSE", "true", "1"], [2, 1, 2, 3]),
        (("1", "1.0"), ["1", "1.0"], [1, 2]),
    ],
    ids=["numbers", "texts are as they are", "booleans", "an exact text first"],
)
def test_a_label_is_the_class_that_is_the_same_number(classes: tuple[str, ...], texts: list[str | None], codes: list[int]) -> None:
    layout = OutcomeLayout("multiclass", classes)
    assert layout.label_codes(texts).tolist() == codes
    assert layout.class_codes(texts[:1]).dtype == layout.label_codes([]).dtype == np.uint16


def test_a_table_brings_labels_along() -> None:
    assert labels_of([1, None, 0]) == ["1", None, "0"]
    assert labels_of([1.0, float("nan"), 0.0]) == ["1.0", None, "0.0"]
    assert labels_of([True, False, None]) == ["true", "false", None]
    assert labels_of([1, None, 2], NUMBERS) == [1.0, None, 2.0]
    assert labels_of(["1.5", None, "x"], NUMBERS) == [1.5, None, float("inf")]
    assert labels_of(pa.nulls(3)) == []


def test_a_feature_named_label_is_no_truth() -> None:
    schema = Schema((Column("label", Kind.CATEGORICAL), *CLASSES.columns))
    assert labels_of(["a", "b", "c"], schema) == []


def test_a_label_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"events\.parquet, column `label`: cannot be read as labels"):
        labels_of([[1], [2], None])
