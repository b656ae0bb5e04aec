"""The judge at its edges: few events, empty columns, thresholds, severity, what moved."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_monitor.capture.schema import Column, Kind, Role, Schema, StreamKey
from stream_monitor.detect.decide import Judge, count_tests
from stream_monitor.detect.distances import DISTANCES
from stream_monitor.detect.finding import Finding, FindingKind, Score, ScoreStatus, Severity
from stream_monitor.detect.pair import Inflation, Padding
from stream_monitor.detect.reference import Reference
from stream_monitor.detect.registry import BY_COLUMN, NAMES, SEQUENTIAL, VOLUME, Thresholds
from stream_monitor.detect.report import WindowRef, rounded, utc, window_scores
from stream_monitor.detect.sequential.shift import Series, Shift
from stream_monitor.detect.volume import Volume
from stream_monitor.detect.whole import WHOLE
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE, MISSING, Layout
from stream_monitor.profile.operations import Operations
from stream_monitor.profile.profile import Profile

AMOUNT = Column("amount", Kind.NUMERIC)
COUNTRY = Column("country", Kind.CATEGORICAL)
LABEL = Column("prediction", Kind.CATEGORICAL, Role.PREDICTION)


def profile(*columns: list[int]) -> Profile:
    events = sum(columns[0])
    assert all(sum(column) == events for column in columns)
    return Profile(events, np.array([count for column in columns for count in column]), np.zeros((2, len(columns)), dtype=np.int64))


def judge(baseline: Profile, columns: tuple[Column, ...], sizes: tuple[int, ...], **changes: object) -> Judge:
    thresholds = changes.pop("thresholds", Thresholds())
    assert isinstance(thresholds, Thresholds)
    return Judge(reference(baseline, columns, sizes, **changes), thresholds, alpha=1e-6, events_min=200)


def reference(baseline: Profile, columns: tuple[Column, ...], sizes: tuple[int, ...], **changes: Any) -> Reference:
    layout = Layout(tuple(column.name for column in columns), sizes, tuple(column.kind is Kind.NUMERIC for column in columns))
    neutral = Reference(Schema(columns), layout, baseline, np.zeros(len(columns), dtype=np.int64), Inflation.none(len(columns)), {})
    return replace(neutral, **changes)


def one(scores: list[Score], detector: str, feature: str = "amount") -> Score:
    return next(score for score in scores if score.key.detector == detector and score.key.feature == feature)


def found(judged: Judge, window: Profile) -> dict[str, Finding]:
    return {finding.key.detector: finding for finding in judged.findings(judged.judge(window), window)}


BASELINE = profile([10, 0, 0, 500, 490, 0])


def test_a_shift_is_found_by_every_distance_and_names_what_moved() -> None:
    judged = judge(BASELINE, (AMOUNT,), (6,))
    findings = found(judged, profile([3, 0, 0, 47, 250, 0]))
    assert list(findings) == list(DISTANCES)
    assert {finding.key.kind for finding in findings.values()} == {FindingKind.DATA_DRIFT}
    assert findings["psi"].moved == (FIRST_BIN, FIRST_BIN + 1)


def test_traffic_like_the_baseline_finds_nothing() -> None:
    judged = judge(BASELINE, (AMOUNT,), (6,))
    scores = judged.judge(profile([3, 0, 0, 150, 147, 0]))
    assert {score.status for score in scores} == {ScoreStatus.JUDGED, ScoreStatus.TOO_FEW}
    unknown = [score.key.detector for score in scores if score.status is ScoreStatus.TOO_FEW]
    assert unknown == ["outlier_ratio", "duplicate_ratio", "multivariate_outlier_ratio"], "no fences, no ids, no distances"
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
        columns = [score for score in scores if score.key.detector not in SEQUENTIAL]
        assert {(score.score, score.p_value, score.status) for score in columns} == {(None, None, ScoreStatus.TOO_FEW)}


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
    assert list(findings) == ["missing_feature", "missing_ratio", "field_set_changed"]
    finding = findings["missing_ratio"]
    assert (finding.key.kind, finding.severity, finding.moved) == (FindingKind.DATA_QUALITY, Severity.CRITICAL, (MISSING,))
    assert (finding.value, finding.base) == (1.0, 0.01)
    assert finding.score.threshold == pytest.approx(0.06)


def test_a_constant_column_that_changes_is_found() -> None:
    """A constant column has the bins below, equal and above; a baseline on its single value."""
    constant = profile([0, 0, 0, 1000, 0])
    findings = found(judge(constant, (AMOUNT,), (5,)), profile([0, 0, 0, 100, 200]))
    assert set(findings) == {*DISTANCES, "out_of_range_ratio"}
    assert findings["ks"].severity is Severity.CRITICAL
    assert found(judge(constant, (AMOUNT,), (5,)), profile([0, 0, 0, 1000, 0])) == {}


def test_a_column_without_bins_is_judged_without_noise() -> None:
    """Only "other": every value is the same to us."""
    scores = judge(profile([0, 0, 500]), (COUNTRY,), (3,)).judge(profile([0, 0, 300]))
    assert {score.score - score.base for score in scores if score.score is not None} == {0}


def test_unseen_categories_move_into_other() -> None:
    findings = found(judge(profile([0, 0, 0, 600, 400]), (COUNTRY,), (5,)), profile([0, 0, 150, 90, 60]))
    assert findings["psi"].moved[0] == FIRST_VALUE


def test_a_category_has_no_kolmogorov_smirnov_score() -> None:
    scores = judge(profile([0, 0, 0, 600, 400]), (COUNTRY,), (5,)).judge(profile([0, 0, 0, 300, 0]))
    names = {score.key.detector for score in scores if score.key.feature}
    assert names == {*BY_COLUMN, *SEQUENTIAL} - {"ks", "wasserstein", "out_of_range_ratio", "outlier_ratio"}


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


def test_detectors_that_share_a_gate_count_as_one_test() -> None:
    """A number: distances (two gates), missing, type, range, constant, outliers, two sequential ones with two series; a category: one less.

    A prediction has no anomalies: two less. All of operations is one more, and so is all of captures.
    """
    columns = (AMOUNT, COUNTRY, LABEL)
    whole = len(WHOLE) + len(VOLUME) + 2
    assert count_tests(Schema((AMOUNT,)), {"amount"}) == 11 + whole
    assert count_tests(Schema(columns), {"amount", "country", "prediction"}) == 11 + 10 + 9 + whole
    assert count_tests(Schema(columns), {"country"}, ["psi", "js", "missing_ratio", "volume"]) == 3


def test_an_output_that_a_failed_call_does_not_owe_is_not_missing() -> None:
    """Of 400 events 100 failed: 90 of them gave no prediction, which is no news; 100 features are lacking, which is."""
    baseline = profile([0, 0, 0, 500, 500], [0, 0, 0, 500, 500])
    judged = judge(baseline, (AMOUNT, LABEL), (5, 5))
    window = profile([100, 0, 0, 150, 150], [90, 0, 0, 155, 155])
    failed = replace(window, operations=Operations(400, 100, {"timeout": 100}))
    assert [score.score for score in judged.judge(failed) if score.key.detector == "missing_ratio"] == [0.25, 0.0]
    assert [score.score for score in judged.judge(window) if score.key.detector == "missing_ratio"] == [0.25, 0.225]
    nothing = replace(profile([0, 0, 0, 4, 4], [8, 0, 0, 0, 0]), operations=Operations(8, 8))
    assert one(judged.judge(nothing), "missing_ratio", "prediction").score is None


def test_columns_that_the_config_leaves_out_get_no_score() -> None:
    columns = (AMOUNT, COUNTRY)
    counts = profile([0, 0, 0, 300, 300], [0, 0, 0, 300, 300])
    judged = Judge(reference(counts, columns, (5, 5)), Thresholds(), alpha=1e-6, events_min=200, judged={"country"})
    scores = [score for score in judged.judge(counts) if score.key.feature]
    assert {score.key.feature for score in scores} == {"country"}
    assert {score.column for score in scores} == {1}
    assert judged.min_shift.tolist() == [np.inf, 0.05]


def test_detectors_that_the_config_leaves_out_give_no_score() -> None:
    counts = profile([0, 0, 0, 300, 300])
    judged = Judge(reference(counts, (AMOUNT,), (5,)), Thresholds(), 1e-6, 200, detectors=["psi", "constant", "volume"])
    assert [score.key.detector for score in judged.judge(counts)] == ["psi", "constant"]
    assert judged.min_shift.tolist() == [np.inf]
    assert [score.key.detector for score in judged.judge_traffic(Volume(), 0, 1000, 5)] == ["volume"]


def test_a_natural_range_raises_the_threshold_and_no_more() -> None:
    raised = judge(BASELINE, (AMOUNT,), (6,), natural={"psi": np.array([0.5]), "ks": np.array([0.01]), "shift": np.array([0.1])})
    scores = raised.judge(BASELINE)
    assert one(scores, "psi").threshold == pytest.approx(0.6)
    assert one(scores, "ks").threshold == 0.15
    assert raised.min_shift.tolist() == pytest.approx([0.12])


def shift(detector: str, before: float, after: float, changed_ms: int = 5_000) -> Shift:
    return Shift(0, Series.POSITION, detector, 60_000, changed_ms, before, after, 1e-9)


def test_a_shift_is_a_finding_for_information_with_its_change_point() -> None:
    judged = judge(BASELINE, (AMOUNT,), (6,))
    window = profile([0, 0, 0, 100, 110, 0])
    shifts = [shift("adwin", 0.5, 0.56, 1_000), shift("adwin", 0.5, 0.4), shift("page_hinkley", 0.5, 0.53)]
    scores = judged.judge(window, shifts)
    assert [one(scores, name).score for name in SEQUENTIAL] == pytest.approx([0.1, 0.03])
    findings = judged.findings(scores, window, shifts)
    assert [(finding.key.detector, finding.severity, finding.change_ms) for finding in findings] == [("adwin", Severity.INFO, 5_000)]


def test_a_shift_counts_in_a_window_of_few_events_too() -> None:
    judged = judge(BASELINE, (AMOUNT,), (6,))
    window = profile([0, 0, 0, 4, 3, 0])
    shifts = [shift("page_hinkley", 0.5, 0.7)]
    assert [finding.key.detector for finding in judged.findings(judged.judge(window, shifts), window, shifts)] == ["page_hinkley"]
    assert judged.findings(judged.judge(window, shifts, complete=False), window, shifts) == []


def test_a_plug_in_has_scores_like_the_built_in_ones() -> None:
    judged = Judge(reference(BASELINE, (AMOUNT,), (6,)), Thresholds(), 1e-6, 200, detectors=["psi"], plugins=["kswin"])
    shifts = [replace(shift("kswin", 0.5, 0.7), p_value=None)]
    findings = judged.findings(judged.judge(BASELINE, shifts), BASELINE, shifts)
    assert [(finding.key.detector, finding.severity) for finding in findings] == [("kswin", Severity.INFO)]


def test_a_model_without_columns_has_no_scores() -> None:
    empty = Profile(7, np.zeros(0, dtype=np.int64), np.zeros((2, 0), dtype=np.int64))
    assert {score.key.feature for score in judge(empty, (), ()).judge(empty)} == {None}


def test_the_schema_must_be_the_layouts() -> None:
    with pytest.raises(AssertionError, match="not the schema's"):
        judge(profile([0, 0, 1]), (AMOUNT,), (3,), layout=Layout(("a",), (3,), (True,)))


def test_every_detector_is_in_the_contracts_words() -> None:
    words = "psi js kl hellinger tvd linf chi2 ks wasserstein missing_feature missing_ratio type_mismatch_ratio unseen_ratio"
    words += (
        " out_of_range_ratio constant outlier_ratio rare_category_ratio adwin page_hinkley duplicate_ratio extra_feature field_set_changed"
    )
    words += " multivariate_outlier_ratio volume silence"
    words += " latency_p95_ms latency_p50_ms latency_p99_ms throughput_per_s error_ratio cpu_ratio memory_bytes gpu_ratio gpu_memory_bytes"
    words += " network_bytes_per_s bottleneck idle_capacity attribution_ndcg attribution_share"
    words += " capture_delay_p95_ms clock_skew_ms producer_silence sampling_shift unpaired_labels"
    words += " version_psi version_ks version_latency_p95_ratio version_error_ratio_difference version_accuracy_difference"
    words += " version_mae_difference"
    words += " accuracy precision recall specificity f1 f0_5 f2 macro_precision macro_recall macro_f1 weighted_precision weighted_f1"
    words += " conditional_entropy prediction_entropy prediction_js"
    words += " roc_auc pr_auc log_loss brier ece mae mse rmse r2 mape mean_error estimated_accuracy estimated_precision"
    words += " estimated_recall estimated_specificity estimated_f1 estimated_roc_auc estimated_macro_precision"
    words += " estimated_macro_recall estimated_macro_f1 estimated_mae estimated_rmse disparate_impact statistical_parity_difference"
    words += " equal_opportunity_difference equalised_odds_difference accuracy_difference precision_difference specificity_difference"
    words += " treatment_equality conditional_acceptance conditional_rejection conditional_demographic_disparity"
    words += " joint_js joint_kl label_coverage label_delay_p50_s ddm eddm"
    assert list(NAMES) == words.split()


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
