"""The baseline file: readable, checked, with an id of its content."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_monitor.baseline.baseline import Baseline, TimeSpan
from stream_monitor.baseline.column import CategoricalColumn, NumericColumn
from stream_monitor.baseline.store import content_id, dump, load_baseline, save, sign
from stream_monitor.capture.schema import Column, Kind, Role
from stream_monitor.errors import BaselineError


def example() -> Baseline:
    return sign(
        Baseline(
            id="",
            rows=6,
            columns=(
                NumericColumn(Column("x", Kind.NUMERIC), (1.0, 2.0, 3.5), (1, 0, 0, 2, 3, 0), 2.1, 0.7, (-3, 5_000), 5),
                NumericColumn(Column("none", Kind.NUMERIC), (), (6, 0, 0, 0), 0.0, 0.0, (0, 0), 0),
                CategoricalColumn(Column("städte", Kind.CATEGORICAL), ("köln", "ulm"), (0, 1, 1, 3, 1), 3),
                CategoricalColumn(Column("prediction", Kind.BOOLEAN, Role.PREDICTION), ("true",), (0, 0, 0, 6), 1),
            ),
            source=("train.csv",),
            target="y",
            time=TimeSpan("at", 0, 1_500),
        )
    )


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    tree = orjson.loads(dump(example()))
    change(tree)
    return orjson.dumps(tree)


def test_the_file_is_one_field_per_line() -> None:
    lines = dump(example()).decode().splitlines()
    assert lines[1] == '  "format": "stream-monitor/baseline/1",'
    assert '  "time": {"column":"at","first":"1970-01-01T00:00:00.000Z","last":"1970-01-01T00:00:01.500Z"},' in lines
    assert '      "edges": [1.0,2.0,3.5],' in lines
    assert '      "categories": [{"value":"köln","count":3},{"value":"ulm","count":1}]' in lines


def test_reading_gives_back_what_was_written(tmp_path: Path) -> None:
    save(example(), tmp_path / "b.json")
    assert load_baseline(tmp_path / "b.json") == example()
    assert list(tmp_path.iterdir()) == [tmp_path / "b.json"], "no temporary file is left"


def test_white_space_and_source_are_not_part_of_the_id() -> None:
    assert load_baseline(edited(lambda tree: tree.update(source=["other.csv"]))).id == example().id


def test_an_edited_file_is_refused_with_the_way_to_keep_it() -> None:
    content = edited(lambda tree: tree["columns"][0].update(mean=2.2))
    with pytest.raises(
        BaselineError, match=r'^b\.json: was changed after it was built; build it again .* or write "id": "b-[0-9a-f]{16}" to keep'
    ) as caught:
        load_baseline(content, "b.json")
    new_id = str(caught.value).split('"id": "')[1][:18]
    kept = load_baseline(content.replace(example().id.encode(), new_id.encode()))
    assert kept.id == content_id(kept) == new_id


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tree: tree.update(format="stream-monitor/baseline/9"), "format is 'stream-monitor/baseline/9'"),
        (lambda tree: tree["columns"][0].update(edges=[1.0, 3.0, 2.0]), r"columns\[0\]\.edges: must rise"),
        (lambda tree: tree["columns"][0].update(edges=[1.0, 1.0, 2.0]), r"columns\[0\]\.edges: must rise"),
        (lambda tree: tree["columns"][0].update(edges=[1.0, 2.0]), r"columns\[0\]\.edges: must be one more than the 2 counts"),
        (lambda tree: tree["columns"][0].update(counts=[2, 4]), r"columns\[0\]\.counts: with the other counts they make 7, not 6 rows"),
        (lambda tree: tree["columns"][0].update(missing=-1), r"columns\[0\]\.missing"),
        (lambda tree: tree["columns"][0].update(mean="2"), r"columns\[0\]\.mean"),
        (lambda tree: tree["columns"][0].update(typo=1), "typo"),
        (lambda tree: tree["columns"][0].pop("sd"), "sd"),
        (lambda tree: tree["columns"][2]["categories"].reverse(), r"columns\[2\]\.categories: must stand by falling count"),
        (lambda tree: tree["columns"][2]["categories"][1].update(value="köln"), r"columns\[2\]\.categories: must differ"),
        (lambda tree: tree["columns"][1].update(name="x"), r"columns: names `x` twice"),
        (lambda tree: tree["time"].update(first="yesterday"), r"time\.first: 'yesterday' is no RFC 3339 time"),
    ],
)
def test_what_cannot_be_a_baseline_is_named(change: Callable[[dict[str, Any]], object], sentence: str) -> None:
    with pytest.raises(BaselineError, match=rf"^b\.json: .*{sentence}|^b\.json: {sentence}"):
        load_baseline(edited(change), "b.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b'{"format": "stream-monitor/baseline/1"}', b"[" * 100_000])
def test_what_is_no_baseline_file_is_said(content: bytes) -> None:
    with pytest.raises(BaselineError, match=r"^b\.json: "):
        load_baseline(content, "b.json")


def test_files_that_cannot_be_read_or_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match=r"nope\.json: cannot be read: No such file"):
        load_baseline(tmp_path / "nope.json")
    with pytest.raises(BaselineError, match=r"b\.json: cannot be written: No such file"):
        save(example(), tmp_path / "nowhere" / "b.json")


def test_the_profile_of_a_baseline() -> None:
    baseline = example()
    assert baseline.layout.sizes == (6, 4, 5, 4)
    assert baseline.layout.ordered == (True, True, False, False)
    assert baseline.profile.events == 6
    assert baseline.profile.counts.tolist() == [1, 0, 0, 2, 3, 0, 6, 0, 0, 0, 0, 1, 1, 3, 1, 0, 0, 0, 6]
    assert baseline.profile.moments.tolist() == [[-3, 0, 0, 0], [5_000, 0, 0, 0]]
