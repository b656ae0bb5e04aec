"""How much features counted, as columns: by the fast path, by the slow one, beside others, and from tables."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stream_monitor.capture import Column, Columns, Decoder, Kind, Schema
from stream_monitor.capture.table import table_columns
from tests.messages import Message
from tests.unit.test_decode_calls import LOAN, message, slow

SCHEMA = Schema((Column("amount", Kind.NUMERIC), Column("city", Kind.CATEGORICAL)), attributions=("amount", "city"))


def decoded(*messages: Message, schema: Schema = SCHEMA) -> Columns:
    (columns,), rejects = Decoder({LOAN: schema}).decode(messages, None)
    assert not rejects
    return columns


def told(columns: Columns) -> list[dict[str, float]]:
    """One event after the other, without what it does not tell."""
    found = columns.attributions
    assert all(len(values) == len(columns) for values in found.values())
    return [{name: values[row] for name, values in found.items() if not np.isnan(values[row])} for row in range(len(columns))]


@pytest.mark.parametrize("make", [message, slow])
def test_numbers_of_known_features_come_as_they_were_written(make: Any) -> None:
    columns = decoded(message(), make(attributions={"amount": -0.25, "city": 3, "unknown": 1.0}), message(attributions={"city": 1e-3}))
    assert told(columns) == [{}, {"amount": -0.25, "city": 3.0}, {"city": 0.001}]
    assert columns.unknown_fields == 0


@pytest.mark.parametrize("make", [message, slow])
@pytest.mark.parametrize("value", ["0.5", True, None, [], {"a": 1}])
def test_one_that_is_no_number_costs_itself_alone(make: Any, value: Any) -> None:
    assert told(decoded(make(attributions={"amount": value, "city": 0.5}))) == [{"city": 0.5}]


@pytest.mark.parametrize("literal", [b"1e400", b"-Infinity", b"NaN", b"1" + b"0" * 400])
def test_nor_does_one_beyond_all_numbers_and_the_event_stays(literal: bytes) -> None:
    odd = Message((message(attributions={"amount": 12345, "city": 0.5}).value() or b"").replace(b"12345", literal))
    columns = decoded(message(), odd, message(attributions={"amount": 1}))
    assert told(columns) == [{}, {"city": 0.5}, {"amount": 1.0}]
    assert columns.values[0].tolist() == [1.5] * 3  # type: ignore[union-attr]  # a numeric column


def test_they_are_not_read_where_nobody_asks_or_none_is_there() -> None:
    without = Schema(SCHEMA.columns)
    assert decoded(message(attributions={"amount": 1}), schema=without).attributions == {}
    assert decoded(message(), message(attributions=None), message(attributions={}), message(attributions={"city": None})).attributions == {}


def test_parts_of_a_batch_are_joined_whether_they_tell_or_not() -> None:
    columns = decoded(*[message()] * 1500, *[message(attributions={"city": 7})] * 1500, *[message(attributions={"amount": 1})] * 1500)
    assert {name: np.isfinite(values).nonzero()[0].tolist() for name, values in columns.attributions.items()} == {
        "city": list(range(1500, 3000)),
        "amount": list(range(3000, 4500)),
    }


@pytest.mark.parametrize("typed", [True, False])
def test_tables_have_the_same_names(typed: bool) -> None:
    table = pa.table(
        {
            "amount": [1.0, 2.0, 3.0],
            "city": ["oslo", None, "bergen"],
            "attributions.amount": [0.5, None, -2.0],
            "attributions.city": [None, float("inf"), float("nan")],
            "attributions.unknown": [1.0, 1.0, 1.0],
        }
    )
    if not typed:
        table = table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
    assert told(table_columns(table, SCHEMA, LOAN, "file", typed=typed)) == [{"amount": 0.5}, {}, {"amount": -2.0}]
    assert table_columns(table.select(["amount", "city"]), SCHEMA, LOAN, "file", typed=typed).attributions == {}
