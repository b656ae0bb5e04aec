"""How much features counted in training: from every kind of file, by segment, in the file and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.build import build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import dump, load_baseline
from stream_monitor.cli.app import app
from stream_monitor.errors import BaselineError
from stream_monitor.profile.attributions import SIZE_SCALE
from tests.attributed import WEIGHTS, events


def of_events(folder: Path, bodies: list[dict[str, Any]], **options: Any) -> Baseline:
    (folder / "past.jsonl").write_bytes(b"\n".join(map(orjson.dumps, bodies)))
    return build([folder / "past.jsonl"], BuildOptions(**options)).baseline


def table_of(bodies: list[dict[str, Any]], prefix: str) -> pa.Table:
    features = {prefix + name: [body["features"][name] for body in bodies] for name in WEIGHTS}
    told = {f"attributions.{name}": [body["attributions"].get(name) for body in bodies] for name in WEIGHTS}
    return pa.table(features | {"prediction.score": [body["prediction"]["score"] for body in bodies]} | told)


def means(baseline: Baseline) -> dict[str, float]:
    assert baseline.attribution is not None
    whole, scale = baseline.attribution.whole, baseline.attribution.scale
    means = whole.sums[0] / SIZE_SCALE / whole.told * scale
    return {name: value for name, value in zip(baseline.layout.names, means.tolist(), strict=True) if name in WEIGHTS}


def test_means_are_those_of_the_sizes_and_events_without_any_do_not_count(tmp_path: Path) -> None:
    bodies = events(2, 1)
    for body in bodies[::3]:
        body["attributions"] = None
    bodies[1]["attributions"] = {"income": "much", "debt": 0.5, "unknown": 100.0}
    told = [body["attributions"] for body in bodies if body["attributions"]]
    sizes = {name: [abs(each[name]) if isinstance(each.get(name), float) else 0.0 for each in told] for name in WEIGHTS}
    baseline = of_events(tmp_path, bodies)
    assert baseline.attribution is not None
    assert baseline.attribution.whole.told == len(told)
    assert means(baseline) == pytest.approx({name: np.mean(each) for name, each in sizes.items()}, rel=1e-4)
    assert baseline.schema.attributions == tuple(column.name for column in baseline.schema.features)


@pytest.mark.parametrize("prefix", ["features.", ""])
def test_tables_give_the_same_and_no_feature_of_that_name(tmp_path: Path, prefix: str) -> None:
    bodies = events(2, 1)
    pa.parquet.write_table(table_of(bodies, prefix), tmp_path / "past.parquet")
    pa.csv.write_csv(table_of(bodies, prefix), tmp_path / "past.csv")
    wanted = of_events(tmp_path, bodies).attribution
    for name in ("past.parquet", "past.csv"):
        found = build([tmp_path / name]).baseline
        assert found.attribution == wanted
        assert not any("attributions" in each for each in (*found.layout.names, *found.left_out))


def test_the_order_of_rows_does_not_matter_and_segments_add_up(tmp_path: Path) -> None:
    bodies = events(2, 1)
    one = of_events(tmp_path, bodies, segments=("region",))
    for body in bodies:
        del body["time"]
    other = of_events(tmp_path, bodies[::-1], segments=("region",))
    assert one.attribution is not None
    assert one.attribution == other.attribution
    (cut,) = one.segments
    assert sum(each.attributions.told for each in cut.profiles) == one.attribution.whole.told
    assert np.array_equal(sum(each.attributions.sums for each in cut.profiles if each.attributions.told), one.attribution.whole.sums)
    assert load_baseline(dump(one)) == one


def test_without_any_the_file_is_as_it_was(tmp_path: Path) -> None:
    bodies = events(1, 1)
    for body in bodies:
        body["attributions"] = {"income": 0.0, "nobody": 3.0}
    nothing = of_events(tmp_path, bodies)
    for body in bodies:
        del body["attributions"]
    assert nothing.attribution is None
    assert dump(nothing) == dump(of_events(tmp_path, bodies))
    assert b"attributions" not in dump(nothing)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tree: tree["attributions"].update(scale=0.0), "scale"),
        (lambda tree: tree["attributions"].update(told=10**6), r"attributions\.told: must be at most the 240 rows"),
        (lambda tree: tree["attributions"]["features"].reverse(), r"attributions\.features: must be the baseline's"),
        (lambda tree: tree["segments"][0].update(attributions=[]), r"segments\[0\]\.attributions: must be as many as the profiles"),
        (lambda tree: tree["segments"][0]["attributions"][0][1].append(1), r"attributions\[0\]: must have 5 sizes and squares"),
        (lambda tree: tree["segments"][0]["attributions"][0][1].reverse(), "with attributions to their sums"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object], sentence: str) -> None:
    tree = orjson.loads(dump(of_events(tmp_path, events(1, 1), segments=("region",))))
    change(tree)
    with pytest.raises(BaselineError, match=sentence):
        load_baseline(orjson.dumps(tree))


def test_the_command_says_what_counts_and_check_where_nothing_can_be_said(tmp_path: Path) -> None:
    bodies = events(1, 1)
    (tmp_path / "past.jsonl").write_bytes(b"\n".join(map(orjson.dumps, bodies)))
    said = run("baseline", str(tmp_path / "past.jsonl"), "--out", str(tmp_path / "loan.json"))
    assert "attributions: 240 of 240 rows have any; most to income 5" in said
    tree = {"models": {"loan": {"baseline": "loan.json", "thresholds": {"attribution_ndcg": 0.8}}}}
    (tmp_path / "monitor.yaml").write_bytes(orjson.dumps(tree))
    assert "attribution" not in run("check", "--config", str(tmp_path / "monitor.yaml"))
    for body in bodies:
        del body["attributions"]
    (tmp_path / "past.jsonl").write_bytes(b"\n".join(map(orjson.dumps, bodies)))
    assert "attributions" not in run("baseline", str(tmp_path / "past.jsonl"), "--out", str(tmp_path / "loan.json"))
    warned = run("check", "--config", str(tmp_path / "monitor.yaml"))
    assert "attribution_ndcg: loan.json holds no attributions, so their ranking is not judged; build it again" in " ".join(warned.split())


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
