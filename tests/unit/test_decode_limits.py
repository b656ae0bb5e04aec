"""The bounds of what a decoder remembers, large batches, and the dead letter."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from stream_monitor.capture import Column, Decoder, Kind, Reason, Schema, StreamKey, dead_letter
from tests import messages

CLOCK_MS = 1_795_327_200_000
LOAN = StreamKey("loan", None)
NONE: dict[str, Any] = {}
SCHEMA = Schema((Column("amount", Kind.NUMERIC), Column("city", Kind.CATEGORICAL)))


@dataclass(frozen=True)
class Message(messages.Message):
    time: tuple[int, int] = (1, CLOCK_MS)


def event(
    number: int = 0, model: str = "loan", features: dict[str, Any] | None = None, more: dict[str, Any] = NONE, **fields: Any
) -> Message:
    known = {"amount": float(number), "city": "oslo"} if features is None else features
    body = {"event_id": f"e{number}", "model": model, "time": CLOCK_MS, "features": known, "prediction": 1}
    return Message(json.dumps(body | fields | more).encode())


def unknown_of(decoder: Decoder, *messages: Message) -> int:
    return sum(part.unknown_fields for part in decoder.decode(messages, CLOCK_MS)[0])


def test_sixty_four_unknown_names_are_counted_and_the_next_is_not() -> None:
    decoder = Decoder({LOAN: SCHEMA})
    names = [f"x{i}" for i in range(64)]
    assert unknown_of(decoder, *(event(more={name: 1}) for name in names)) == 64
    assert decoder.saturated == frozenset()
    assert unknown_of(decoder, event(x64=1, x65=1)) == 0
    assert decoder.saturated == {LOAN}
    assert unknown_of(decoder, event(x0=1, x63=1, x64=1)) == 2


@pytest.mark.parametrize("name", ['"', "\\", "\n", "x" * 257, "é" * 129])
def test_a_name_that_cannot_be_learned_is_beyond_the_limit(name: str) -> None:
    decoder = Decoder({LOAN: SCHEMA})
    assert unknown_of(decoder, event(x=1, more={name: 1})) == 1
    assert decoder.saturated == {LOAN}


def test_streams_learn_apart() -> None:
    decoder = Decoder({LOAN: SCHEMA, StreamKey("fraud", None): SCHEMA})
    decoder.decode([event(more={f"x{i}": 1}) for i in range(70)], CLOCK_MS)
    assert decoder.saturated == {LOAN}
    assert unknown_of(decoder, event(model="fraud", x1=1)) == 1


def test_a_name_that_looks_like_an_attribute_of_ours_is_just_a_name() -> None:
    decoder = Decoder({LOAN: SCHEMA})
    messages = [event(features={"f0": 7, "u0": 8, "amount": 1, "city": "a"}, u0=1, f0=2, u1=3)] * 2
    parts, _ = decoder.decode(messages, CLOCK_MS)
    assert parts[0].unknown_fields == 10
    assert parts[0].values[0].tolist() == [1.0, 1.0]  # type: ignore[union-attr]


def test_a_batch_of_several_blocks_keeps_its_order_across_streams_and_new_names() -> None:
    decoder = Decoder({LOAN: SCHEMA, StreamKey("fraud", None): SCHEMA})
    messages = [event(i, ("loan", "fraud")[i % 3 == 0], more={f"x{i % 500}": 1} if i % 200 == 0 else NONE) for i in range(5_000)]
    messages[1_234] = Message(b"{")
    parts, rejects = decoder.decode(messages, CLOCK_MS)
    assert [(reject.row, reject.reason) for reject in rejects] == [(1_234, Reason.NOT_JSON)]
    fraud, loan = parts
    assert fraud.rows.tolist() == list(range(0, 5_000, 3))
    assert loan.rows.tolist() == [row for row in range(5_000) if row % 3 and row != 1_234]
    for part in parts:
        assert part.values[0].tolist() == part.rows.tolist()  # type: ignore[union-attr]
        assert list(part.event_ids) == [f"e{row}" for row in part.rows]
    assert sum(part.unknown_fields for part in parts) == 25


def test_features_in_any_order_come_out_in_the_schemas() -> None:
    decoder = Decoder({LOAN: SCHEMA})
    parts, _ = decoder.decode([event(features={"city": "a", "amount": 1}), event(features={"amount": 2, "city": "b"})], CLOCK_MS)
    assert [list(values) for values in parts[0].values] == [[1.0, 2.0], ["a", "b"]]


def test_an_empty_batch_and_no_schemas() -> None:
    assert Decoder({LOAN: SCHEMA}).decode([], CLOCK_MS) == ([], [])
    parts, rejects = Decoder({}).decode([event()], CLOCK_MS)
    assert (parts, rejects[0].reason) == ([], Reason.UNKNOWN_MODEL)


def test_a_schema_without_columns_still_has_events() -> None:
    parts, _ = Decoder({LOAN: Schema(())}).decode([event(features={})], CLOCK_MS)
    assert (len(parts[0]), parts[0].values) == (1, ())


def test_without_a_clock_the_future_is_open() -> None:
    later = event(time="2070-01-01T00:00:00Z")
    assert Decoder({LOAN: SCHEMA}).decode([later], None)[1] == []
    assert Decoder({LOAN: SCHEMA}, time_min_ms=-(10**13)).decode([event(time=-(10**12))], CLOCK_MS)[1] == []


def test_a_detail_names_the_field_and_quotes_little() -> None:
    _, rejects = Decoder({LOAN: SCHEMA}).decode([event(model="m" * 100_000), event(event_id=5), event(time="x" * 10_000)], CLOCK_MS)
    assert [reject.detail.split(":")[0] for reject in rejects] == ["model", "event_id", "time"]
    assert all(len(reject.detail) <= 200 for reject in rejects)


def test_a_dead_letter_has_the_message_untouched_and_says_where_from_and_why() -> None:
    message = Message(b"{\xff", attributes=[("ce_id", b"c1"), ("trace", None)])
    _, rejects = Decoder({LOAN: SCHEMA}).decode([message], CLOCK_MS)
    letter = dead_letter(message, rejects[0])
    assert (letter.key, letter.value) == (b"key", b"{\xff")
    assert dict(letter.headers) == {
        "reason": b"not_utf8",
        "detail": b"byte 1 is not UTF-8",
        "topic": b"captures",
        "partition": b"3",
        "offset": b"42",
        "timestamp_ms": str(CLOCK_MS).encode(),
        "source.ce_id": b"c1",
        "source.trace": b"",
    }


def test_a_dead_letter_of_a_tombstone_without_a_timestamp() -> None:
    message = Message(None, time=(0, -1))
    letter = dead_letter(message, Decoder({LOAN: SCHEMA}).decode([message], CLOCK_MS)[1][0])
    assert letter.value is None
    assert "timestamp_ms" not in dict(letter.headers)


def test_a_dead_letter_may_be_cut_and_says_so() -> None:
    message = Message(b"x" * 100)
    letter = dead_letter(message, Decoder({LOAN: SCHEMA}).decode([message], CLOCK_MS)[1][0], value_bytes_max=10)
    assert letter.value == b"x" * 10
    assert dict(letter.headers)["value_bytes"] == b"100"
