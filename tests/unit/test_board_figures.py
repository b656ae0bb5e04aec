"""What pages and API tell of quality, bias, concept drift and operations: what was published, and nothing where nothing is known."""

import json
import re
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from stream_monitor.baseline.build import build
from stream_monitor.capture.schema import StreamKey
from stream_monitor.cli.demo_acts import ACTS, START_MS
from stream_monitor.cli.demo_stage import Stage
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.config import parse_config
from stream_monitor.detect.outcomes.bias import BIAS, PAIRED
from stream_monitor.detect.outcomes.judge import UNLABELLED_BIAS, OutcomeJudge
from stream_monitor.detect.outcomes.metrics import ANSWERED, METRICS
from stream_monitor.detect.registry import OPERATIONS
from stream_monitor.detect.report import Span, WindowScore, rounded, utc
from stream_monitor.export.board import Board, Site
from stream_monitor.export.board.history import WINDOWS_MAX
from stream_monitor.export.board.part import Part
from stream_monitor.pipeline.join.newest import Newest
from stream_monitor.pipeline.join.outcomes import Judged, OutcomeWindow
from stream_monitor.pipeline.plan import compile_plan
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.profile.outcome import OutcomeLayout
from stream_monitor.profile.weights import EVENTS
from tests.demo_stage import called

LOAN = StreamKey("loan", None)
NORTH = "segment=region%3Dnorth"


def page(target: str = "/models/loan", board: Board | None = None) -> str:
    answer = Site(board or called().board).answer(target, None)
    assert answer is not None
    assert answer.status == HTTPStatus.OK
    return answer.body.decode()


def figures(query: str = "", board: Board | None = None) -> Any:
    return json.loads(page(f"/api/v1/models/loan/figures?{query}", board))


@cache
def published() -> dict[tuple[str, str], WindowScore]:
    """The last that was said of each figure, by its name, what it is about and its window's end."""
    rows = [msgspec.json.decode(row, type=WindowScore) for row in called().windows]
    return {(row.detector, row.window.end + str(row.segment)): row for row in rows if row.feature is None}


@pytest.mark.parametrize(("query", "segment"), [("", {}), (NORTH, {"region": "north"})])
def test_figures_are_those_that_were_published_with_their_intervals(query: str, segment: dict[str, str]) -> None:
    found = figures(query)
    quality = found["quality"]
    assert quality["state"] == "judged"
    assert {each["metric"] for each in quality["figures"]} == {
        n for n in METRICS if published().get((n, quality["window"]["end"] + str(segment)))
    } - {"conditional_entropy", *ANSWERED, *(each["metric"] for each in quality["estimated"])}
    for span, each in [
        *((quality["window"], one) for one in quality["figures"]),
        *((quality["estimated_window"], one) for one in quality["estimated"]),
    ]:
        row = published()[each["metric"], span["end"] + str(segment)]
        assert (rounded(each["value"]), rounded(each["threshold"]), each["status"]) == (row.score, row.threshold, row.status)
        assert each["low"] <= each["value"] <= each["high"]
        assert (each["baseline"] is None) == bool(segment), "training data was asked for the whole alone"
    accuracy = quality["figures"][0]
    assert 0.5 <= accuracy["constant"] < accuracy["value"]
    assert quality["labels"]["labelled"] / quality["window"]["events"] == pytest.approx(quality["labels"]["coverage"])
    assert quality["age_s"] > 0


def test_bias_is_by_facet_group_and_metric_with_what_is_allowed() -> None:
    found = figures()["bias"]
    assert {(row["facet"], row["group"]) for row in found} == {("gender", "female"), ("gender", "other")}
    assert {row["metric"] for row in found} == set(PAIRED)
    for row in found:
        told = published()[row["metric"], row["window"]["end"] + str({row["facet"]: row["group"]})]
        assert (rounded(row["value"]), row["status"]) == (told.score, told.status)
        assert (row["allowed_low"], row["allowed_high"]) == tuple(
            None if abs(end) == float("inf") else end for end in BIAS[row["metric"]].allowed
        )
        assert row["window"] == figures()["quality"]["estimated_window"] or row["metric"] not in UNLABELLED_BIAS


