"""`stream-monitor replay`, as typed: every kind of file says the same, twice the same bytes, and what went wrong in one sentence."""

import gzip
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from typer.testing import CliRunner

from stream_monitor.alert.alert import Alert
from stream_monitor.cli.app import app
from stream_monitor.detect.report import WindowScore
from stream_monitor.errors import InputError, UserError
from tests.property.pipeline_world import Outcome, baselines, config_tree, traffic

FILES = ("alerts.jsonl", "windows.jsonl", "dead_letters.jsonl", "metrics.prom")


def bodies() -> list[dict[str, Any]]:
    """Drifting events that every kind of file can hold: no value of a wrong type."""
    found = [dict(event.body) for event in traffic(2, 900, 150_000) if event.model is not None]
    for body in found:
        if isinstance(body["features"]["amount"], str):
            body["features"] = {**body["features"], "amount": None}
    return found


def table(rows: list[dict[str, Any]]) -> pa.Table:
    flat = [
        {"event_id": row["event_id"], "model": row["model"], "version": row.get("version"), "time": row["time"]}
        | {f"features.{name}": value for name, value in row["features"].items()}
        | {f"prediction.{name}": value for name, value in row["prediction"].items()}
        | {name: row.get(name) for name in ("latency_ms", "status", "error")}
        | {"resources.cpu_ratio": row.get("resources", {}).get("cpu_ratio")}
        | {"metadata.producer": row.get("metadata", {}).get("producer")}
        | {f"attributions.{name}": _float(row.get("attributions", {}).get(name)) for name in row["features"]}
        for row in rows
    ]
    return pa.Table.from_pylist(flat)


def _float(value: object) -> float | None:
    return value if isinstance(value, float) else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config, its baselines and the same events in every kind of file."""
    for name, content in baselines().items():
        (tmp_path / name).write_bytes(content)
    tree = config_tree({"size": "20s", "events_min": 40})
    del tree["engine"]
    (tmp_path / "monitor.yaml").write_bytes(orjson.dumps(tree))  # JSON is YAML
    rows = bodies()
    lines = b"\n".join(map(orjson.dumps, rows)) + b"\n"
    (tmp_path / "events.jsonl").write_bytes(lines)
    (tmp_path / "events.jsonl.gz").write_bytes(gzip.compress(lines))
    pyarrow.parquet.write_table(table(rows), tmp_path / "events.parquet")
    pyarrow.csv.write_csv(table(rows), tmp_path / "events.csv")
    for half in (0, 1):
        (tmp_path / f"half{half}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows[half::2])))
    return tmp_path


def replay(folder: Path, *files: str, out: str = "out", more: tuple[str, ...] = ()) -> str:
    captures = [part for file in files for part in ("--captures", str(folder / file))]
    arguments = ["replay", "--config", str(folder / "monitor.yaml"), *captures, "--out", str(folder / out), *more]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def outcome(folder: Path, out: str = "out") -> Outcome:
    windows, alerts = ((folder / out / name).read_bytes().splitlines() for name in ("windows.jsonl", "alerts.jsonl"))
    return Outcome.of([msgspec.json.decode(line, type=WindowScore) for line in windows], [Alert.from_json(line) for line in alerts])


def test_every_kind_of_file_says_the_same(folder: Path) -> None:
    replay(folder, "events.jsonl")
    wanted = outcome(folder)
    assert len(wanted.alerts) > 5
    for file in ("events.jsonl.gz", "events.parquet", "events.csv"):
        replay(folder, file, out=f"of-{file}")
        assert outcome(folder, f"of-{file}").lines() == wanted.lines(), file


def test_two_files_are_two_partitions_of_one_stream(folder: Path) -> None:
    replay(folder, "events.jsonl")
    replay(folder, "half0.jsonl", "half1.jsonl", out="halves")
    assert outcome(folder, "halves").lines() == outcome(folder).lines()


def test_two_replays_are_the_same_bytes(folder: Path) -> None:
    replay(folder, "half0.jsonl", "half1.jsonl", out="one")
    replay(folder, "half0.jsonl", "half1.jsonl", out="two")
    for name in FILES:
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes(), name


def test_json_and_metrics_can_be_read_and_account_for_every_row(folder: Path) -> None:
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'not json\n\n{"model":"other"}\n')
    summary = orjson.loads(replay(folder, "events.jsonl", more=("--json",)))
    rows = len(bodies())
    assert summary["events"] == rows
    assert summary["rejects"] == {"not_json": 1, "unknown_model": 1}
    assert summary["dropped"] == {}
    assert sum(entry["alerts"] for entry in summary["alerts"]) == len(outcome(folder).alerts)
    letters = [orjson.loads(line) for line in (folder / "out" / "dead_letters.jsonl").read_bytes().splitlines()]
    assert [(letter["row"], letter["reason"]) for letter in letters] == [(rows, "not_json"), (rows + 2, "unknown_model")]
    text = (folder / "out" / "metrics.prom").read_text()
    counted = {
        (sample.name, sample.labels.get("reason")): sample.value
        for family in parse(text)
        for sample in family.samples
        if sample.labels.get("reason")
    }
    assert counted["stream_monitor_dead_letters_total", "not_json"] == 1
    events = [sample for family in parse(text) for sample in family.samples if sample.name == "stream_monitor_events_total"]
    assert sum(sample.value for sample in events) == rows


def test_the_table_names_what_fired(folder: Path) -> None:
    said = replay(folder, "events.jsonl")
    assert f"{len(bodies()):,} events" in said
    assert "missing_ratio" in said
    assert all(str(folder / "out" / name) in said for name in FILES)


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("gone.jsonl", None, "there is no such file"),
        ("empty.jsonl", b"", "is empty"),
        ("bad.jsonl", b"nonsense\n", "no event in .*: 1 not_json"),
        ("events.txt", b"{}", "unknown kind of file"),
        ("untimed.csv", b"model,features.amount\nloan,1\n", "has no column `time`"),
        ("broken.parquet", b"PAR1", "cannot be read"),
        ("cut.jsonl.gz", gzip.compress(b"{}" * 99, mtime=0)[:20], "cannot be read"),
    ],
    ids=["absent", "empty", "no event", "unknown kind", "no time", "broken", "cut"],
)
def test_what_cannot_be_replayed_is_said(folder: Path, file: str, content: bytes | None, expected: str) -> None:
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        replay(folder, file)
    assert file in str(caught.value)


def test_an_out_folder_that_is_a_file_is_said_before_the_work(folder: Path) -> None:
    (folder / "out").write_bytes(b"")
    with pytest.raises(InputError, match="--out"):
        replay(folder, "events.jsonl")


def test_a_config_whose_baseline_is_missing_names_both(folder: Path) -> None:
    (folder / "fraud").unlink()
    with pytest.raises(UserError, match=r"fraud: cannot be read.*monitor\.yaml names 'fraud'"):
        replay(folder, "events.jsonl")


def test_the_report_tells_of_every_alert(folder: Path) -> None:
    report = folder / "report.html"
    said = replay(folder, "events.jsonl", more=("--report", str(report)))
    page = report.read_text(encoding="utf-8")
    assert "".join(said.split()).endswith("report.html"), "it is among what was written"
    assert page.count('class="case"') == len(outcome(folder).alerts) > 0


def test_a_report_that_cannot_be_written_is_said_before_the_work(folder: Path) -> None:
    with pytest.raises(InputError, match=r"--report .*: cannot be written"):
        replay(folder, "events.jsonl", more=("--report", str(folder / "no" / "report.html")))
    assert not (folder / "out" / "metrics.prom").exists()
