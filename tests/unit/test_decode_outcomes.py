"""Hostile messages and what becomes of them. The table here is the documentation: `docs/capture-outcomes.md` is made from it.

python tests/unit/test_decode_outcomes.py > docs/capture-outcomes.md
"""

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_monitor.capture import (
    INVALID,
    MESSAGE_BYTES_MAX,
    PREDICTION,
    SCORE,
    Column,
    Columns,
    Decoder,
    Kind,
    Reason,
    Reject,
    Role,
    Schema,
    StreamKey,
)
from tests import messages

CLOCK_MS = 1_795_327_200_000  # 2026-11-22T06:00:00Z
SCHEMA = Schema(
    (
        Column("amount", Kind.NUMERIC),
        Column("vip", Kind.BOOLEAN),
        Column("city", Kind.CATEGORICAL),
        Column(PREDICTION, Kind.CATEGORICAL, Role.PREDICTION),
        Column(SCORE, Kind.NUMERIC, Role.PREDICTION),
    )
)
FORECAST = Schema((*SCHEMA.features, Column(PREDICTION, Kind.NUMERIC, Role.PREDICTION)))
QUOTED = Schema((Column('"quoted"\\', Kind.NUMERIC), Column("plain", Kind.NUMERIC)))
SCHEMAS = {
    StreamKey("loan", None): SCHEMA,
    StreamKey("loan", "2"): SCHEMA,
    StreamKey("forecast", None): FORECAST,
    StreamKey("quoted", None): QUOTED,
}
LOAN = StreamKey("loan", None)
MISSING = "missing"
WRONG = "invalid"


@dataclass(frozen=True)
class Message(messages.Message):
    time: tuple[int, int] = (1, CLOCK_MS)


def text(**changes: str | None) -> str:
    """A good event's JSON, with these fields' literals in place of its own; None leaves a field out."""
    fields: dict[str, str | None] = {
        "event_id": '"e1"',
        "model": '"loan"',
        "time": '"2026-11-22T06:00:00Z"',
        "features": '{"amount":1.5,"vip":true,"city":"oslo"}',
        "prediction": '{"label":"1","score":0.75}',
    }
    fields |= changes
    return "{" + ",".join(f'"{name}":{literal}' for name, literal in fields.items() if literal is not None) + "}"


def event(**changes: str | None) -> Message:
    return Message(text(**changes).encode())


def features(literals: str, **changes: str) -> Message:
    return event(features="{" + literals + "}", **changes)


@dataclass(frozen=True)
class Case:
    """A message and its outcome: a reason, or what the columns hold (`time_ms` and `event_id` beside them)."""

    what: str
    message: Message
    reason: Reason | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    unknown: int = 0
    stream: StreamKey = LOAN
    note: str = ""


DEEP = "[" * 100_000
CE = [("ce_id", b"c9"), ("ce_time", b"2026-11-22T05:59:58.250Z"), ("ce_source", b"loan")]

