"""What is kept of fields that are no columns: metadata that segments are made by, and features that the schema does not know."""

import json
from typing import Any

import pyarrow as pa
import pytest

from stream_monitor.capture import Column, Columns, Decoder, Kind, Reason, Schema, StreamKey
from stream_monitor.capture.table import table_columns
from stream_monitor.capture.table_fields import EXTRA_MAX
from tests.messages import Message

CLOCK_MS = 1_795_327_200_000
LOAN = StreamKey("loan", None)
SCHEMA = Schema((Column("amount", Kind.NUMERIC),), metadata=("region", "tier"))
BODY = {"event_id": "e1", "model": "loan", "time": CLOCK_MS, "features": {"amount": 1}, "prediction": 1}
FORMS = [
    ('{"region":"eu","tier":"gold"}', ["eu", "gold"]),
    ('{"tier":null,"trace":{"region":"us"},"region":"eu"}', ["eu", None]),
    ('{"region":true,"tier":3}', ["true", "3"]),
    ('{"region":1.5,"tier":-0.0}', ["1.5", "-0.0"]),
    ('{"region":1e-7,"tier":18446744073709551616}', ["1e-7", "18446744073709551616"]),
    ('{"region":{"a":1},"tier":["gold"]}', [None, None]),
    ('{"region":NaN,"tier":"gold"}', [None, "gold"]),
    ('{"region":1e400,"tier":"gold"}', [None, "gold"]),
    ('{"region":%s,"tier":"gold"}' % ("9" * 5_000), [None, "gold"]),
    ('{"trace":1e400,"tier":"gold"}', [None, "gold"]),
    (r'{"region":"\u00e5","tier":"\ud83d\ude00"}', ["å", "😀"]),
    ('{"region":"' + "[" * 100 + '"}', ["[" * 100, None]),
    ('{"region":"us","region":"eu"}', ["eu", None]),
    ('{"region":"\\u0000invalid"}', ["\x00invalid", None]),
    ("{}", [None, None]),
    ("null", [None, None]),
]
"""An event's metadata and what it gives."""


def event(metadata: str | None = None, **features: Any) -> Message:
    text = json.dumps(BODY | {"features": {"amount": 1} | features})
    return Message((text if metadata is None else f'{text[:-1]},"metadata":{metadata}}}').encode())


def decoded(*messages: Message, schema: Schema = SCHEMA) -> Columns:
    (columns,), rejects = Decoder({LOAN: schema}).decode(messages, CLOCK_MS)
    assert rejects == []
    assert tuple(columns.metadata) == schema.metadata
    return columns


def entries(columns: Columns) -> list[list[str | None]]:
    return [list(entry) for entry in zip(*columns.metadata.values(), strict=True)]


@pytest.mark.parametrize(("metadata", "expected"), FORMS)
def test_values_are_texts_or_nothing_on_every_path(metadata: str, expected: list[str | None]) -> None:
    """The first event of a decoder takes the typed path after the slow one, the second the typed path alone; NaN forces the slow one."""
    assert entries(decoded(event(metadata), event(metadata))) == [expected] * 2
    assert entries(decoded(event(metadata, x=float("nan")))) == [expected]


def test_neighbours_do_not_matter() -> None:
    columns = decoded(*(event(metadata) for metadata, _ in FORMS * 3), event())
    assert entries(columns) == [expected for _, expected in FORMS] * 3 + [[None, None]]


def test_names_that_no_struct_can_have() -> None:
    schema = Schema(SCHEMA.columns, metadata=('"', "region"))
    messages = [event(r'{"\"":1,"region":"eu"}'), event('{"region":1e400}'), event("null"), event()]
    assert entries(decoded(*messages, schema=schema)) == [["1", "eu"], [None, None], [None, None], [None, None]]


