"""What labels add to a unit: a change of the loss is told once, by whoever finds it first and whoever agrees."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.publication import Stamp
from stream_monitor.baseline.store import load_baseline
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import parse_config
from stream_monitor.detect.outcomes.estimators import fit_estimator
from stream_monitor.detect.outcomes.judge import OutcomeJudge
from stream_monitor.detect.sequential.dispersion import Clustering
from stream_monitor.detect.sequential.shift import Series, Shift
from stream_monitor.detect.sequential.watch import SequentialSpec
from stream_monitor.pipeline.adopt import adopt
from stream_monitor.pipeline.join.join import Join
from stream_monitor.pipeline.join.labelled import AT_CLOSE, AT_LAST, LABELLED, Labelled, LabelPlan
from stream_monitor.pipeline.join.outcomes import Outcomes
from stream_monitor.pipeline.join.said import Change
from stream_monitor.pipeline.plan import Plan, compile_plan
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.pipeline.unit import Unit
from stream_monitor.profile.delay import delay_bin
from stream_monitor.profile.outcome import Group, OutcomeLayout
from stream_monitor.profile.weights import EVENTS
from stream_monitor.window.spec import WindowSpec
from tests.simulation.tasks import graded, graded_name

LAYOUT = OutcomeLayout("binary", ("no", "yes"), 1)
SPEC = WindowSpec(60_000, 60_000, 0, 0, 1, 60_000)
LOSS = SequentialSpec(1, np.array([0.05]), Clustering(np.ones(2)), 1e-6, 60_000, errors=True)
FIRST = Shift(0, Series.POSITION, "adwin", 1_000_000, 900_000, 0.1, 0.4, 1e-9)


def labelled(limits: Mapping[str, float] | None = None) -> Labelled:
    plan = LabelPlan(OutcomeJudge(LAYOUT, 1e-6, 1, 0.5, limits=limits or {}), LOSS, 600_000)
    return Labelled.new(plan, StreamKey("loan", None), (), "baseline", Outcomes(LAYOUT, SPEC, 600_000))


@pytest.mark.parametrize(
    ("detected_ms", "changed_ms", "is_told"),
    [(1_050_000, 905_000, True), (1_800_000, 905_000, False), (1_800_000, 1_000_000, True)],
    ids=["agrees within a window", "found later", "a change after that one was found"],
)
def test_a_change_that_is_known_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch, detected_ms: int, changed_ms: int, is_told: bool
) -> None:
    one = labelled()
    found = [FIRST, Shift(0, Series.POSITION, "eddm", detected_ms, changed_ms, 0.1, 0.4, 1e-9)]
    monkeypatch.setattr(one.concept, "advance", lambda _: found)
    assert list(one.advance(detected_ms, {}, Stamp(detected_ms, "config"), [])) == []
    told = [shift for shift in found[1:] if shift in one.shifts]
    assert bool(told) == is_told
    assert one.known_ms == (detected_ms if changed_ms >= 1_000_000 else 1_000_000)


def minute(number: int, events: int, labels: int, delay_s: int, answer: str = "no") -> Change:
    """The events of one minute, all answered alike, and labels for some of them: all are `no`."""
    vector = LAYOUT.empty()
    LAYOUT.part(vector, "joint")[:2, 1 + LAYOUT.classes.index(answer)] = events - labels, labels
    LAYOUT.part(vector, "delay")[delay_bin(np.array([1_000 * delay_s]))] = labels
    at = np.flatnonzero(vector)
    return Change(StreamKey("loan", None), (), 60_000 * number, at, vector[at], events)


def alerts_of(one: Labelled, at_ms: int) -> list[Alert]:
    return [alert for said in one.advance(at_ms, {}, Stamp(at_ms, "config"), []) for alert in said.alerts]


@pytest.mark.parametrize(
    ("detector", "limit", "bad", "summary"),
    [
        ("label_coverage", 0.8, (300, 0, 0), "share of events with a label is 0 in the minute from 1970-01-01 00:03 UTC (0 to 0.0"),
        ("label_coverage", 0.8, (300, 200, 20), "share of events with a label is 0.667 in the minute"),
        ("label_delay_p50_s", 90, (300, 290, 120), "median delay of labels in seconds is 117 in the minute"),
    ],
    ids=["none came", "few came", "late"],
)
def test_labels_that_stay_away_or_come_late_are_told_where_there_is_a_limit(
    detector: str, limit: float, bad: tuple[int, int, int], summary: str
) -> None:
    """When no more are waited for, ten minutes after the window's end, news or not; over when all is well again."""
    watched, plain, told = labelled({detector: limit}), labelled(), list[tuple[int, str, str]]()
    for number in range(12):
        for one in (watched, plain):
            one.add(minute(number, *(bad if number == 3 else (300, 290, 20))))
    for at_ms in range(60_000, 1_500_000, 60_000):
        mine = [alert for one in (watched, plain) for alert in alerts_of(one, at_ms) if alert.detector == detector]
        told += [(at_ms, alert.status.value, alert.annotations.summary) for alert in mine]
    assert [(at_ms, status) for at_ms, status, _ in told if status != "updated"] == [(840_000, "firing"), (960_000, "resolved")]
    assert summary in told[0][2]
    assert told[0][2].endswith("no more labels are waited for")
    assert watched.plan.judge.tests() == plain.plan.judge.tests() + 1


