"""Versions side by side: a canary that does as the current one is quiet, one that does not is told with what it does otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from scipy import stats
from typer.testing import CliRunner

from stream_monitor.alert.alert import Alert, Evidence
from stream_monitor.alert.publication import Raised
from stream_monitor.baseline.build import build
from stream_monitor.baseline.store import dump
from stream_monitor.capture.schema import StreamKey
from stream_monitor.cli.app import app
from stream_monitor.config import parse_config
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity, Shown
from stream_monitor.detect.gate import alpha
from stream_monitor.detect.report import WindowRef, WindowScore, rounded
from stream_monitor.detect.versions import ACCURACY, DISTANCE, ERRORS, LATENCY_RATIO, LEAST_DISTANCE, MAE
from stream_monitor.errors import ConfigError
from stream_monitor.export.board import Board, Site
from stream_monitor.export.report import Story
from stream_monitor.export.report.page import render
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.step import step
from stream_monitor.pipeline.unit import Unit
from stream_monitor.runtime.topics import WINDOWS
from stream_monitor.window.progress import Progress
from tests.property.pipeline_world import START_MS, Event, World, config_tree, plan_of, traffic

MINUTE_MS = 60_000
PER_WINDOW = 800
WRONG = range(4, 9)


def events(windows: int, seed: int, canary: str = "", share: float = 0.5) -> list[dict[str, Any]]:
    """Two versions of one model on the same traffic; in some windows version 2 does something otherwise."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(windows * PER_WINDOW):
        window, version = number // PER_WINDOW, "2" if random.random() < share else "1"
        now = canary if version == "2" and window in WRONG else ""
        truth = random.random() < 0.4
        says = truth if random.random() < (0.6 if now == "worse" else 0.9) else not truth
        says = says or (now == "generous" and random.random() < 0.5)
        body: dict[str, Any] = {
            "event_id": f"e{number}",
            "model": "loan",
            "version": version,
            "time": START_MS + window * MINUTE_MS + number % PER_WINDOW * MINUTE_MS // PER_WINDOW,
            "features": {"amount": float(random.normal(1.0 if now == "others" else 0.0))},
            "prediction": {"label": "yes" if says else "no"},
            "label": "yes" if truth else "no",
            "latency_ms": float((120 if now == "slow" else 40) * np.exp(0.4 * random.standard_normal())),
            "status": "error" if random.random() < (0.1 if now == "failing" else 0.01) else "ok",
        }
        found.append(body if body["status"] == "ok" else {**body, "error": "timeout"})
    return found


