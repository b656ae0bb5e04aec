"""The Decoder against a naive one: `json.loads` and the contract's rules, one message at a time, no typed structs, no arrays."""

import json
import math
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.capture import INVALID, PREDICTION, SCORE, Column, Columns, Decoder, Kind, Reject, Role, Schema, StreamKey
from tests.messages import Message

CLOCK_MS = 1_795_327_200_000
SCHEMA = Schema(
    (
        Column("amount", Kind.NUMERIC),
        Column("vip", Kind.BOOLEAN),
        Column("city", Kind.CATEGORICAL),
        Column(PREDICTION, Kind.CATEGORICAL, Role.PREDICTION),
        Column(SCORE, Kind.NUMERIC, Role.PREDICTION),
    ),
    metadata=("region", "tier"),
)
SCHEMAS = {StreamKey("loan", None): SCHEMA, StreamKey("loan", "2"): SCHEMA, StreamKey("forecast", None): SCHEMA}
KNOWN = {
    "event_id",
    "model",
    "version",
    "time",
    "features",
    "prediction",
    "label",
    "latency_ms",
    "status",
    "error",
    "resources",
    "attributions",
    "metadata",
}
FEATURE_NAMES = {"amount", "vip", "city"}
FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def naive_number(value: Any) -> float:
    if value is None:
        return math.nan
    return float(value) if is_number(value) and not math.isinf(float(value)) else math.inf


def naive_category(value: Any) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list) or value in (math.inf, -math.inf):
        return INVALID
    return str(value) if type(value) is int else orjson.dumps(value).decode()


def naive_time(value: Any) -> int | str:
    if value is None:
        return CLOCK_MS - 1
    if type(value) is int:
        return value
    if not isinstance(value, str):
        return "wrong_type"
    try:
        if not FORM.fullmatch(value):
            return "wrong_value"
        moment = datetime.fromisoformat(value.upper())
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return "wrong_value"


def naive(body: bytes) -> Any:
    """A reason, or (stream, time, id, the five values, the two of metadata, the extra features, unknown fields)."""
    try:
        text = body.decode()
        # Half of a surrogate pair, in whatever duplicate, cannot be written back as UTF-8.
        json.dumps(json.loads(text, object_pairs_hook=list), ensure_ascii=False).encode()
        event = json.loads(text)
    except UnicodeDecodeError:
        return "not_utf8"
    except ValueError:
        return "not_json"
    if not isinstance(event, dict):
        return "not_object"
    fields = {name: value for name, value in event.items() if value is not None}
    if not isinstance(fields.get("model", ""), str) or not isinstance(fields.get("version", ""), str):
        return "wrong_type"
    if "model" not in fields:
        return "missing_field"
    stream = StreamKey(fields["model"], fields.get("version"))
    stream = stream if stream in SCHEMAS else StreamKey(stream.model, None)
    if stream not in SCHEMAS:
        return "unknown_model"
    features = None if isinstance(event.get("features", {}), dict) else "wrong_type"
    reason = naive_id(fields) or features or naive_prediction(fields.get("prediction")) or naive_rest(fields)
    if reason:
        return reason
    if "event_id" not in fields:
        return "missing_field"
    time = naive_time(fields.get("time"))
    if isinstance(time, str):
        return time
    if not 946_684_800_000 <= time <= CLOCK_MS + 60_000:
        return "time_out_of_range"
    if "features" not in fields or (fields.get("status") != "error" and naive_is_empty(fields.get("prediction"))):
        return "missing_field"
    values = naive_values(fields["features"], fields.get("prediction")) + naive_metadata(fields.get("metadata", {}))
    return stream, time, fields["event_id"], *values, set(fields["features"]) - FEATURE_NAMES, naive_unknown(fields, event)


def naive_id(fields: dict[str, Any]) -> str | None:
    if "event_id" not in fields:
        return None
    if not isinstance(fields["event_id"], str):
        return "wrong_type"
    return None if 1 <= len(fields["event_id"].encode()) <= 256 else "wrong_value"


def naive_prediction(output: Any) -> str | None:
    if isinstance(output, list):
        return "wrong_type"
    if not isinstance(output, dict):
        return None
    members = {name: output[name] for name in ("label", "score", "scores", "value") if output.get(name) is not None}
    scores = members.get("scores", {})
    right = (
        not isinstance(members.get("label"), dict | list)
        and all(is_number(members.get(name, 0)) for name in ("score", "value"))
        and isinstance(scores, dict)
        and all(score is None or is_number(score) for score in scores.values())
    )
    return None if right else "wrong_type"