@pytest.mark.parametrize(
    ("limits", "detectors", "still"),
    [
        ({"label_coverage": 0.9, "accuracy": 0.5}, None, {"label_coverage", "accuracy", "adwin"}),
        ({"label_coverage": 0.9, "f1": 0.9}, {"label_coverage", "f1", "eddm"}, {"label_coverage", "accuracy", "adwin"}),
        ({"label_coverage": 0.9}, {"label_coverage", "accuracy", "f1"}, {"label_coverage"}),
        ({"label_delay_p50_s": 90, "mae": 1}, {"label_delay_p50_s", "mae"}, {"label_coverage"}),
        ({}, {"label_coverage", "conditional_entropy", "adwin"}, {"adwin"}),
    ],
    ids=["other limits", "others of the cause", "nothing to hold it against", "of another task", "no limit, another cause"],
)
def test_alerts_of_labels_end_where_no_detector_judges_them_any_more(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, float], detectors: set[str] | None, still: set[str]
) -> None:
    one = labelled({"label_coverage": 0.8, "accuracy": 0.8})
    one.add(minute(16, 300, 200, 20, "yes"))
    monkeypatch.setattr(one.concept, "advance", lambda _: [FIRST])
    alerts_of(one, 1_020_000)
    monkeypatch.undo()
    alerts_of(one, 1_680_000)
    assert {alert.detector for alert in one.firing()} == {"label_coverage", "accuracy", "adwin"}
    judge = replace(one.plan.judge, limits=limits, detectors=None if detectors is None else frozenset(detectors))
    ended = one.resolve_unjudged(replace(one.plan, judge=judge), 1_700_000, Stamp(1_700_000, "config"))
    assert {alert.detector for alert in one.firing()} == still
    assert {(alert.detector, alert.reason) for alert in ended} == {
        (name, "detector_removed") for name in {"label_coverage", "accuracy", "adwin"} - still
    }


