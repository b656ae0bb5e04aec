"""Facets that are bands of a number, or several attributes at once: in the baseline, its file, and the bias figures of a replay."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from stream_monitor.baseline.build import build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.segments import Segmentation, band_names, places_in
from stream_monitor.baseline.store import dump, load_baseline
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.schema import Column, Kind, Role, Schema, StreamKey
from stream_monitor.cli.app import app
from stream_monitor.errors import BaselineError, ConfigError

AGE = Segmentation("age", False, ("< 25", "[25, 60)", ">= 60"), (), (25.0, 60.0))
SEX = Segmentation("sex", True, ("f", "m"), ())
BOTH = Segmentation("age*sex", False, ("< 25*f", ">= 60*m"), (), parts=(AGE, SEX))
NUMBERS = st.one_of(st.floats(0, 100), st.sampled_from([24.999, 25.0, 60.0, np.nan, np.inf]))


def people(ages: list[float], sexes: list[str | None]) -> Columns:
    schema = Schema((Column("age", Kind.NUMERIC, Role.FEATURE),), ("sex",))
    rows = np.arange(len(ages), dtype=np.int64)
    return Columns(StreamKey("m", None), schema, rows, rows, (np.array(ages, dtype=np.float64),), metadata={"sex": sexes})


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(["f", "m", "x", None])), max_size=30))
def test_every_event_is_in_the_segment_that_its_values_say(rows: list[tuple[float, str | None]]) -> None:
    columns = people([age for age, _ in rows], [sex for _, sex in rows])
    for (age, sex), band, both in zip(rows, places_in(AGE, columns), places_in(BOTH, columns), strict=True):
        named = "other" if not np.isfinite(age) else "< 25" if age < 25 else "[25, 60)" if age < 60 else ">= 60"
        assert AGE.label(band) == named
        assert BOTH.label(both) == (f"{named}*{sex}" if f"{named}*{sex}" in BOTH.values else "other")


def test_events_of_a_version_without_the_feature_or_with_texts_are_other() -> None:
    columns = people([30.0, 70.0], ["f", "m"])
    assert places_in(Segmentation("income", False, AGE.values, (), AGE.edges), columns).tolist() == [3, 3]
    assert places_in(Segmentation("age", False, ("30", "70"), ()), columns).tolist() == [2, 2], "categories there, numbers here"


def test_bands_are_named_by_edges_that_can_be_told_apart() -> None:
    assert band_names((25.0,)) == ("< 25", ">= 25")
    assert band_names((1.0000001, 1.0000002)) == ("< 1.0000001", "[1.0000001, 1.0000002)", ">= 1.0000002")


def training(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """600 people; one age in ten is missing."""
    generator = np.random.default_rng(1)
    ages = [None if generator.random() < 0.1 else float(age) for age in generator.integers(18, 90, 600)]
    held = {"age": ages, "sex": generator.choice(["f", "m"], 600).tolist(), "region": generator.choice(list("nesw"), 600).tolist()}
    held |= {"yhat": generator.choice(["yes", "no"], 600).tolist(), "y": generator.choice(["yes", "no"], 600).tolist()}
    pq.write_table(pa.table(held), tmp_path / "train.parquet")
    return tmp_path / "train.parquet", held


def test_the_baseline_counts_the_rows_of_bands_and_intersections_and_its_file_holds_them(tmp_path: Path) -> None:
    path, held = training(tmp_path)
    options = BuildOptions(segments=("age", "age*sex", "sex*region*age"), bands={"age": (25, 60)}, prediction="yhat", target="y")
    baseline = build([path], options).baseline
    age, both, three = baseline.segments[:3]
    assert age.values == AGE.values
    assert [profile.events for profile in age.profiles] == [
        sum(value is not None and low <= value < high for value in held["age"]) for low, high in ((0, 25), (25, 60), (60, 99))
    ] + [held["age"].count(None)]
    old = [value is not None and value >= 60 and sex == "m" for value, sex in zip(held["age"], held["sex"], strict=True)]
    assert both.profiles[both.values.index(">= 60*m")].events == sum(old)
    assert [profile.events for profile in both.profiles[:-1]] == sorted((p.events for p in both.profiles[:-1]), reverse=True)
    assert len(three.values) == 20, "of 24: the rest is other"
    assert baseline.truth is not None
    assert {(group.facet, group.value) for group in baseline.truth.layout.groups} >= {("age*sex", "< 25*f"), ("age", "other")}
    assert load_baseline(dump(baseline)) == baseline


@pytest.mark.parametrize(("bands", "sizes"), [(2, 2), (4, 4), (20, 20)])
def test_bands_by_number_hold_about_as_many_rows_each(tmp_path: Path, bands: int, sizes: int) -> None:
    path, _ = training(tmp_path)
    age = build([path], BuildOptions(segments=("age",), bands={"age": bands})).baseline.segments[0]
    rows = [profile.events for profile in age.profiles[:-1]]
    assert len(rows) == sizes
    assert max(rows) < 2 * min(rows)


@pytest.mark.parametrize(
    ("segments", "bands", "sentence"),
    [
        (("age",), {}, r"`age` \(--segment\) is numeric.*`facets: \{age: \{bins: \[10, 20\]\}\}`"),
        (("age*sex",), {}, "`age` .* is numeric"),
        (("sex*gone",), {}, "no feature or metadata field `gone`"),
        (("sex*sex",), {}, "that differ"),
        (("sex*region*yhat*y",), {}, "at most 3"),
        (("constant",), {"constant": 3}, "too few different values"),
    ],
)
def test_what_cannot_be_a_facet_is_refused(tmp_path: Path, segments: tuple[str, ...], bands: Any, sentence: str) -> None:
    path, held = training(tmp_path)
    pq.write_table(pa.table({**held, "constant": [1.0] * 600}), path)
    with pytest.raises(BaselineError, match=sentence):
        build([path], BuildOptions(segments=segments, bands=bands))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda age, both: age.update(edges=[60, 25]), "edges: must be of a numeric feature, and rise"),
        (lambda age, both: age.update(values=["a", "b", "c"]), "values: must be the bands"),
        (lambda age, both: both.update(name="sex*age"), r"name: must be those of at least two parts"),
        (lambda age, both: both["values"].__setitem__(0, "old"), "values: must be of values of the parts"),
    ],
)
def test_a_file_whose_segments_are_none_is_refused(tmp_path: Path, change: Any, sentence: str) -> None:
    path, _ = training(tmp_path)
    tree = orjson.loads(dump(build([path], BuildOptions(segments=("age", "age*sex"), bands={"age": (25, 60)})).baseline))
    change(*tree["segments"][:2])
    with pytest.raises(BaselineError, match=sentence):
        load_baseline(orjson.dumps(tree), "b.json")


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def monitor(tmp_path: Path, facets: Any) -> Path:
    model = {"baseline": "b.json", "task": "binary", "positive_class": "yes", "facets": facets, "window": {"size": "10m"}}
    path = tmp_path / "monitor.yaml"
    path.write_bytes(orjson.dumps({"topics": {"captures": ["c"], "labels": ["l"]}, "models": {"loan": model}}))
    return path


@pytest.mark.parametrize("bins", [[60, 25], [], [25, 25], 1, 21, "many"])
def test_bins_that_are_none_are_refused(tmp_path: Path, bins: Any) -> None:
    from stream_monitor.config import load_config

    with pytest.raises(ConfigError, match=r"facets\.age\.bins"):
        load_config(monitor(tmp_path, {"age": {"bins": bins}}))


def test_bias_against_a_band_and_an_intersection_is_told(tmp_path: Path) -> None:
    """Everybody is accepted, but for half of the women from 60 on: of six groups the privileged one is named."""
    path, _ = training(tmp_path)
    both = {"privileged": "[25, 60)*m"}
    config = monitor(tmp_path, {"age": {"bins": [25, 60], "privileged": "[25, 60)"}, "age*sex": both})
    run("baseline", path, "--config", config, "--prediction", "yhat", "--target", "y", "--out", tmp_path / "b.json")
    assert "facets" not in run("check", "--config", config)
    generator = np.random.default_rng(2)
    events, people = [], []
    for n in range(3_000):
        age, sex = int(generator.integers(18, 90)), str(generator.choice(["f", "m"]))
        says = "no" if age >= 60 and sex == "f" and n % 2 else "yes"
        people.append((age, sex, says == "yes"))
        features = {"age": age, "sex": sex, "region": "n"}
        events.append({"event_id": f"e{n}", "model": "loan", "time": 1_767_225_600_000 + n, "features": features, "prediction": says})
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, events)))
    run("replay", "--config", config, "--captures", tmp_path / "events.jsonl", "--out", tmp_path / "out")
    rows = [orjson.loads(line) for line in (tmp_path / "out" / "windows.jsonl").read_bytes().splitlines()]
    found = {tuple(row["segment"].items()): row["score"] for row in rows if row["detector"] == "disparate_impact"}
    old = [accepted for age, sex, accepted in people if age >= 60]
    women = [accepted for age, sex, accepted in people if age >= 60 and sex == "f"]
    assert found[("age", ">= 60"),] == pytest.approx(sum(old) / len(old))
    assert found[("age*sex", ">= 60*f"),] == pytest.approx(sum(women) / len(women))
    assert found[("age*sex", ">= 60*m"),] == pytest.approx(1)
    alerts = [orjson.loads(line) for line in (tmp_path / "out" / "alerts.jsonl").read_bytes().splitlines()]
    assert {"age*sex": ">= 60*f"} in [alert["segment"] for alert in alerts if alert["kind"] == "bias"]


def test_check_says_where_the_baseline_knows_other_groups(tmp_path: Path) -> None:
    path, _ = training(tmp_path)
    config = monitor(tmp_path, {"age": {"bins": [25, 60]}})
    run("baseline", path, "--config", config, "--prediction", "yhat", "--target", "y", "--out", tmp_path / "b.json")
    said = run("check", "--config", monitor(tmp_path, {"age": {"bins": [30], "privileged": ">= 30"}}))
    assert "facets.age: privileged is '>= 30', but b.json knows < 25, [25, 60), >= 60, other: no group is compared" in said
    assert "facets.age: has other bins than b.json" in said


def test_disparity_within_strata_is_told_before_training_and_live(tmp_path: Path) -> None:
    """In the west all women are rejected and all men accepted; elsewhere nobody looks at sex. The intersection itself is not judged."""
    path, held = training(tmp_path)
    config = monitor(tmp_path, {"sex": {"privileged": "m", "within": "region"}})
    named = (path, "--config", config, "--prediction", "yhat", "--target", "y", "--out", tmp_path / "b.json")
    told = orjson.loads(run("baseline", *named, "--json"))["label_bias"]
    (row,) = [row for row in told if row["metric"] == "label_conditional_disparity"]
    parts = [
        [(sex == "f", y == "yes") for sex, at, y in zip(held["sex"], held["region"], held["y"], strict=True) if at == r] for r in "nesw"
    ]
    disparities = [np.mean([f for f, yes in part if not yes]) - np.mean([f for f, yes in part if yes]) for part in parts]
    assert (row["facet"], row["group"]) == ("sex", "f")
    assert row["value"] == pytest.approx(np.average(disparities, weights=[len(part) for part in parts]))
    assert "CDDL" in run("baseline", *named)
    events = []
    for n in range(4_000):
        sex, region = "fm"[n % 2], "nesw"[n // 2 % 4]
        says = ("no" if sex == "f" else "yes") if region == "w" else "yes" if n // 8 % 2 else "no"
        body = {"features": {"age": 30, "sex": sex, "region": region}, "prediction": says}
        events.append({"event_id": f"e{n}", "model": "loan", "time": 1_767_225_600_000 + n, **body})
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, events)))
    run("replay", "--config", config, "--captures", tmp_path / "events.jsonl", "--out", tmp_path / "out")
    rows = [orjson.loads(line) for line in (tmp_path / "out" / "windows.jsonl").read_bytes().splitlines()]
    (found,) = [row for row in rows if row["detector"] == "conditional_demographic_disparity"]
    assert (found["segment"], found["score"], found["threshold"]) == ({"sex": "f"}, pytest.approx(0.25), 0.1)
    assert not [row for row in rows if "sex*region" in row["segment"]]
