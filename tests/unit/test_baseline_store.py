"""The baseline file: readable, checked, with an id of its content."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from stream_monitor.baseline.baseline import Baseline, TimeSpan
from stream_monitor.baseline.column import CategoricalColumn, NumericColumn
from stream_monitor.baseline.segments import Segmentation
from stream_monitor.baseline.store import content_id, dump, load_baseline, save, sign
from stream_monitor.baseline.truth import Truth
from stream_monitor.capture.schema import Column, Kind, Role
from stream_monitor.errors import BaselineError
from stream_monitor.profile.outcome import Group, OutcomeLayout
from stream_monitor.profile.profile import Profile


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


def with_truth() -> Baseline:
    """Six rows of which five have a label, with scores and the groups of one facet."""
    base = replace(
        example(),
        columns=(
            CategoricalColumn(Column("sex", Kind.CATEGORICAL), ("f",), (0, 0, 2, 4), 3),
            CategoricalColumn(Column("prediction", Kind.CATEGORICAL, Role.PREDICTION), ("no", "yes"), (0, 0, 0, 4, 2), 2),
        ),
    )
    cut = (np.array([0, 0, 0, 4, 0, 0, 0, 2, 2]), np.array([0, 0, 2, 0, 0, 0, 0, 2, 0]))
    profiles = tuple(Profile(int(counts[:4].sum()), counts, np.zeros((2, 2), dtype=np.int64)) for counts in cut)
    layout = OutcomeLayout("binary", ("no", "yes"), 1, True, (Group("sex", "f"), Group("sex", "other")))
    vector = layout.empty()
    layout.part(vector, "joint")[:] = [[0, 1, 0, 0], [0, 2, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    layout.part(vector, "scores")[1, 0, [3, 200]] = 1
    layout.part(vector, "score_sums")[:] = (70, 90)
    layout.part(vector, "groups")[:] = [[[1, 0], [1, 1], [0, 1]], [[0, 0], [1, 0], [1, 0]]]
    return sign(replace(base, segments=(Segmentation("sex", False, ("f",), profiles),), truth=Truth(layout, vector)))


def with_errors() -> Baseline:
    """The truth of a regression."""
    prediction = NumericColumn(Column("prediction", Kind.NUMERIC, Role.PREDICTION), (1.0, 2.0), (1, 0, 0, 5, 0), 1.5, 0.5, (0, 0), 2)
    layout = OutcomeLayout("regression", center=1.5, scale=0.5, edges=(1.0, 2.0))
    vector = layout.empty()
    layout.part(vector, "errors")[:] = [6, 4, -300, 500, 7, -100, 9, 800, 5, 3]
    layout.part(vector, "by_value")[1] = [5, 4, 500, 7]
    return sign(replace(example(), columns=(*example().columns[:3], prediction), truth=Truth(layout, vector)))


def edited(change: Callable[[dict[str, Any]], object], baseline: Callable[[], Baseline] = example) -> bytes:
    tree = orjson.loads(dump(baseline()))
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


@pytest.mark.parametrize("make", [with_truth, with_errors])
def test_a_truth_is_one_field_per_line_and_part_of_the_id(make: Callable[[], Baseline]) -> None:
    baseline = make()
    assert load_baseline(dump(baseline)) == baseline
    assert content_id(replace(baseline, truth=None)) != baseline.id
    lines = dump(baseline).decode().splitlines()
    if make is with_truth:
        assert '    "joint": [[0,1,0,0],[0,2,1,0],[0,1,1,0],[0,0,0,0]],' in lines
        assert '    "scores": [[[[],[]],[[],[]]],[[[3,200],[1,1]],[[],[]]],[[[],[]],[[],[]]]],' in lines
        assert '    "groups": [["sex","f",[[1,0],[1,1],[0,1]]],["sex","other",[[0,0],[1,0],[1,0]]]]' in lines
    else:
        assert '    "relative_n": 3,' in lines
        assert '    "by_value": [[0,0,0,0],[5,4,500,7],[0,0,0,0]]' in lines


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda truth: truth.update(task="regression"), "truth"),
        (lambda truth: truth.update(task="guess"), "task"),
        (lambda truth: truth.update(typo=1), "typo"),
        (lambda truth: truth.update(classes=["no", "no"]), r"truth\.classes: must differ"),
        (lambda truth: truth.update(classes=["no"]), r"truth\.joint: must be 3 times 3 counts"),
        (lambda truth: truth["joint"][0].pop(), r"truth\.joint: must be 4 times 4 counts"),
        (lambda truth: truth["joint"][0].__setitem__(0, -1), r"truth\.joint"),
        (lambda truth: truth["joint"].__setitem__(3, [0, 0, 0, 1]), r"truth\.groups: must add up to joint"),
        (lambda truth: truth.update(positive="maybe"), r"truth\.positive: must be one of the classes"),
        (lambda truth: truth.pop("positive"), r"truth\.positive: is missing"),
        (lambda truth: truth.pop("score_sums"), r"truth\.score_sums: must stand where scores do"),
        (lambda truth: truth.update(score_sums=[1]), r"truth\.score_sums: must be 2 counts"),
        (lambda truth: truth["scores"].pop(), r"truth\.scores: must be 3 times 2"),
        (lambda truth: truth["scores"][0].__setitem__(0, [[512], [1]]), r"truth\.scores: must be rising bins below 512"),
        (lambda truth: truth["scores"][0].__setitem__(0, [[2, 1], [1, 1]]), r"truth\.scores: must be rising bins"),
        (lambda truth: truth["scores"][0].__setitem__(0, [[2], []]), r"truth\.scores: must be rising bins"),
        (lambda truth: truth["scores"][0].__setitem__(0, [[2], [9]]), r"truth\.scores: must be of rows that joint has"),
        (lambda truth: truth["groups"].reverse(), r"truth\.groups: must be the segments, in their order"),
        (lambda truth: truth["groups"][1].__setitem__(2, [[0]]), r"truth\.groups\[1\]: must be 3 times 2 counts"),
        (lambda truth: truth["groups"][1].__setitem__(2, [[0, 0], [0, 0], [0, 0]]), r"truth\.groups: must add up to joint"),
    ],
)
def test_what_cannot_be_the_truth_is_named(change: Callable[[dict[str, Any]], object], sentence: str) -> None:
    with pytest.raises(BaselineError, match=rf"^b\.json: .*{sentence}"):
        load_baseline(edited(lambda tree: change(tree["truth"]), with_truth), "b.json")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda truth: truth.update(events=5), r"truth\.events: must make 6 rows, not 5"),
        (lambda truth: truth.update(labelled=7), r"truth\.labelled: must be at most events"),
        (lambda truth: truth.update(relative_n=5), r"truth\.labelled: must be at most events, and at least relative_n"),
        (lambda truth: truth.update(error=501), r"truth\.error: must be within absolute"),
        (lambda truth: truth.update(squared=-1), r"truth\.squared"),
        (lambda truth: truth.update(label=2**63), r"truth\.label"),
        (lambda truth: truth.pop("label"), "label"),
        (lambda truth: truth["by_value"].pop(), r"truth\.by_value: must be 3 times 4 counts"),
        (lambda truth: truth["by_value"].__setitem__(1, [7, 4, 500, 7]), r"truth\.by_value: must be of the events that there are"),
        (lambda truth: truth["by_value"].__setitem__(1, [5, 3, 500, 7]), r"truth\.by_value: must be of the events that there are"),
    ],
)
def test_what_cannot_be_the_truth_of_a_regression_is_named(change: Callable[[dict[str, Any]], object], sentence: str) -> None:
    with pytest.raises(BaselineError, match=rf"^b\.json: .*{sentence}"):
        load_baseline(edited(lambda tree: change(tree["truth"]), with_errors), "b.json")


def test_a_truth_that_is_not_of_the_predictions_is_refused() -> None:
    truth = orjson.loads(dump(with_errors()))["truth"]
    for make in (example, with_truth):
        with pytest.raises(BaselineError, match=r"truth\.task: does not fit the column of the predictions"):
            load_baseline(edited(lambda tree: tree.update(truth=truth), make))
    multiclass = {"task": "multiclass", "classes": [], "joint": [[7, 0], [0, 0]]}
    with pytest.raises(BaselineError, match=r"truth\.joint: must make 6 rows, not 7"):
        load_baseline(edited(lambda tree: tree.update(truth=multiclass), with_truth))


@pytest.mark.parametrize(
    ("confidence", "sentence"),
    [
        ([[[[], []]] * 3] * 2, r"must be 3 times 3"),
        ([[[[128], [1]]] * 3] * 3, r"must be rising bins below 128"),
        ([[[[9], [1]]] * 3] * 3, r"must be of rows that joint has"),
    ],
)
def test_confidence_that_cannot_be_is_named(confidence: list[Any], sentence: str) -> None:
    truth = {"task": "multiclass", "classes": ["no"], "joint": [[6, 0, 0], [0, 0, 0], [0, 0, 0]], "confidence": confidence}
    with pytest.raises(BaselineError, match=rf"truth\.confidence: {sentence}"):
        load_baseline(edited(lambda tree: tree.update(truth=truth), with_truth))


def test_a_truth_without_errors_by_value_is_read_as_before() -> None:
    """Of a baseline that was built before they were kept."""
    content = edited(lambda tree: tree["truth"].pop("by_value"), with_errors)
    with pytest.raises(BaselineError, match=r"was changed") as caught:
        load_baseline(content)
    new_id = str(caught.value).split('"id": "')[1][:18]
    truth = load_baseline(content.replace(with_errors().id.encode(), new_id.encode())).truth
    assert truth is not None
    assert truth.layout.shapes.keys() == {"errors", "delay"}


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