def test_the_loss_is_watched_by_the_detectors_that_the_config_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that another one finds is not heard, nor does it hide that of one that is on."""
    one = labelled()
    one.plan = replace(one.plan, judge=replace(one.plan.judge, detectors=frozenset({"eddm", "accuracy"})))
    assert one.plan.of_loss == ("eddm",)
    found = [FIRST, Shift(0, Series.POSITION, "eddm", 1_050_000, 905_000, 0.1, 0.4, 1e-9)]
    monkeypatch.setattr(one.concept, "advance", lambda _: found)
    assert list(one.advance(1_050_000, {}, Stamp(1_050_000, "config"), [])) == []
    assert one.shifts == found[1:]


@pytest.mark.parametrize(
    "layout",
    [
        OutcomeLayout("binary", ("no", "yes"), 1, True, tuple(Group("sex", value) for value in ("f", "m", "x"))),
        OutcomeLayout("multiclass", ("a", "b", "c"), scored=True),
        OutcomeLayout("regression", center=1.0, scale=2.0, edges=(0.0, 1.0, 2.0)),
    ],
    ids=lambda layout: layout.task,
)
@pytest.mark.parametrize("has_truth", [False, True])
def test_what_may_judge_hangs_on_no_window(layout: OutcomeLayout, has_truth: bool) -> None:
    """Of any counts no figure has something to be held against that is not among those told by the plan alone."""
    random = np.random.default_rng(1)
    truth, window = (random.integers(0, 500, layout.size) for _ in range(2))
    limits = {"label_coverage": 0.8, "f1": 0.9, "mae": 1.0, "macro_f1": 0.5, "estimated_accuracy": 0.9}
    estimator = fit_estimator(layout, truth) if has_truth else None
    judge = OutcomeJudge(layout, 1e-6, 1, 0.0, truth if has_truth else None, estimator, limits, {"sex": "m"})
    for clock, figures in ((AT_CLOSE, judge.at_close), (LABELLED, judge.labelled), (AT_LAST, judge.at_last)):
        known = LabelPlan(judge, LOSS, 600_000).judging()
        for each in figures(window, EVENTS):
            if np.isfinite(each.score.threshold):
                assert (None, each.score.key.detector) in known[clock, each.segment]


def test_of_an_alert_whose_figure_has_no_limit_any_more_the_others_of_its_cause_say_when_it_is_over() -> None:
    """Training had no labels, so that there is nothing else to hold it against."""
    one, said = labelled({"accuracy": 0.8}), list[Alert]()
    for number in range(12):
        one.add(minute(number, 300, 290, 20, "yes" if number == 3 else "no"))
    for at_ms in range(60_000, 780_000, 60_000):
        if at_ms == 300_000:
            judge = replace(one.plan.judge, limits={"specificity": 0.8})
            assert one.resolve_unjudged(replace(one.plan, judge=judge), at_ms, Stamp(at_ms, "config")) == []
            one.adopt(replace(one.plan, judge=judge))
        said += alerts_of(one, at_ms)
    assert [(alert.detector, alert.status, alert.reason) for alert in said] == [
        ("accuracy", "firing", None),
        ("accuracy", "resolved", "recovered"),
    ]
    assert said[1].annotations.summary == "loan: accuracy is back to normal in the minute from 1970-01-01 00:05 UTC"


def test_a_window_of_few_events_or_chance_alone_is_no_alert() -> None:
    watched = labelled({"label_coverage": 0.8, "label_delay_p50_s": 25})
    watched.add(minute(0, 5, 2, 10))
    watched.add(minute(1, 300, 235, 21))
    found = {alert.detector for at_ms in (120_000, 900_000) for alert in alerts_of(watched, at_ms)}
    assert not found & {"label_coverage", "label_delay_p50_s"}


def told_by(one: Labelled, at_ms: int, detector: str) -> dict[str, float | None]:
    """Score by end of the window."""
    said = [score for each in one.advance(at_ms, {}, Stamp(at_ms, "config"), []) for score in each.scores]
    return {score.window.end: score.score for score in said if score.detector == detector}


def test_a_window_that_is_told_again_still_says_what_the_loss_did_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as labels may come, also from a snapshot: of each detector the largest shift is kept so long, and no longer."""
    one, end, small = labelled(), "1970-01-01T00:17:00.000Z", replace(FIRST, detected_ms=1_010_000, changed_ms=1_000_000, after=0.2)
    one.add(minute(16, 300, 0, 0))
    monkeypatch.setattr(one.concept, "advance", lambda _: [FIRST, small])
    assert told_by(one, 1_020_000, "adwin") == {end: 0.3}
    assert one.shifts == [FIRST]
    monkeypatch.setattr(one.concept, "advance", lambda _: [])
    assert told_by(one, 1_400_000, "adwin") == {}
    one.add(labels := minute(16, 0, 290, 20)._replace(touched=290))
    again = labelled()
    for pane in (minute(16, 300, 0, 0), labels):
        again.outcomes.restore(pane)
    again.load(one.to_state())
    assert told_by(one, 1_500_000, "adwin") == told_by(again, 1_500_000, "adwin") == {end: 0.3}
    list(one.advance(1_680_000, {}, Stamp(1_680_000, "config"), []))
    assert one.shifts == []


def plan_where(positive: str, revision: int) -> Plan:
    """A small model's, of which one class or the other is the positive one."""
    baseline = load_baseline(graded()[graded_name("loan", "binary")], "graded")
    model = {"baseline": "graded", "task": "binary", "positive_class": positive}
    config = parse_config({"revision": revision, "models": {"loan": model}}, "test")
    return compile_plan(config, config.shared({"graded": baseline.id}), {"graded": baseline})


def test_two_configs_in_a_row_that_read_labels_another_way_leave_outcomes_of_the_last() -> None:
    """No row came between them, so that there is no join to tell by."""
    stream, first = StreamKey("loan", None), plan_where("a", 1)
    state = State.empty(first)
    state.insert((stream, ()), Unit.new((stream, ()), first.streams[stream], None))
    state.joins["loan"] = Join(first.joins["loan"])
    for revision, positive in ((2, "b"), (3, "a")):
        plan = plan_where(positive, revision)
        adopt(state, plan, Outputs())
        told = state.units[stream, ()].labelled
        assert told is not None
        assert told.outcomes.layout == plan.joins["loan"].layout