def naive_is_empty(output: Any) -> bool:
    return output is None or (
        isinstance(output, dict) and not any(output.get(name) is not None for name in ("label", "score", "scores", "value"))
    )


def naive_rest(fields: dict[str, Any]) -> str | None:
    label, latency, status = fields.get("label"), fields.get("latency_ms", 0), fields.get("status", "ok")
    if isinstance(label, dict | list):
        return "wrong_type"
    if label in (math.inf, -math.inf):
        return "wrong_value"
    if not is_number(latency):
        return "wrong_type"
    if latency < 0 or latency == math.inf:
        return "wrong_value"
    if not isinstance(status, str):
        return "wrong_type"
    if status not in ("ok", "error"):
        return "wrong_value"
    objects = [fields.get(name, {}) for name in ("resources", "attributions", "metadata")]
    return None if isinstance(fields.get("error", ""), str) and all(isinstance(value, dict) for value in objects) else "wrong_type"


def naive_values(features: dict[str, Any], output: Any) -> tuple[Any, ...]:
    vip = features.get("vip")
    parts = output if isinstance(output, dict) else {"label": output}
    label, score, scores = parts.get("label"), parts.get("score"), parts.get("scores") or {}
    if label is None:
        finite = {name: value for name, value in scores.items() if value is not None and math.isfinite(value)}
        label = min(finite, key=lambda name: (-finite[name], name)) if finite else parts.get("value")
    boolean = None if vip is None else naive_category(vip) if isinstance(vip, bool) else INVALID
    score = scores.get("1") if score is None else score
    return naive_number(features.get("amount")), boolean, naive_category(features.get("city")), naive_category(label), naive_number(score)


def naive_metadata(metadata: dict[str, Any]) -> tuple[Any, ...]:
    entries = [naive_category(metadata.get(name)) for name in SCHEMA.metadata]
    return tuple(None if entry is INVALID else entry for entry in entries)


def naive_unknown(fields: dict[str, Any], event: dict[str, Any]) -> int:
    output = fields.get("prediction")
    inside = set(output) - {"label", "score", "scores", "value"} if isinstance(output, dict) else set()
    return len(set(event) - KNOWN) + len(set(fields["features"]) - FEATURE_NAMES) + len(inside)


LITERALS = """
null true false 0 1 -1 5 5.0 0.1 -0.0 1e22 1e-7 NaN Infinity -Infinity 1e400 9223372036854775808 18446744073709551616 1795327200000
"" "oslo" "1" "1.5" "ok" "error" "\\u00e5" "å" "\\ud83d\\ude00" [] {} [1] {"a":1}
"""
SCALARS = st.sampled_from(LITERALS.split())
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-(10**30), 10**30).map(str)
TIMES = (
    st.datetimes(datetime(1999, 12, 31), datetime(2026, 11, 22, 6, 2)).map(lambda moment: json.dumps(moment.isoformat() + "Z"))
    | st.sampled_from(
        ['"2026-11-22T07:00:00+01:00"', '"2026-11-22T05:00:00.1-01:00"', '"2026-11-22"', '"2026-11-22T06:00:00"', '"2026-02-30T06:00:00Z"']
    )
    | st.integers(CLOCK_MS - 10**6, CLOCK_MS + 10**5).map(str)
)
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4).map(json.dumps)
EXTRA = st.sampled_from(["trace", "x", "å", "u0", "f0", "label "]) | st.text("abc", min_size=1, max_size=1)


def literal(fields: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in fields.items()) + "}"


def objects(known: dict[str, st.SearchStrategy[str]], required: dict[str, st.SearchStrategy[str]] | None = None) -> st.SearchStrategy[str]:
    """JSON objects with any of these fields, in any order, and at times others."""
    fixed = st.fixed_dictionaries(required or {}, optional=known)
    extra: st.SearchStrategy[dict[str, str]] = st.just({}) | st.dictionaries(EXTRA, SCALARS, max_size=2)
    return st.builds(lambda known, extra, seed: literal(shuffled(extra | known, seed)), fixed, extra, st.integers(0, 9))


