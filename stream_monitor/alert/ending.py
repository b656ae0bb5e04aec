"""One sentence on how an alert goes on or ends when there is no finding."""

from collections.abc import Mapping
from math import isinf
from typing import Final

from stream_monitor.alert.wording import amount, is_share, percent, what, when, who
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.decide import title_of
from stream_monitor.detect.finding import Key, Score
from stream_monitor.detect.registry import CAPTURE, OPERATIONS, PAIRS
from stream_monitor.detect.report import WindowRef

_YES_OR_NO: Final = frozenset({"missing_feature", "constant", "field_set_changed", "silence", "producer_silence"})
"""Their numbers say nothing once they are quiet."""


def recovered(stream: StreamKey, segment: Mapping[str, str], score: Score, window: WindowRef) -> str:
    """That it is over: `fraud: amount is back to normal in the 5 minutes from … (PSI 0.03, threshold 0.20)`, or within chance."""
    is_small = not score.is_over
    state = "is back to normal" if is_small else "no longer differs by more than chance"
    return f"{who(stream, segment)}: {what(score.key)} {state} {when(window)}{_now(score)}"


def settled(stream: StreamKey, segment: Mapping[str, str], key: Key, window: WindowRef) -> str:
    """That a shift was followed by no other, or what was told for information is over."""
    state = "is over" if key.detector in OPERATIONS else "is back to normal" if key.detector in PAIRS else "did not shift again"
    return f"{who(stream, segment)}: {what(key)} {state}, up to and {when(window)}"


def eased(stream: StreamKey, segment: Mapping[str, str], score: Score, window: WindowRef) -> str:
    """That a window is under its threshold, but not by enough to call it quiet."""
    return f"{who(stream, segment)}: {what(score.key)} is still close to its limit {when(window)}{_now(score)}"


def lowered(stream: StreamKey, segment: Mapping[str, str], score: Score, window: WindowRef) -> str:
    """That late events brought a window back under its threshold or into chance."""
    return f"{who(stream, segment)}: {what(score.key)} did not stand out after all {when(window)}, late events counted{_now(score)}"


def closed(stream: StreamKey, segment: Mapping[str, str], key: Key, reason: str) -> str:
    """That nobody watches it any more: `fraud: the alert on amount was closed: baseline replaced`."""
    return f"{who(stream, segment)}: the alert on {what(key)} was closed: {reason.replace('_', ' ')}"


def _now(score: Score) -> str:
    """` (PSI 0.03, threshold 0.20)`; nothing for what is or is not, such as silence, or has no limit any more."""
    name, value = score.key.detector, score.score
    if value is None or isinf(score.threshold) or name in _YES_OR_NO:
        return ""
    if name in OPERATIONS or name in CAPTURE or name in PAIRS:
        return f" ({amount(name, value)}, limit {amount(name, score.threshold)})"
    if is_share(name):
        return f" ({title_of(name)} in {percent(value)}, limit {percent(score.threshold)})"
    return f" ({title_of(name)} {value:.2f}, threshold {score.threshold:.2f})"
