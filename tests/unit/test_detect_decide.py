"""The judge at its edges: few events, empty columns, thresholds, severity, what moved."""

import numpy as np
import pytest

from stream_monitor.capture.schema import Column, Kind, Role, Schema, StreamKey
from stream_monitor.detect.decide import DETECTORS, Judge, Thresholds, scores_per_window
from stream_monitor.detect.finding import Finding, FindingKind, Score, ScoreStatus, Severity
from stream_monitor.detect.pair import Padding
from stream_monitor.detect.report import WindowRef, rounded, utc, window_scores
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE, MISSING, Layout
from stream_monitor.profile.profile import Profile

AMOUNT = Column("amount", Kind.NUMERIC)
COUNTRY = Column("country", Kind.CATEGORICAL)
LABEL = Column("prediction", Kind.CATEGORICAL, Role.PREDICTION)


def profile(*columns: list[int]) -> Profile:
    events = sum(columns[0])
    assert all(sum(column) == events for column in columns)
    return Profile(events, np.array([count for column in columns for count in column]), np.zeros((2, len(columns)), dtype=np.int64))


def judge(baseline: Profile, columns: tuple[Column, ...], sizes: tuple[int, ...], **changes: object) -> Judge:
    layout = Layout(tuple(column.name for column in columns), sizes, tuple(column.kind is Kind.NUMERIC for column in columns))
    thresholds = changes.get("thresholds", Thresholds())
    assert isinstance(thresholds, Thresholds)
    return Judge(layout, baseline, Schema(columns), thresholds, alpha=1e-6, events_min=200)


def one(scores: list[Score], detector: str, feature: str = "amount") -> Score:
    return next(score for score in scores if score.key.detector == detector and score.key.feature == feature)


def found(judged: Judge, window: Profile) -> dict[str, Finding]:
    return {finding.key.detector: finding for finding in judged.findings(judged.judge(window), window)}


BASELINE = profile([10, 0, 0, 500, 490, 0])


def test_a_shift_is_found_by_every_distance_and_names_what_moved() -> None:
    judged = judge(BASELINE, (AMOUNT,), (6,))
    findings = found(judged, profile([3, 0, 0, 47, 250, 0]))
    assert list(findings) == ["psi", "js", "ks"]
    assert {finding.key.kind for finding in findings.values()} == {FindingKind.DATA_DRIFT}
    assert findings["psi"].moved == (FIRST_BIN, FIRST_BIN + 1)


def test_traffic_like_the_baseline_finds_nothing() -> None:
    judged = judge(BASELINE, (AMOUNT,), (6,))
    scores = judged.judge(profile([3, 0, 0, 150, 147, 0]))
    assert {score.status for score in scores} == {ScoreStatus.JUDGED}
    assert judged.findings(scores, profile([3, 0, 0, 150, 147, 0])) == []


def test_few_events_are_scored_and_not_judged() -> None:
    judged = judge(BASELINE, (AMOUNT,), (6,))
    window = profile([0, 0, 0, 0, 199, 0])
    scores = judged.judge(window)
    assert {score.status for score in scores} == {ScoreStatus.TOO_FEW}
    psi = one(scores, "psi").score
    assert psi is not None
    assert psi > 1
    assert judged.findings(scores, window) == []


def test_an_incomplete_window_is_never_a_finding() -> None:
    judged = judge(BASELINE, (AMOUNT,), (6,))
    window = profile([0, 0, 0, 0, 999, 0])
    scores = judged.judge(window, complete=False)
    assert {score.status for score in scores} == {ScoreStatus.INCOMPLETE}
    assert judged.findings(scores, window) == []


def test_an_empty_window_and_an_empty_baseline_have_no_scores() -> None:
    empty = profile([0, 0, 0, 0, 0, 0])
    for scores in (judge(BASELINE, (AMOUNT,), (6,)).judge(empty), judge(empty, (AMOUNT,), (6,)).judge(empty)):
        assert {(score.score, score.p_value, score.status) for score in scores} == {(None, None, ScoreStatus.TOO_FEW)}


def test_one_event_on_either_side_is_never_a_finding() -> None:
    single = profile([0, 0, 0, 1, 0, 0])
    far = profile([0, 0, 0, 0, 1000, 0])
    assert found(judge(single, (AMOUNT,), (6,)), far) == {}
    assert found(judge(far, (AMOUNT,), (6,)), single) == {}


