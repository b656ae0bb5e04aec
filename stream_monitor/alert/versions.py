"""What one version does otherwise than the current one, in a sentence."""

from collections.abc import Callable, Mapping
from typing import Final

from stream_monitor.alert.wording import amount, chance, percent, what, when
from stream_monitor.detect.finding import Finding
from stream_monitor.detect.report import WindowRef
from stream_monitor.detect.versions import ACCURACY, DISTANCE, ERRORS, LATENCY_RATIO, LEAST_DISTANCE, MAE


def _distance(finding: Finding, window: WindowRef) -> str:
    """`the prediction differs from the current version's in the minute from … (PSI 0.5 over 0.20, …): b is 60 % against 20 %, of …`."""
    first = finding.shown[0]
    size = f"PSI {finding.value:.2f} over {finding.score.threshold:.2f}{chance(finding.score)}"
    shares = f"{first.name} is {percent(first.window or 0.0)} against {percent(first.baseline or 0.0)}"
    return f"{what(finding.key)} differs from the current version's {when(window)} ({size}): {shares}{_of(finding)}"


def _least_distance(finding: Finding, window: WindowRef) -> str:
    """`amount differs from the current version's … (KS distance at least 0.31 over 0.15, …): up to 12.3 are 63 % against 31 %, of …`."""
    first = finding.shown[0]
    size = f"KS distance at least {finding.value:.2f} over {finding.score.threshold:.2f}{chance(finding.score)}"
    shares = f"{first.name} are {percent(first.window or 0.0)} against {percent(first.baseline or 0.0)}"
    return f"{what(finding.key)} differs from the current version's {when(window)} ({size}): {shares}{_of(finding)}"


def _latency(finding: Finding, window: WindowRef) -> str:
    first = finding.shown[0]
    size = f"{finding.value:.2f} times, limit {finding.score.threshold:.2f}{chance(finding.score)}"
    pair = f"{amount('latency_p95_ms', first.window or 0.0)} against {amount('latency_p95_ms', first.baseline or 0.0)}"
    return f"latency p95 is {pair} of the current version {when(window)} ({size}){_of(finding)}"


def _errors(finding: Finding, window: WindowRef) -> str:
    first = finding.shown[0]
    limit = f"limit {percent(finding.score.threshold)} more{chance(finding.score)}"
    pair = f"{percent(first.window or 0.0)} of calls fail against {percent(first.baseline or 0.0)} of the current version's"
    return f"{pair} {when(window)} ({limit}){_of(finding)}"


def _accuracy(finding: Finding, window: WindowRef) -> str:
    first, (low, high) = finding.shown[0], finding.interval or (finding.value, finding.value)
    between = f"difference {low:.2f} to {high:.2f}, limit {finding.score.threshold:.2f}"
    pair = f"{first.window or 0.0:.2f} against {first.baseline or 0.0:.2f} of the current version {first.name}"
    return f"accuracy is {pair} {when(window)} ({between}{chance(finding.score)}){_of(finding)}"


def _mae(finding: Finding, window: WindowRef) -> str:
    first, (low, high) = finding.shown[0], finding.interval or (finding.value, finding.value)
    between = f"difference {low:.2f} to {high:.2f} standard deviations"
    pair = f"{first.window or 0.0:.3g} against {first.baseline or 0.0:.3g} of the current version {first.name}"
    return f"MAE is {pair} {when(window)} ({between}, limit {finding.score.threshold:.2f}{chance(finding.score)}){_of(finding)}"


def _of(finding: Finding) -> str:
    n = finding.score.measured[0]
    return f", of {n.window or 0:,.0f} and {n.baseline or 0:,.0f} events of the same windows"


COMPARED: Final[Mapping[str, Callable[[Finding, WindowRef], str]]] = {
    DISTANCE: _distance,
    LEAST_DISTANCE: _least_distance,
    LATENCY_RATIO: _latency,
    ERRORS: _errors,
    ACCURACY: _accuracy,
    MAE: _mae,
}
