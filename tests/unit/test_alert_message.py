"""The alert as bytes: the contract's fields in its order, ids, headers, sentences."""

import json
from dataclasses import replace

import pytest

from stream_monitor.alert import ending, summary
from stream_monitor.alert.alert import Affected, Agreeing, Alert, Evidence, Mean, Moved, SampleEvent, alert_id_of, fingerprint_of
from stream_monitor.alert.publication import Publisher, Raised, Reason, Stamp
from stream_monitor.alert.wording import amount
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity, Shown
from stream_monitor.detect.report import WindowRef
from stream_monitor.errors import CodecError

START = 1_795_327_200_000
MINUTES_5 = 300_000
WINDOW = WindowRef(START, START + MINUTES_5, 12_034)
FRAUD = StreamKey("fraud", None)
PSI = Key(FindingKind.DATA_DRIFT, "amount", "psi")
EVIDENCE = Evidence(
    (Moved("[10, 20)", 0.11, 0.34),),
    (SampleEvent("captures", 0, 123),),
    Mean(12.5, 18.25),
    (Agreeing("psi", 0.31, 0.2, 1e-14),),
    (Affected({"city": "Rome"}, None, 0.52, 800),),
)
STAMP = Stamp(START + MINUTES_5 + 5000, "c1")


def finding(key: Key = PSI, value: float = 0.31, base: float = 0.0, p_value: float = 1e-14) -> Finding:
    score = Score(key, 0, value, base + 0.2, p_value, ScoreStatus.JUDGED)
    return Finding(score, value, base, Severity.WARNING, (4,))


def opened() -> Alert:
    return Publisher(FRAUD, {"region": "eu"}, "b1").opened(WINDOW, Raised(finding(), EVIDENCE), STAMP)


GOLDEN = {
    "alert_id": alert_id_of(fingerprint_of(FRAUD, {"region": "eu"}, PSI), START, "b1"),
    "fingerprint": fingerprint_of(FRAUD, {"region": "eu"}, PSI),
    "revision": 1,
    "status": "firing",
    "severity": "warning",
    "kind": "data_drift",
    "model": "fraud",
    "version": None,
    "segment": {"region": "eu"},
    "feature": "amount",
    "detector": "psi",
    "score": 0.31,
    "threshold": 0.2,
    "p_value": 1e-14,
    "window": {"start": "2026-11-22T06:00:00.000Z", "end": "2026-11-22T06:05:00.000Z", "events": 12034},
    "started_at": "2026-11-22T06:00:00.000Z",
    "detected_at": "2026-11-22T06:05:05.000Z",
    "resolved_at": None,
    "reason": None,
    "change_point": None,
    "baseline_id": "b1",
    "config_id": "c1",
    "labels": {},
    "annotations": {
        "summary": "fraud (region = eu): amount drifted in the 5 minutes from 2026-11-22 06:00 UTC (PSI 0.31 over 0.20, p < 1e-12): "
        "[10, 20) rose from 11 % to 34 %, of 12,034 events; most in city = Rome (0.52)",
        "runbook": None,
    },
    "evidence": {
        "moved": [{"bin": "[10, 20)", "baseline": 0.11, "window": 0.34}],
        "samples": [{"topic": "captures", "partition": 0, "offset": 123}],
        "mean": {"baseline": 12.5, "window": 18.25},
        "detectors": [{"detector": "psi", "score": 0.31, "threshold": 0.2, "p_value": 1e-14}],
        "affected": [{"segment": {"city": "Rome"}, "version": None, "score": 0.52, "events": 800}],
    },
}


def test_the_message_is_the_contract_field_by_field_and_in_order() -> None:
    value = opened().to_json()
    assert json.loads(value) == GOLDEN
    assert list(json.loads(value)) == list(GOLDEN)
    assert value == json.dumps(GOLDEN, separators=(",", ":")).encode()