def test_a_column_that_was_always_missing_has_no_distance_and_is_no_fault() -> None:
    judged = judge(profile([1000, 0, 0]), (AMOUNT,), (3,))
    window = profile([700, 0, 300])
    scores = judged.judge(window)
    assert one(scores, "psi").status is ScoreStatus.TOO_FEW
    assert one(scores, "missing_ratio").score == 0.7
    assert judged.findings(scores, window) == []


def test_a_column_that_goes_missing_altogether_is_a_critical_finding() -> None:
    findings = found(judge(BASELINE, (AMOUNT,), (6,)), profile([300, 0, 0, 0, 0, 0]))
    assert list(findings) == ["missing_ratio"]
    finding = findings["missing_ratio"]
    assert (finding.key.kind, finding.severity, finding.moved) == (FindingKind.DATA_QUALITY, Severity.CRITICAL, (MISSING,))
    assert (finding.value, finding.base) == (1.0, 0.01)
    assert finding.score.threshold == pytest.approx(0.06)


def test_a_constant_column_that_changes_is_found() -> None:
    """A constant column has the bins below, equal and above; a baseline on its single value."""
    constant = profile([0, 0, 0, 1000, 0])
    findings = found(judge(constant, (AMOUNT,), (5,)), profile([0, 0, 0, 100, 200]))
    assert list(findings) == ["psi", "js", "ks"]
    assert findings["ks"].severity is Severity.CRITICAL
    assert found(judge(constant, (AMOUNT,), (5,)), profile([0, 0, 0, 1000, 0])) == {}


def test_a_column_without_bins_is_judged_without_noise() -> None:
    """Only "other": every value is the same to us."""
    scores = judge(profile([0, 0, 500]), (COUNTRY,), (3,)).judge(profile([0, 0, 300]))
    assert [score.score for score in scores] == [0, 0, 0, 0]


def test_unseen_categories_move_into_other() -> None:
    findings = found(judge(profile([0, 0, 0, 600, 400]), (COUNTRY,), (5,)), profile([0, 0, 150, 90, 60]))
    assert findings["psi"].moved[0] == FIRST_VALUE


def test_a_category_has_no_kolmogorov_smirnov_score() -> None:
    scores = judge(profile([0, 0, 0, 600, 400]), (COUNTRY,), (5,)).judge(profile([0, 0, 0, 300, 0]))
    assert [score.key.detector for score in scores] == ["psi", "js", "missing_ratio", "type_mismatch_ratio"]


def test_drift_of_the_output_is_prediction_drift_and_its_gaps_are_data_quality() -> None:
    judged = judge(profile([0, 0, 0, 600, 400]), (LABEL,), (5,))
    assert found(judged, profile([0, 0, 0, 30, 270]))["psi"].key.kind is FindingKind.PREDICTION_DRIFT
    assert found(judged, profile([150, 0, 0, 90, 60]))["missing_ratio"].key.kind is FindingKind.DATA_QUALITY


def test_severity_is_measured_in_thresholds_beyond_the_baseline() -> None:
    """A baseline of 20 % missing and an increase of 5 % allowed: 26 % is a warning, 31 % critical, though both are below 2 x 25 %."""
    judged = judge(profile([20_000, 0, 0, 40_000, 40_000, 0]), (AMOUNT,), (6,))
    assert found(judged, profile([2600, 0, 0, 3700, 3700, 0]))["missing_ratio"].severity is Severity.WARNING
    assert found(judged, profile([3100, 0, 0, 3450, 3450, 0]))["missing_ratio"].severity is Severity.CRITICAL


def test_large_but_not_real_is_no_finding() -> None:
    """20 baseline rows: a third of a window in one bin rather than half of it is chance."""
    judged = judge(profile([0, 0, 0, 10, 10, 0]), (AMOUNT,), (6,))
    window = profile([0, 0, 0, 800, 200, 0])
    score = one(judged.judge(window), "psi")
    assert score.score is not None
    assert score.score > score.threshold
    assert found(judged, window) == {}


