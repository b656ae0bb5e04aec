"""The HTML report: what it tells, that it stands alone, and that names in it cannot do anything."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.detect.finding import Severity
from stream_monitor.detect.report import WindowScore
from stream_monitor.errors import InputError
from stream_monitor.export.pictures import POINTS_MAX, Axis, Point, thinned
from stream_monitor.export.report import Story, write_report
from stream_monitor.export.report.page import render
from stream_monitor.export.report.story import CASES_MAX
from stream_monitor.export.templating import number
from tests.demo_stage import called, played


def story(alerts: list[Alert] | None = None, rows: list[bytes] | None = None) -> Story:
    return Story.of(played().alerts if alerts is None else alerts, played().windows if rows is None else rows)


def test_it_tells_what_moved_worst_first() -> None:
    told = story()
    ranks = [list(Severity).index(case.peak.severity) for case in told.cases]
    assert ranks == sorted(ranks, reverse=True)
    assert {case.subject for case in told.cases} >= {"income", "region"}
    assert {each.column for each in told.quiet}.isdisjoint({"income", "region"})
    income = next(case for case in told.cases if case.subject == "income")
    scores = [point.score for point in income.series if point.score is not None]
    assert income.peak.score in scores
    assert income.series == sorted(income.series, key=lambda point: point.end_ms)
    assert told.windows >= told.judged > 10


def test_a_figure_of_all_events_has_its_name_and_is_under_its_threshold_where_it_falls() -> None:
    fell = [
        msgspec.structs.replace(alert, detector="estimated_accuracy", score=0.7, threshold=0.9)
        for alert in called().alerts
        if alert.detector == "log_loss"
    ]
    page = render(story(fell, called().windows), "A run")
    assert "Estimated accuracy: 0.7 under 0.9" in page
    assert "loan: estimated accuracy" in page
    assert ">log_loss</text>" not in render(story(called().alerts, called().windows), "A run"), "nor at its bars"


def test_on_the_line_of_time_alerts_of_several_models_have_their_models_names() -> None:
    rows, alert = called().windows, next(alert for alert in called().alerts if alert.feature == "income" and not alert.segment)
    assert ">income</text>" in render(story([alert], rows), "A run")
    other = msgspec.structs.replace(alert, alert_id="other", version="2")
    page = render(story([alert, other], [*rows, *(row.replace(b'"version":null', b'"version":"2"') for row in rows)]), "A run")
    assert ">loan: income</text>" in page
    assert ">loan@2: income</text>" in page


def test_what_is_worse_when_it_falls_is_near_its_threshold_from_above() -> None:
    row = next(each for line in played().windows if (each := msgspec.json.decode(line, type=WindowScore)).feature is None)
    told = {"segment": {}, "status": "judged", "threshold": 0.9}
    rows = [
        msgspec.structs.replace(row, detector=name, score=score, **told) for name, score in (("attribution_ndcg", 1.0), ("accuracy", 0.95))
    ]
    (nearest,) = story([], [each.to_json() for each in rows]).quiet
    assert (nearest.detector, nearest.ratio) == ("accuracy", 0.9 / 0.95)


def test_the_page_says_it_and_stands_alone() -> None:
    page = render(story(), "A run")
    assert page == render(story(), "A run")
    for case in story().cases:
        assert f'id="case-{case.first.alert_id}"' in page
        assert page.count(f'href="#case-{case.first.alert_id}"') == 1
    assert page.count("<svg") == page.count("</svg>") > 2 * len(story().cases)
    assert not re.search(r"""(src|href)=["'](?!#)|@import|url\(|<script""", page), "no request leaves the page, and nothing runs in it"


def test_it_tells_how_good_fair_and_fast_the_model_was() -> None:
    told = story(called().alerts, called().windows)
    figures = told.figures["loan"]
    rows = [msgspec.json.decode(row, type=WindowScore) for row in called().windows]
    final = {(row.detector, row.window.end): row for row in rows if row.feature is None and not row.segment and row.status == "judged"}
    assert [point.score for point in figures.truth] == [row.score for (name, _), row in sorted(final.items()) if name == "accuracy"]
    assert {point.end_ms for point in figures.truth} <= {point.end_ms for point in figures.estimate}
    assert {each.detector for each in figures.of("bias")} >= {"disparate_impact", "equal_opportunity_difference"}
    assert {each.about for each in figures.of("bias")} == {"gender = female"}
    accuracy = figures.by["", "accuracy"]
    assert accuracy.value is not None
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low <= accuracy.value <= accuracy.high
    assert f"{number(accuracy.low)} to {number(accuracy.high)}</span>" in render(told, "x")
    p95 = next(each for each in figures.of("operations") if each.detector == "latency_p95_ms")
    assert p95.value == max(point.score or 0.0 for point in p95.series)
    page = render(told, "A run")
    for title in ("How good loan was", "How loan treated groups", "How calls of loan went"):
        assert f"<h2>{title}</h2>" in page


def test_that_nobody_knows_how_good_a_model_was_is_said() -> None:
    rows = [row for row in called().windows if b'"detector":"accuracy"' not in row]
    assert "No window had labels enough to judge by" in render(story([], rows), "no labels")


def test_names_are_only_text() -> None:
    evil = '<script>alert("x")</script>"\'&'
    alerts = [
        msgspec.structs.replace(
            alert,
            model=evil,
            feature=evil,
            segment={evil: evil},
            annotations=msgspec.structs.replace(alert.annotations, summary=evil),
            evidence=msgspec.structs.replace(
                alert.evidence, moved=tuple(msgspec.structs.replace(moved, bin=evil) for moved in alert.evidence.moved)
            ),
        )
        for alert in played().alerts
    ]
    page = render(story(alerts), evil)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5


def test_a_run_without_alerts_or_windows_has_a_page_too() -> None:
    assert "No alert." in render(story([]), "quiet")
    assert "no model" in render(story([], []), "empty")


def many() -> Iterator[Alert]:
    first = played().alerts[0]
    for number_ in range(CASES_MAX + 7):
        yield msgspec.structs.replace(first, alert_id=f"{number_:032x}", feature=f"f{number_}")


def test_it_is_bounded() -> None:
    told = story(list(many()))
    assert (len(told.cases), told.left_out) == (CASES_MAX, 7)
    assert "7 more alerts are in alerts.jsonl" in render(told, "many")
    points = [Point(n, float(n % 97), 1.0) for n in range(10_000)]
    assert len(thinned(points)) <= POINTS_MAX
    assert max(point.score or 0 for point in thinned(points)) == 96.0, "what is highest is kept"


@pytest.mark.parametrize("span_s", [1, 60, 3_000, 86_400, 30 * 86_400, 900 * 86_400])
def test_a_time_axis_has_a_few_round_times(span_s: int) -> None:
    ticks = Axis(1_767_261_600_000, 1_767_261_600_000 + span_s * 1_000, 0.0, 100.0).ticks()
    assert 1 <= len(ticks) <= 8
    assert [x for x, _ in ticks] == sorted(x for x, _ in ticks)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (None, 0.0, 0.12345, 42_811.3, 1e15)] == ["-", "0", "0.123", "42,811", "1e+15"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--report .*: cannot be written"):
        write_report(story([]), tmp_path / "no" / "report.html", "x")
    write_report(story([]), tmp_path / "report.html", "x")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
