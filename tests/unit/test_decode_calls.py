"""What events say of their calls, as columns: by the fast path, by the slow one, beside others, and from tables."""

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from stream_monitor.capture import Column, Columns, Decoder, Kind, Schema, StreamKey
from stream_monitor.capture.calls import CODE_CHARS_MAX, RESOURCES, Calls
from stream_monitor.capture.table import table_columns
from tests.messages import Message

LOAN = StreamKey("loan", None)
SCHEMA = Schema((Column("amount", Kind.NUMERIC),))
FULL = {
    "latency_ms": 40.5,
    "status": "error",
    "error": "timeout",
    "resources": {"cpu_ratio": 0.5, "memory_bytes": 1_000_000, "gpu_ratio": 0.25, "gpu_memory_bytes": 5e9, "network_bytes": 0},
}


def message(**fields: Any) -> Message:
    body = {"event_id": "e", "model": "loan", "time": 1_795_327_200_000, "features": {"amount": 1.5}, "prediction": 1}
    return Message(orjson.dumps(body | fields))


def slow(**fields: Any) -> Message:
    """One that only the slow path reads: NaN is no JSON."""
    value = message(**fields).value()
    assert value is not None
    return Message(value.replace(b'"amount":1.5', b'"amount":NaN'))


def decoded(*messages: Message) -> Columns:
    (columns,), rejects = Decoder({LOAN: SCHEMA}).decode(messages, None)
    assert not rejects
    return columns


def calls(*messages: Message) -> Calls:
    found = decoded(*messages).calls
    assert found is not None
    return found


def told(found: Calls) -> list[dict[str, Any]]:
    """One event after the other, without what it does not tell."""
    rows = [{name: values[row] for name, values in found.measures.items() if not np.isnan(values[row])} for row in range(len(found.failed))]
    return [row | ({"code": code} if failed else {}) for row, code, failed in zip(rows, found.codes, found.failed, strict=True)]


@pytest.mark.parametrize("make", [message, slow])
def test_every_field_comes_as_it_was_written(make: Any) -> None:
    resources: Any = FULL["resources"]
    assert told(calls(message(), make(**FULL), message())) == [{}, {"latency_ms": 40.5, **resources, "code": "timeout"}, {}]
    assert calls(message(), make(**FULL)).told.tolist() == [False, True]


def test_events_that_say_nothing_of_it_have_no_calls() -> None:
    assert decoded(message(), message(latency_ms=None, status=None, resources=None, error="of nothing")).calls is None


@pytest.mark.parametrize("make", [message, slow])
@pytest.mark.parametrize("value", ["0.5", True, None, [], {}, -0.5])
def test_a_resource_that_is_no_number_from_0_on_is_not_told(make: Any, value: Any) -> None:
    found = calls(make(resources={"cpu_ratio": value, "gpu_ratio": 0.5, "more": "x"}))
    assert told(found) == [{"gpu_ratio": 0.5}]


@pytest.mark.parametrize("literal", [b"1e400", b"-Infinity", b"NaN", b"1" + b"0" * 400])
def test_nor_is_one_beyond_all_numbers_and_the_event_stays(literal: bytes) -> None:
    odd = Message((message(resources={"cpu_ratio": 12345, "gpu_ratio": 0.5}).value() or b"").replace(b"12345", literal))
    assert told(calls(message(), odd, message(resources={"cpu_ratio": 1}))) == [{}, {"gpu_ratio": 0.5}, {"cpu_ratio": 1.0}]


@pytest.mark.parametrize("make", [message, slow])
def test_a_code_counts_with_a_failed_call_only_and_is_cut(make: Any) -> None:
    found = calls(make(status="ok", error="left over"), make(status="error"), make(status="error", error="e" * 100), make(error="x"))
    assert list(found.codes) == ["", "", "e" * CODE_CHARS_MAX, ""]
    assert found.failed.tolist() == [False, True, True, False]
    assert found.told.tolist() == [True, True, True, False]


def test_parts_of_a_batch_are_joined_whether_they_tell_or_not() -> None:
    messages = [message()] * 1500 + [message(latency_ms=7)] * 1500 + [message(resources={"gpu_ratio": 0.5})] * 1500
    found = calls(*messages)
    assert {name: np.isfinite(values).nonzero()[0].tolist() for name, values in found.measures.items()} == {
        "latency_ms": list(range(1500, 3000)),
        "gpu_ratio": list(range(3000, 4500)),
    }
    assert len(found.codes) == len(found.told) == 4500


@pytest.mark.parametrize("typed", [True, False])
def test_tables_have_the_same_names(typed: bool) -> None:
    table = pa.table(
        {
            "amount": [1.0, 2.0, 3.0],
            "latency_ms": [40.5, None, -1.0],
            "status": ["error", "ok", None],
            "error": ["timeout", "left over", None],
            **{f"resources.{name}": [0.5, None, None] for name in RESOURCES},
        }
    )
    if not typed:
        table = table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
    found = table_columns(table, SCHEMA, LOAN, "file", typed=typed).calls
    assert found is not None
    assert told(found) == [{"latency_ms": 40.5, **dict.fromkeys(RESOURCES, 0.5), "code": "timeout"}, {}, {}]
    assert found.told.tolist() == [True, True, False]
    assert table_columns(table.select(["amount"]), SCHEMA, LOAN, "file", typed=typed).calls is None