def test_json_comes_back_as_the_same_alert() -> None:
    assert Alert.from_json(opened().to_json()) == opened()


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"alert_id": 1}', b"\xff"])
def test_what_is_not_an_alert_is_a_codec_error(value: bytes) -> None:
    with pytest.raises(CodecError, match="not an alert"):
        Alert.from_json(value)


def test_headers_are_cloud_events() -> None:
    headers = dict(opened().headers())
    assert headers["ce_id"] == f"{GOLDEN['alert_id']}/1".encode()
    assert headers["ce_type"] == b"stream-monitor.alert.firing"
    assert headers["ce_source"] == b"/stream-monitor/models/fraud"
    assert headers["ce_time"] == b"2026-11-22T06:05:05.000Z"
    assert headers["ce_specversion"] == b"1.0"


def test_a_model_of_any_name_gives_a_uri() -> None:
    alert = Publisher(StreamKey("credit risk/é", None), {}, "b1").opened(WINDOW, Raised(finding(), EVIDENCE), STAMP)
    assert dict(alert.headers())["ce_source"] == b"/stream-monitor/models/credit%20risk%2F%C3%A9"


def test_ids_are_pinned_and_change_with_everything_that_they_name() -> None:
    """A published id must stay what it is from release to release."""
    assert fingerprint_of(FRAUD, {}, PSI) == FINGERPRINT
    assert alert_id_of(FINGERPRINT, START, "b1") == ALERT_ID
    fingerprints = {
        fingerprint_of(FRAUD, {}, PSI),
        fingerprint_of(StreamKey("fraud", "2"), {}, PSI),
        fingerprint_of(StreamKey("loan", None), {}, PSI),
        fingerprint_of(FRAUD, {"region": "eu"}, PSI),
        fingerprint_of(FRAUD, {}, PSI._replace(kind=FindingKind.PREDICTION_DRIFT)),
        fingerprint_of(FRAUD, {}, PSI._replace(feature="age")),
        fingerprint_of(FRAUD, {}, PSI._replace(detector="js")),
    }
    assert len(fingerprints) == 7
    assert (
        len({alert_id_of(FINGERPRINT, START, "b1"), alert_id_of(FINGERPRINT, START, "b2"), alert_id_of(FINGERPRINT, START + 1, "b1")}) == 3
    )
    assert fingerprint_of(FRAUD, {"a": "1", "b": "2"}, PSI) == fingerprint_of(FRAUD, {"b": "2", "a": "1"}, PSI)


FINGERPRINT = "31452222bb826a12a1689e97c658b2a2"
ALERT_ID = "30883e49dea1851f1e3019282ec3e163"


def sentence(key: Key, value: float, base: float = 0.0, p_value: float = 3e-8, window: WindowRef = WINDOW) -> str:
    return summary.found(FRAUD, {}, finding(key, value, base, p_value), Evidence(EVIDENCE.moved, ()), window)


def test_a_missing_feature_is_told_with_what_was_normal() -> None:
    told = sentence(Key(FindingKind.DATA_QUALITY, "amount", "missing_ratio"), 0.24, 0.012)
    assert told == (
        "fraud: amount was missing in 24 % of 12,034 events in the 5 minutes from 2026-11-22 06:00 UTC "
        "(baseline 1.2 %, limit 21 %, p = 3e-08)"
    )


def test_a_wrong_type_is_told_as_one() -> None:
    assert "amount was of the wrong type in 24 % of" in sentence(Key(FindingKind.DATA_QUALITY, "amount", "type_mismatch_ratio"), 0.24)


@pytest.mark.parametrize(
    ("feature", "told"), [("prediction", "the prediction drifted"), ("prediction.score", "the prediction score drifted")]
)
def test_the_output_is_named_in_words(feature: str, told: str) -> None:
    assert f"fraud: {told} in the" in sentence(Key(FindingKind.PREDICTION_DRIFT, feature, "js"), 0.3)