@pytest.mark.parametrize("metadata", ["[]", '"eu"', "3", "true"])
def test_metadata_that_is_no_object_is_refused_alone(metadata: str) -> None:
    (columns,), (reject,) = Decoder({LOAN: SCHEMA}).decode([event(FORMS[0][0]), event(metadata), event(FORMS[0][0])], CLOCK_MS)
    assert (reject.row, reject.reason) == (1, Reason.WRONG_TYPE)
    assert entries(columns) == [["eu", "gold"]] * 2


def test_bytes_that_are_no_text_are_refused_wherever_they_stand() -> None:
    for metadata in ('{"region":"@"}', '{"trace":"@"}'):
        bad = Message((event(metadata).value() or b"").replace(b"@", b"\xff"))
        _, (reject,) = Decoder({LOAN: SCHEMA}).decode([event(), bad], CLOCK_MS)
        assert reject.reason is Reason.NOT_UTF8


def test_a_schema_that_asks_for_no_metadata_gets_none() -> None:
    assert decoded(event(FORMS[0][0]), schema=Schema(SCHEMA.columns)).metadata == {}


def test_extra_features_are_told_by_event() -> None:
    """A null counts: the name is there. Fields outside of the features are none."""
    columns = decoded(event(), event(x=1), event(x=None, y={"a": 1}), event(y=float("nan")), Message(json.dumps(BODY | {"z": 1}).encode()))
    assert {name: held.tolist() for name, held in columns.extra.items()} == {
        "x": [False, True, True, False, False],
        "y": [False, False, True, True, False],
    }
    assert columns.unknown_fields == 5


def test_known_features_are_not_extra() -> None:
    decoder = Decoder({LOAN: SCHEMA})
    assert set(decoder.decode([event(x=1)], CLOCK_MS)[0][0].extra) == {"x"}
    assert decoder.decode([event()] * 3, CLOCK_MS)[0][0].extra == {}


def test_blocks_are_joined_with_both() -> None:
    features: list[dict[str, Any]] = [{f"x{i // 1_000}": 1} if i % 10 == 0 else {} for i in range(3_000)]
    columns = decoded(*(event(f'{{"region":"{i}"}}', **extra) for i, extra in enumerate(features)))
    assert columns.metadata["region"] == [str(i) for i in range(3_000)]
    assert list(columns.extra) == ["x0", "x1", "x2"]
    for i, held in enumerate(columns.extra.values()):
        assert held.nonzero()[0].tolist() == list(range(1_000 * i, 1_000 * (i + 1), 10))


def test_names_beyond_the_limit_are_not_told() -> None:
    features: list[dict[str, Any]] = [{f"x{i}": 1} for i in range(100)]
    assert len(decoded(*(event(None, **extra) for extra in features)).extra) == 64


def read(table: dict[str, Any], *, typed: bool = True) -> Columns:
    return table_columns(pa.table({"amount": [1, 2, 3]} | table), SCHEMA, LOAN, "events", typed=typed)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["eu", "", None], ["eu", "", None]),
        ([True, False, None], ["true", "false", None]),
        ([3, None, 4], ["3", None, "4"]),
        ([1.5, float("nan"), float("inf")], ["1.5", None, None]),
        ([{"a": 1}, None, None], [None, None, None]),
        ([["eu"], [], None], [None, None, None]),
        ([None, None, None], [None, None, None]),
    ],
)
def test_metadata_of_tables(values: list[Any], expected: list[str | None]) -> None:
    columns = read({"metadata.region": values})
    assert columns.metadata == {"region": expected, "tier": [None] * 3}


def test_extra_features_of_tables() -> None:
    columns = read(
        {"features.amount": [1, 2, 3], "features.x": [None, "a", ""], "features.none": [None] * 3, "other": [1, 2, 3]}, typed=False
    )
    assert {name: held.tolist() for name, held in columns.extra.items()} == {"x": [False, True, True]}
    assert columns.unknown_fields == 0


def test_extra_features_of_tables_are_bounded() -> None:
    assert list(read({f"features.x{i}": [1] * 3 for i in range(100)}).extra) == [f"x{i}" for i in range(EXTRA_MAX)]
