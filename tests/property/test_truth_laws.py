"""A baseline's truth is a plain count over its rows, whatever the file and its portions, and what live events and labels would make."""

import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyarrow.csv import write_csv

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.build import build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import dump, load_baseline
from stream_monitor.baseline.truth import Truth
from stream_monitor.capture.decode import Decoder
from stream_monitor.capture.labels import Labels
from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.profile.outcome import ERRORS, Group, OutcomeLayout
from stream_monitor.profile.outcome_rows import OutcomeRows, add_outcomes
from stream_monitor.window.spec import WindowSpec
from tests.messages import Message

TIME_MS: Final = 1_767_225_600_000


class Row(NamedTuple):
    """One of training."""

    region: str | None
    tier: str | None
    prediction: str | None
    score: float | None
    target: str | None


CLASS = st.none() | st.sampled_from(["no", "yes", "yes", "perhaps"])
ROWS = st.lists(
    st.builds(Row, st.none() | st.sampled_from(["eu", "us"]), st.sampled_from(["gold", "tin"]), CLASS, st.none() | st.floats(0, 1), CLASS),
    min_size=1,
    max_size=40,
)
VALUES = st.none() | st.integers(-5, 5).map(float) | st.floats(-1e6, 1e6)
OPTIONS: Final = BuildOptions(
    prediction="yhat", score="p", target="y", task="binary", positive_class="yes", segments=("region", "tier"), categorical=("yhat",)
)


def table_of(rows: list[Row]) -> pa.Table:
    region, tier, prediction, score, target = zip(*rows, strict=True)
    texts = {"region": region, "tier": tier, "yhat": prediction, "y": target}
    columns = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    return pa.table({"x": pa.array(range(len(rows)), pa.int64()), "p": pa.array(score, pa.float64()), **columns})


def built(table: pa.Table, suffix: str = ".parquet", row_group: int = 1_000, options: BuildOptions = OPTIONS) -> Baseline:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"train{suffix}"
        if suffix == ".csv":
            write_csv(table, path)
        else:
            pq.write_table(table, path, row_group_size=row_group)
        return build([path], options).baseline


def events_of(rows: list[Row]) -> list[dict[str, Any]]:
    return [
        {
            "event_id": str(i),
            "model": "m",
            "time": TIME_MS,
            "features": {"x": i, "region": row.region, "tier": row.tier},
            "prediction": {"label": row.prediction, "score": row.score} if row.prediction or row.score is not None else {"score": 7},
            "label": row.target,
        }
        for i, row in enumerate(rows)
    ]


def built_of_events(events: list[dict[str, Any]], options: BuildOptions) -> Baseline:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        return build([path], options).baseline


def side(label: str | None) -> int:
    """None 0, negative 1, positive 2."""
    return 0 if label is None else 2 if label == "yes" else 1


def check_counts(truth: Truth, rows: list[Row]) -> None:
    """Part by part, row by row."""
    layout, part = truth.layout, partial(truth.layout.part, truth.vector)
    code = {None: 0} | {name: i + 1 for i, name in enumerate(layout.classes)}
    joint = Counter((code[row.target], code[row.prediction]) for row in rows)
    assert cells(part("joint")) == joint
    assert not part("delay").any()
    if layout.positive is None:
        assert "yes" not in layout.classes
        return
    if layout.scored:
        check_scores(part, rows)
    for group, counts in zip(layout.groups, part("groups"), strict=True):
        values = {other.value for other in layout.groups if other.facet == group.facet}
        labels = [(row, getattr(row, group.facet)) for row in rows]
        members = [row for row, label in labels if (label if label in values else "other") == group.value]
        assert cells(counts) == Counter((side(row.target), int(row.prediction == "yes")) for row in members)


def check_scores(part: Callable[[str], NDArray[np.int64]], rows: list[Row]) -> None:
    scored = [(row, row.score) for row in rows if row.score is not None]
    bins = Counter((side(row.target), int(row.prediction == "yes"), code_of(s) >> 7) for row, s in scored)
    assert cells(part("scores")) == bins
    known = [(1 / (1 + math.exp((32_768 - code_of(s)) / 3_000)), float(row.target == "yes")) for row, s in scored if row.target is not None]
    assert part("score_sums")[0] == pytest.approx(sum((s - y) ** 2 for s, y in known) * 2**20, abs=len(rows))
    losses = [-math.log(s if y else 1 - s) for s, y in known]
    assert part("score_sums")[1] == pytest.approx(sum(losses) * 2**20, abs=len(rows))


