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
    assert report["columns"][0] == {"name": "amount", "role": "feature", "kind": "numeric", "missing_ratio": 0.0}


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
