"""Events whose model gets unsure, or whose predictions move to where it errs more: replayed, an alert before any label."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from stream_monitor.cli.app import app

START_MS = 1_767_225_600_000
Event = dict[str, Any]


def of_classes(generator: np.random.Generator, is_harder: bool) -> Event:
    """`scores` of four classes, calibrated, under the hood of equal features."""
    chances = generator.dirichlet(np.full(4, 0.7 if is_harder else 0.15))
    names = ["ant", "bee", "cat", "dog"]
    return {"prediction": {"scores": dict(zip(names, chances.tolist(), strict=True))}, "label": str(generator.choice(names, p=chances))}


def of_numbers(generator: np.random.Generator, is_harder: bool) -> Event:
    """Errors grow with the prediction."""
    value = float(generator.gamma(9.0, 2.0 if is_harder else 1.0))
    return {"prediction": {"value": value}, "label": value + float(generator.normal(0, 0.2 * value))}


def write(path: Path, events: list[Event]) -> None:
    path.write_bytes(b"\n".join(map(orjson.dumps, events)))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("task", "make", "detector", "truth", "sees"),
    [
        ("multiclass", of_classes, "estimated_accuracy", "accuracy", "it sees harder events, not a changed relation"),
        ("regression", of_numbers, "estimated_mae", "mae", "it sees predictions that moved, nothing else"),
    ],
)
def test_a_shift_is_told_before_its_labels_and_labels_agree(
    tmp_path: Path, task: str, make: Any, detector: str, truth: str, sees: str
) -> None:
    generator = np.random.default_rng(3)
    write(tmp_path / "train.jsonl", [make(generator, False) | {"features": {"x": n % 7}} for n in range(4_000)])
    model = {"baseline": "base.json", "task": task, "window": {"size": "1m"}, "natural_ranges": False}
    tree = {"topics": {"captures": ["c"], "labels": ["l"]}, "models": {"zoo": model}}
    (tmp_path / "monitor.yaml").write_bytes(orjson.dumps(tree))
    named = ("--config", tmp_path / "monitor.yaml", "--model", "zoo")
    run("baseline", tmp_path / "train.jsonl", *named, "--out", tmp_path / "base.json", "--numeric", "x")
    events, labels = [], []
    for n in range(6_000):
        body = make(generator, n >= 3_000)
        at = START_MS + 100 * n
        label = body.pop("label")
        events.append(body | {"event_id": f"e{n}", "model": "zoo", "time": at, "features": {"x": n % 7}})
        labels.append({"event_id": f"e{n}", "model": "zoo", "time": at + 120_000, "label": label})
    write(tmp_path / "events.jsonl", events)
    write(tmp_path / "labels.jsonl", labels)
    files = ("--captures", tmp_path / "events.jsonl", "--labels", tmp_path / "labels.jsonl", "--out", tmp_path / "out")
    said = run("replay", "--config", tmp_path / "monitor.yaml", *files)
    assert "Quality and bias" in said, "beside the alerts"
    assert re.search(r"zoo +│ (accuracy|RMSE|root mean)", said)
    alerts = [orjson.loads(line) for line in (tmp_path / "out" / "alerts.jsonl").read_bytes().splitlines()]
    names = [alert["detector"] for alert in alerts]
    assert names.index(detector) < names.index(truth)
    assert alerts[names.index(detector)]["window"]["end"] == "2026-01-01T00:06:00.000Z"
    assert alerts[names.index(detector)]["kind"] == "estimated_quality"
    assert sees in alerts[names.index(detector)]["annotations"]["summary"]
    windows = [orjson.loads(line) for line in (tmp_path / "out" / "windows.jsonl").read_bytes().splitlines()]
    newest = {(row["detector"], row["window"]["end"]): row["score"] for row in windows if row["feature"] is None}
    for end in ("2026-01-01T00:05:00.000Z", "2026-01-01T00:09:00.000Z"):
        assert newest[detector, end] == pytest.approx(newest[truth, end], rel=0.2), "side by side"