def code_of(score: float) -> int:
    logit = math.inf if score == 1 else -math.inf if score == 0 else math.log(score / (1 - score))
    return 32_768 + round(min(max(logit * 3_000, -32_767), 32_767))


def cells(counts: NDArray[np.int64]) -> dict[tuple[int, ...], int]:
    """Those that are not 0."""
    return {place: int(n) for place, n in np.ndenumerate(counts) if n}


def is_labelled(rows: list[Row]) -> bool:
    return any(row.target for row in rows)


@given(ROWS, st.sampled_from([".parquet", ".csv"]), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_the_truth_of_a_table_is_a_count_of_its_rows(rows: list[Row], suffix: str, row_group: int) -> None:
    baseline = built(table_of(rows), suffix, row_group)
    assert (baseline.truth is not None) == is_labelled(rows)
    if baseline.truth:
        check_counts(baseline.truth, rows)
        groups = tuple(Group(each.name, each.label(i)) for each in baseline.segments for i in range(len(each.values) + 1))
        assert baseline.truth.layout.groups == (() if baseline.truth.layout.positive is None else groups)


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_the_truth_of_events_is_a_count_of_them(rows: list[Row]) -> None:
    truth = built_of_events(events_of(rows), BuildOptions(task="binary", positive_class="yes", segments=("tier",))).truth
    assert (truth is not None) == (is_labelled(rows) and any(row.prediction for row in rows))
    if truth:
        check_counts(truth, rows)


@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_order_of_rows_and_portions_do_not_matter(rows: list[Row], random: Any, row_group: int) -> None:
    table, order = table_of(rows), list(range(len(rows)))
    random.shuffle(order)
    assert dump(built(table)) == dump(built(table.take(order), row_group=row_group))


@given(ROWS, ROWS)
@settings(max_examples=40, deadline=None)
def test_files_add_up(first: list[Row], second: list[Row]) -> None:
    whole = table_of(first + second)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "train.parquet", Path(folder) / "more.parquet"]
        pq.write_table(whole.slice(0, len(first)), paths[0])
        pq.write_table(whole.slice(len(first)), paths[1])
        assert build(paths, OPTIONS).baseline.id == built(whole).id


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_files_read_back(rows: list[Row]) -> None:
    baseline = built(table_of(rows))
    assert load_baseline(dump(baseline)) == baseline
    assert dump(load_baseline(dump(baseline))) == dump(baseline)


@given(ROWS.filter(is_labelled))
@settings(max_examples=60, deadline=None)
def test_live_events_and_labels_make_the_same(rows: list[Row]) -> None:
    """Through the live decoder and the join's coding, on the truth's own layout."""
    events = events_of(rows)
    baseline = built_of_events(events, BuildOptions(task="binary", positive_class="yes", segments=("tier",)))
    truth, stream = baseline.truth, StreamKey("m", None)
    if truth is None:
        return
    decoder = Decoder({stream: baseline.schema}, positive_class={stream: "yes"})
    (columns,), rejects = decoder.decode([Message(json.dumps(event).encode(), time=(1, TIME_MS)) for event in events], None)
    assert not rejects
    assert live_vector(truth.layout, baseline, columns, [row.target for row in rows]).tolist() == truth.vector.tolist()


@given(st.lists(st.tuples(st.none() | st.sampled_from("abc"), st.lists(st.floats(0, 1), min_size=3, max_size=3), CLASS), min_size=1))
@settings(max_examples=60, deadline=None)
def test_live_scores_of_classes_make_the_same(rows: list[tuple[str | None, list[float], str | None]]) -> None:
    """The score of the predicted class, whether it is named or the highest; in training as live."""
    predictions = [{"label": label, "scores": dict(zip("abc", scores, strict=True))} for label, scores, _ in rows]
    events = [
        {"event_id": str(i), "model": "m", "time": TIME_MS, "features": {"x": i}, "prediction": prediction, "label": rows[i][2]}
        for i, prediction in enumerate(predictions)
    ]
    baseline, stream = built_of_events(events, BuildOptions(task="multiclass")), StreamKey("m", None)
    if baseline.truth is None:
        return
    layout, vector = baseline.truth.layout, baseline.truth.vector
    messages = [Message(json.dumps(event).encode(), time=(1, TIME_MS)) for event in events]
    (columns,), rejects = Decoder({stream: baseline.schema}).decode(messages, None)
    assert not rejects
    assert live_vector(layout, baseline, columns, [target for *_, target in rows]).tolist() == vector.tolist()
    assert layout.part(vector, "confidence").sum() == len(rows)
    assert load_baseline(dump(baseline)) == baseline


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), VALUES), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_live_numbers_make_the_same(rows: list[tuple[float, float | None]]) -> None:
    events = [
        {"event_id": str(i), "model": "m", "time": TIME_MS, "features": {"x": i}, "prediction": value, "label": label}
        for i, (value, label) in enumerate(rows)
    ]
    baseline, stream = built_of_events(events, BuildOptions(task="regression")), StreamKey("m", None)
    if baseline.truth is None:
        return
    messages = [Message(json.dumps(event).encode(), time=(1, TIME_MS)) for event in events]
    (columns,), rejects = Decoder({stream: baseline.schema}).decode(messages, None)
    assert not rejects
    assert live_vector(baseline.truth.layout, baseline, columns, [y for _, y in rows]).tolist() == baseline.truth.vector.tolist()
    assert load_baseline(dump(baseline)) == baseline


