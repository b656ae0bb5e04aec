"""One sentence a person can act on."""

from collections.abc import Mapping
from typing import Final

from stream_monitor.alert.alert import Evidence, Moved
from stream_monitor.capture.schema import PREDICTION, SCORE, StreamKey
from stream_monitor.detect.decide import DETECTORS
from stream_monitor.detect.finding import Finding, Key, Score
from stream_monitor.detect.report import WindowRef, utc

_UNITS: Final = ((3_600_000, "hour"), (60_000, "minute"), (1000, "second"), (1, "millisecond"))
_P_SHOWN_MIN: Final = 1e-12
_OUTPUTS: Final = {PREDICTION: "the prediction", SCORE: "the prediction score"}


def found(stream: StreamKey, segment: Mapping[str, str], finding: Finding, evidence: Evidence, window: WindowRef) -> str:
    """What happened: `fraud: amount drifted in the 5 minutes from 2026-11-22 06:00 UTC (PSI 0.31 over 0.20, p < 1e-12): …`."""
    detector = DETECTORS[finding.key.detector]
    who, chance = f"{_who(stream, segment)}: {_what(finding.key)}", _chance(finding.score)
    limit = finding.score.threshold
    if detector.is_quality:
        happened = f"{detector.title} in {_percent(finding.value)} of {window.events:,} events {_when(window)}"
        return f"{who} {happened} (baseline {_percent(finding.base)}, limit {_percent(limit)}, {chance})"
    size = f"{detector.title} {finding.value:.2f} over {limit:.2f}, {chance}"
    moved = f": {_moved(evidence.moved[0])}, of {window.events:,} events" if evidence.moved else ""
    return f"{who} drifted {_when(window)} ({size}){moved}"


def recovered(stream: StreamKey, segment: Mapping[str, str], score: Score, window: WindowRef) -> str:
    """That it is over: `fraud: amount is back to normal in the 5 minutes from … (PSI 0.03, threshold 0.20)`, or within chance."""
    is_small = score.score is None or score.score <= score.threshold
    state = "is back to normal" if is_small else "no longer differs by more than chance"
    return f"{_who(stream, segment)}: {_what(score.key)} {state} {_when(window)} ({_now(score)})"


def lowered(stream: StreamKey, segment: Mapping[str, str], score: Score, window: WindowRef) -> str:
    """That late events brought a window back under its threshold or into chance."""
    return f"{_who(stream, segment)}: {_what(score.key)} did not stand out after all {_when(window)}, late events counted ({_now(score)})"


def closed(stream: StreamKey, segment: Mapping[str, str], key: Key, reason: str) -> str:
    """That nobody watches it any more: `fraud: the alert on amount was closed: baseline replaced`."""
    return f"{_who(stream, segment)}: the alert on {_what(key)} was closed: {reason.replace('_', ' ')}"


def _now(score: Score) -> str:
    detector, value = DETECTORS[score.key.detector], score.score
    assert value is not None
    if detector.is_quality:
        return f"{detector.title} in {_percent(value)}, limit {_percent(score.threshold)}"
    return f"{detector.title} {value:.2f}, threshold {score.threshold:.2f}"


def _who(stream: StreamKey, segment: Mapping[str, str]) -> str:
    version = "" if stream.version is None else f" {stream.version}"
    parts = ", ".join(f"{name} = {value}" for name, value in sorted(segment.items()))
    return f"{stream.model}{version}" + (f" ({parts})" if parts else "")


def _what(key: Key) -> str:
    return _OUTPUTS.get(key.feature, key.feature)


def _when(window: WindowRef) -> str:
    length = window.end_ms - window.start_ms
    unit, name = next((unit, name) for unit, name in _UNITS if length % unit == 0)
    count = length // unit
    start = utc(window.start_ms)
    clock = start[11:16] if window.start_ms % 60_000 == 0 else start[11:19]
    span = f"{count} {name}s" if count != 1 else name
    return f"in the {span} from {start[:10]} {clock} UTC"


def _chance(score: Score) -> str:
    p_value = score.p_value
    assert p_value is not None
    return f"p < {_P_SHOWN_MIN:g}" if p_value < _P_SHOWN_MIN else f"p = {p_value:.0e}"


def _moved(moved: Moved) -> str:
    before, now = moved.baseline or 0.0, moved.window or 0.0
    return f"{moved.bin} {'rose' if now > before else 'fell'} from {_percent(before)} to {_percent(now)}"


def _percent(share: float) -> str:
    """`34 %`, `1.2 %`, `0.03 %`."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.2g} %"
