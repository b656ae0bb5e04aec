"""`stream-monitor check` and the exit status of mistakes."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from stream_monitor.baseline.baseline import Baseline, Natural, Runs
from stream_monitor.baseline.store import dump, load_baseline, sign
from stream_monitor.baseline.truth import Truth
from stream_monitor.cli import main
from stream_monitor.cli.app import app
from stream_monitor.errors import ConfigError
from stream_monitor.profile.outcome import OutcomeLayout
from tests.property.pipeline_world import baselines, config_tree


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name, content in baselines().items():
        (tmp_path / name).write_bytes(content)
    tree = config_tree({"size": "20s", "events_min": 1_000})
    tree["models"]["loan"]["segments"] = ["region"]
    (tmp_path / "monitor.yaml").write_bytes(orjson.dumps(tree))
    return tmp_path / "monitor.yaml"


def check(config: Path, *more: str) -> str:
    result = CliRunner().invoke(app, ["check", "--config", str(config), *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_good_config_is_said_to_be_good_with_what_deserves_a_look(config: Path) -> None:
    said = check(config)
    assert f"{config} is good: config c-" in said
    assert "warning: models.fraud: the baseline holds 600 rows only, fewer than events_min (1000)" in said
    assert "warning: models.fraud: the baseline spans less than a week" in said
    assert "warning: models.fraud: the baseline has no natural ranges; build it again" in said


def test_segments_that_the_baseline_does_not_hold_are_said_with_the_remedy(config: Path) -> None:
    tree = orjson.loads(config.read_bytes())
    tree["models"]["loan"]["segments"] = ["region", "planet"]
    config.write_bytes(orjson.dumps(tree))
    said = check(config)
    assert (
        "warning: models.loan: segments: loan holds no segments by planet, so they are not judged; "
        "build it again with `stream-monitor baseline … --segment planet`" in said
    )
    assert "warning: models.loan.versions.2: segments: loan2 holds no segments by planet" in said
    assert "region," not in said


def replaced(config: Path, change: Callable[[Baseline], Baseline]) -> None:
    """Another baseline of fraud."""
    path = config.parent / "fraud"
    path.write_bytes(dump(sign(change(load_baseline(path)))))


def changed(config: Path, **settings: object) -> None:
    """Other settings of fraud."""
    tree = orjson.loads(config.read_bytes())
    tree["models"]["fraud"] |= settings
    config.write_bytes(orjson.dumps(tree))


def test_facets_that_the_baseline_does_not_hold_are_said_with_the_remedy(config: Path) -> None:
    changed(config, facets={"gender": {"privileged": "m"}, "region": {}})
    said = check(config)
    assert "warning: models.fraud: facets: fraud holds no segments by gender, so they are not judged; build it again" in said
    assert "--segment gender`" in said
    assert "in this release" not in said


def with_truth(baseline: Baseline) -> Baseline:
    layout = OutcomeLayout("binary", ("a", "b"), 1)
    vector = layout.empty()
    layout.part(vector, "joint")[0, 1] = baseline.rows
    return replace(baseline, segments=(), truth=Truth(layout, vector))


def test_a_task_whose_baseline_does_not_say_what_was_answered_is_told_what_it_misses(config: Path) -> None:
    said = "fraud does not say how like inputs were answered, so nothing is said of prediction_entropy and prediction_js: no feature tells"
    assert said not in check(config), "no task, no such figures"
    changed(config, task="binary", positive_class="a")
    assert said in check(config)
    changed(config, detectors=["psi", "prediction_js"])
    assert "so nothing is said of prediction_js" in check(config)
    changed(config, detectors=["psi"])
    assert "nothing is said" not in check(config)


def test_a_task_without_labels_of_training_is_said(config: Path) -> None:
    changed(config, task="binary", positive_class="a")
    assert "warning: models.fraud: task: fraud holds no labels of training rows, so quality is judged against absolute thresholds" in check(
        config
    )
    replaced(config, with_truth)
    assert "holds no labels" not in check(config)


def test_events_that_are_held_for_labels_that_cannot_come_are_said(config: Path) -> None:
    changed(config, task="binary", positive_class="a")
    assert "topics.labels is empty" not in check(config)
    tree = orjson.loads(config.read_bytes())
    tree["topics"] = {"labels": []}
    config.write_bytes(orjson.dumps(tree))
    assert "warning: models.fraud.task: topics.labels is empty, so labels come with their events only; name a label topic" in check(config)
    changed(config, window={"label_lateness": "1m", "lateness": "1m"})
    assert "topics.labels is empty" not in check(config)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"task": "multiclass"}, "task: is multiclass, but fraud was compared with its labels as binary; build it again"),
        ({"task": "binary", "positive_class": "a"}, "positive_class: is 'a', but 'b' in the labels of fraud; build it again"),
        ({"task": "binary", "positive_class": "b"}, None),
        ({"positive_class": "a"}, None),
        ({}, None),
    ],
)
def test_a_task_that_differs_from_the_one_of_training_is_said(config: Path, settings: dict[str, object], sentence: str | None) -> None:
    replaced(config, with_truth)
    changed(config, **settings)
    said = check(config)
    assert f"warning: models.fraud: {sentence}" in said if sentence else "task: " not in said and "positive_class" not in said


def test_a_positive_class_that_is_none_is_an_error(config: Path) -> None:
    replaced(config, with_truth)
    changed(config, task="binary", positive_class="c")
    with pytest.raises(ConfigError, match=r"models\.fraud\.positive_class: 'c' is no class of the baseline: a, b"):
        check(config)


def test_natural_ranges_that_blind_a_detector_are_said(config: Path) -> None:
    runs = Runs("time", 600_000, 200, 500)

    def wild(baseline: Baseline) -> Baseline:
        first, *others = baseline.columns
        return replace(baseline, columns=(replace(first, natural=Natural({"psi": 0.9})), *others), runs=runs)

    replaced(config, wild)
    assert "warning: models.fraud: psi is nearly blind for amount: training varies so much that its threshold rises over 1" in check(config)
    tree = orjson.loads(config.read_bytes())
    tree["models"]["fraud"]["natural_ranges"] = False
    config.write_bytes(orjson.dumps(tree))
    assert "nearly blind" not in check(config)


def test_too_few_runs_and_no_times_are_said(config: Path) -> None:
    replaced(config, lambda baseline: replace(baseline, time=None, runs=Runs("rows", None, 200, 9)))
    said = check(config)
    assert "warning: models.fraud: the baseline makes 9 runs only" in said
    assert "warning: models.fraud: the baseline has no time column" in said


def test_json_says_the_same(config: Path) -> None:
    report = orjson.loads(check(config, "--json"))
    assert set(report["models"]) == {"loan", "loan@2", "fraud"}
    assert report["models"]["fraud"]["baseline_rows"] == 600
    assert any("fewer than events_min" in warning for warning in report["warnings"])
    assert report["config_id"].startswith("c-")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"thresholds": {"pis": 0.2}}, r"models\.loan\.thresholds: 'pis': there is no such detector; did you mean psi\?"),
        ({"features": {"exclude": ["amuont"]}}, r"features\.exclude: 'amuont': the baseline has no such feature; did you mean amount\?"),
        ({"overrides": {"zzz": {}}}, r"models\.loan\.overrides: 'zzz': the baseline has no such feature; known: "),
    ],
)
def test_names_that_only_the_baseline_knows_are_checked(config: Path, change: dict[str, object], expected: str) -> None:
    tree = orjson.loads(config.read_bytes())
    tree["models"]["loan"] |= change
    config.write_bytes(orjson.dumps(tree))
    with pytest.raises(ConfigError, match=expected) as caught:
        check(config)
    assert str(caught.value).startswith(str(config))


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["check", "--config", "gone.yaml"], 2, "stream-monitor: gone.yaml: cannot be read"),
        (["check"], 2, "Missing option '--config'"),
        (["run", "--config", "gone.yaml"], 2, "gone.yaml"),
        (["run", "--config", "gone.yaml", "--roles", "profile,dtect"], 2, "choose from profile, detect"),
        (["--version"], 0, ""),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_2(
    arguments: list[str], status: int, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stream-monitor", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    assert caught.value.code == status
    assert expected in captured.err
    assert "Traceback" not in captured.err
