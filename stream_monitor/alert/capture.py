"""What happened to captures on their way: their delay, their clocks, their producers."""

from collections.abc import Callable, Mapping
from typing import Final

from stream_monitor.alert.wording import amount, chance, moment, percent, when
from stream_monitor.detect.finding import Finding, Severity
from stream_monitor.detect.producers import SILENT
from stream_monitor.detect.report import WindowRef, utc
from stream_monitor.detect.transit import DELAY, MIX, SKEW
from stream_monitor.detect.unpaired import UNPAIRED


def _delay(finding: Finding, window: WindowRef) -> str:
    """`captures come late: p95 rose from 40 ms to 12,000 ms in the minute from … (limit 1,060 ms), of 240 events; most from a (…)`."""
    measured, limit = finding.score.measured[0], amount(DELAY, finding.score.threshold)
    before = "" if measured.baseline is None else f"rose from {amount(DELAY, measured.baseline)} to "
    size = f"limit {limit}{chance(finding.score)}), of {window.events:,} events"
    return f"captures come late: p95 {before or 'is '}{amount(DELAY, finding.value)} {when(window)} ({size}{_mean(finding)}"


def _skew(finding: Finding, window: WindowRef) -> str:
    size = f"limit {amount(SKEW, finding.score.threshold)}{chance(finding.score)}), of {window.events:,} events"
    ahead = f"one in a hundred by {amount(SKEW, finding.value)} or more"
    return f"events come from the future: {ahead} before its message {when(window)} ({size}{_mean(finding)}"


def _mean(finding: Finding) -> str:
    """The producer whose events differ most."""
    if not finding.shown:
        return ""
    return f"; most from {finding.shown[0].name} ({amount(DELAY, finding.shown[0].window or 0.0)} on average)"


def _silent(finding: Finding, window: WindowRef) -> str:
    first, heard = finding.shown[0], int(finding.score.measured[0].window or 0)
    more = f", and {len(finding.shown) - 1} more" if len(finding.shown) > 1 else ""
    size = f"about {first.baseline or 0:,.0f} events did not come{chance(finding.score)}"
    return f"producer {first.name}{more} is silent {when(window)} ({size}); last heard before {moment(utc(heard))}, while others go on"


def _mix(finding: Finding, window: WindowRef) -> str:
    first = finding.shown[0]
    change = f"{first.name} {'rose' if (first.window or 0) > (first.baseline or 0) else 'fell'}"
    shares = f"from {percent(first.baseline or 0.0)} to {percent(first.window or 0.0)}"
    size = f"{percent(finding.value)} of {window.events:,} events moved, limit {percent(finding.score.threshold)}{chance(finding.score)}"
    return f"events come from other producers than usual {when(window)} ({size}): {change} {shares}; drift may be theirs alone"


def _unpaired(finding: Finding, window: WindowRef) -> str:
    """`none of 1,240 labels given in the hour from … found its event (limit 90 %, p < 1e-12): do both bear the same event_id …`."""
    share, base = finding.value, finding.score.measured[0].baseline
    usual = "" if base is None else f"usually {percent(base)} do not, "
    found = "none of" if share == 1 else f"{percent(1 - share)} of"
    events = "its event" if share == 1 else "their events"
    size = f"{usual}limit {percent(finding.score.threshold)}{chance(finding.score)}"
    asked = "do both bear the same event_id and model, and are all events captured?"
    if finding.severity is Severity.INFO:
        asked += " Labels of events from before captures began find none either, and then this ends by itself"
    return f"{found} {window.events:,} labels given {when(window)} found {events} ({size}): {asked}"


CAPTURED: Final[Mapping[str, Callable[[Finding, WindowRef], str]]] = {
    DELAY: _delay,
    SKEW: _skew,
    SILENT: _silent,
    MIX: _mix,
    UNPAIRED: _unpaired,
}
