"""The alert as bytes: the contract's fields in its order, ids, headers, sentences."""

import json

import pytest

from stream_monitor.alert import summary
from stream_monitor.alert.alert import Alert, Evidence, Mean, Moved, SampleEvent, alert_id_of, fingerprint_of
from stream_monitor.alert.publication import Publisher, Raised, Reason, Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity
from stream_monitor.detect.report import WindowRef
from stream_monitor.errors import CodecError

START = 1_795_327_200_000
MINUTES_5 = 300_000
WINDOW = WindowRef(START, START + MINUTES_5, 12_034)
FRAUD = StreamKey("fraud", None)
PSI = Key(FindingKind.DATA_DRIFT, "amount", "psi")
EVIDENCE = Evidence((Moved("[10, 20)", 0.11, 0.34),), (SampleEvent("captures", 0, 123),), Mean(12.5, 18.25))
STAMP = Stamp(START + MINUTES_5 + 5000, "c1", {"team": "risk"}, "https://runbooks.example/drift")


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
    "labels": {"team": "risk"},
    "annotations": {
        "summary": "fraud (region = eu): amount drifted in the 5 minutes from 2026-11-22 06:00 UTC (PSI 0.31 over 0.20, p < 1e-12): "
        "[10, 20) rose from 11 % to 34 %, of 12,034 events",
        "runbook": "https://runbooks.example/drift",
    },
    "evidence": {
        "moved": [{"bin": "[10, 20)", "baseline": 0.11, "window": 0.34}],
        "samples": [{"topic": "captures", "partition": 0, "offset": 123}],
        "mean": {"baseline": 12.5, "window": 18.25},
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
    return summary.found(FRAUD, {}, finding(key, value, base, p_value), EVIDENCE, window)


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
    over = publisher.recovered(opened(), WINDOW, quiet, STAMP)
    assert (over.status, over.reason, over.resolved_at, over.revision) == ("resolved", "recovered", "2026-11-22T06:05:00.000Z", 2)
    assert over.annotations.summary.endswith("is back to normal in the 5 minutes from 2026-11-22 06:00 UTC (PSI 0.03, threshold 0.20)")
    closed = publisher.closed(opened(), PSI, Reason.BASELINE_REPLACED, START, STAMP)
    assert closed.annotations.summary == "fraud: the alert on amount was closed: baseline replaced"
    assert (closed.score, closed.reason) == (0.31, "baseline_replaced")