CASES: dict[str, list[Case]] = {
    "The value as a whole": [
        Case("no value (a tombstone)", Message(None), Reason.EMPTY),
        Case("zero bytes", Message(b""), Reason.EMPTY),
        Case("a 10 MB message", event(features='{"note":"' + "x" * 10_000_000 + '"}'), Reason.TOO_LARGE),
        Case("one byte over the limit", Message(text().ljust(MESSAGE_BYTES_MAX + 1).encode()), Reason.TOO_LARGE),
        Case("exactly the limit (trailing blanks)", Message(text().ljust(MESSAGE_BYTES_MAX).encode()), kept={"amount": 1.5}),
        Case("bytes that are not UTF-8", Message(b"\xff\xfe\x00"), Reason.NOT_UTF8),
        Case("invalid UTF-8 in a feature", Message(text().encode().replace(b"oslo", b"os\xfflo")), Reason.NOT_UTF8),
        Case("invalid UTF-8 in an unknown field", Message(text(x='"@"').encode().replace(b"@", b"\xff")), Reason.NOT_UTF8),
        Case(
            "invalid UTF-8 in an object whose members are not read",
            Message(text(metadata='{"a":"@"}').encode().replace(b"@", b"\xff")),
            Reason.NOT_UTF8,
        ),
        Case("UTF-16", Message(text().encode("utf-16")), Reason.NOT_UTF8),
        Case(
            "a UTF-8 byte order mark before a good event",
            Message(b"\xef\xbb\xbf" + text().encode()),
            kept={"amount": 1.5},
            note="the mark is ignored",
        ),
        Case("half of a surrogate pair (`\\ud800`) in a string", features(r'"city":"\ud800"'), Reason.NOT_JSON),
        Case("half of a surrogate pair in an unknown field, beside NaN", features('"amount":NaN', x=r'"\udc00"'), Reason.NOT_JSON),
        Case("a whole surrogate pair, escaped", features(r'"city":"\ud83d\ude00"'), kept={"city": "😀"}),
        Case("text that is no JSON", Message(b"hello"), Reason.NOT_JSON),
        Case("a cut message", Message(text().encode()[:-1]), Reason.NOT_JSON),
        Case("trailing garbage", Message(text().encode() + b"x"), Reason.NOT_JSON),
        Case("two documents in one message", Message(text().encode() * 2), Reason.NOT_JSON),
        Case("a trailing comma", Message(text().encode()[:-1] + b",}"), Reason.NOT_JSON),
        Case("single quotes", Message(text().replace('"', "'").encode()), Reason.NOT_JSON),
        Case("a raw control character in a string", features('"city":"a\tb"'), Reason.NOT_JSON),
        Case("a number with a leading zero", features('"amount":01'), Reason.NOT_JSON),
        Case("an array of events", Message(f"[{text()}]".encode()), Reason.NOT_OBJECT),
        Case("a bare number, string or null", Message(b"null"), Reason.NOT_OBJECT),
        Case("100,000 brackets", Message(DEEP.encode()), Reason.TOO_DEEP),
        Case("100,000 brackets in an unknown field", event(x=DEEP + "]" * 100_000), Reason.TOO_DEEP),
        Case("65 levels in an unknown field", event(x="[" * 64 + "]" * 64), Reason.TOO_DEEP),
        Case("65 levels in an object whose members are not read", event(metadata='{"a":' + "[" * 63 + "]" * 63 + "}"), Reason.TOO_DEEP),
        Case("64 levels in an unknown field", event(x="[" * 63 + "]" * 63), kept={"amount": 1.5}, unknown=1),
        Case("100 brackets inside a string", features('"city":"' + "[" * 100 + '"'), kept={"city": "[" * 100}),
        Case("a field given twice", event(features='{"amount":1,"amount":2}'), kept={"amount": 2.0, "city": MISSING}, note="the last wins"),
        Case(
            "the features given twice",
            Message(text().encode()[:-1] + b',"features":{"city":"bergen"}}'),
            kept={"amount": MISSING, "city": "bergen"},
            note="the last wins",
        ),
    ],
    "Features: a bad value costs that value alone": [
        Case("absent", features('"amount":1'), kept={"amount": 1.0, "vip": MISSING, "city": MISSING}),
        Case("null", features('"amount":null,"vip":null,"city":null'), kept={"amount": MISSING, "vip": MISSING, "city": MISSING}),
        Case("no features at all: `{}`", features(""), kept={"amount": MISSING}),
        Case("numeric: NaN", features('"amount":NaN,"city":"oslo"'), kept={"amount": MISSING, "city": "oslo"}),
        Case("numeric: Infinity", features('"amount":Infinity'), kept={"amount": WRONG}),
        Case("numeric: -Infinity", features('"amount":-Infinity'), kept={"amount": WRONG}),
        Case("numeric: 1e400", features('"amount":1e400'), kept={"amount": WRONG}),
        Case("numeric: 1e-400", features('"amount":1e-400'), kept={"amount": 0.0}),
        Case("numeric: 2^63", features('"amount":9223372036854775808'), kept={"amount": 2.0**63}),
        Case("numeric: an integer of 400 digits", features('"amount":' + "9" * 400), kept={"amount": WRONG}),
        Case("numeric: an integer of 5,000 digits", features('"amount":' + "9" * 5_000), kept={"amount": WRONG}),
        Case("numeric: a number as a string", features('"amount":"1.5","city":"oslo"'), kept={"amount": WRONG, "city": "oslo"}),
        Case("numeric: true", features('"amount":true'), kept={"amount": WRONG}),
        Case("numeric: an object", features('"amount":{"v":1}'), kept={"amount": WRONG}),
        Case("boolean: true", features('"vip":true'), kept={"vip": "true"}),
        Case("boolean: 1", features('"vip":1'), kept={"vip": WRONG}),
        Case('boolean: "true"', features('"vip":"true"'), kept={"vip": WRONG}),
        Case("boolean: NaN", features('"vip":NaN'), kept={"vip": WRONG}, note="a number, like any other"),
        Case("categorical: true", features('"city":true'), kept={"city": "true"}),
        Case("categorical: 5", features('"city":5'), kept={"city": "5"}),
        Case("categorical: 5.0", features('"city":5.0'), kept={"city": "5.0"}),
        Case("categorical: 1.0e-1", features('"city":1.0e-1'), kept={"city": "0.1"}, note="floats in their shortest form"),
        Case("categorical: 2^64", features('"city":18446744073709551616'), kept={"city": "18446744073709551616"}),
        Case("categorical: NaN", features('"city":NaN'), kept={"city": MISSING}),
        Case("categorical: Infinity", features('"city":Infinity'), kept={"city": WRONG}),
        Case("categorical: the empty string", features('"city":""'), kept={"city": ""}),
        Case("categorical: an array", features('"city":["oslo"]'), kept={"city": WRONG}),
        Case(
            "a name with quotes and a backslash",
            event(model='"quoted"', features=r'{"\"quoted\"\\":1,"plain":2}'),
            kept={'"quoted"\\': 1.0, "plain": 2.0},
            stream=StreamKey("quoted", None),
        ),
        Case("`features` absent", event(features=None), Reason.MISSING_FIELD),
        Case("`features` null", event(features="null"), Reason.WRONG_TYPE),
        Case("`features` an array", event(features="[]"), Reason.WRONG_TYPE),
    ],
    "Which event, which model": [
        Case("`event_id` absent or null, no header", event(event_id="null"), Reason.MISSING_FIELD),
        Case("`event_id` a number", event(event_id="17"), Reason.WRONG_TYPE),
        Case("`event_id` empty", event(event_id='""'), Reason.WRONG_VALUE),
        Case("`event_id` of 256 bytes", event(event_id='"' + "é" * 128 + '"'), kept={"event_id": "é" * 128}),
        Case("`event_id` of 257 bytes", event(event_id='"' + "é" * 128 + 'x"'), Reason.WRONG_VALUE),
        Case("`model` absent, topic not bound", event(model=None), Reason.MISSING_FIELD),
        Case("`model` absent, topic bound to one", Message(text(model=None).encode(), source="bound"), kept={"amount": 1.5}),
        Case(
            "`model` another than the topic's",
            Message(text(model='"forecast"', prediction="2").encode(), source="bound"),
            kept={"prediction": 2.0},
            stream=StreamKey("forecast", None),
            note="the event's own wins",
        ),
        Case("`model` a number", event(model="1"), Reason.WRONG_TYPE),
        Case("`model` not in the config", event(model='"nobody"'), Reason.UNKNOWN_MODEL),
        Case("`version` with a baseline of its own", event(version='"2"'), kept={"amount": 1.5}, stream=StreamKey("loan", "2")),
        Case("`version` without one", event(version='"3"'), kept={"amount": 1.5}, note="judged with the model's other versions"),
        Case("`version` a number", event(version="2"), Reason.WRONG_TYPE),
        Case(
            "all three from CloudEvents headers",
            Message(text(event_id=None, model=None, time=None).encode(), attributes=CE),
            kept={"event_id": "c9", "time_ms": CLOCK_MS - 1_750},
        ),
        Case(
            "headers beside a body that has the fields",
            Message(text().encode(), attributes=CE),
            kept={"event_id": "e1", "time_ms": CLOCK_MS},
            note="the body wins",
        ),
        Case("header `ce_id` of 300 bytes", Message(text(event_id=None).encode(), attributes=[("ce_id", b"x" * 300)]), Reason.WRONG_VALUE),
        Case("header `ce_id` null or not UTF-8", Message(text(event_id=None).encode(), attributes=[("ce_id", None)]), Reason.MISSING_FIELD),
    ],
    "Time": [
        Case("an offset", event(time='"2026-11-22T07:30:00+01:30"'), kept={"time_ms": CLOCK_MS}),
        Case("nanoseconds", event(time='"2026-11-22T05:59:59.999999999Z"'), kept={"time_ms": CLOCK_MS - 1}, note="cut to the millisecond"),
        Case("lower-case t and z, or a blank", event(time='"2026-11-22 06:00:00z"'), kept={"time_ms": CLOCK_MS}),
        Case("integer milliseconds", event(time="1795327200000"), kept={"time_ms": CLOCK_MS}),
        Case("absent or null", event(time="null"), kept={"time_ms": CLOCK_MS}, note="the Kafka timestamp"),
        Case("absent, and the message has no timestamp", Message(text(time=None).encode(), time=(0, -1)), Reason.MISSING_FIELD),
        Case("no zone", event(time='"2026-11-22T06:00:00"'), Reason.WRONG_VALUE),
        Case("a date alone", event(time='"2026-11-22"'), Reason.WRONG_VALUE),
        Case("30 February", event(time='"2026-02-30T06:00:00Z"'), Reason.WRONG_VALUE),
        Case("second 60", event(time='"2026-12-31T23:59:60Z"'), Reason.WRONG_VALUE),
        Case("a float", event(time="1795327200000.0"), Reason.WRONG_TYPE),
        Case("true", event(time="true"), Reason.WRONG_TYPE),
        Case("header `ce_time` that is no time", Message(text(time=None).encode(), attributes=[("ce_time", b"noon")]), Reason.WRONG_VALUE),
        Case(
            "0, or seconds taken for milliseconds",
            event(time="1795327200"),
            Reason.TIME_OUT_OF_RANGE,
            note="before the year 2000; `time_min_ms` moves the bound",
        ),
        Case("negative", event(time="-1"), Reason.TIME_OUT_OF_RANGE),
        Case("microseconds", event(time="1795327200000000"), Reason.TIME_OUT_OF_RANGE, note="after the year 9999"),
        Case("2^63", event(time="9223372036854775808"), Reason.TIME_OUT_OF_RANGE),
        Case("a producer's clock in 2070", event(time='"2070-01-01T00:00:00Z"'), Reason.TIME_OUT_OF_RANGE),
        Case("60 s ahead of our clock", event(time='"2026-11-22T06:01:00Z"'), kept={"time_ms": CLOCK_MS + 60_000}),
        Case("60.001 s ahead of our clock", event(time='"2026-11-22T06:01:00.001Z"'), Reason.TIME_OUT_OF_RANGE),
        Case("absent, and an absurd Kafka timestamp", Message(text(time=None).encode(), time=(1, -5)), Reason.TIME_OUT_OF_RANGE),
    ],
    "Prediction": [
        Case("a bare string", event(prediction='"1"'), kept={"prediction": "1", SCORE: MISSING}),
        Case("a bare boolean", event(prediction="false"), kept={"prediction": "false"}),
        Case("a bare number, categorical", event(prediction="1"), kept={"prediction": "1"}),
        Case(
            "a bare number, numeric",
            event(model='"forecast"', prediction="2.5"),
            kept={"prediction": 2.5},
            stream=StreamKey("forecast", None),
        ),
        Case(
            "`value`, numeric",
            event(model='"forecast"', prediction='{"value":7}'),
            kept={"prediction": 7.0},
            stream=StreamKey("forecast", None),
        ),
        Case(
            "a string where a number is wanted",
            event(model='"forecast"', prediction='"high"'),
            kept={"prediction": WRONG},
            stream=StreamKey("forecast", None),
        ),
        Case("NaN", event(model='"forecast"', prediction="NaN"), kept={"prediction": MISSING}, stream=StreamKey("forecast", None)),
        Case(
            "Infinity or 1e400",
            event(model='"forecast"', prediction="1e400"),
            kept={"prediction": WRONG},
            stream=StreamKey("forecast", None),
        ),
        Case(
            "`scores` without `label`",
            event(prediction='{"scores":{"0":0.2,"1":0.8}}'),
            kept={"prediction": "1", SCORE: 0.8},
            note="the likeliest class; the score of `positive_class`",
        ),
        Case(
            "`scores` that tie",
            event(prediction='{"scores":{"b":0.5,"a":0.5,"c":null}}'),
            kept={"prediction": "a", SCORE: MISSING},
            note="the first by name",
        ),
        Case("`label` and `scores`", event(prediction='{"label":0,"scores":{"1":0.8}}'), kept={"prediction": "0", SCORE: 0.8}),
        Case("`score` alone", event(prediction='{"score":0.5}'), kept={"prediction": MISSING, SCORE: 0.5}),
        Case("a score of -Infinity", event(prediction='{"score":-Infinity}'), kept={SCORE: WRONG}),
        Case("absent or null", event(prediction="null"), Reason.MISSING_FIELD),
        Case("an object of nothing: `{}`, or all null", event(prediction='{"label":null}'), Reason.MISSING_FIELD),
        Case(
            "absent, with status error",
            event(prediction=None, status='"error"', error='"timeout"'),
            kept={"prediction": MISSING, SCORE: MISSING},
        ),
        Case("an object of nothing, with status error", event(prediction="{}", status='"error"'), kept={"prediction": MISSING}),
        Case("an array", event(prediction="[1]"), Reason.WRONG_TYPE),
        Case("a score that is a string", event(prediction='{"score":"0.5"}'), Reason.WRONG_TYPE),
        Case("scores that are no object", event(prediction='{"scores":[0.5]}'), Reason.WRONG_TYPE),
        Case("an unknown member", event(prediction='{"label":"1","why":[1]}'), kept={"prediction": "1"}, unknown=1),
    ],
    "Other fields": [
        Case(
            "unknown fields, at the top and among the features",
            event(a="1", b="[{}]", features='{"amount":1,"c":{},"d":null}'),
            kept={"amount": 1.0},
            unknown=4,
        ),
        Case(
            "an unknown name that needs escapes",
            Message(rb'{"\"":1,' + text().encode()[1:]),
            kept={"amount": 1.5},
            note="ignored; from then on the stream's unknown fields are no longer all counted",
        ),
        Case("`label` an object", event(label="{}"), Reason.WRONG_TYPE),
        Case("`label` infinite", event(label="1e400"), Reason.WRONG_VALUE),
        Case("`latency_ms` negative", event(latency_ms="-1"), Reason.WRONG_VALUE),
        Case("`latency_ms` infinite", event(latency_ms="Infinity"), Reason.WRONG_VALUE),
        Case("`latency_ms` NaN", event(latency_ms="NaN"), kept={"amount": 1.5}, note="as if it were absent"),
        Case("`latency_ms` a string", event(latency_ms='"3"'), Reason.WRONG_TYPE),
        Case("`status` unknown", event(status='"fine"'), Reason.WRONG_VALUE),
        Case("`status` a number", event(status="200"), Reason.WRONG_TYPE),
        Case("`error` an object", event(status='"error"', error="{}"), Reason.WRONG_TYPE),
        Case("`resources` a number", event(resources="1"), Reason.WRONG_TYPE),
        Case("`attributions` an array", event(attributions="[]"), Reason.WRONG_TYPE),
        Case("`metadata` a string", event(metadata='"eu"'), Reason.WRONG_TYPE),
        Case(
            "members of `metadata` of any type",
            event(metadata='{"region":5,"more":{}}'),
            kept={"amount": 1.5},
            note="numbers and booleans as their JSON text, objects, arrays and null as no value",
        ),
        Case(
            "members of `resources` of any type",
            event(resources='{"cpu_ratio":"x"}'),
            kept={"amount": 1.5},
            note="what is no number from 0 on counts as absent, unknown members are ignored",
        ),
        Case(
            "members of `attributions` of any type",
            event(attributions='{"amount":"x"}'),
            kept={"amount": 1.5},
            note="what is no finite number counts as absent, members that are no feature of the baseline are ignored",
        ),
        Case(
            "any of these null",
            event(label="null", latency_ms="null", status="null", error="null", resources="null", metadata="null"),
            kept={"amount": 1.5},
            note="as if it were absent",
        ),
    ],
}
ALL = [case for cases in CASES.values() for case in cases]
GOOD = event()
POSITIVE = {StreamKey("loan", None): "1"}


