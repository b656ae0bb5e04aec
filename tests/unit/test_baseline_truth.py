"""The truth of a baseline: which task, classes and positive class are found in training data, and what is told of it."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.csv import write_csv
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix

from stream_monitor.baseline.build import Built, build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import dump
from stream_monitor.baseline.truth import Truth
from stream_monitor.errors import InputError
from stream_monitor.profile.outcome import CLASSES_MAX, Group, OutcomeLayout

N = 12


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """A baseline of a feature `x` and these columns, `yhat` and `y` among them."""

    def made(yhat: Any, y: Any, suffix: str = ".parquet", *, more: Any = None, **options: Any) -> Built:
        path = tmp_path / f"train{suffix}"
        (pq.write_table if suffix == ".parquet" else write_csv)(pa.table({"x": range(len(y)), "yhat": yhat, "y": y, **(more or {})}), path)
        return build([path], BuildOptions(**{"prediction": "yhat", "target": "y", **options}))

    return made


@pytest.fixture
def events(tmp_path: Path) -> Any:
    """A baseline of events with these fields."""

    def made(fields: list[dict[str, Any]], **options: Any) -> Built:
        path = tmp_path / "train.jsonl"
        path.write_bytes(b"\n".join(orjson.dumps({"event_id": str(i), "features": {"x": i}, **each}) for i, each in enumerate(fields)))
        return build([path], BuildOptions(**options))

    return made


def truth_of(built: Built) -> Truth:
    assert built.baseline.truth is not None, built.notes
    return built.baseline.truth


def told(built: Built) -> list[str]:
    return [note.removeprefix("target: ") for note in built.notes if note.startswith("target: ")]


def hits(truth: Truth) -> int:
    return int(truth.layout.part(truth.vector, "joint").diagonal()[1:-1].sum())


def test_a_real_classifier(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(2_000, 2))
    y = np.where(x @ [1, 2] + generator.normal(size=2_000) > 0, "repaid", "default")
    model = LogisticRegression().fit(x, y)
    predicted, scores = model.predict(x), model.predict_proba(x)[:, 1]
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"a": x[:, 0], "b": x[:, 1], "yhat": predicted, "p": scores, "y": y}), path)
    built = build([path], BuildOptions(prediction="yhat", score="p", target="y"))
    truth = truth_of(built)
    layout = truth.layout
    assert (layout.task, layout.scored, truth.positive_class) == ("binary", True, "repaid")
    expected = confusion_matrix(y, predicted, labels=list(layout.classes))
    assert layout.part(truth.vector, "joint")[1:3, 1:3].tolist() == expected.tolist()
    assert hits(truth) / 2_000 == accuracy_score(y, predicted)
    first, second = told(built)
    assert first.startswith("compared as binary, of the classes ")
    assert second.startswith("the positive class is repaid, as its rows have the higher scores (mean 0.")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(
    ("yhat", "y", "options", "classes"),
    [
        ([1, 0, 0, 1], [1.0, 0.0, None, 0.0], {"task": "binary"}, {"0", "1"}),
        (["1.0", "0.0", "0.5", "1.0"], [1, 0, None, 0], {"categorical": ("yhat",)}, {"0.0", "0.5", "1.0"}),
        (["1", "0", "0", "1"], [1.0, 0.0, None, 0.0], {"categorical": ("yhat",)}, {"0", "1"}),
        (["7", "0", "0", "7"], [7, 0, None, 3.0], {"categorical": ("yhat",)}, {"0", "3", "7"}),
        ([True, False, False, True], [True, False, None, False], {}, {"false", "true"}),
        ([True, False, False, True], ["True", "False", None, "False"], {}, {"false", "true"}),
        (["a", "b", "b", "a"], ["a", "b", None, "b"], {}, {"a", "b"}),
    ],
)
def test_equal_targets_and_predictions_meet(make: Any, suffix: str, yhat: Any, y: Any, options: Any, classes: set[str]) -> None:
    truth = truth_of(make(yhat, y, suffix, **options))
    assert (set(truth.layout.classes), truth.layout.labelled(truth.vector), hits(truth)) == (classes, 3, 2)


def test_a_target_that_is_written_in_another_way_is_told(make: Any) -> None:
    built = make([1, 0], [1.0, 0.0], task="binary", positive_class="1")
    assert told(built) == ["2 of its values are read as the prediction writes them, 0.0 as 0"]


def test_a_target_that_is_never_predicted_is_told(make: Any) -> None:
    built = make(["yes", "no"], [1, 0])
    assert "no value of it (0, 1) is ever predicted (no, yes)" in told(built)
    assert truth_of(built).layout.task == "multiclass"


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_numbers_are_a_regression_unless_it_is_said_otherwise(make: Any, suffix: str) -> None:
    built = make([1, 0, 1], [1, 1, None], suffix)
    layout = truth_of(built).layout
    assert (layout.task, layout.center, layout.scale) == ("regression", built.baseline.columns[1].mean, built.baseline.columns[1].scale)
    assert layout.part(truth_of(built).vector, "errors")[:2].tolist() == [3, 2]
    assert told(built) == [
        "compared as a regression, as the prediction is numeric; --categorical yhat, or `task` in the config, makes its values classes"
    ]
    for options in ({"task": "binary"}, {"categorical": ("yhat",)}):
        assert truth_of(make([1, 0, 1], [1, 1, None], suffix, **options)).layout.task == "binary"


def test_more_than_two_classes_and_those_without_a_code(make: Any) -> None:
    names = [f"c{i:02}" for i in range(40) for _ in range(50 - i)]
    built = make(names, names)
    layout = truth_of(built).layout
    assert (layout.task, layout.classes) == ("multiclass", tuple(sorted(set(names))[:CLASSES_MAX]))
    assert layout.part(truth_of(built).vector, "joint")[-1, -1] == sum(50 - i for i in range(CLASSES_MAX, 40))
    assert told(built)[1] == "of 40 classes the 32 most frequent are told apart"


def test_what_are_no_classes_is_not_compared(make: Any) -> None:
    built = make(["a", "b"] * 600, [f"id {i}" for i in range(1_200)])
    assert built.baseline.truth is None
    assert told(built) == ["not compared: more than 1,000 different values are no classes; --numeric prediction reads numbers"]


@pytest.mark.parametrize(
    ("classes", "scores", "options", "positive"),
    [
        (["0", "1"], None, {}, "1"),
        (["0.0", "1.0"], None, {}, "1.0"),
        (["No", "Yes"], None, {}, "Yes"),
        (["false", "true"], [0.9, 0.1], {}, "true"),
        (["bad", "good"], [0.1, 0.9], {}, "good"),
        (["bad", "good"], [0.9, 0.1], {}, "bad"),
        (["bad", "good"], [0.9, 0.1], {"positive_class": "good"}, "good"),
        (["bad", "good"], [0.5, 0.5], {}, None),
        (["bad", "good"], None, {}, None),
        (["bad", "good"], [0.9, 0.1], {"positive_class": "best"}, None),
        (["true", "yes"], [0.2, 0.8], {}, "yes"),
    ],
)
def test_the_positive_class(make: Any, classes: list[str], scores: list[float] | None, options: Any, positive: str | None) -> None:
    y = classes * 6
    more = {"region": ["eu", "us", "us"] * 4} | ({} if scores is None else {"p": scores * 6})
    categorical = ("yhat",)
    truth = truth_of(make(y, y, ".csv", more=more, score="p" if scores else None, categorical=categorical, **options))
    layout = truth.layout
    assert truth.positive_class == positive
    assert layout.scored == (positive is not None and scores is not None)
    groups = (Group("region", "us"), Group("region", "eu"), Group("region", "other")) if positive else ()
    assert layout.groups == groups


def test_what_is_told_of_the_positive_class(make: Any) -> None:
    said = told(make(["bad", "good"], ["bad", "good"]))
    assert said[1].startswith("which class is positive is not known, so neither scores nor groups are compared")
    assert told(make(["a", "b"], ["a", "b"], positive_class="c"))[1] == "the positive class c is none of the classes"
    assert told(make(["a", "b"], ["a", "b"], positive_class="a", task="binary")) == []


def test_events_bring_their_labels(events: Any) -> None:
    fields = [{"prediction": {"label": i % 2 == 0, "score": 0.5}, "label": [True, False, None, 1, [1], {}][i % 6]} for i in range(N)]
    truth = truth_of(events(fields))
    assert set(truth.layout.classes) == {"true", "false", "1"}
    assert truth.layout.labelled(truth.vector) == 6
    assert truth.layout.events(truth.vector) == N


def test_a_target_of_events_may_be_named(events: Any) -> None:
    fields = [{"features": {"x": i, "y": i + 1, "label": 7}, "prediction": float(i), "label": i} for i in range(N)]
    for target, error in ((None, 0), ("label", 0), ("y", -1)):
        truth = truth_of(events(fields, target=target))
        errors = truth.layout.part(truth.vector, "errors")
        assert errors[2] == pytest.approx(N * error * 2**20 / truth.layout.scale, abs=N)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_native_tables_bring_theirs(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"train{suffix}"
    table = pa.table({"features.x": [1, 2], "features.y": ["b", "b"], "prediction.label": ["a", "b"], "label": ["a", "a"]})
    (pq.write_table if suffix == ".parquet" else write_csv)(table, path)
    assert hits(truth_of(build([path]))) == 1
    named = truth_of(build([path], BuildOptions(target="y")))
    assert named.layout.part(named.vector, "joint").tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_nothing_is_told_where_nobody_asked(events: Any) -> None:
    built = events([{"prediction": "a"}] * N)
    assert built.baseline.truth is None
    assert not told(built)
    assert b"truth" not in dump(built.baseline)


@pytest.mark.parametrize(
    ("yhat", "y", "options", "sentence"),
    [
        ([1, 2], [None, None], {}, "holds no value that can be compared with the predictions"),
        ([1, 2], ["a", "b"], {}, "holds no value that can be compared with the predictions"),
        (["a", "b"], [1, 2], {"drop": ("yhat",), "prediction": None}, "compared with nothing, as the data has no predictions"),
        (
            [1, 2],
            [1, 2],
            {"task": "binary", "numeric": ("yhat",)},
            "not compared: the task is binary, but the prediction is read as numeric",
        ),
    ],
)
def test_what_cannot_be_compared_is_told(make: Any, yhat: Any, y: Any, options: Any, sentence: str) -> None:
    built = make(yhat, y, **options)
    assert built.baseline.truth is None
    assert told(built)[0].startswith(sentence)


def test_a_target_of_lists_is_refused(make: Any) -> None:
    with pytest.raises(InputError, match=r"column `y`: cannot be read as labels"):
        make(["a", "b"], [[1], [2]])


def test_other_layouts_are_refused_with_what_does_not_fit(make: Any) -> None:
    truth = truth_of(make(["no", "yes"], ["no", "yes"]))
    for layout, sentence in (
        (OutcomeLayout("multiclass", ("no", "yes")), "by task 'binary', not 'multiclass'"),
        (OutcomeLayout("binary", ("yes", "no"), 0), "by classes"),
        (OutcomeLayout("binary", ("no", "yes"), 0), "by positive 1, not 0"),
        (OutcomeLayout("binary", ("no", "yes"), 1, scored=True), "without scores"),
        (OutcomeLayout("binary", ("no", "yes"), 1, groups=(Group("sex", "f"),)), "without the group sex=f"),
    ):
        with pytest.raises(ValueError, match=sentence):
            truth.on(layout)
    assert truth.on(truth.layout).tolist() == truth.vector.tolist()
