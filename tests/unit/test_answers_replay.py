"""A model that begins to answer like inputs otherwise is found without a label; inputs that move are not taken for it."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.baseline.options import BuildOptions, Task
from stream_monitor.detect.finding import FindingKind
from stream_monitor.detect.outcomes.metrics import ANSWERED
from stream_monitor.detect.report import WindowScore
from tests.replayed import replayed

START_MS: Final = 1_767_225_600_000
MINUTES, PER_MINUTE = 6, 500
Body = dict[str, Any]


def answer(task: Task, risk: float, generator: np.random.Generator) -> Any:
    noisy = risk + generator.normal(0, 0.15)
    if task == "regression":
        return {"value": round(noisy, 3)}
    return {
        "label": ("no" if noisy > 0 else "yes") if task == "binary" else ("low", "middle", "high")[int(np.digitize(noisy, (-0.5, 0.5)))]
    }


def events(
    generator: np.random.Generator, task: Task, n: int, *, drift: bool = False, broken: bool = False, gap: float = 0.02
) -> list[Body]:
    """drift: more old ones, and most from the south; broken: the service takes debts for savings."""
    found = []
    for number in range(n):
        age = float(np.round(generator.beta(4 if drift else 2, 2) * 60 + 20, 1))
        region = str(generator.choice(["n", "s", "w"], p=[0.1, 0.8, 0.1] if drift else [0.4, 0.4, 0.2]))
        saved = float(np.round(generator.normal(0, 1), 3))
        risk = (0.8 if age > 55 else -0.8) * 0.5 + (0.6 if region == "s" else -0.2) - (-1 if broken else 1) * (0.9 if saved > 0 else -0.9)
        features = {"age": None if generator.random() < gap else age, "region": region, "saved": saved, "noise": float(generator.normal())}
        time_ms = START_MS + number * 60_000 // PER_MINUTE
        found.append(
            {"event_id": str(number), "model": "loan", "time": time_ms, "features": features, "prediction": answer(task, risk, generator)}
        )
    return found


def run(folder: Path, task: Task, seed: int, **world: Any) -> tuple[list[WindowScore], list[Alert]]:
    """Three minutes as in training, then three that are as `world` says."""
    generator = np.random.default_rng(seed)
    past = events(generator, task, 6_000)
    usual, then = (events(generator, task, MINUTES * PER_MINUTE // 2, **given) for given in ({}, world))
    later = [body | {"event_id": f"then-{number}", "time": body["time"] + 60_000 * MINUTES // 2} for number, body in enumerate(then)]
    model: Body = {"task": task, "natural_ranges": False, "window": {"size": "1m", "watermark_delay": "1s"}}
    model |= {"positive_class": "yes"} if task == "binary" else {}
    options = BuildOptions(task=task, positive_class=model.get("positive_class"))
    return replayed(folder, [*usual, *later], past, options, **model)


def told(alerts: list[Alert]) -> list[str]:
    return [alert.annotations.summary for alert in alerts if alert.detector in ANSWERED]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("seed", [1, 2])
def test_another_answer_to_like_inputs_is_found(tmp_path: Path, task: Task, seed: int) -> None:
    scores, alerts = run(tmp_path, task, seed, broken=True)
    rows = [row for row in scores if row.detector == "prediction_js"]
    assert [row.status for row in rows] == ["judged"] * MINUTES
    assert all(row.low is not None and row.high is not None and row.score is not None and row.low <= row.score <= row.high for row in rows)
    assert max(row.score or 0.0 for row in rows[:3]) < 0.15
    assert min(row.low or 0.0 for row in rows[3:]) > 0.2
    (first, *_) = told(alerts)
    assert first.startswith("loan: the relation of inputs and answers changed in the minute from 2026-01-01 00:03 UTC: ")
    assert "; most for " in first
    assert first.endswith("no input drifted, so the model answers otherwise")
    (alert,) = {alert.alert_id: alert for alert in alerts if alert.detector in ANSWERED}.values()
    assert alert.kind is FindingKind.CONCEPT_DRIFT
    assert not [each for each in alerts if each.kind is FindingKind.DATA_DRIFT]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("world", [{}, {"drift": True}, {"gap": 0.4}], ids=["as ever", "inputs", "missing"])
def test_inputs_that_move_are_not_another_model(tmp_path: Path, task: Task, world: Body) -> None:
    scores, alerts = run(tmp_path, task, 3, **world)
    rows = [row for row in scores if row.detector in ANSWERED]
    assert len(rows) == 2 * MINUTES
    assert not told(alerts)
    assert bool([each for each in alerts if each.kind in (FindingKind.DATA_DRIFT, FindingKind.DATA_QUALITY)]) == bool(world)
    if "drift" in world:
        assert [each for each in alerts if each.kind is FindingKind.PREDICTION_DRIFT], "answers moved, as inputs did"


def test_both_at_once_are_told_together(tmp_path: Path) -> None:
    _, alerts = run(tmp_path, "binary", 4, drift=True, broken=True)
    (first, *_) = told(alerts)
    assert "inputs drifted as well (" in first
    assert "which alone may explain it" in first