def decoder() -> Decoder:
    return Decoder(SCHEMAS, bound_model={"bound": "loan"}, positive_class=POSITIVE)


def entry(part: Columns, name: str, position: int) -> Any:
    """What the columns hold of one event, in the table's words."""
    if name in ("time_ms", "event_id"):
        return int(part.time_ms[position]) if name == "time_ms" else part.event_ids[position]
    value = part.values[[column.name for column in part.schema.columns].index(name)][position]
    if value is None or value is INVALID:
        return MISSING if value is None else WRONG
    if isinstance(value, float):
        return MISSING if np.isnan(value) else WRONG if value == np.inf else float(value)
    return value


def found(case: Case, parts: Sequence[Columns], rejects: Sequence[Reject], row: int) -> Any:
    """The outcome of message `row`: a reason, or its stream and the columns that the case names."""
    for reject in rejects:
        if reject.row == row:
            return reject.reason
    part, position = next((part, rows.index(row)) for part in parts if row in (rows := part.rows.tolist()))
    return part.stream, {name: entry(part, name, position) for name in case.kept}


def wanted(case: Case) -> Any:
    return case.reason if case.reason else (case.stream, case.kept)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.what[:60])
def test_each_hostile_message_has_its_defined_outcome_alone(case: Case) -> None:
    parts, rejects = decoder().decode([case.message], CLOCK_MS)
    assert found(case, parts, rejects, 0) == wanted(case)
    assert sum(part.unknown_fields for part in parts) == case.unknown
    assert all(len(reject.detail) <= 200 for reject in rejects)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.what[:60])
