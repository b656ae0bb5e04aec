"""Which features a baseline tells answers by: those that tell most, cut where answers change, counted as live events are."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from stream_monitor.baseline.answers import CELLS, FEATURES_MAX, VALUES_MAX, choose_answers
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.build import build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import dump, load_baseline, sign
from stream_monitor.capture.columns import INVALID, Columns
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import parse_config
from stream_monitor.errors import BaselineError, CodecError
from stream_monitor.pipeline.join.record import Captured, JoinRecord
from stream_monitor.pipeline.plan import compile_plan

Body = dict[str, Any]


def made(folder: Path, bodies: list[Body], **options: Any) -> Baseline:
    path = folder / "train.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps({"event_id": str(n), "model": "m", "time": n} | body) for n, body in enumerate(bodies)))
    return build([path], BuildOptions(**options)).baseline


def bodies(generator: np.random.Generator, n: int) -> list[Body]:
    """The old are told yes, and all men, nearly; what comes twice tells nothing more, and luck nothing at all."""
    found = []
    for _ in range(n):
        age, sex, luck = float(generator.integers(18, 90)), str(generator.choice(["f", "m"])), float(generator.normal())
        says = "yes" if (age >= 40 or sex == "m") ^ (generator.random() < 0.05) else "no"
        features = {"luck": luck, "age": None if generator.random() < 0.02 else age, "months": 12 * age, "sex": sex}
        found.append({"features": features, "prediction": {"label": says}})
    return found


def test_those_that_tell_most_are_taken_where_they_tell_it(tmp_path: Path) -> None:
    answers = made(tmp_path, bodies(np.random.default_rng(3), 4_000)).answers
    assert answers is not None
    assert set(answers.names) == {"sex", "months"} or set(answers.names) == {"sex", "age"}
    (age,) = [each for each in answers.features if each.edges]
    assert len(age.edges) == 1
    assert abs(age.edges[0] / (12 if age.name == "months" else 1) - 40) < 4, "at an edge of one of its bins"
    missing = [answers.label(cell) for cell in range(answers.crossed.cells)]
    assert f"sex = m, {age.name} missing" in missing or f"{age.name} missing, sex = m" in missing
    assert len(set(missing)) == len(missing)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["ant", "bee", 3.5]))
@settings(max_examples=30)
def test_live_events_fall_where_training_rows_did(tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str | float) -> None:
    """Every row again, as columns: the counts by cell and answer are the baseline's; its file says the same."""
    generator, data = np.random.default_rng(seed), list[Body]()
    for _ in range(int(generator.integers(1, 300))):
        x = float(generator.choice([generator.normal(), float(generator.integers(0, 3)), 1e300]))
        name = generator.choice(["a", "b", "c", "d", "e", "f", "other"], p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05])
        says = (
            float(np.round(x + generator.normal(), 1)) if kind == 3.5 else str(kind) if x > 0.5 else str(generator.choice(["cat", "ant"]))
        )
        features = {"x": None if generator.random() < 0.1 else "much" if generator.random() < 0.1 else x}
        features |= {"name": None if generator.random() < 0.1 else str(name), "is": bool(x > 1)}
        data.append(
            {"features": features, "prediction": None if generator.random() < 0.05 else {"value" if kind == 3.5 else "label": says}}
        )
    baseline = made(tmp_path_factory.mktemp("base"), data, numeric=("x",))
    answers = baseline.answers
    assert load_baseline(dump(baseline), "again").answers == answers
    if answers is None:
        return
    assert len(answers.features) <= FEATURES_MAX
    assert all(1 <= len(each.values) <= VALUES_MAX for each in answers.features)
    assert answers.crossed.cells <= CELLS
    columns = as_columns(baseline, data)
    entry = [each.column.name for each in baseline.columns].index("prediction")
    plain = np.zeros((answers.crossed.cells, len(baseline.columns[entry].counts)), dtype=np.int64)
    np.add.at(plain, (answers.cells(columns), baseline.encode(columns).codes[entry]), 1)
    assert (plain == np.array(answers.counts)).all()


def as_columns(baseline: Baseline, data: list[Body]) -> Columns:
    values: list[Any] = []
    for column in baseline.schema.columns:
        of = [body["features"].get(column.name) for body in data]
        if column.name == "prediction":
            of = [None if body["prediction"] is None else next(iter(body["prediction"].values())) for body in data]
        if column.kind == "numeric":
            values.append(np.array([np.nan if x is None else np.inf if isinstance(x, str) else x for x in of], dtype=np.float64))
        else:
            values.append([{True: "true", False: "false"}[x] if isinstance(x, bool) else x for x in of])
    assert not any(INVALID in of for of in values if isinstance(of, list))
    return Columns(StreamKey("m", None), baseline.schema, np.arange(len(data)), np.zeros(len(data), dtype=np.int64), tuple(values))


