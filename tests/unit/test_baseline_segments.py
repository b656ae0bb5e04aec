"""Segments of a baseline: which there are, what they are called, and that they travel with the file."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.csv import write_csv

from stream_monitor.baseline import choice
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.build import Built, build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.segments import Segmentation
from stream_monitor.baseline.store import content_id, dump, load_baseline
from stream_monitor.capture.columns import INVALID
from stream_monitor.errors import BaselineError

N = 120


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """A baseline of these columns, through a Parquet file."""

    def made(columns: dict[str, Any], **options: Any) -> Built:
        path = tmp_path / "train.parquet"
        pq.write_table(pa.table(columns), path)
        return build([path], BuildOptions(**options))

    return made


def columns(**more: Any) -> dict[str, Any]:
    return {"amount": np.arange(N) / 7, "region": ["eu", "us", "eu", None] * (N // 4), **more}


def values(baseline: Baseline) -> dict[str, tuple[str, ...]]:
    return {each.name: each.values for each in baseline.segments}


def test_small_categories_and_booleans_are_segments(make: Any) -> None:
    names = [f"c{i % 21}" for i in range(N)]
    baseline = make(columns(one=["a"] * N, flag=[True, False, False] * (N // 3), many=names, prediction=["y", "n"] * (N // 2))).baseline
    assert values(baseline) == {"region": ("eu", "us"), "flag": ("false", "true")}


def test_each_value_has_the_profile_of_its_rows_and_all_others_one_together(make: Any) -> None:
    baseline = make(columns()).baseline
    (segments,) = baseline.segments
    assert [profile.events for profile in segments.profiles] == [60, 30, 30]
    assert segments.profiles[2].counts[baseline.layout.starts[1]] == 30, "rows without a region are other"


def test_a_named_one_may_have_more_values_and_the_rest_is_other(make: Any) -> None:
    names = [f"c{i % 40:02}" for i in range(N)]
    baseline = make(columns(many=names), segments=("many",)).baseline
    assert list(values(baseline)) == ["many", "region"], "named ones come first"
    segments = baseline.segments[0]
    assert segments.values == tuple(f"c{i:02}" for i in range(20))
    assert segments.profiles[20].events == N // 2


def test_a_feature_that_is_dropped_can_still_make_segments(make: Any) -> None:
    baseline = make(columns(flag=[True, False] * (N // 2)), drop=("region", "flag"), segments=("region",)).baseline
    assert values(baseline) == {"region": ("eu", "us")}


def test_at_most_eight_unless_named_and_what_is_left_out_is_said(make: Any) -> None:
    more = {f"f{i}": ["a", "b"] * (N // 2) for i in range(9)}
    built = make(columns(**more))
    assert list(values(built.baseline)) == ["region", *(f"f{i}" for i in range(7))]
    assert built.notes[-1].startswith("segments by `f7`, `f8` are left out")
    assert len(make(columns(**more), segments=tuple(more)).baseline.segments) == 9


def test_the_file_has_a_bound(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = make(columns()).baseline.layout.total
    monkeypatch.setattr(choice, "CELLS_MAX", 3 * cells)
    assert len(make(columns()).baseline.segments) == 1
    monkeypatch.setattr(choice, "CELLS_MAX", 3 * cells - 1)
    built = make(columns())
    assert built.baseline.segments == ()
    assert "segments by `region` are left out" in built.notes[-1]


@pytest.mark.parametrize(
    ("name", "sentence"), [("amount", r"`amount` \(--segment\) is numeric.*--categorical amount"), ("regoin", r"did you mean `region`\?")]
)
def test_what_cannot_make_segments_is_refused(make: Any, name: str, sentence: str) -> None:
    with pytest.raises(BaselineError, match=sentence):
        make(columns(), segments=(name,))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_metadata_fields_are_segments_but_no_features(tmp_path: Path, suffix: str) -> None:
    """A field that shares its name with a feature is left to the feature; one of too many values must be named."""
    path = tmp_path / f"train{suffix}"
    fields = [{"region": "x", "tier": "gold" if i % 3 else None, "user": f"u{i}"} for i in range(N)]
    if suffix == ".jsonl":
        events = [
            {"event_id": str(i), "features": {"amount": i, "region": "eu"}, "prediction": 1, "metadata": fields[i] if i % 2 else None}
            for i in range(N)
        ]
        path.write_bytes(b"\n".join(map(orjson.dumps, events)))
    else:
        held = {f"metadata.{name}": [each[name] if i % 2 else None for i, each in enumerate(fields)] for name in fields[0]}
        table = pa.table({"amount": range(N), "region": ["eu"] * N, **held})
        (pq.write_table if suffix == ".parquet" else write_csv)(table, path)
    baseline = build([path], BuildOptions(segments=("user", "region"))).baseline
    assert {"amount", "region"} == {column.name for column in baseline.schema.features}
    assert {name: len(each) for name, each in values(baseline).items()} == {"user": 20, "region": 1}
    assert baseline.schema.metadata == ("user", "producer")
    assert baseline.segments[0].is_metadata
    assert [profile.events for profile in baseline.segments[0].profiles] == [1] * 20 + [N - 20]
    tier = build([path], BuildOptions(segments=("tier",))).baseline.segments[0]
    assert [profile.events for profile in tier.profiles] == [40, 80]
    with pytest.raises(BaselineError, match="did you mean `tier`"):
        build([path], BuildOptions(segments=("teir",)))


def test_labels_name_one_segment_each() -> None:
    segments = Segmentation("x", True, ("other", '"other"', "", " ", "a"), ())
    labels = [segments.label(i) for i in range(6)]
    assert labels == ['"other"', '""other""', '""', '" "', "a", "other"]


def test_what_has_no_segment_of_its_own_is_other() -> None:
    segments = Segmentation("x", False, ("other", "a"), ())
    assert segments.index(["a", "other", None, "b", INVALID]).tolist() == [1, 0, 2, 2, 2]
    assert segments.index([]).dtype == np.int32


def test_segments_travel_with_the_file(make: Any) -> None:
    baseline = make(columns()).baseline
    again = load_baseline(dump(baseline))
    assert again == baseline
    lines = dump(baseline).decode().splitlines()
    assert '      "values": ["eu","us"],' in lines
    assert any(line.startswith("        [60,[") for line in lines), "one profile per line"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tree: tree["segments"][0].update(name="amount"), r"segments\[0\]\.name: must be a categorical or boolean feature"),
        (lambda tree: tree["segments"][0].update(metadata=True), r"segments\[0\]\.name: .* or no feature"),
        (lambda tree: tree["segments"][0].update(values=["eu", "eu"]), r"segments\[0\]\.values: must differ"),
        (lambda tree: tree["segments"][0].update(values=["eu"]), r"segments\[0\]\.profiles: must be one more"),
        (lambda tree: tree["segments"][0]["profiles"][0][1].pop(), r"profiles\[0\]: must have \d+ counts"),
        (lambda tree: tree["segments"][0]["profiles"][0].__setitem__(0, 7), r"profiles\[0\]: every column's counts must make 7 events"),
        (lambda tree: tree["segments"][0]["profiles"].reverse(), "was changed after it was built"),
        (lambda tree: tree["segments"].append(tree["segments"][0]), "segments: must differ in their names"),
        (lambda tree: tree["segments"][0]["profiles"][0][2].__setitem__(0, 1), "must add up to the columns' counts"),
        (lambda tree: tree["segments"][0]["profiles"][0][2].__setitem__(0, 2**63), "profiles"),
    ],
)
def test_segments_that_are_no_parts_of_the_whole_are_refused(make: Any, change: Any, sentence: str) -> None:
    tree = orjson.loads(dump(make(columns()).baseline))
    change(tree)
    with pytest.raises(BaselineError, match=sentence):
        load_baseline(orjson.dumps(tree), "b.json")


def test_files_of_before_there_were_segments_are_read_as_they_are(make: Any) -> None:
    """What is absent was not looked for; the id stays what it was."""
    tree = orjson.loads(dump(make({"x": [1.0, 2.0], "c": ["a", "a"]}).baseline))
    assert not {"segments", "runs"} & set(tree)
    assert not {"natural", "singletons"} & {key for column in tree["columns"] for key in column}
    baseline = load_baseline(orjson.dumps(tree))
    assert baseline.id == content_id(baseline)
    assert (baseline.segments, baseline.runs, baseline.columns[0].natural) == ((), None, None)