def test_and_the_same_among_good_neighbours_and_the_second_time(case: Case) -> None:
    decode = decoder().decode
    messages = [GOOD, case.message, GOOD, case.message, event(model='"forecast"', prediction="1"), case.message, GOOD]
    for _ in range(2):
        parts, rejects = decode(messages, CLOCK_MS)
        assert [found(case, parts, rejects, row) for row in (1, 3, 5)] == [wanted(case)] * 3
        assert sum(part.unknown_fields for part in parts) == 3 * case.unknown
        assert sum(map(len, parts)) + len(rejects) == len(messages)


@pytest.fixture(scope="module")
def saturated() -> Decoder:
    decode = decoder()
    decode.decode(
        [event(**{f"x{i}": "1"}, model=json.dumps(model)) for model in ("loan", "forecast", "quoted") for i in range(70)], CLOCK_MS
    )
    assert decode.saturated == {stream for stream in SCHEMAS if stream.version is None}
    return decode


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.what[:60])
def test_and_the_same_when_unknown_names_are_beyond_the_limit(case: Case, saturated: Decoder) -> None:
    parts, rejects = saturated.decode([GOOD, case.message], CLOCK_MS)
    assert found(case, parts, rejects, 1) == wanted(case)


def test_all_of_them_in_one_batch() -> None:
    parts, rejects = decoder().decode([case.message for case in ALL], CLOCK_MS)
    assert [found(case, parts, rejects, row) for row, case in enumerate(ALL)] == [wanted(case) for case in ALL]
    assert [part.stream for part in parts] == [("forecast", None), ("loan", None), ("loan", "2"), ("quoted", None)]


