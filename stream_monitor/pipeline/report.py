"""A closed window's scores and what they do to the unit's alerts."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from stream_monitor.alert.alert import Affected, Alert
from stream_monitor.alert.evidence import Scale, gather, gather_whole
from stream_monitor.alert.publication import Raised, Stamp
from stream_monitor.baseline.baseline import Baseline, NumericColumn
from stream_monitor.detect.finding import Finding, FindingKind
from stream_monitor.detect.outcomes.judge import OutcomeScore
from stream_monitor.detect.report import WindowRef, WindowScore, window_scores
from stream_monitor.pipeline.beside import Beside
from stream_monitor.pipeline.by_estimate import by_estimate
from stream_monitor.pipeline.unit import Unit, UnitKey
from stream_monitor.window.windows import Window

Where = Callable[[Finding], Sequence[Affected]]
"""The segments and versions in which a finding is strongest."""
Estimates = Callable[[], Sequence[OutcomeScore]]
"""How good the model probably was in a window; none where severity does not follow it."""


class Said(NamedTuple):
    """What one window says to the world."""

    scores: list[WindowScore]
    alerts: list[Alert]


def report_window(
    unit: Unit,
    key: UnitKey,
    window: Window,
    revision: int,
    stamp: Stamp,
    affected: Where,
    beside: Beside,
    estimates: Estimates,
    *,
    is_first: bool,
) -> Said:
    """Judge a window. beside: what other versions held; estimates: of its quality, where severity follows them; is_first: it
    advances the life of alerts; else it corrects them.
    """
    stream, segment = key
    judge, shifts = unit.plan.judges[segment], unit.shifts_of(window.end_ms)
    ref = WindowRef(window.judged_from_ms, window.end_ms, window.profile.events)
    scores = judge.judge(window.profile, shifts)
    if unit.traffic.end_ms is None or window.end_ms > unit.traffic.end_ms:
        others = beside.others(key, window.end_ms - unit.plan.spec.every_ms, window.end_ms)
        scores += unit.judge_traffic(judge, window.end_ms, window.fresh.events, others)
        scores += judge.judge_producers(unit.producers, window.end_ms - unit.plan.spec.every_ms, window.end_ms, window.fresh)
    scores += judge.judge_operations(unit.operating, ref.start_ms, ref.end_ms, window.profile)
    scores += judge.judge_transit(unit.transit, ref.start_ms, ref.end_ms, window.profile)
    scores += beside.scores(unit, key, window.start_ms, window.end_ms)
    found = judge.findings(scores, window.profile, shifts)
    lost = estimates() if any(finding.key.kind is FindingKind.DATA_DRIFT for finding in found) else ()
    raised = [_raise(unit.plan.baseline, by_estimate(finding, lost), window, affected) for finding in found]
    said = (unit.book.advance if is_first else unit.book.correct)(ref, scores, raised, stamp)
    return Said(window_scores(stream, dict(segment), ref, revision, scores), said)


def report_silence(unit: Unit, key: UnitKey, end_ms: int, stamp: Stamp, beside: Beside) -> Said:
    """Judge a window without an event: there is nothing to say of it but that."""
    stream, segment = key
    judge = unit.plan.judges[segment]
    ref = WindowRef(end_ms - unit.plan.spec.size_ms, end_ms, 0)
    scores = unit.judge_traffic(judge, end_ms, 0, beside.others(key, end_ms - unit.plan.spec.every_ms, end_ms))
    raised = [Raised(finding, gather_whole(finding)) for finding in judge.findings(scores, judge.nothing)]
    said = unit.book.advance(ref, scores, raised, stamp) if unit.book.goes_on_to(end_ms) else []
    return Said(window_scores(stream, dict(segment), ref, 1, scores), said)


def _raise(baseline: Baseline, finding: Finding, window: Window, affected: Where) -> Raised:
    if finding.score.column < 0:
        return Raised(finding, gather_whole(finding, window.profile))
    column = baseline.columns[finding.score.column]
    scale = Scale(column.mean, column.scale) if isinstance(column, NumericColumn) else None
    evidence = gather(finding, window.profile, baseline.profile, baseline.layout, baseline.label, scale)
    return Raised(finding, evidence, tuple(affected(finding)))