def test_real_but_not_large_is_no_finding() -> None:
    judged = judge(profile([0, 0, 0, 500_000, 500_000, 0]), (AMOUNT,), (6,))
    window = profile([0, 0, 0, 53_000, 47_000, 0])
    assert (one(judged.judge(window), "psi").p_value or 0) < 1e-12
    assert found(judged, window) == {}


def test_thresholds_come_from_the_column_then_the_detector_then_the_default() -> None:
    thresholds = Thresholds({"psi": 0.3}, {"amount": {"psi": 0.4}})
    assert [thresholds("amount", "psi"), thresholds("country", "psi"), thresholds("country", "ks")] == [0.4, 0.3, 0.15]
    scores = judge(BASELINE, (AMOUNT,), (6,), thresholds=thresholds).judge(BASELINE)
    assert one(scores, "psi").threshold == 0.4


def test_scores_per_window_counts_what_a_window_gets() -> None:
    columns = (AMOUNT, COUNTRY, LABEL)
    counts = profile([0, 0, 0, 300, 300], [0, 0, 0, 300, 300], [0, 0, 0, 300, 300])
    assert scores_per_window(Schema(columns), {"amount", "country", "prediction"}) == 13
    assert len(judge(counts, columns, (5, 5, 5)).judge(counts)) == 13


def test_columns_that_the_config_leaves_out_get_no_score() -> None:
    columns = (AMOUNT, COUNTRY)
    counts = profile([0, 0, 0, 300, 300], [0, 0, 0, 300, 300])
    layout = Layout(("amount", "country"), (5, 5), (True, False))
    judged = Judge(layout, counts, Schema(columns), Thresholds(), alpha=1e-6, events_min=200, judged={"country"})
    scores = judged.judge(counts)
    assert {score.key.feature for score in scores} == {"country"}
    assert {score.column for score in scores} == {1}
    assert scores_per_window(Schema(columns), {"country"}) == len(scores)


def test_a_model_without_columns_has_no_scores() -> None:
    empty = Profile(7, np.zeros(0, dtype=np.int64), np.zeros((2, 0), dtype=np.int64))
    assert judge(empty, (), ()).judge(empty) == []


def test_the_schema_must_be_the_layouts() -> None:
    with pytest.raises(AssertionError, match="not the schema's"):
        Judge(Layout(("a",), (3,), (True,)), profile([0, 0, 1]), Schema((AMOUNT,)), Thresholds(), 1e-6, 200)


def test_every_detector_is_in_the_contracts_words() -> None:
    assert list(DETECTORS) == ["psi", "js", "ks", "missing_ratio", "type_mismatch_ratio"]


def test_window_scores_are_contract_rows() -> None:
    scores = judge(BASELINE, (AMOUNT,), (6,)).judge(profile([0, 0, 0, 1, 2, 0]))
    start = 1_795_327_200_000
    rows = window_scores(StreamKey("fraud", None), {"region": "eu"}, WindowRef(start, start + 300_000, 3), 1, scores[:1])
    assert [row.to_json() for row in rows] == [
        b'{"model":"fraud","version":null,"segment":{"region":"eu"},"window":{"start":"2026-11-22T06:00:00.000Z",'
        b'"end":"2026-11-22T06:05:00.000Z","events":3},"revision":1,"feature":"amount","detector":"psi","score":0.0690551,'
        b'"threshold":0.2,"p_value":1.0,"status":"too_few"}'
    ]


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (1_795_327_200_007, "2026-11-22T06:00:00.007Z")],
)
def test_times_are_rfc_3339_in_utc(time_ms: int, text: str) -> None:
    assert utc(time_ms) == text


def test_rounding_keeps_six_significant_digits() -> None:
    assert [rounded(value) for value in (0.123456789, 1.23456789e-12, 0.0, None)] == [0.123457, 1.23457e-12, 0.0, None]


def test_columns_of_unlike_width_are_padded_with_nothing() -> None:
    counts = profile([4, 3, 0, 1], [8, 0, 0], [0, 0, 1, 2, 5])
    side = Padding(Layout(("a", "b", "c"), (4, 3, 5), (True, False, True))).side(counts)
    np.testing.assert_array_equal(side.counts, [[4, 3, 0, 1, 0], [8, 0, 0, 0, 0], [0, 0, 1, 2, 5]])
    np.testing.assert_array_equal(side.present, [1, 0, 8])
    np.testing.assert_array_equal(side.events, [8, 8, 8])
