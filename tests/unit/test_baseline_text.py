"""Training data without types (CSV) and with a type per value (events)."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.build import Built, build
from stream_monitor.baseline.column import CategoricalColumn, NumericColumn
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.capture.schema import Column, Kind, Role
from stream_monitor.errors import BaselineError


def from_csv(folder: Path, text: str, **options: Any) -> Built:
    path = folder / "train.csv"
    path.write_text(text, encoding="utf-8")
    return build([path], BuildOptions(**options))


def from_events(folder: Path, events: list[Any], **options: Any) -> Built:
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
    return build([path], BuildOptions(**options))


def kinds(baseline: Baseline) -> dict[str, str]:
    return {column.name: column.kind.value for column in baseline.schema.columns}


def test_csv_columns_are_what_their_text_looks_like(tmp_path: Path) -> None:
    built = from_csv(tmp_path, "n,b,c,t,e\n1, True ,x,2026-01-01,\n-2.5e3,false,,2026-01-02T10:00:00Z,\nNA,,1,,\n")
    assert kinds(built.baseline) == {"n": "numeric", "b": "boolean", "c": "categorical", "e": "categorical"}
    n, b, c, _ = built.baseline.columns
    assert isinstance(n, NumericColumn)
    assert (n.edges, n.counts[0]) == ((-2500.0, 1.0, 1.0), 1)
    assert isinstance(b, CategoricalColumn)
    assert (b.categories, b.counts[0]) == (("false", "true"), 1)
    assert isinstance(c, CategoricalColumn)
    assert (c.categories, c.counts[0]) == (("1", "x"), 1)
    assert [note[:4] for note in built.notes] == ["`t` ", "`e` "]


def test_csv_categories_keep_leading_zeros(tmp_path: Path) -> None:
    text = "zip,x\n02134,1\n00501,2\n"
    inferred = from_csv(tmp_path, text)
    assert kinds(inferred.baseline)["zip"] == "numeric"
    assert inferred.notes == ("`zip` is read as numbers, though some begin with 0 as codes do; --categorical zip keeps them as text",)
    entry = from_csv(tmp_path, text, categorical=("zip",)).baseline.columns[0]
    assert isinstance(entry, CategoricalColumn)
    assert entry.categories == ("00501", "02134")


def test_a_few_texts_among_csv_numbers_are_invalid_and_said(tmp_path: Path) -> None:
    built = from_csv(tmp_path, "x\n" + "\n".join(map(str, range(19))) + "\noops\n")
    assert built.baseline.columns[0].counts[:2] == (0, 1)
    assert built.notes == ("`x`: 1 of 20 values are no numbers and count as invalid; --categorical x keeps all as text",)


def test_many_texts_among_csv_numbers_make_categories(tmp_path: Path) -> None:
    assert kinds(from_csv(tmp_path, "x\n1\n2\nA3\n").baseline) == {"x": "categorical"}


def test_csv_quotes_line_ends_and_unicode(tmp_path: Path) -> None:
    entry = from_csv(tmp_path, 'städte\r\n"a,b"\r\n"two\nlines"\r\n日本\r\n').baseline.columns[0]
    assert isinstance(entry, CategoricalColumn)
    assert entry.categories == ("a,b", "two\nlines", "日本")


def test_zipped_csv_is_the_same(tmp_path: Path) -> None:
    text = "x,c\n" + "".join(f"{i},{i % 3}a\n" for i in range(100))
    (tmp_path / "train.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert build([tmp_path / "train.csv.gz"]).baseline.id == from_csv(tmp_path, text).baseline.id


def test_events_give_features_in_order_of_appearance_then_outputs(tmp_path: Path) -> None:
    events = [
        {
            "event_id": "1",
            "model": "m",
            "time": "2026-01-01T00:00:00Z",
            "features": {"b": 1, "a": "x"},
            "prediction": {"label": "no", "score": 0.2},
        },
        {
            "event_id": "2",
            "model": "m",
            "time": 1767225601000,
            "features": {"b": 2.5, "c": True},
            "prediction": {"label": "yes", "score": 0.8},
        },
    ]
    baseline = from_events(tmp_path, events).baseline
    assert baseline.schema.columns == (
        Column("b", Kind.NUMERIC),
        Column("a", Kind.CATEGORICAL),
        Column("c", Kind.BOOLEAN),
        Column("prediction", Kind.CATEGORICAL, Role.PREDICTION),
        Column("prediction.score", Kind.NUMERIC, Role.PREDICTION),
    )
    assert [entry.counts[0] for entry in baseline.columns] == [0, 1, 1, 0, 0]
    assert baseline.time is not None
    assert (baseline.time.first_ms, baseline.time.last_ms) == (1767225600000, 1767225601000)


@pytest.mark.parametrize(
    ("prediction", "kind"),
    [
        ("yes", "categorical"),
        (True, "boolean"),
        (3.5, "numeric"),
        ({"value": 3.5}, "numeric"),
        ({"scores": {"a": 0.1, "b": 0.9}}, "categorical"),
    ],
)
def test_every_form_of_prediction(tmp_path: Path, prediction: Any, kind: str) -> None:
    baseline = from_events(tmp_path, [{"features": {"x": 1}, "prediction": prediction}]).baseline
    assert kinds(baseline) == {"x": "numeric", "prediction": kind}
    assert baseline.columns[1].counts[0] == 0


def test_scores_give_the_likeliest_class_and_with_a_positive_class_the_score(tmp_path: Path) -> None:
    baseline = from_events(tmp_path, [{"features": {"x": 1}, "prediction": {"scores": {"a": 0.1, "b": 0.9}}}], positive_class="a").baseline
    label, score = baseline.columns[1:]
    assert isinstance(label, CategoricalColumn)
    assert label.categories == ("b",)
    assert isinstance(score, NumericColumn)
    assert score.edges == (0.1, 0.1)


def test_mixed_types_go_by_majority_and_are_said(tmp_path: Path) -> None:
    built = from_events(tmp_path, [{"features": {"x": value}} for value in (1, 2, "three", [4], None)])
    assert kinds(built.baseline) == {"x": "numeric"}
    assert built.baseline.columns[0].counts[:2] == (1, 2)
    assert built.notes == ("`x` mixes 2 numbers, 1 text, 1 nested values in 4 values; it is read as numeric",)


def test_times_in_events_are_left_out(tmp_path: Path) -> None:
    built = from_events(tmp_path, [{"features": {"x": 1, "at": "2026-01-01T00:00:00"}}])
    assert kinds(built.baseline) == {"x": "numeric"}
    assert built.notes[0].startswith("`at` holds times")


def test_literals_that_live_events_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"features": {"x": NaN}}\n{"features": {"x": Infinity}}\n\n{"features": {"x": 1e400}}\n{"features": {"x": 1}}\n')
    assert build([path]).baseline.columns[0].counts == (1, 2, 0, 1, 0)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"features": 1}', '{"features": {}, "time": []}', "\xff"])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"features": {"x": 1}}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(BaselineError, match=r"events\.jsonl, line 2: is not a capture event"):
        build([path])


def test_events_of_several_models_need_a_name(tmp_path: Path) -> None:
    events = [{"model": "a", "features": {"x": 1}}, {"model": "b", "features": {"x": 2}}]
    with pytest.raises(BaselineError, match=r"several models \(a, b\)"):
        from_events(tmp_path, events)
    assert from_events(tmp_path, events, model="b").baseline.rows == 1
    with pytest.raises(BaselineError, match="has no feature"):
        from_events(tmp_path, events, model="c")