def test_what_is_outside_is_marked() -> None:
    found = [row for row in figures(board=called(5).board)["bias"] if row["is_bad"]]
    assert "disparate_impact" in {row["metric"] for row in found}
    assert all(row["high"] < row["allowed_low"] or row["low"] > row["allowed_high"] for row in found)
    assert page(board=called(5).board).count(">outside<") == len(found)


def test_truth_and_estimate_are_of_the_same_windows() -> None:
    quality = figures()["quality"]
    truth, estimate = ({each["end"]: each["score"] for each in quality[name]} for name in ("history", "estimated_history"))
    assert len(truth) > 10
    assert truth.keys() <= estimate.keys()
    wanted = {
        end[: -len("{}")]: row.score
        for (name, end), row in published().items()
        if name == "accuracy" and row.status == "judged" and end.endswith("{}")
    }
    assert truth == wanted
    assert 'aria-label="accuracy by labels and as estimated, over time"' in page()


def test_operations_are_told_with_their_history_and_codes() -> None:
    found = figures()["operations"]
    assert {each["detector"] for each in found["levels"]} <= OPERATIONS.keys()
    p95 = next(each for each in found["levels"] if each["detector"] == "latency_p95_ms")
    scores = [row.score for (name, end), row in sorted(published().items()) if name == "latency_p95_ms" and end.endswith("{}")]
    assert [point["score"] for point in p95["history"]] == scores
    assert p95["state"] == "critical", "its alert's"
    (timeouts,) = found["errors"]
    assert timeouts["code"] == "timeout"
    assert timeouts["ratio"] == pytest.approx(0.2, abs=0.05)
    assert "latency p95 <span" in page()


def test_every_other_detector_of_the_whole_is_shown_without_being_named_here() -> None:
    rows = [
        WindowScore("loan", None, {}, Span(utc(START_MS), utc(10**13), 9), 1, None, name, 0.7, 0.9, None, "judged")
        for name in ("a_new_one", "psi")
    ]
    stage = Stage(Traffic.seeded(3, 400))
    for _ in stage.play():
        pass
    stage.board.committed(Outputs(scores=rows), [])
    found = figures(board=stage.board)
    assert [(each["value"], each["threshold"]) for each in found["others"] if each["detector"] == "a_new_one"] == [(0.7, 0.9)]
    assert "a_new_one" in page(board=stage.board)


def test_a_loss_that_changed_is_told_where_labels_are() -> None:
    found = {each["detector"]: each for each in figures(board=called(4).board)["concept"]["detectors"]}
    assert found["adwin"]["changes"] > 0
    assert found["adwin"]["value"] > found["adwin"]["threshold"]
    (entropy, *others) = figures()["concept"]["figures"]
    assert entropy["metric"] == "conditional_entropy"
    assert {each["metric"] for each in others} >= {*ANSWERED}


def test_that_there_are_no_labels_yet_is_said() -> None:
    stage = Stage(Traffic.seeded(3, 8_000, ACTS[:1]))
    board, play = stage.board, stage.play()
    next(play)
    assert figures(board=board)["quality"]["state"] == "waiting"
    assert "No window has closed yet." in page(board=board)
    while figures(board=board)["quality"]["state"] == "waiting":
        next(play)
    quality = figures(board=board)["quality"]
    assert (quality["state"], quality["figures"], quality["window"], quality["labels"]) == ("no_labels", [], None, None)
    assert "<b>No labels yet:</b> how good the model is, is not known." in page(board=board)
    assert quality["estimated"], "scores tell something"
    assert {row["metric"] for row in figures(board=board)["bias"]} == {*UNLABELLED_BIAS} & {*PAIRED}
    while figures(board=board)["quality"]["state"] in ("no_labels", "too_few"):
        next(play)
    states = {"too_few": "Too few labels yet", "incomplete": "Not judged: fewer than 50% of the events", "judged": "have a label"}
    assert states[figures(board=board)["quality"]["state"]] in page(board=board)


