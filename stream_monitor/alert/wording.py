"""The words that sentences share: who, what, when, how much."""

from collections.abc import Mapping
from typing import Final

from stream_monitor.capture.schema import PREDICTION, SCORE, StreamKey
from stream_monitor.detect.finding import FindingKind, Key, Score
from stream_monitor.detect.outcomes.metrics import ANSWERED
from stream_monitor.detect.registry import CAPTURE, OPERATIONS, PAIRS, VERSIONS, title_of
from stream_monitor.detect.report import WindowRef, utc

_UNITS: Final = ((3_600_000, "hour"), (60_000, "minute"), (1000, "second"), (1, "millisecond"))
_SIZES: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "B"))
_P_SHOWN_MIN: Final = 1e-12
_OUTPUTS: Final = {PREDICTION: "the prediction", SCORE: "the prediction score"}


FIGURES: Final = frozenset({FindingKind.MODEL_QUALITY, FindingKind.ESTIMATED_QUALITY, FindingKind.BIAS})
"""Kinds whose findings are about a figure of the model, not about a feature."""


def who(stream: StreamKey, segment: Mapping[str, str]) -> str:
    """`fraud 2 (region = eu)`."""
    version = "" if stream.version is None else f" {stream.version}"
    return f"{stream.model}{version}" + (f" ({split(segment)})" if segment else "")


def split(segment: Mapping[str, str]) -> str:
    """`region = eu`."""
    return ", ".join(f"{name} = {value}" for name, value in sorted(segment.items()))


def what(key: Key) -> str:
    """The feature's name, or what the output, the whole and the figures that labels tell are called."""
    if key.detector in ANSWERED:
        return "the relation of inputs and answers"
    if key.kind is FindingKind.CONCEPT_DRIFT:
        return "the relation of inputs and labels"
    if key.kind is FindingKind.ATTRIBUTION_DRIFT:
        return "what the answers rest on"
    if key.kind in FIGURES or key.detector in OPERATIONS or key.detector in CAPTURE or key.detector in PAIRS:
        return title_of(key.detector)
    if key.feature is None and key.detector in VERSIONS:
        return title_of(key.detector)
    return "the traffic" if key.feature is None else _OUTPUTS.get(key.feature, key.feature)


def when(window: WindowRef) -> str:
    """`in the 5 minutes from 2026-11-22 06:00 UTC`."""
    length = window.end_ms - window.start_ms
    unit, name = next((unit, name) for unit, name in _UNITS if length % unit == 0)
    count = length // unit
    span = f"{count} {name}s" if count != 1 else name
    start = utc(window.start_ms)
    clock = start[11:16] if window.start_ms % 60_000 == 0 else start[11:19]
    return f"in the {span} from {start[:10]} {clock} UTC"


def moment(text: str) -> str:
    """An RFC 3339 time to the second: `2026-11-22 06:00:10 UTC`."""
    return f"{text[:10]} {text[11:19]} UTC"


def percent(share: float) -> str:
    """`34 %`, `1.2 %`, `0.03 %`."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.2g} %"


def amount(detector: str, value: float) -> str:
    """A score of operations in its unit: `310 ms`, `34 %`, `1.2 GB`, `12.5 per second`."""
    if is_share(detector):
        return percent(value)
    if "_bytes" in detector:
        unit, name = next((unit, name) for unit, name in _SIZES if value >= unit or unit == 1)
        return f"{value / unit:.3g} {name}" + ("/s" if detector.endswith("_per_s") else "")
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits} ms" if detector.endswith("_ms") else f"{digits} per second" if detector.endswith("_per_s") else digits


def is_share(detector: str) -> bool:
    """Whether its score is a share of the events, or of the labels."""
    return detector.endswith("_ratio") or detector == "extra_feature" or detector in PAIRS


def chance(score: Score) -> str:
    """`, p = 3e-08`; nothing where a plug-in gives no p-value."""
    p_value = score.p_value
    if p_value is None:
        return ""
    return f", p < {_P_SHOWN_MIN:g}" if p_value < _P_SHOWN_MIN else f", p = {p_value:.0e}"
