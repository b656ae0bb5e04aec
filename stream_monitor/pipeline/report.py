"""A closed window's scores and what they do to the stream's alerts."""

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.evidence import Scale, gather
from stream_monitor.alert.life import AlertBook
from stream_monitor.alert.publication import Raised, Stamp
from stream_monitor.baseline.baseline import NumericColumn
from stream_monitor.detect.finding import Finding
from stream_monitor.detect.report import WindowRef, WindowScore, window_scores
from stream_monitor.pipeline.plan import StreamPlan
from stream_monitor.profile.codec import Segment
from stream_monitor.window.windows import Window


def report_window(
    plan: StreamPlan, segment: Segment, window: Window, revision: int, book: AlertBook, stamp: Stamp, *, is_first: bool
) -> tuple[list[WindowScore], list[Alert]]:
    """Judge a window. is_first: it advances the life of alerts; else it corrects them."""
    ref = WindowRef(window.judged_from_ms, window.end_ms, window.profile.events)
    scores = plan.judge.judge(window.profile)
    raised = [_raise(plan, finding, window) for finding in plan.judge.findings(scores, window.profile)]
    said = (book.advance if is_first else book.correct)(ref, scores, raised, stamp)
    return window_scores(plan.key, dict(segment), ref, revision, scores), said


def _raise(plan: StreamPlan, finding: Finding, window: Window) -> Raised:
    baseline = plan.baseline
    column = baseline.columns[finding.score.column]
    scale = Scale(column.mean, column.scale) if isinstance(column, NumericColumn) else None
    return Raised(finding, gather(finding, window.profile, baseline.profile, baseline.layout, baseline.label, scale))