def replay(folder: Path, bodies: list[dict[str, Any]], versions: Mapping[str, Any] | None = None, **model: Any) -> Any:
    (folder / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, bodies)))
    for name, drop, seed in (("loan", [], 99), ("other", ["amount"], 99), ("again", [], 98)):
        past = [{**body, "features": {k + name * (k in drop): v for k, v in body["features"].items()}} for body in events(4, seed)]
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, past)))
        (folder / f"{name}.json").write_bytes(dump(build([folder / f"{name}.jsonl"]).baseline))
    window = {"size": "1m", "label_lateness": "10m"}
    settings = {"versions": versions or {"1": {}, "2": {}}, "current": "1", "task": "binary", "window": window, **model}
    (folder / "monitor.yaml").write_bytes(orjson.dumps({"models": {"loan": {"baseline": "loan.json", **settings}}}))
    arguments = ["--config", str(folder / "monitor.yaml"), "--captures", str(folder / "events.jsonl"), "--out", str(folder / "out")]
    result = CliRunner().invoke(app, ["replay", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    windows, alerts = ((folder / "out" / name).read_bytes().splitlines() for name in ("windows.jsonl", "alerts.jsonl"))
    return [msgspec.json.decode(line, type=WindowScore) for line in windows], [Alert.from_json(line) for line in alerts]


def compared(alerts: list[Alert]) -> dict[tuple[str | None, str], Alert]:
    """The first publication of every alert beside the current version."""
    return {(alert.feature, alert.detector): alert for alert in alerts if alert.revision == 1 and alert.detector.startswith("version_")}


def test_a_canary_that_does_as_the_current_one_is_quiet(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(12, 1))
    assert alerts == []
    beside = [row for row in rows if row.detector.startswith("version_")]
    assert {row.version for row in beside} == {"2"}
    assert {(row.feature, row.detector) for row in beside} == {
        ("amount", DISTANCE),
        ("prediction", DISTANCE),
        (None, LATENCY_RATIO),
        (None, ERRORS),
        (None, ACCURACY),
    }
    assert {row.status for row in beside} == {"judged"}


@pytest.mark.parametrize(
    ("canary", "about", "says"),
    [
        ("others", ("amount", DISTANCE), "loan 2: amount differs from the current version's in the minute from 2026-01-01 10:04 UTC (PSI "),
        ("generous", ("prediction", DISTANCE), "loan 2: the prediction differs from the current version's in the minute from"),
        ("slow", (None, LATENCY_RATIO), "loan 2: latency p95 is 2"),
        ("failing", (None, ERRORS), "loan 2: 9.3 % of calls fail against 0.97 % of the current version's in the minute"),
        ("worse", (None, ACCURACY), "loan 2: accuracy is 0."),
    ],
)
def test_what_a_canary_does_otherwise_is_one_alert_that_says_what(
    tmp_path: Path, canary: str, about: tuple[str | None, str], says: str
) -> None:
    _, alerts = replay(tmp_path, events(13, 2, canary))
    found = compared(alerts)
    assert about in found
    alert = found[about]
    assert (alert.version, alert.started_at) == ("2", "2026-01-01T10:04:00.000Z")
    assert alert.annotations.summary.startswith(says), alert.annotations.summary
    assert alert.annotations.summary.endswith("of the same windows")
    assert " against " in alert.annotations.summary
    assert [each for each in alerts if each.alert_id == alert.alert_id][-1].status == "resolved"
    assert not [each for each in alerts if each.version != "2"], "the current one is as it was"


def test_scores_are_those_of_scipy(tmp_path: Path) -> None:
    bodies = events(5, 3, "failing")
    rows, _ = replay(tmp_path, bodies)
    last = [body for body in bodies if body["time"] >= START_MS + 4 * MINUTE_MS]
    sides = {version: [body for body in last if body["version"] == version] for version in "12"}
    rates = {version: np.mean([body["status"] == "error" for body in side]) for version, side in sides.items()}
    tails = {version: np.quantile([body["latency_ms"] for body in side], 0.95, method="inverted_cdf") for version, side in sides.items()}
    right = {version: [body["label"] == body["prediction"]["label"] for body in side] for version, side in sides.items()}
    told = {row.detector: row for row in rows if row.window.start == "2026-01-01T10:04:00.000Z" and row.feature is None}
    assert told[ERRORS].score == pytest.approx(rates["2"] - rates["1"], abs=1e-5)
    assert told[LATENCY_RATIO].score == pytest.approx(tails["2"] / tails["1"], rel=0.021)
    assert told[ACCURACY].score == pytest.approx(np.mean(right["2"]) - np.mean(right["1"]), abs=1e-5)
    failed = {version: sum(body["status"] == "error" for body in side) for version, side in sides.items()}
    table = [[failed["2"], len(sides["2"]) - failed["2"]], [failed["1"], len(sides["1"]) - failed["1"]]]
    exact = stats.fisher_exact(table, alternative="greater").pvalue
    assert exact <= (told[ERRORS].p_value or 0.0) < 10 * exact
    one, other = (stats.binomtest(sum(right[v]), len(right[v])).proportion_ci(1 - level(2), method="wilson") for v in "21")
    shares, gap = {version: np.mean(side) for version, side in right.items()}, told[ACCURACY].score or 0.0
    assert told[ACCURACY].low == pytest.approx(gap - np.hypot(shares["2"] - one.low, other.high - shares["1"]), abs=1e-5)
    assert told[ACCURACY].high == pytest.approx(gap + np.hypot(one.high - shares["2"], shares["1"] - other.low), abs=1e-5)


def level(columns: int) -> float:
    """Of one test of version 2: half of its part of the budget of one alert, and one test a column and three of the whole."""
    return alpha(1 / 3 / 2, columns + 3, MINUTE_MS)


def test_versions_of_two_baselines_are_compared_by_what_they_answer(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(8, 4, "generous"), {"1": {}, "2": {"baseline": "other.json"}})
    assert {row.feature for row in rows if row.detector == DISTANCE} == {"prediction"}
    assert {each.bin for each in compared(alerts)["prediction", DISTANCE].evidence.moved} == {"no", "yes"}


def test_numbers_of_two_baselines_are_compared_by_what_their_bins_say_for_sure(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(8, 5, "others"), {"1": {}, "2": {"baseline": "again.json"}})
    scores = [row.score or 0.0 for row in rows if row.detector == LEAST_DISTANCE]
    assert {row.feature for row in rows if row.detector in (DISTANCE, LEAST_DISTANCE)} == {"amount", "prediction"}
    assert max(scores[:4]) < 0.1, "they are alike"
    assert 0.3 < min(scores[4:]) < max(scores[4:]) < 0.45, "0.38, where a normal value moves by a standard deviation"
    alert = compared(alerts)["amount", LEAST_DISTANCE]
    assert alert.annotations.summary.startswith(
        "loan 2: amount differs from the current version's in the minute from 2026-01-01 10:04 UTC (KS"
    )
    (moved,) = alert.evidence.moved
    assert (moved.baseline or 0.0) - (moved.window or 0.0) == pytest.approx(alert.score, abs=1e-5)


@pytest.mark.parametrize(("noise", "is_told"), [(1.0, False), (2.0, True)])
def test_errors_of_numbers_are_compared_by_their_mean_size(tmp_path: Path, noise: float, is_told: bool) -> None:
    """Score and interval are those of the plain formula; the sentence is in the label's own unit."""
    random = np.random.default_rng(7)
    truth, says = random.normal(10, 5, 4_000), random.normal(size=4_000)
    says = truth + says * np.where(np.arange(4_000) % 2, noise, 1.0)
    bodies: list[dict[str, Any]] = [
        {
            "event_id": f"n{number}",
            "model": "loan",
            "version": "12"[number % 2],
            "time": START_MS + number % 500 + number // 1_000 * MINUTE_MS,
            "features": {"amount": float(truth[number])},
            "prediction": {"label": float(says[number])},
            "label": float(truth[number]),
        }
        for number in range(4_000)
    ]
    (tmp_path / "base.jsonl").write_bytes(b"\n".join(map(orjson.dumps, bodies[::2])))
    (tmp_path / "base.json").write_bytes(dump(build([tmp_path / "base.jsonl"]).baseline))
    rows, alerts = replay(tmp_path, bodies, task="regression", baseline="base.json", thresholds={"mae": 100.0})
    errors = [np.abs(says - truth)[start:1_000:2] for start in (0, 1)]
    current, canary = (float(each.mean()) for each in errors)
    row = next(row for row in rows if row.detector == MAE)
    assert row.score == pytest.approx((canary - current) / np.std(says[::2]), abs=1e-3)
    half = stats.norm.isf(level(2) / 2) * np.hypot(*(each.std(ddof=1) / np.sqrt(500) for each in errors)) / np.std(says[::2])
    assert (row.low, row.high) == pytest.approx((row.score - half, row.score + half), rel=0.01)
    told = compared(alerts)
    assert ((None, MAE) in told) == is_told
    if is_told:
        sentence = told[None, MAE].annotations.summary
        assert sentence.startswith(f"loan 2: MAE is {canary:.3g} against {current:.3g} of the current version 1 in the minute")
        assert f"(difference {row.low:.2f} to {row.high:.2f} standard deviations" in sentence
        assert sentence.endswith("of 500 and 500 events of the same windows")


def test_few_events_of_a_canary_are_told_and_not_judged(tmp_path: Path) -> None:
    rows, alerts = replay(tmp_path, events(8, 5, "generous", share=0.03))
    assert {row.status for row in rows if row.detector.startswith("version_")} == {"too_few"}
    assert compared(alerts) == {}


def test_one_version_alone_and_one_that_nobody_compares_have_no_scores_of_it(tmp_path: Path) -> None:
    rows, _ = replay(tmp_path, events(3, 6, share=1.0))
    assert not [row for row in rows if row.detector.startswith("version_")]
    rows, _ = replay(tmp_path, events(3, 6), current=None)
    assert not [row for row in rows if row.detector.startswith("version_")]
    rows, _ = replay(tmp_path, events(3, 6), detectors=["psi", ERRORS])
    assert {row.detector for row in rows if row.detector.startswith("version_")} == {ERRORS}


def test_a_current_version_without_a_place_is_a_mistake_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"models.loan: current is '7', which versions does not name"):
        replay(tmp_path, events(1, 1), current="7")


def played(world: World, arrivals: list[Event]) -> list[bytes]:
    world.play(arrivals)
    return world.settle(4, 600_000).outcome().lines()


def test_comparisons_hang_on_no_number_of_workers_and_partitions() -> None:
    """Versions with one baseline and with two; at the end time leaps over many windows at once, in an order that is another each time."""
    tree = config_tree()
    tree["models"]["loan"] |= {"versions": {"1": {}, "2": {"baseline": "loan2"}, "0": {}}, "current": "1"}
    config, streams = parse_config(tree, "test"), [("loan", "0"), ("loan", "1"), ("loan", "2")]
    arrivals = traffic(5, 1_800, 240_000, streams)
    first, *others = (
        played(World(config, partitions, seed).staff(profile, detect), arrivals)
        for seed, (partitions, profile, detect) in enumerate([(1, 1, 1), (3, 2, 2), (5, 1, 3)])
    )
    assert all(other == first for other in others)
    told = [line for line in first if b'"detector":"version_psi"' in line and b'"status":"judged"' in line]
    assert any(b'"version":"0"' in line and b'"feature":"amount"' in line for line in told)
    assert any(b'"version":"2"' in line and b'"feature":"prediction"' in line for line in told)


@pytest.mark.parametrize(
    ("current", "baseline", "ends"),
    [("1", "loan", False), (None, "loan", True), ("2", "loan", True), ("1", "loan2", True)],
    ids=["as it was", "none", "itself", "another baseline"],
)
def test_an_alert_beside_a_version_ends_where_another_is_current(current: str | None, baseline: str, ends: bool) -> None:
    """What is not beside another version goes on."""

    def plan(revision: int, current: str | None, baseline: str) -> Plan:
        tree = config_tree() | {"revision": revision}
        tree["models"]["loan"] |= {"versions": {"1": {"baseline": baseline}, "2": {}}, "current": current}
        return plan_of(parse_config(tree, "test"))

    state, key = State.empty(plan(1, "1", "loan")), (StreamKey("loan", "2"), ())
    unit = Unit.new(key, state.plan.streams[key[0]], None)
    state.insert(key, unit)
    scores = [
        Score(Key(FindingKind.OPERATIONAL, None, name), -1, 0.5, 0.1, 1e-9, ScoreStatus.JUDGED, 0.0, True, (), (Shown("errors", 0.0, 0.5),))
        for name in (ERRORS, "error_ratio")
    ]
    found = [Raised(Finding(each, 0.5, 0.0, Severity.CRITICAL, (), shown=each.measured), Evidence((), ())) for each in scores]
    unit.book.advance(WindowRef(START_MS, START_MS + MINUTE_MS, 100), scores, found, state.stamp(unit))
    said = step(state, Progress(START_MS, 2, (), ()), lambda _: plan(2, current, baseline)).alerts
    assert [(alert.detector, alert.reason) for alert in said] == ([(ERRORS, "versions_changed")] if ends else [])
    assert [alert.detector for alert in unit.firing()] == ["error_ratio"] if ends else [ERRORS, "error_ratio"]


def test_the_models_page_shows_the_difference_with_the_other_figures_of_its_window() -> None:
    tree = config_tree({"label_lateness": "60s"})
    tree["models"]["loan"] |= {"versions": {"1": {}, "2": {}}, "current": "1", "task": "binary", "positive_class": "b"}
    world = World(parse_config(tree, "test"), 1)
    world.audience = board = Board()
    arrivals = []
    for event in traffic(7, 1_000, 80_000, [("loan", "1"), ("loan", "2")]):
        body = {**event.body, "label": "a" if event.version == "2" else event.body.get("prediction", {}).get("label")}
        arrivals.append(event if event.model is None else Event(event.time_ms, orjson.dumps(body), event.model, event.version, body))
    world.staff(1, 1).play(arrivals)
    world.settle(4)
    site = Site(board)
    told, page = (site.answer(target, None) for target in ("/api/v1/models/loan/figures?version=2", "/models/loan?version=2"))
    assert told is not None
    assert page is not None
    quality = orjson.loads(told.body)["quality"]
    (figure,) = (each for each in quality["figures"] if each["metric"] == ACCURACY)
    rows = [msgspec.json.decode(message.value() or b"", type=WindowScore) for message in world.read(WINDOWS)]
    row = [row for row in rows if (row.detector, row.window.end) == (ACCURACY, quality["window"]["end"])][-1]
    assert [rounded(figure[name]) for name in ("value", "low", "high", "threshold")] == [row.score, row.low, row.high, row.threshold]
    assert (figure["is_bad_below"], figure["is_bad"]) == (True, True)
    assert "accuracy less the current version" in page.body.decode()


def test_a_report_shows_the_difference_with_its_interval(tmp_path: Path) -> None:
    rows, _ = replay(tmp_path, events(6, 8, "worse"))
    story = Story.of([], (row.to_json() for row in rows))
    told = next(each for each in story.figures["loan@2"].of("versions") if each.detector == ACCURACY)
    last = max((row for row in rows if row.detector == ACCURACY), key=lambda row: row.window.end)
    assert (told.value, told.low, told.high, told.threshold) == (last.score, last.low, last.high, -0.05)
    assert "loan@2 beside the current version" in render(story, "A canary")
    assert not any(each.model == "loan@2" and each.ratio < 0 for each in story.quiet)


@pytest.mark.parametrize("seed", range(10, 14))
def test_canaries_that_differ_by_chance_alone_raise_no_alert(tmp_path: Path, seed: int) -> None:
    assert replay(tmp_path, events(20, seed), false_alerts_per_30d=30)[1] == []