@pytest.mark.parametrize(
    ("length_ms", "told"),
    [
        (3_600_000, "in the hour from 2026-11-22 06:00 UTC"),
        (86_400_000, "in the 24 hours from 2026-11-22 06:00 UTC"),
        (90_000, "in the 90 seconds from 2026-11-22 06:00 UTC"),
        (250, "in the 250 milliseconds from 2026-11-22 06:00 UTC"),
    ],
)
def test_window_lengths_are_told_in_their_largest_whole_unit(length_ms: int, told: str) -> None:
    assert told in sentence(PSI, 0.3, window=WindowRef(START, START + length_ms, 300))


def test_a_start_between_minutes_shows_its_seconds() -> None:
    assert "from 2026-11-22 06:00:10 UTC" in sentence(PSI, 0.3, window=WindowRef(START + 10_000, START + 20_000, 300))


def test_a_drift_without_a_bin_to_show_still_makes_a_sentence() -> None:
    told = summary.found(StreamKey("fraud", "2"), {}, finding(), Evidence((), ()), WINDOW)
    assert told == "fraud 2: amount drifted in the 5 minutes from 2026-11-22 06:00 UTC (PSI 0.31 over 0.20, p < 1e-12)"


def test_endings_say_why() -> None:
    publisher = Publisher(FRAUD, {}, "b1")
    quiet = Score(PSI, 0, 0.03, 0.2, 0.4, ScoreStatus.JUDGED)
    over = publisher.recovered(opened(), WINDOW, quiet, quiet, STAMP)
    assert (over.status, over.reason, over.resolved_at, over.revision) == ("resolved", "recovered", "2026-11-22T06:05:00.000Z", 2)
    assert over.annotations.summary.endswith("is back to normal in the 5 minutes from 2026-11-22 06:00 UTC (PSI 0.03, threshold 0.20)")
    closed = publisher.closed(opened(), Reason.BASELINE_REPLACED, START, STAMP)
    assert closed.annotations.summary == "fraud: the alert on amount was closed: baseline replaced"
    assert (closed.score, closed.reason) == (0.31, "baseline_replaced")


WHOLE_SENTENCES = {
    "duplicate_ratio": "the traffic holds repeated events in the 5 minutes from 2026-11-22 06:00 UTC (31 % of 12,034 events, limit 20 %",
    "extra_feature": "the traffic holds a feature that the baseline does not know in the 5 minutes",
    "field_set_changed": "the traffic shows a change of the set of features in the 5 minutes",
    "volume": "the traffic has an unusual number of events in the 5 minutes from 2026-11-22 06:00 UTC (12,034, 0.3 times out of the usual",
    "silence": "the traffic stopped: number of events that did not come in the 5 minutes from 2026-11-22 06:00 UTC: about 0",
}


@pytest.mark.parametrize("detector", WHOLE_SENTENCES)
def test_findings_on_the_whole_are_told_in_words_of_their_own(detector: str) -> None:
    key = Key(FindingKind.OPERATIONAL if detector in ("volume", "silence") else FindingKind.DATA_QUALITY, None, detector)
    told = summary.found(FRAUD, {}, finding(key, 0.31, 0.0, 3e-8), Evidence((), ()), WINDOW)
    assert told.startswith(f"fraud: {WHOLE_SENTENCES[detector]}"), told


@pytest.mark.parametrize(
    ("detector", "value", "told"),
    [
        ("latency_p95_ms", 1234.5, "1,234 ms"),
        ("latency_p95_ms", 0.5, "0.5 ms"),
        ("error_ratio", 0.034, "3.4 %"),
        ("memory_bytes", 2.5e9, "2.5 GB"),
        ("memory_bytes", 0.0, "0 B"),
        ("network_bytes_per_s", 1500.0, "1.5 kB/s"),
        ("throughput_per_s", 12.5, "12.5 per second"),
        ("idle_capacity", 24.0, "24"),
    ],
)
def test_operations_are_told_in_their_units(detector: str, value: float, told: str) -> None:
    assert amount(detector, value) == told