def live_vector(layout: OutcomeLayout, baseline: Baseline, columns: Any, labels: list[Any]) -> Any:
    n, spec, key = len(columns), WindowSpec(1_000, 1_000, 0, 0, 1, 1_000), columns.stream
    facets = baseline.segments if layout.groups else ()
    plan = JoinPlan("m", layout, "layout", facets, {key: "baseline"}, {key: ()}, spec, 1, 1)
    ids = np.arange(n, dtype=np.uint64)
    captured = plan.capture_rows(columns, ids, np.arange(n))
    known = plan.label_rows(Labels("m", list(range(n)), [""] * n, [0] * n, labels), ids)
    delay = np.zeros(n, dtype=np.uint8)
    rows = OutcomeRows(captured.predicted, captured.score, captured.value, captured.groups, known.label, known.truth, delay)
    vector = layout.empty()
    add_outcomes(layout, rows, np.zeros(n, dtype=np.int64), 1, vector[None])
    layout.part(vector, "delay")[:] = 0
    return vector


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40), st.sampled_from([".parquet", ".csv"]))
@settings(max_examples=100, deadline=None)
def test_the_truth_of_a_regression_is_sums_over_its_rows(rows: list[tuple[float | None, float | None]], suffix: str) -> None:
    predicted, target = (pa.array(values, pa.float64()) for values in zip(*rows, strict=True))
    table = pa.table({"x": range(len(rows)), "yhat": predicted, "y": target})
    truth = built(table, suffix, options=BuildOptions(prediction="yhat", target="y", numeric=("yhat",))).truth
    assert (truth is not None) == any(y is not None for _, y in rows)
    if truth is None:
        return
    center, scale = truth.layout.center, truth.layout.scale
    sums = dict.fromkeys(ERRORS, 0.0) | {"events": len(rows)}
    for value, y in ((value, y) for value, y in rows if value is not None and y is not None):
        e, z = ((each if abs(each) < 256 else math.copysign(256, each)) for each in ((value - y) / scale, (y - center) / scale))
        ratio = math.inf if y == 0 else min(abs((value - y) / y), 256)
        relative = {} if y == 0 else {"relative": ratio, "relative_squared": ratio**2, "relative_n": 1}
        found = {"labelled": 1, "error": e, "absolute": abs(e), "squared": e * e, "label": z, "label_squared": z * z, **relative}
        sums = {name: total + found.get(name, 0) for name, total in sums.items()}
    units = {"events": 1, "labelled": 1, "relative_n": 1, **dict.fromkeys(("squared", "label_squared", "relative_squared"), 2**24)}
    for name, total in zip(ERRORS, truth.layout.part(truth.vector, "errors").tolist(), strict=True):
        assert total == pytest.approx(sums[name] * units.get(name, 2**20), abs=len(rows), rel=1e-9), name


@given(ROWS, st.data())
@settings(max_examples=60, deadline=None)
def test_a_layout_with_some_groups_in_another_order_has_the_same_counts(rows: list[Row], data: st.DataObject) -> None:
    truth = built(table_of(rows)).truth
    if truth is None:
        return
    mine = truth.layout
    groups = tuple(data.draw(st.permutations(mine.groups)))[: data.draw(st.integers(0, len(mine.groups)))]
    scored = mine.scored and data.draw(st.booleans())
    layout = OutcomeLayout(mine.task, mine.classes, mine.positive, scored, groups)
    found = Truth(layout, truth.on(layout))
    check = {name: layout.part(found.vector, name).tolist() for name in layout.shapes if name != "groups"}
    assert check == {name: mine.part(truth.vector, name).tolist() for name in check}
    for i, group in enumerate(groups):
        assert (layout.part(found.vector, "groups")[i] == mine.part(truth.vector, "groups")[mine.groups.index(group)]).all()
