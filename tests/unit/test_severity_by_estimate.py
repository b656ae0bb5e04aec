"""Drift of a feature is as severe as what it costs, where the config asks for it."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from stream_monitor.cli.app import app
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity
from stream_monitor.detect.outcomes.judge import OutcomeScore
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.pipeline.by_estimate import by_estimate

DRIFT = Finding(
    Score(Key(FindingKind.DATA_DRIFT, "x", "psi"), 0, 0.5, 0.2, 0.0, ScoreStatus.JUDGED, real=True), 0.5, 0.0, Severity.WARNING, ()
)


def estimate(low: float, value: float, high: float, status: ScoreStatus = ScoreStatus.JUDGED, name: str = "accuracy") -> OutcomeScore:
    """In training 0.9, limit 0.8; an error rises to 1.2 from 1."""
    base, limit = (1.0, 1.2) if name == "mae" else (0.9, 0.8)
    key = Key(FindingKind.ESTIMATED_QUALITY, None, f"estimated_{name}")
    score = Score(key, -1, value, limit, None, status, base, falls=name != "mae")
    return OutcomeScore(score, (), None, Measure(f"estimated_{name}", value, low, high, 500), base)


@pytest.mark.parametrize(
    ("estimates", "severity"),
    [
        ([], Severity.WARNING),
        ([estimate(0.1, 0.2, 0.3, ScoreStatus.TOO_FEW)], Severity.WARNING),
        ([estimate(0.88, 0.895, 0.91)], Severity.INFO),
        ([estimate(0.91, 0.92, 0.93)], Severity.INFO),
        ([estimate(0.84, 0.85, 0.86)], Severity.WARNING),
        ([estimate(0.77, 0.79, 0.81)], Severity.CRITICAL),
        ([estimate(0.91, 0.92, 0.93), estimate(0.84, 0.85, 0.86, name="recall")], Severity.WARNING),
        ([estimate(0.9, 0.95, 1.0, name="mae")], Severity.INFO),
        ([estimate(1.05, 1.1, 1.15, name="mae")], Severity.WARNING),
        ([estimate(1.25, 1.3, 1.4, name="mae")], Severity.CRITICAL),
    ],
)
def test_the_worst_estimate_that_is_judged_decides(estimates: list[OutcomeScore], severity: Severity) -> None:
    assert by_estimate(DRIFT, estimates).severity is severity


def run(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def event(generator: np.random.Generator, x: float, *, unsure: bool) -> dict[str, Any]:
    """Scores are calibrated; x has nothing to do with them."""
    score = float(generator.beta(1.5, 1.5) if unsure else generator.beta(0.3, 0.3))
    said = "yes" if score >= 0.5 else "no"
    label = "yes" if generator.random() < score else "no"
    return {"features": {"x": x}, "prediction": {"label": said, "score": score}, "label": label}


def drift_alerts(tmp_path: Path, *, unsure: bool, asked: bool) -> list[dict[str, Any]]:
    """x moves by a standard deviation and a half in the third of five minutes."""
    generator = np.random.default_rng(5)
    model = {"baseline": "base.json", "task": "binary", "window": {"size": "1m"}, "natural_ranges": False}
    model |= {"severity_by_estimate": True} if asked else {}
    tree = {"topics": {"captures": ["c"], "labels": ["l"]}, "models": {"loan": model}}
    (tmp_path / "monitor.yaml").write_bytes(orjson.dumps(tree))
    training = [event(generator, float(generator.normal()), unsure=False) for _ in range(4_000)]
    (tmp_path / "train.jsonl").write_bytes(b"\n".join(map(orjson.dumps, training)))
    run("baseline", tmp_path / "train.jsonl", "--config", tmp_path / "monitor.yaml", "--model", "loan", "--out", tmp_path / "base.json")
    events = []
    for n in range(5_000):
        body = event(generator, float(generator.normal(1.5 if n >= 2_000 else 0)), unsure=unsure and n >= 2_000)
        del body["label"]
        events.append(body | {"event_id": f"e{n}", "model": "loan", "time": 1_767_225_600_000 + 60 * n})
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, events)))
    run("replay", "--config", tmp_path / "monitor.yaml", "--captures", tmp_path / "events.jsonl", "--out", tmp_path / "out")
    alerts = [orjson.loads(line) for line in (tmp_path / "out" / "alerts.jsonl").read_bytes().splitlines()]
    return [alert for alert in alerts if alert["kind"] == "data_drift" and alert["feature"] == "x"]


def test_drift_that_costs_nothing_is_information(tmp_path: Path) -> None:
    first = drift_alerts(tmp_path, unsure=False, asked=True)[0]
    assert (first["severity"], first["detector"]) == ("info", "psi")
    assert "; severity follows the loss: estimated " in first["annotations"]["summary"]


def test_drift_that_costs_accuracy_is_critical_and_says_so(tmp_path: Path) -> None:
    paging = [alert for alert in drift_alerts(tmp_path, unsure=True, asked=True) if alert["severity"] != "info"]
    assert {alert["severity"] for alert in paging} == {"critical"}
    assert "severity follows the loss: estimated" in paging[0]["annotations"]["summary"]


def test_without_being_asked_the_size_of_the_drift_decides(tmp_path: Path) -> None:
    paging = [alert for alert in drift_alerts(tmp_path, unsure=False, asked=False) if alert["severity"] != "info"]
    assert paging
    assert "severity follows" not in paging[0]["annotations"]["summary"]