def operational(detector: str, value: float, threshold: float, *measured: Shown) -> Score:
    key = Key(FindingKind.OPERATIONAL, None, detector)
    return Score(key, -1, value, threshold, 3e-8, ScoreStatus.JUDGED, 0.0, True, measured=measured)


def test_operations_say_from_what_to_what_and_which_error_is_most_frequent() -> None:
    score = operational("latency_p95_ms", 310.0, 60.0, Shown("latency_p95_ms", 40.0, 310.0))
    evidence = Evidence((Moved("timeout", 0.0, 0.09),), ())
    told = summary.found(FRAUD, {}, Finding(score, 310.0, 0.0, Severity.CRITICAL, ()), evidence, WINDOW)
    assert told == (
        "fraud: latency p95 rose from 40 ms to 310 ms in the 5 minutes from 2026-11-22 06:00 UTC (limit 60 ms, p = 3e-08), of 12,034 events"
        "; most errors: timeout (9 %)"
    )
    over = operational("latency_p95_ms", 250.0, 200.0, Shown("latency_p95_ms", None, 250.0))
    told = summary.found(FRAUD, {}, Finding(over, 250.0, 0.0, Severity.WARNING, ()), Evidence((), ()), WINDOW)
    assert told.startswith("fraud: latency p95 is 250 ms in the 5 minutes from 2026-11-22 06:00 UTC (limit 200 ms"), told


def test_idle_capacity_pages_nobody_and_is_over_when_it_is_used() -> None:
    score = operational("idle_capacity", 24.0, 23.0, Shown("gpu_ratio", None, 0.03))
    finding = Finding(score, 24.0, 0.0, Severity.INFO, ())
    told = summary.found(FRAUD, {}, finding, Evidence((), ()), WINDOW)
    assert told == (
        "fraud: idle capacity: GPU use is 3 % in the 5 minutes from 2026-11-22 06:00 UTC, and has been under 10 % for 24 hours"
        "; this is for information and pages nobody by itself"
    )
    publisher = Publisher(FRAUD, {}, "b1")
    quiet = operational("idle_capacity", 0.0, 23.0)
    over = publisher.recovered(publisher.opened(WINDOW, Raised(finding, Evidence((), ())), STAMP), WINDOW, quiet, quiet, STAMP)
    assert over.annotations.summary == "fraud: idle capacity is over, up to and in the 5 minutes from 2026-11-22 06:00 UTC"


def test_latency_that_is_back_says_so_in_milliseconds() -> None:
    quiet = operational("latency_p95_ms", 41.0, 60.0)
    told = ending.recovered(FRAUD, {}, quiet, WINDOW)
    assert told == "fraud: latency p95 is back to normal in the 5 minutes from 2026-11-22 06:00 UTC (41 ms, limit 60 ms)"


def test_what_came_or_went_is_named() -> None:
    key = Key(FindingKind.DATA_QUALITY, None, "field_set_changed")
    told = summary.found(FRAUD, {}, finding(key, 1.0), Evidence((Moved("device", 0.0, 0.97),), ()), WINDOW)
    assert told.endswith("(1 came or went, p < 1e-12): device rose from 0 % to 97 %"), told


@pytest.mark.parametrize(
    ("detector", "told"),
    [
        ("unseen_ratio", "amount was a value not seen in training in 24 % of"),
        ("out_of_range_ratio", "amount was outside the training range in 24 % of"),
        ("constant", "amount had one value only in the 5 minutes from 2026-11-22 06:00 UTC (12,034 events, p = 3e-08)"),
        ("missing_feature", "amount was in no event in the 5 minutes from 2026-11-22 06:00 UTC (12,034 events, p = 3e-08)"),
    ],
)
def test_bad_values_are_told_by_what_is_wrong(detector: str, told: str) -> None:
    assert told in sentence(Key(FindingKind.DATA_QUALITY, "amount", detector), 0.24)


