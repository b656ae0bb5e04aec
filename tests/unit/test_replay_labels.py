"""Files of labels beside files of events: neither is read so far ahead that the other comes too late."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from stream_monitor.capture.labels import Labels
from stream_monitor.cli.app import app
from stream_monitor.cli.sources import ROWS, ROWS_MIN, Pace
from stream_monitor.export.metrics import MetricStore
from stream_monitor.pipeline.replay import Chunk

START_MS = 1_767_225_600_000
EVERY_MS = 1_000
COUNT = 4_000


def run(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def replayed(tmp_path: Path, kind: str) -> None:
    """An hour and more of events in one file, each with a label two minutes later; they are waited for for three."""
    random, events, labels = Random(1), list[dict[str, Any]](), list[dict[str, Any]]()
    for n in range(COUNT):
        label = random.choice(("a", "b"))
        events.append({"event_id": f"e{n}", "model": "m", "time": START_MS + n * EVERY_MS, "features": {"x": n % 7}, "prediction": label})
        labels.append({"event_id": f"e{n}", "model": "m", "time": events[-1]["time"] + 120_000, "label": label})
    for name, rows in {"events": events, "labels": labels}.items():
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    rows = [each | {"features.x": each["features"]["x"], "features": None} for each in events]
    pa.parquet.write_table(pa.Table.from_pylist(rows).drop_columns("features"), tmp_path / "events.parquet")
    model = {"baseline": "m.json", "task": "binary", "positive_class": "a", "window": {"size": "1m", "label_lateness": "3m"}}
    tree = {"topics": {"captures": ["c"], "labels": ["l"]}, "models": {"m": model}}
    (tmp_path / "monitor.yaml").write_bytes(orjson.dumps(tree))
    named = ("--config", tmp_path / "monitor.yaml")
    run("baseline", tmp_path / "events.jsonl", *named, "--model", "m", "--numeric", "x", "--out", tmp_path / "m.json")
    files = ("--captures", tmp_path / f"events.{kind}", "--labels", tmp_path / "labels.jsonl", "--out", tmp_path / "out")
    run("replay", *named, *files)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_labels_within_label_lateness_are_joined_however_few_events_come(tmp_path: Path, kind: str) -> None:
    replayed(tmp_path, kind)
    told = [orjson.loads(line) for line in (tmp_path / "out" / "windows.jsonl").read_bytes().splitlines()]
    covered = {row["window"]["end"]: row["score"] for row in told if row["detector"] == "label_coverage" and not row["segment"]}
    assert len(covered) >= COUNT // 60
    assert list(covered.values())[:60] == [1.0] * 60


def test_the_gauge_of_coverage_is_of_windows_whose_labels_had_time_to_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows begin at 0 with every window."""
    shown, show = list[float](), MetricStore.set

    def hear(store: MetricStore, metric: str, labels: Mapping[str, str], value: float) -> None:
        show(store, metric, labels, value)
        shown.extend([value] if labels.get("metric") == "label_coverage" else [])

    monkeypatch.setattr(MetricStore, "set", hear)
    replayed(tmp_path, "jsonl")
    assert len(shown) > COUNT // 60
    assert set(shown[10:]) == {1.0}


@pytest.mark.parametrize("step_ms", [0, 1, 40, 1_000, 10**9])
def test_a_chunk_is_short_in_event_time_but_for_few_rows(step_ms: int) -> None:
    """And every row is in one, though some clock was wrong."""
    times = np.arange(3 * ROWS) * step_ms
    times[ROWS] = 10**12
    seen = list[int]()
    for chunk in Pace(60_000).chunks(len(times), lambda start, stop: Chunk(range(start, stop), (), (), [labels_of(times, start, stop)])):  # type: ignore[arg-type]
        (part,) = chunk.labels
        assert len(part) <= max(ROWS_MIN, 60_000 // max(step_ms, 1) + 1)
        seen += part.rows
    assert seen == list(range(len(times)))


def labels_of(times: Any, start: int, stop: int) -> Labels:
    return Labels("m", list(range(start, stop)), [""] * (stop - start), times[start:stop].tolist(), [None] * (stop - start))
