"""What happened, where labels or scores tell it: to a figure of the model, or to the relation of inputs and labels."""

from typing import Final

from stream_monitor.alert.wording import chance, moment, what, when
from stream_monitor.detect.finding import Finding, FindingKind
from stream_monitor.detect.outcomes.metrics import ANSWERED
from stream_monitor.detect.registry import title_of
from stream_monitor.detect.report import WindowRef

_BY_SCORE: Final = "by their scores, labels are not known yet; it sees harder events, not a changed relation"
_BY_VALUE: Final = "by the errors of like predictions in training, labels are not known yet; it sees predictions that moved, nothing else"
_ERRORS: Final = ("estimated_mae", "estimated_rmse")


def told_by_labels(finding: Finding, window: WindowRef, change_point: str | None) -> str:
    """`accuracy fell to 0.71 in the 10 minutes from … (0.68 to 0.74, limit 0.81, in training 0.86), of 1,200 labelled events`."""
    if finding.interval is None:
        return _relation(finding, window, change_point)
    value, before = finding.value, finding.shown[0].baseline
    low, high = finding.interval
    way = "fell" if finding.score.falls else "rose"
    training = "" if before is None else f", in training {before:.2f}"
    sizes = f"{low:.2f} to {high:.2f}, limit {finding.score.threshold:.2f}{training}{chance(finding.score)}"
    if finding.key.kind is FindingKind.ESTIMATED_QUALITY:
        events = f"of {finding.events:,} events, {_BY_VALUE if finding.key.detector in _ERRORS else _BY_SCORE}"
        return f"{what(finding.key)} {way} to {value:.2f} {when(window)} ({sizes}), {events}"
    if finding.key.kind is FindingKind.CONCEPT_DRIFT:
        rise = f"{title_of(finding.key.detector)} {way} to {value:.2f}"
        events = f"{finding.events:,} {'' if finding.key.detector in ANSWERED else 'labelled '}events"
        return f"{what(finding.key)} changed {when(window)}: {rise} ({sizes}), of {events}; {finding.note}"
    if finding.key.kind is FindingKind.BIAS:
        return f"{what(finding.key)} is {value:.2f} {when(window)} ({sizes}), of {finding.events:,} events of the smaller side"
    return f"{what(finding.key)} {way} to {value:.2f} {when(window)} ({sizes}), of {finding.events:,} labelled events"


def of_labels(finding: Finding, window: WindowRef) -> str:
    """`share of events with a label is 0.31 in the minute from … (0.28 to 0.35, limit 0.8), of 600 events; no more are waited for`."""
    low, high = finding.interval or (finding.value, finding.value)
    sizes = f"{low:.3g} to {high:.3g}, limit {finding.score.threshold:.3g}{chance(finding.score)}"
    title = title_of(finding.key.detector)
    return f"{title} is {finding.value:.3g} {when(window)} ({sizes}), of {finding.events:,} events; no more labels are waited for"


def _relation(finding: Finding, window: WindowRef, change_point: str | None) -> str:
    shown = finding.shown[0]
    before, after = shown.baseline or 0.0, shown.window or 0.0
    way = "rose" if after > before else "fell"
    since = when(window) if change_point is None else f"at {moment(change_point)}, found {when(window)}"
    return f"{what(finding.key)} changed {since} (mean loss {way} from {before:.2f} to {after:.2f}{chance(finding.score)}); {finding.note}"
