"""One sentence a person can act on: what happened, since when, how sure that is, what moved, where most."""

from collections.abc import Callable, Mapping
from typing import Final

from stream_monitor.alert.alert import Affected, Evidence, Moved
from stream_monitor.alert.capture import CAPTURED
from stream_monitor.alert.labels import of_labels, told_by_labels
from stream_monitor.alert.versions import COMPARED
from stream_monitor.alert.wording import FIGURES, amount, chance, is_share, moment, percent, split, what, when, who
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.decide import title_of
from stream_monitor.detect.finding import Finding, FindingKind, Severity, Shown
from stream_monitor.detect.operations import IDLE_BELOW
from stream_monitor.detect.outcomes.judge import AWAITED
from stream_monitor.detect.registry import OPERATIONS, VOLUME
from stream_monitor.detect.report import WindowRef

STANDS_OUT: Final = 1.5
"""A segment is named when its score is at least this many times the whole's."""


def found(
    stream: StreamKey,
    segment: Mapping[str, str],
    finding: Finding,
    evidence: Evidence,
    window: WindowRef,
    change_point: str | None = None,
) -> str:
    """What happened: `fraud: amount drifted in the 5 minutes from 2026-11-22 06:00 UTC (PSI 0.31 over 0.20, p < 1e-12): …`.

    change_point: since when, in RFC 3339; None: not known.
    """
    parts = [
        f"{who(stream, segment)}: {_happened(finding, window, change_point)}",
        _moved(finding, evidence.moved, window),
        _most(finding, evidence.affected),
        f"; {finding.note}" if finding.note and finding.key.kind is FindingKind.DATA_DRIFT else "",
        "; this is for information and pages nobody by itself" if finding.severity is Severity.INFO else "",
    ]
    return "".join(parts)


def _happened(finding: Finding, window: WindowRef, change_point: str | None) -> str:
    name = finding.key.detector
    if name in COMPARED:
        return COMPARED[name](finding, window)
    if finding.key.kind in FIGURES or finding.key.kind is FindingKind.CONCEPT_DRIFT:
        return told_by_labels(finding, window, change_point)
    if name in _WHOLE:
        return _WHOLE[name](finding, window)
    subject, told, sure = what(finding.key), when(window), chance(finding.score)
    if finding.key.kind in (FindingKind.DATA_QUALITY, FindingKind.ANOMALY):
        return _bad_values(finding, window)
    size = f"{title_of(name)} {finding.value:.2f} over {finding.score.threshold:.2f}{sure}"
    if finding.severity is Severity.INFO:
        at = told if change_point is None else f"at {moment(change_point)}, found {told}"
        return f"{subject} shifted {at} ({size})"
    since = "" if change_point is None else f", since {moment(change_point)}"
    return f"{subject} drifted {told}{since} ({size})"


def _bad_values(finding: Finding, window: WindowRef) -> str:
    subject, title, told, sure = what(finding.key), title_of(finding.key.detector), when(window), chance(finding.score)
    if not is_share(finding.key.detector):
        return f"{subject} {title} {told} ({window.events:,} events{sure})"
    shares = f"baseline {percent(finding.base)}, limit {percent(finding.score.threshold)}{sure}"
    return f"{subject} {title} in {percent(finding.value)} of {window.events:,} events {told} ({shares})"


def _share(subject: str) -> Callable[[Finding, WindowRef], str]:
    def happened(finding: Finding, window: WindowRef) -> str:
        size = f"{percent(finding.value)} of {window.events:,} events, limit {percent(finding.score.threshold)}"
        return f"{subject} {title_of(finding.key.detector)} {when(window)} ({size}{chance(finding.score)})"

    return happened


def _fields(finding: Finding, window: WindowRef) -> str:
    size = f"{finding.value:.0f} came or went{chance(finding.score)}"
    return f"the traffic shows a {title_of(finding.key.detector)} {when(window)} ({size})"


def _rollout(finding: Finding, window: WindowRef) -> str:
    """`version 2 took over: 12 events in the minute from …, usually 1,200 (p < 1e-12), and the model as a whole has its usual number`."""
    first, own = finding.shown[0], finding.score.measured[0]
    now, before = own.window or 0.0, own.baseline or 0.0
    happened = f"{first.name} took over" if now < before else f"took over from {first.name}"
    count = f"{now:,.0f} events {when(window)}, usually {before:,.0f}{chance(finding.score)}"
    return f"{happened}: {count}; the model as a whole has its usual number"


def _volume(finding: Finding, window: WindowRef) -> str:
    if finding.shown:
        return _rollout(finding, window)
    size = f"{finding.value:.1f} times out of the usual range, limit {finding.score.threshold:.1f}{chance(finding.score)}"
    return f"the traffic has an unusual {title_of(finding.key.detector)} {when(window)} ({window.events:,}, {size})"


