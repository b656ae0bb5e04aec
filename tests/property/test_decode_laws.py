"""What holds for any bytes: nothing is raised, nothing is lost, and neither neighbours nor the cut of a batch change an outcome."""

import gc
import json
from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.capture import Column, Columns, Decoder, Kind, Reject, Schema, StreamKey
from tests.messages import Message

CLOCK_MS = 1_795_327_200_000
SCHEMA = Schema((Column("amount", Kind.NUMERIC), Column("vip", Kind.BOOLEAN), Column("city", Kind.CATEGORICAL)), ("region", "tier"))
SCHEMAS = {StreamKey("loan", None): SCHEMA, StreamKey("fraud", None): SCHEMA, StreamKey("fraud", "2"): SCHEMA}


METADATA = ["eu", "ø", "", None, True, 3, 1.5, 10**30, {"a": 1}, ["eu"], float("inf")]


def good(model: str, extra: list[str], number: int) -> bytes:
    features = {"amount": 1.5, "vip": None, "city": "oslo"} | {name: number for name in extra if name > "m"}
    body: dict[str, Any] = {"event_id": f"e{number}", "model": model, "time": CLOCK_MS - number, "features": features, "prediction": 1}
    if number % 3:
        body["metadata"] = {"trace": [number], "region": METADATA[number % len(METADATA)], "tier": "gold"}
    return json.dumps(body | {name: [number] for name in extra if name <= "m"}).encode()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    value = bytearray(draw(GOOD))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, 500), st.integers(-1, 255)), max_size=3)):
        at = place % (len(value) + 1)
        value[at : at + 1] = b"" if byte < 0 else bytes([byte])
    return bytes(value)


EXTRAS = st.lists(st.sampled_from(["a", "b", "x", "y", "ø"]), max_size=3, unique=True)
GOOD = st.builds(good, st.sampled_from(["loan", "fraud"]), EXTRAS, st.integers(0, 1_000))
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
)
ANYTHING = st.none() | st.binary(max_size=40) | mutated() | JSON.map(lambda value: json.dumps(value).encode())
BATCH = st.lists(GOOD | ANYTHING, max_size=25)


def decoded(values: list[bytes | None], decoder: Decoder | None = None) -> tuple[list[Columns], list[Reject]]:
    return (decoder or Decoder(SCHEMAS)).decode([Message(value) for value in values], CLOCK_MS)


def outcomes(values: list[bytes | None], decoder: Decoder | None = None) -> list[str]:
    """Per message its outcome in words."""
    parts, rejects = decoded(values, decoder)
    words = {reject.row: f"{reject.reason} {reject.detail}" for reject in rejects}
    for part in parts:
        for i, row in enumerate(part.rows.tolist()):
            words[row] = f"{part.stream} {part.time_ms[i]} {part.event_ids[i]} {[values[i] for values in part.values]!r}"
            words[row] += f" {[part.metadata[name][i] for name in part.schema.metadata]}"
    return [words[row] for row in range(len(values))]


@settings(max_examples=150, deadline=None)
@given(BATCH)
def test_every_message_is_in_one_place_and_in_order(values: list[bytes | None]) -> None:
    parts, rejects = decoded(values)
    rows = [row for part in parts for row in part.rows.tolist()]
    assert sorted(rows + [reject.row for reject in rejects]) == list(range(len(values)))
    assert all(part.rows.tolist() == sorted(part.rows.tolist()) for part in parts)
    assert [reject.row for reject in rejects] == sorted(reject.row for reject in rejects)
    assert all(len(reject.detail) <= 200 for reject in rejects)
    for part in parts:
        assert {len(part.time_ms), len(part.event_ids), *map(len, part.values), *map(len, part.metadata.values())} == {len(part)}
        assert tuple(part.metadata) == part.schema.metadata
        assert all(len(held) == len(part) and held.any() for held in part.extra.values())
        assert len(part) > 0
    assert [part.stream for part in parts] == sorted({part.stream for part in parts}, key=lambda s: (s.model, s.version or ""))


@settings(max_examples=100, deadline=None)
@given(BATCH)
def test_an_outcome_does_not_depend_on_the_neighbours(values: list[bytes | None]) -> None:
    assert outcomes(values) == [outcomes([value])[0] for value in values]


@settings(max_examples=100, deadline=None)
@given(BATCH, st.sets(st.integers(1, 24)))
def test_neither_the_cut_of_the_batch_nor_what_came_before_changes_anything(values: list[bytes | None], cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(values)), len(values)]
    decoder = Decoder(SCHEMAS)
    pieces = [values[start:stop] for start, stop in pairwise(edges)]
    assert [outcome for piece in pieces for outcome in outcomes(piece, decoder)] == outcomes(values)
    assert outcomes(values, decoder) == outcomes(values)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["loan", "fraud"]), EXTRAS), min_size=1, max_size=30), st.integers(1, 30))
def test_unknown_fields_are_counted_exactly_however_the_batch_is_cut(plan: list[tuple[str, list[str]]], size: int) -> None:
    values: list[bytes | None] = [good(model, extra, number) for number, (model, extra) in enumerate(plan)]
    decoder = Decoder(SCHEMAS)
    counts = {"loan": 0, "fraud": 0}
    features: Counter[tuple[str, str]] = Counter()
    for start in range(0, len(values), size):
        for part in decoded(values[start : start + size], decoder)[0]:
            counts[part.stream.model] += part.unknown_fields
            features.update({(part.stream.model, name): int(held.sum()) for name, held in part.extra.items()})
    assert counts == {model: sum(len(extra) for name, extra in plan if name == model) for model in counts}
    assert features == Counter((model, name) for model, extra in plan for name in extra if name > "m")
    assert decoder.saturated == frozenset()


@given(st.booleans(), ANYTHING)
def test_garbage_collection_is_left_as_it_was(collecting: bool, value: bytes | None) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        decoded([value])
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()
