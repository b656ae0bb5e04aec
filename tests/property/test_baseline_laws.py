"""Laws of the baseline: it is the profile of its training data, whatever the portions and the order of rows."""

import gzip
import json
import tempfile
from collections import Counter
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.binning import bin_counts, centre_and_spread, quantile_edges
from stream_monitor.baseline.build import build, build_with_runs
from stream_monitor.baseline.column import CategoricalColumn
from stream_monitor.baseline.encode import summarise_groups
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import dump, load_baseline
from stream_monitor.baseline.strange import Strange
from stream_monitor.capture.columns import INVALID, Columns, Values
from stream_monitor.capture.decode import Decoder
from stream_monitor.capture.schema import Kind, StreamKey
from stream_monitor.capture.table import table_columns
from stream_monitor.profile.anomalies import Anomalies
from stream_monitor.profile.profile import Profile
from tests.messages import Message

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.none() | FINITE | st.sampled_from([0.0, -0.0, 1.0, 7.5])
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(["a", "b", "missing", "\x00invalid"])
ROW = st.tuples(NUMBERS, TEXTS, st.none() | st.booleans())
ROWS = st.lists(ROW, min_size=1, max_size=60)


def table_of(rows: list[tuple[Any, ...]]) -> pa.Table:
    amount, city, flag = zip(*rows, strict=True)
    return pa.table({"amount": pa.array(amount, pa.float64()), "city": pa.array(city, pa.string()), "flag": pa.array(flag, pa.bool_())})


def built(rows: list[tuple[Any, ...]], **options: Any) -> Baseline:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.parquet"
        pq.write_table(table_of(rows), path, row_group_size=options.pop("row_group", 1_000))
        return build([path], BuildOptions(**options)).baseline


def profile_of(baseline: Baseline, columns: Columns) -> Profile:
    """As live running makes it; but a training row's distance is measured without itself, which only training can do."""
    coded, group = baseline.encode(columns), np.zeros(len(columns), dtype=np.int32)
    outliers, joint = Strange(baseline, coded, is_training=True).count(group, 1)
    return Profile(*summarise_groups(baseline, coded, group, 1)[0], anomalies=Anomalies.of(outliers[0], joint[0]))


def columns_of(baseline: Baseline, rows: list[tuple[Any, ...]]) -> Columns:
    return table_columns(table_of(rows), baseline.schema, StreamKey("m", None), "rows")


@given(ROWS, st.integers(2, 8), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_a_baseline_is_the_profile_of_its_training_data(rows: list[tuple[Any, ...]], bins: int, categories: int) -> None:
    baseline = built(rows, bins=bins, categories_max=categories)
    assert profile_of(baseline, columns_of(baseline, rows)) == baseline.profile


@given(ROWS, ROWS, st.data())
@settings(max_examples=100, deadline=None)
def test_profiles_of_parts_add_up(training: list[tuple[Any, ...]], rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    """Encoding a + b is encoding a and b, and groups of one pass are the profiles of their rows."""
    baseline = built(training)
    group = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))), dtype=np.int32)
    whole = profile_of(baseline, columns_of(baseline, rows))
    coded = baseline.encode(columns_of(baseline, rows))
    strange = map(Anomalies.of, *Strange(baseline, coded, is_training=True).count(group, 3))
    parts = [Profile(*part, anomalies=its) for part, its in zip(summarise_groups(baseline, coded, group, 3), strange, strict=True)]
    for g, part in enumerate(parts):
        members = [row for row, member in zip(rows, group, strict=True) if member == g]
        if members:
            assert profile_of(baseline, columns_of(baseline, members)) == part
        else:
            assert part == Profile.empty(baseline.layout)
    assert parts[0].merge(parts[1]).merge(parts[2]) == whole


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_every_column_counts_every_event(rows: list[tuple[Any, ...]]) -> None:
    baseline = built(rows)
    layout = baseline.layout
    for c in range(layout.columns):
        assert baseline.profile.counts[layout.starts[c] : layout.starts[c + 1]].sum() == len(rows)


@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 7))
@settings(max_examples=50, deadline=None)
def test_order_of_rows_and_portions_do_not_matter(rows: list[tuple[Any, ...]], random: Any, row_group: int) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert dump(built(rows)) == dump(built(shuffled, row_group=row_group))