def test_a_drift_whose_beginning_is_known_says_since_when() -> None:
    told = summary.found(FRAUD, {}, finding(), Evidence((), ()), WINDOW, "2026-11-22T06:01:10.000Z")
    assert "06:00 UTC, since 2026-11-22 06:01:10 UTC (PSI 0.31 over 0.20" in told


def test_a_shift_that_pages_nobody_says_so() -> None:
    shift = replace(finding(Key(FindingKind.DATA_DRIFT, "amount", "adwin"), 0.31), severity=Severity.INFO)
    told = summary.found(FRAUD, {}, shift, Evidence((), ()), WINDOW, "2026-11-22T06:01:10.000Z")
    assert told.startswith(
        "fraud: amount shifted at 2026-11-22 06:01:10 UTC, found in the 5 minutes from 2026-11-22 06:00 UTC (shift found by ADWIN"
    )
    assert told.endswith("; this is for information and pages nobody by itself")


def test_a_relation_that_labels_show_is_told_with_its_figure() -> None:
    rise = finding(Key(FindingKind.CONCEPT_DRIFT, None, "conditional_entropy"), 0.71, 0.41)
    told = replace(rise, shown=(Shown("conditional_entropy", 0.41, 0.71),), interval=(0.66, 0.76), events=1_200, note="no input drifted")
    assert summary.found(FRAUD, {}, told, Evidence((), ()), WINDOW) == (
        "fraud: the relation of inputs and labels changed in the 5 minutes from 2026-11-22 06:00 UTC: entropy of the label given the "
        "prediction rose to 0.71 (0.66 to 0.76, limit 0.61, in training 0.41, p < 1e-12), of 1,200 labelled events; no input drifted"
    )


def test_only_a_segment_that_stands_out_is_named() -> None:
    def told(score: float, **segment: str) -> str:
        return summary.found(FRAUD, {}, finding(), Evidence((), (), affected=(Affected(segment, "3", score, 9),)), WINDOW)

    assert told(0.47, region="eu").endswith("; most in region = eu (0.47)")
    assert told(0.47).endswith("; most in version 3 (0.47)")
    assert "most in" not in told(0.46, region="eu"), "1.5 times the whole's score, or it is nothing special"


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.RECOVERED])
def test_every_reason_has_its_words(reason: Reason) -> None:
    alert = Publisher(FRAUD, {}, "b1").closed(opened(), reason, START, STAMP)
    assert alert.annotations.summary == f"fraud: the alert on amount was closed: {reason.value.replace('_', ' ')}"


def test_a_window_near_its_threshold_and_one_lowered_by_late_events_say_so() -> None:
    publisher, near = Publisher(FRAUD, {}, "b1"), Score(PSI, 0, 0.18, 0.2, 1e-9, ScoreStatus.JUDGED, real=True)
    eased, lowered = publisher.eased(opened(), WINDOW, near, near, STAMP), publisher.lowered(opened(), WINDOW, near, STAMP)
    assert "amount is still close to its limit in the 5 minutes" in eased.annotations.summary
    assert "amount did not stand out after all in the 5 minutes" in lowered.annotations.summary
    assert (eased.severity, lowered.severity) == (Severity.WARNING, opened().severity)


def test_a_shift_is_settled_when_no_other_follows() -> None:
    key = Key(FindingKind.DATA_DRIFT, "amount", "adwin")
    shift = replace(finding(key), severity=Severity.INFO)
    publisher, quiet = Publisher(FRAUD, {}, "b1"), Score(key, 0, 0.0, 0.05, 1.0, ScoreStatus.JUDGED)
    over = publisher.recovered(publisher.opened(WINDOW, Raised(shift, EVIDENCE), STAMP), WINDOW, quiet, quiet, STAMP)
    assert over.annotations.summary.startswith("fraud: amount did not shift again, up to and in the 5 minutes")