def _silence(finding: Finding, window: WindowRef) -> str:
    if finding.shown:
        return _rollout(finding, window)
    return f"the traffic stopped: {title_of(finding.key.detector)} {when(window)}: about {finding.value:,.0f}{chance(finding.score)}"


def _level(finding: Finding, window: WindowRef) -> str:
    limit = amount(finding.key.detector, finding.score.threshold)
    change = ", ".join(map(_change, finding.score.measured))
    return f"{change} {when(window)} (limit {limit}{chance(finding.score)}), of {window.events:,} events"


def _bottleneck(finding: Finding, window: WindowRef) -> str:
    changes = " while ".join(map(_change, finding.score.measured))
    return f"a bottleneck: {changes} {when(window)} (both {finding.value:.2f} times the usual{chance(finding.score)})"


def _idle(finding: Finding, window: WindowRef) -> str:
    changes = ", ".join(map(_change, finding.score.measured))
    return f"idle capacity: {changes} {when(window)}, and has been under {percent(IDLE_BELOW)} for {finding.value:.0f} hours"


def _attributions(finding: Finding, window: WindowRef) -> str:
    size = f"NDCG {finding.value:.2f} under {finding.score.threshold:.2f}{chance(finding.score)}"
    ranks = {each.name: each for each in finding.score.measured}
    moved = [(share.name, *_ends(share), *_ends(ranks[share.name])) for share in finding.shown]
    risen = [_ranked("rose", *each) for each in moved if each[4] < each[3]]
    fallen = [_ranked("fell", *each) for each in moved if each[4] > each[3]]
    return f"{what(finding.key)} changed {when(window)} ({size}): {', '.join(risen[:1] + fallen[:1])}"


def _ranked(word: str, name: str, share: float, share_now: float, rank: float, rank_now: float) -> str:
    """`age rose from rank 4 (5 %) to 1 (48 %)`."""
    return f"{name} {word} from rank {rank:.0f} ({percent(share)}) to {rank_now:.0f} ({percent(share_now)})"


def _ends(shown: Shown) -> tuple[float, float]:
    return shown.baseline or 0.0, shown.window or 0.0


def _change(measured: Shown) -> str:
    name, before, now = measured.name, measured.baseline, measured.window or 0.0
    if before is None or before >= now:
        return f"{title_of(name)} is {amount(name, now)}"
    return f"{title_of(name)} rose from {amount(name, before)} to {amount(name, now)}"


_WHOLE: Final[Mapping[str, Callable[[Finding, WindowRef], str]]] = {
    "duplicate_ratio": _share("the traffic holds"),
    "extra_feature": _share("the traffic holds a"),
    "field_set_changed": _fields,
    "multivariate_outlier_ratio": _share("the traffic holds"),
    "volume": _volume,
    "silence": _silence,
    **dict.fromkeys(OPERATIONS, _level),
    "bottleneck": _bottleneck,
    "idle_capacity": _idle,
    "attribution_ndcg": _attributions,
    **CAPTURED,
    **dict.fromkeys(AWAITED, of_labels),
}


def _moved(finding: Finding, moved: tuple[Moved, ...], window: WindowRef) -> str:
    """The bin that moved most; bad values of a column are told as a share already."""
    kinds = (FindingKind.CONCEPT_DRIFT, FindingKind.ATTRIBUTION_DRIFT, FindingKind.CAPTURE_HEALTH)
    if not moved or finding.interval is not None or finding.key.kind in kinds or finding.key.detector in (*COMPARED, *VOLUME):
        return ""
    if finding.key.kind is FindingKind.DATA_QUALITY and finding.key.feature is not None:
        return ""
    if finding.key.detector in OPERATIONS:
        return f"; most errors: {moved[0].bin} ({percent(moved[0].window or 0.0)})"
    first, before, now = moved[0], moved[0].baseline or 0.0, moved[0].window or 0.0
    change = f"{first.bin} {'rose' if now > before else 'fell'} from {percent(before)} to {percent(now)}"
    return f": {change}" + (f", of {window.events:,} events" if finding.key.feature is not None else "")


def _most(finding: Finding, affected: tuple[Affected, ...]) -> str:
    """Where to look first, if that stands out."""
    if not affected or affected[0].score is None or affected[0].score < STANDS_OUT * finding.value:
        return ""
    first, score = affected[0], affected[0].score
    place = split(first.segment) if first.segment else f"version {first.version}" if first.version else "events without a version"
    return f"; most in {place} ({percent(score) if is_share(finding.key.detector) else f'{score:.2f}'})"