def test_the_first_is_the_one_with_most_mutual_information(tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    says = generator.integers(0, 3, 3_000)
    noisy = {
        name: np.where(generator.random(3_000) < share, says, generator.integers(0, 3, 3_000))
        for name, share in (("p", 0.6), ("q", 0.8), ("r", 0.1))
    }
    data = [{"features": {name: "abc"[x[n]] for name, x in noisy.items()}, "prediction": {"label": "xyz"[says[n]]}} for n in range(3_000)]
    answers = made(tmp_path, data).answers
    assert answers is not None
    assert answers.names[0] == max(noisy, key=lambda name: mutual_info_score(noisy[name], says)) == "q"
    assert "p" in answers.names


@pytest.mark.parametrize("n", [1, 2, 500])
def test_nothing_tells_of_an_answer_that_is_always_the_same_or_chance(tmp_path: Path, n: int) -> None:
    generator = np.random.default_rng(n)
    always = [{"features": {"x": generator.normal(), "y": str(generator.integers(0, 4))}, "prediction": {"label": "a"}} for _ in range(n)]
    assert made(tmp_path, always).answers is None
    chance = [body | {"prediction": {"label": str(generator.choice(["a", "b"]))}} for body in always]
    assert made(tmp_path, chance).answers is None
    assert made(tmp_path, [{"features": body["features"]} for body in always]).answers is None, "no predictions"
    base = made(tmp_path, always)
    assert choose_answers(base.columns, np.zeros((len(base.columns), 0), dtype=np.uint8)) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tree: tree["features"][0].update(name="nobody"), r"answers\.features\[0\]\.name: must be a categorical or boolean feature"),
        (lambda tree: tree["features"].append(tree["features"][0]), r"answers\.features: must differ"),
        (lambda tree: tree["rows"].append([10_000, [2], [1]]), r"answers\.rows: must be of \d+ combinations and \d+ answers"),
        (lambda tree: tree["rows"][0][1].append(3), r"answers\.rows: must be of"),
        (lambda tree: tree["rows"].pop(), r"answers\.rows: must add up to the counts of the predictions"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, change: Any, says: str) -> None:
    data = [{"features": {"sex": "fm"[n % 2]}, "prediction": {"label": "yn"[n % 2]}} for n in range(100)]
    tree = orjson.loads(dump(made(tmp_path, data)))
    change(tree["answers"])
    with pytest.raises(BaselineError, match=says):
        load_baseline(orjson.dumps(tree), "base.json")


def test_an_older_file_is_read_and_says_nothing_of_answers(tmp_path: Path) -> None:
    """Nor do its rows have one more column; rows of either are no rows of the other."""
    data: list[Body] = [{"features": {"sex": "fm"[n % 2]}, "prediction": {"label": "yn"[n % 2]}} for n in range(100)]
    new = made(tmp_path, data)
    old = load_baseline(dump(sign(replace(new, answers=None))), "base.json")
    assert old.answers is None
    tree = {"models": {"m": {"baseline": "b", "task": "binary", "positive_class": "y"}}}
    config = parse_config(tree, "test")
    plans = [compile_plan(config, config.shared({"b": each.id}), {"b": each}) for each in (new, old)]
    joins = [plan.joins["m"] for plan in plans]
    assert [join.group_columns for join in joins] == [1, 0]
    assert [join.layout.cells for join in joins] == [CELLS, 0]
    rows = joins[0].capture_rows(as_columns(new, data), np.arange(1, 101, dtype=np.uint64), np.arange(100))
    assert sorted(set(rows.groups[0].tolist())) == sorted({0, 1})
    for place, fits in ((CELLS, True), (CELLS + 1, False)):
        rows.groups[0, 0] = place
        record = JoinRecord("m", 1, joins[0].layout_id, (Captured(StreamKey("m", None), new.id, rows),), None)
        with nullcontext() if fits else pytest.raises(CodecError, match="do not fit the layout"):
            joins[0].check(record)
    assert [plan.streams[StreamKey("m", None)].labels[()].judge.usual is None for plan in plans] == [False, True]
    assert joins[0].layout_id != joins[1].layout_id