def page() -> str:
    """The table as a page."""
    lines = [
        "# What becomes of a message",
        "",
        "Made from the table in `tests/unit/test_decode_outcomes.py`, which is the test: do not edit.",
        "",
        "A message becomes an event or a dead letter; none stops a worker and none is lost. A dead letter has the message's key and bytes,",
        "its coordinates and the reason as headers. The outcome of a message never depends on the messages around it.",
    ]
    for title, cases in CASES.items():
        lines += ["", f"## {title}", "", "| message | becomes |", "|---|---|"]
        lines += [f"| {case.what} | {_outcome(case)} |" for case in cases]
    return "\n".join([*lines, "", "## Reasons", "", *_reasons(), ""])


def _outcome(case: Case) -> str:
    if case.reason:
        outcome = f"dead letter: `{case.reason.value}`"
    else:
        values = ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in case.kept.items() if value != 1.5)
        outcome = f"event: {values}" if values else "event"
    unknown = f"; {case.unknown} unknown field{'s' if case.unknown > 1 else ''} counted" if case.unknown else ""
    return outcome + unknown + (f" ({case.note})" if case.note else "")


def _short(value: Any) -> str:
    if value in (MISSING, WRONG):
        return f"**{value}**"
    literal = json.dumps(value, ensure_ascii=False)
    return f"`{literal}`" if len(literal) < 40 else "kept"


def _reasons() -> list[str]:
    source = inspect.getsource(Reason).splitlines()
    sentences = [line.strip().strip('"') for line in source if line.startswith('    """')]
    return [f"- `{reason.value}`: {sentence}" for reason, sentence in zip(Reason, sentences[1:], strict=True)]


def test_the_page_is_this_table() -> None:
    written = Path(__file__).parents[2] / "docs" / "capture-outcomes.md"
    assert written.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  # this is how the page is made