@given(ROWS, st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_segments_and_runs_add_up_to_the_whole(rows: list[tuple[Any, ...]], rows_min: int) -> None:
    """Each is the profile of its rows, none is lost and none counted twice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.parquet"
        pq.write_table(table_of(rows), path, row_group_size=7)
        built, runs = build_with_runs([path], BuildOptions(rows_min=rows_min, segments=("city",)))
    baseline = built.baseline
    parts = [runs.parts.profile(i) for i in range(len(runs.parts))]
    for profiles in [parts, *(segments.profiles for segments in baseline.segments)]:
        assert reduce(Profile.merge, profiles) == baseline.profile
    city = next(segments for segments in baseline.segments if segments.name == "city")
    place = city.index(columns_of(baseline, rows).values[1])  # type: ignore[arg-type]  # a list of texts
    for i, profile in enumerate(city.profiles):
        members = [row for row, its in zip(rows, place, strict=True) if its == i]
        assert profile == (profile_of(baseline, columns_of(baseline, members)) if members else Profile.empty(baseline.layout))


@given(ROWS)
@settings(max_examples=50, deadline=None)
def test_singletons_are_the_values_seen_once(rows: list[tuple[Any, ...]]) -> None:
    for index, entry in enumerate(built(rows).columns):
        if isinstance(entry, CategoricalColumn):
            seen = Counter(row[index] for row in rows if row[index] is not None)
            assert entry.singletons == sum(count == 1 for count in seen.values())


@given(ROWS)
@settings(max_examples=50, deadline=None)
def test_files_read_back(rows: list[tuple[Any, ...]]) -> None:
    baseline = built(rows)
    assert load_baseline(dump(baseline)) == baseline
    assert dump(load_baseline(dump(baseline))) == dump(baseline)


@given(st.lists(FINITE | st.integers(0, 5).map(float), min_size=1, max_size=400), st.integers(2, 30))
def test_bins_cover_the_data(values: list[float], bins: int) -> None:
    ordered = np.sort(np.array(values) + 0.0)
    edges = quantile_edges(ordered, bins)
    counts = bin_counts(ordered, edges)
    assert sum(counts) == len(values)
    assert all(count > 0 for count in counts), "an edge is a value of the data, so no bin is empty"
    assert set(edges) <= set(ordered.tolist())
    assert (edges[0], edges[-1]) == (ordered[0], ordered[-1])
    assert list(edges[:-1]) == sorted(set(edges[:-1]))
    assert len(counts) <= 2 * bins


@given(st.lists(FINITE, min_size=1, max_size=50))
def test_centre_and_spread_never_overflow(values: list[float]) -> None:
    mean, sd = centre_and_spread(np.sort(np.array(values)))
    assert np.isfinite(mean)
    assert np.isfinite(sd)
    assert sd >= 0


JSON = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FINITE | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_events_make_a_baseline(features: list[dict[str, Any]]) -> None:
    """Whatever types are mixed: zipped or not, the same bytes, and every column counts every event."""
    lines = "".join(json.dumps({"event_id": str(i), "features": {"n": i, **each}}) + "\n" for i, each in enumerate(features)).encode()
    with tempfile.TemporaryDirectory() as folder:
        plain, zipped = Path(folder) / "events.jsonl", Path(folder) / "events.jsonl.gz"
        plain.write_bytes(lines)
        zipped.write_bytes(gzip.compress(lines))
        first, second = build([plain]).baseline, build([zipped]).baseline
    assert first.id == second.id
    assert all(sum(entry.counts) == len(features) for entry in first.columns)


SCALAR = st.integers(-3, 3) | FINITE | st.booleans() | st.sampled_from(["a", "b"])
PREDICTION = SCALAR | st.fixed_dictionaries(
    {},
    optional={
        "label": SCALAR,
        "score": st.floats(0, 1),
        "value": FINITE,
        "scores": st.dictionaries(st.sampled_from(["a", "b"]), st.floats(0, 1), min_size=1),
    },
).filter(bool)


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON), PREDICTION), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_events_count_the_same_in_training_and_live(events: list[tuple[dict[str, Any], Any]]) -> None:
    """A baseline of captured events is the profile that live running makes of the same events."""
    bodies = [
        {"event_id": str(i), "model": "m", "features": {"n": i, **features}, "prediction": p} for i, (features, p) in enumerate(events)
    ]
    lines = [json.dumps(body).encode() for body in bodies]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_bytes(b"\n".join(lines))
        baseline = build([path], BuildOptions(positive_class="a")).baseline
    stream = StreamKey("m", None)
    decoder = Decoder({stream: baseline.schema}, positive_class={stream: "a"})
    columns, rejects = decoder.decode([Message(line, time=(1, 1_767_225_600_000)) for line in lines], None)
    assert not rejects
    assert profile_of(baseline, columns[0]) == baseline.profile


@given(st.lists(st.sampled_from(["a", "b", "\x00invalid", None, INVALID]), min_size=1, max_size=20))
def test_a_text_like_the_marker_is_not_taken_for_it(values: list[str | None]) -> None:
    baseline = built([(1.0, "a", True), (2.0, "b", False)])
    index = [column.name for column in baseline.schema.columns].index("city")
    n = len(values)
    filler: dict[Kind, NDArray[np.float64] | list[str | None]] = {Kind.NUMERIC: np.zeros(n), Kind.BOOLEAN: ["true"] * n}
    parts: tuple[Values, ...] = tuple(values if i == index else filler[c.kind] for i, c in enumerate(baseline.schema.columns))
    columns = Columns(StreamKey("m", None), baseline.schema, np.arange(n), np.zeros(n, dtype=np.int64), parts)
    labels = [baseline.label(index, int(code)) for code in baseline.encode(columns).codes[index]]
    assert [label == "invalid" for label in labels] == [value is INVALID for value in values]
