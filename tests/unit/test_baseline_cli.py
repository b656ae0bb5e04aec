"""`stream-monitor baseline`, as typed."""

from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from stream_monitor.baseline.store import load_baseline
from stream_monitor.capture.schema import Kind
from stream_monitor.cli.baseline import baseline
from stream_monitor.config import load_config
from stream_monitor.errors import ConfigError, UserError

CONFIG = """
models:
  loan:
    baseline: loan.baseline.json
    task: binary
    features: {exclude: [noise], categorical: [code]}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "train.parquet"
    n = 200
    columns = {"amount": np.arange(n) / 7, "code": np.arange(n) % 3, "noise": np.arange(n), "[bold]": ["[/]"] * n, "yhat": np.arange(n) % 2}
    pq.write_table(pa.table(columns), path)
    return path


def run(*arguments: object) -> str:
    app = typer.Typer()
    app.command()(baseline)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_writes_the_file_and_says_what_is_in_it(data: Path) -> None:
    out = data.parent / "b.json"
    text = run(data, "--out", out, "--drop", "noise,code", "--prediction", "yhat")
    written = load_baseline(out)
    assert [column.name for column in written.schema.columns] == ["amount", "[bold]", "prediction"]
    assert written.id in text
    assert "[bold]" in text
    assert f"models.NAME.baseline: {out}" in text


def test_a_report_for_machines(data: Path) -> None:
    out = data.parent / "b.json"
    report = orjson.loads(run(data, "--out", out, "--json", "--bins", "5"))
    assert report["id"] == load_baseline(out).id
    assert report["rows"] == 200
    assert report["columns"][0] == {
        "name": "amount",
        "role": "feature",
        "kind": "numeric",
        "missing_ratio": 0.0,
        "natural": {},
        "inflation": {},
    }
    assert report["runs"] == {"by": "rows", "window_ms": None, "rows_min": 200, "count": 1, "folds": [], "windows": 0}
    assert report["segments"] == []


def test_bias_of_the_labels_is_told_for_the_facets_of_the_config(tmp_path: Path) -> None:
    """Of 100 men 80 repaid, of 50 women 20."""
    sex, y = np.repeat(["m", "f"], [100, 50]), np.repeat(["yes", "no", "yes", "no"], [80, 20, 20, 30])
    pq.write_table(pa.table({"sex": sex, "yhat": y, "y": y}), tmp_path / "train.parquet")
    facets = {"sex": {"privileged": "m"}}
    model = {"baseline": "b.json", "task": "binary", "facets": facets}
    (tmp_path / "monitor.yaml").write_bytes(orjson.dumps({"models": {"loan": model}}))
    named = (tmp_path / "train.parquet", "--out", tmp_path / "b.json", "--target", "y", "--prediction", "yhat")
    told = orjson.loads(run(*named, "--config", tmp_path / "monitor.yaml", "--json"))["label_bias"]
    (imbalance, parity) = (
        {row["metric"]: row for row in told if row["group"] == "f"}[name] for name in ("class_imbalance", "label_parity_difference")
    )
    assert (imbalance["value"], parity["value"], parity["rows"]) == (pytest.approx(1 / 3), pytest.approx(0.4), 50)
    assert parity["low"] < 0.4 < parity["high"]
    text = run(*named, "--config", tmp_path / "monitor.yaml").splitlines()
    (head,) = [line.split() for line in text if "DPL" in line]
    assert head == ["labels", "of", "rows", "CI", "DPL", "KL", "JS", "LP", "TVD", "KS"]
    (row,) = [line.split() for line in text if line.startswith("sex = f")]
    assert row[3:6] == ["50", "0.333", "0.400"]
    assert not orjson.loads(run(*named, "--json"))["label_bias"], "which attributes are protected only a config says"


def test_the_config_says_task_and_features_and_flags_overrule_it(data: Path) -> None:
    config, out = data.parent / "monitor.yaml", data.parent / "b.json"
    config.write_text(CONFIG)
    run(data, "--out", out, "--config", config, "--model", "loan", "--prediction", "yhat")
    kinds = {column.name: column.kind for column in load_baseline(out).schema.columns}
    assert kinds == {"amount": Kind.NUMERIC, "code": Kind.CATEGORICAL, "[bold]": Kind.CATEGORICAL, "prediction": Kind.CATEGORICAL}
    run(data, "--out", out, "--config", config, "--numeric", "code")
    assert load_baseline(out).schema.columns[1].kind is Kind.NUMERIC


def test_mistakes_are_one_sentence_and_leave_no_file(data: Path) -> None:
    config, out = data.parent / "monitor.yaml", data.parent / "b.json"
    config.write_text(CONFIG)
    with pytest.raises(ConfigError, match=r"monitor\.yaml: has no model 'lone' \(--model\); it has loan"):
        run(data, "--out", out, "--config", config, "--model", "lone")
    with pytest.raises(UserError, match="did you mean `amount`"):
        run(data, "--out", out, "--drop", "amuont")
    with pytest.raises(UserError, match="there is no such file"):
        run(data.parent / "nope.csv", "--out", out)
    with pytest.raises(UserError, match=r"there is no folder .*nowhere"):
        run(data, "--out", data.parent / "nowhere" / "b.json")
    assert not out.exists()


@pytest.fixture
def seasonal(tmp_path: Path) -> Path:
    """Ten days of an amount with a daily season, beside one without, and a region."""
    path, n, day = tmp_path / "seasons.parquet", 60_000, 86_400_000
    generator = np.random.default_rng(1)
    at = np.sort(generator.integers(0, 10 * day, n))
    season = np.sin(2 * np.pi * at / day)
    columns = {
        "at": at,
        "amount": season + generator.normal(size=n),
        "[steady]": generator.normal(size=n),
        "region": ["eu", "us"] * (n // 2),
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_what_varies_with_time_is_said_with_the_threshold_that_follows(seasonal: Path) -> None:
    out = seasonal.parent / "b.json"
    text = run(seasonal, "--out", out, "--time", "at", "--window", "1h")
    written = load_baseline(out)
    natural = written.columns[0].natural
    assert natural is not None
    psi = natural.scores["psi"]
    assert f"note: `amount` varies with time: PSI up to {psi:.2g} in a window; its threshold rises to {1.2 * psi:.2g}" in text
    assert "`[steady]` varies" not in text
    assert "segments by region" in text
    assert written.runs is not None
    assert (written.runs.by, written.runs.window_ms, written.runs.count) == ("time", 3_600_000, 240)


def test_suggested_thresholds_can_be_pasted_into_the_config(seasonal: Path) -> None:
    out, snippet, config = (seasonal.parent / name for name in ("b.json", "constraints.yaml", "monitor.yaml"))
    text = run(seasonal, "--out", out, "--time", "at", "--constraints", snippet)
    assert f"suggested thresholds in {snippet}" in text
    indented = "".join(f"    {line}\n" for line in snippet.read_text().splitlines())
    config.write_text(f"models:\n  loan:\n    baseline: b.json\n{indented}")
    overrides = load_config(config).models["loan"].overrides
    assert overrides["region"].thresholds == {"missing_ratio": 0.01}
    assert overrides["amount"].thresholds["psi"] > 0.2
    assert "psi" not in overrides["[steady]"].thresholds


def test_the_config_says_window_rows_and_segments(seasonal: Path) -> None:
    out, config = seasonal.parent / "b.json", seasonal.parent / "monitor.yaml"
    config.write_text(
        "models:\n  loan:\n    baseline: b.json\n    features: {exclude: [region]}\n    segments: [region]\n"
        "    window: {size: 2h, events_min: 300}\n    thresholds: {psi: 99, js: 1, ks: 1}\n"
    )
    report = orjson.loads(run(seasonal, "--out", out, "--config", config, "--time", "at", "--json"))
    assert (report["runs"]["window_ms"], report["runs"]["rows_min"]) == (7_200_000, 300)
    assert report["segments"] == [{"name": "region", "values": ["eu", "us", "other"]}]
    assert "psi" not in report["overrides"]["amount"]["thresholds"], "the config already allows more"


def test_too_few_runs_and_no_times_are_said(data: Path) -> None:
    text = run(data, "--out", data.parent / "b.json")
    assert "note: no times: the order of the rows was taken for time; --time COL says better what varies" in text
    assert "note: the data make 1 runs of 200 rows or more only: how much it varies by itself is hardly known" in text


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """200 rows of which 150 have a target; a classifier that is right in two of three, and a regression that is 1 too high."""
    path, n = tmp_path / "labelled.parquet", 200
    truth = [["no", "yes"][i % 2] if i < 150 else None for i in range(n)]
    columns = {
        "amount": np.arange(n) / 7,
        "sex": ["f", "m", "m", "f"] * 50,
        "class": [["no", "yes"][(i + (i % 3 == 0)) % 2] for i in range(n)],
        "truth": truth,
        "value": np.arange(n) + 1.0,
        "amount_then": np.arange(n),
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_the_quality_in_training_is_said(labelled: Path) -> None:
    out = labelled.parent / "b.json"
    text = run(labelled, "--out", out, "--prediction", "class", "--target", "truth", "--drop", "value,amount_then")
    assert "binary: 150 of 200 rows have a target, accuracy 0.6667\n" in text
    assert "note: target: compared as binary, of the classes yes, no; `task` in the config says otherwise\n" in text
    assert "note: target: the positive class is yes; `positive_class` in the config says otherwise\n" in text
    regression = run(labelled, "--out", out, "--prediction", "value", "--target", "amount_then", "--drop", "truth,class")
    assert "regression: 200 of 200 rows have a target, RMSE" in regression
    report = orjson.loads(run(labelled, "--out", out, "--prediction", "class", "--target", "truth", "--json"))
    assert report["truth"] == {"task": "binary", "positive_class": "yes", "labelled": 150, "accuracy": 100 / 150}
    assert orjson.loads(run(labelled, "--out", out, "--json"))["truth"] is None


def test_an_error_too_small_to_be_told_from_none_is_said_so(tmp_path: Path) -> None:
    """Squares are kept in 2^-24 of the predictions' variance."""
    path, y = tmp_path / "numbers.parquet", np.arange(200) / 1.0
    pq.write_table(pa.table({"x": y, "value": y + 1e-3, "other": y / 7, "y": y}), path)
    options = ("--out", tmp_path / "b.json", "--target", "y")
    assert "RMSE below 0.017" in run(path, *options, "--prediction", "value", "--drop", "other")
    other = run(path, *options, "--prediction", "other", "--drop", "value")
    assert f"RMSE {np.sqrt(np.mean((y / 7 - y) ** 2)):.4g}\n" in other


def test_the_config_says_task_positive_class_and_facets(labelled: Path) -> None:
    config, out = labelled.parent / "monitor.yaml", labelled.parent / "b.json"
    config.write_text("models: {loan: {baseline: b, task: binary, positive_class: 'no', facets: {sex: {}}, features: {exclude: [sex]}}}")
    text = run(labelled, "--out", out, "--config", config, "--prediction", "class", "--target", "truth", "--drop", "value,amount_then")
    truth = load_baseline(out).truth
    assert truth is not None
    assert truth.positive_class == "no"
    assert {group.facet for group in truth.layout.groups} == {"sex"}
    assert "note: target" not in text