def test_sections_are_absent_where_a_model_has_none_of_it(tmp_path: Any) -> None:
    path = tmp_path / "training.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode({"model": "plain", "features": {"x": n}, "prediction": n}) for n in range(50)))
    baseline = build([path]).baseline
    config = parse_config({"models": {"plain": {"baseline": "plain"}}}, "test")
    board, key = Board(config), StreamKey("plain", None)
    board.follows(State.empty(compile_plan(config, config.shared({"plain": baseline.id}), {"plain": baseline})), [key])
    found = json.loads(page("/api/v1/models/plain/figures", board))
    assert [found[name] for name in ("quality", "bias", "concept", "operations", "others")] == [None, None, None, None, []]
    assert set(re.findall(r'<h2 id="(\w+)"', page("/models/plain", board))) == {"columns"}


def test_segments_have_figures_of_their_own_and_no_other_has() -> None:
    found = figures()
    assert found["segments"] == ["", *(f"region={name}" for name in ("east", "north", "south", "west"))]
    assert figures(NORTH)["operations"]["levels"][0]["history"] != found["operations"]["levels"][0]["history"]
    assert 'href="/models/loan?segment=region%3Dsouth"' in page()
    assert Site(called().board).answer("/models/loan?segment=region%3Dmoon", None).status == HTTPStatus.NOT_FOUND  # type: ignore[union-attr]
    alerts = json.loads(page(f"/api/v1/models/loan?{NORTH}"))["alerts"]
    assert all(alert["segment"]["region"] == "north" for alert in alerts)
    assert len(alerts) < json.loads(page("/api/v1/models/loan"))["alerts_found"]


def test_a_full_page_stays_small() -> None:
    part = Part()
    names = [*OPERATIONS, "estimated_accuracy", "accuracy", "volume", "silence"]
    for window in range(WINDOWS_MAX + 5):
        span = Span(utc(window * 60_000), utc((window + 1) * 60_000), 10)
        part.add(WindowScore("loan", None, {}, span, 1, None, name, window % 7 / 10, window / 400, None, "judged") for name in names)
    seen = part.seen()
    assert all(len(points) <= WINDOWS_MAX for points in seen.series.values())
    assert part.history.values.nbytes + part.labelled.values.nbytes < 1_000_000
    with called().board.reading() as (streams, _):
        before, streams[LOAN].parts[()].history = streams[LOAN].parts[()].history, part.history
    try:
        assert len(page()) < 120_000
    finally:
        with called().board.reading() as (streams, _):
            streams[LOAN].parts[()].history = before


LAYOUT = OutcomeLayout("binary", ("no", "yes"), 1)


def newest(end_ms: int, labelled: int, *, revision: int = 1) -> Newest:
    """Ten events, so many of them labelled; five labels suffice."""
    vector = LAYOUT.empty()
    LAYOUT.part(vector, "joint")[1, 1], LAYOUT.part(vector, "joint")[0, 1] = labelled, 10 - labelled
    judged = Judged(end_ms - 60, vector, EVENTS)
    return Newest.of(OutcomeJudge(LAYOUT, 0.01, 5, 0.4), OutcomeWindow(end_ms - 60, end_ms, judged, judged, revision))


def test_the_last_window_with_labels_to_judge_by_stays_while_later_ones_wait_for_theirs() -> None:
    told = newest(60, 0)
    assert (told.labelled, told.is_ready) == (None, False)
    told = told.then(newest(120, 0)).then(newest(60, 2, revision=2))
    assert (told.closed.end_ms, told.labelled and told.labelled.end_ms, told.is_ready) == (120, 60, False)
    told = told.then(newest(60, 7, revision=3)).then(newest(180, 0)).then(newest(120, 3))
    assert (told.closed.end_ms, told.labelled and told.labelled.end_ms, told.is_ready) == (180, 60, True)
    told = told.then(newest(120, 8)).then(newest(60, 9, revision=4))
    assert (told.labelled and told.labelled.end_ms, told.closed.end_ms) == (120, 180)
    told = told.then(newest(120, 9, revision=5))
    assert told.labelled is not None
    assert told.labelled.revision == 5, "the later telling of a window counts"