def shuffled(fields: dict[str, str], seed: int) -> dict[str, str]:
    return dict(sorted(fields.items(), key=lambda item: zlib.crc32(f"{seed}{item[0]}".encode()) if seed else 0))


FEATURES = objects({"amount": NUMBERS | SCALARS, "vip": SCALARS, "city": STRINGS | SCALARS})
OUTPUT = objects(
    {"label": SCALARS | STRINGS, "score": NUMBERS | SCALARS, "scores": objects({"0": NUMBERS | SCALARS, "1": NUMBERS}), "value": NUMBERS}
)
METADATA = objects({"region": STRINGS | SCALARS | NUMBERS, "tier": SCALARS, "trace": SCALARS})
GOOD_OUTPUT = st.sampled_from(['"1"', "true", "0.25", '{"label":"0","score":0.125}', '{"scores":{"0":0.75,"1":0.25}}', '{"value":3}'])
MODELS = st.sampled_from(['"loan"', '"loan"', '"loan"', '"forecast"'])
REST = {
    "version": st.sampled_from(['"2"', '"3"', "null"]),
    "label": SCALARS,
    "latency_ms": NUMBERS,
    "status": st.sampled_from(['"ok"', '"error"', "null"]),
    "error": STRINGS,
    "metadata": METADATA | st.sampled_from(['{"a":1}', "{}", "null"]),
}
NEAR = objects(
    REST, {"event_id": st.just('"e1"'), "model": MODELS, "time": TIMES, "features": FEATURES, "prediction": GOOD_OUTPUT | OUTPUT}
)
FAR = objects(dict.fromkeys(KNOWN, SCALARS | TIMES | FEATURES | OUTPUT | METADATA | MODELS))


def outcomes(n: int, parts: list[Columns], rejects: list[Reject]) -> list[Any]:
    """The Decoder's answer per message, in the naive one's form, without the unknown fields."""
    answers: list[Any] = [None] * n
    for reject in rejects:
        answers[reject.row] = reject.reason.value
    for part in parts:
        for i, row in enumerate(part.rows.tolist()):
            metadata = [part.metadata[name][i] for name in SCHEMA.metadata]
            extra = {name for name, held in part.extra.items() if held[i]}
            answers[row] = (part.stream, int(part.time_ms[i]), part.event_ids[i], *(values[i] for values in part.values), *metadata, extra)
    return answers


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, str) or isinstance(theirs, str):
        return bool(ours == theirs)
    return len(ours) == len(theirs) and all(
        a is b if b is INVALID else a == b or (isinstance(b, float) and bool(np.isnan(a) and np.isnan(b)))
        for a, b in zip(ours, theirs, strict=True)
    )


def agree(bodies: list[bytes]) -> None:
    expected = [naive(body) for body in bodies]
    parts, rejects = Decoder(SCHEMAS, positive_class=dict.fromkeys(SCHEMAS, "1")).decode(
        [Message(body, time=(1, CLOCK_MS - 1)) for body in bodies], CLOCK_MS
    )
    for body, ours, theirs in zip(bodies, outcomes(len(bodies), parts, rejects), expected, strict=True):
        assert same(ours, theirs if isinstance(theirs, str) else theirs[:-1]), (body, ours, theirs)
    assert sum(part.unknown_fields for part in parts) == sum(answer[-1] for answer in expected if not isinstance(answer, str))


@settings(max_examples=150, deadline=None)
@given(st.lists(NEAR, min_size=1, max_size=12))
def test_events_with_a_slip_here_and_there_decode_as_the_naive_decoder_says(bodies: list[str]) -> None:
    agree([body.encode() for body in bodies])


@settings(max_examples=80, deadline=None)
@given(st.lists(FAR | NEAR | SCALARS, min_size=1, max_size=12))
def test_wild_objects_decode_as_the_naive_decoder_says(bodies: list[str]) -> None:
    agree([body.encode() for body in bodies])


@settings(max_examples=150, deadline=None)
@given(NEAR, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 2), st.sampled_from(list(b'"\\{}[]:,0e-.nN \x00\xff'))), max_size=4))
def test_mutated_bytes_decode_as_the_naive_decoder_says(body: str, edits: list[tuple[int, int, int]]) -> None:
    value = bytearray(body.encode())
    for place, action, byte in edits:
        at = place % len(value)
        value[at : at + (action < 2)] = [] if action == 0 and len(value) > 1 else [byte]
    agree([body.encode(), bytes(value), body.encode()])
