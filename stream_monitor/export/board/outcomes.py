"""What labels and scores tell of a model, as trees: how good it is beside what it was taken for, whether it treats groups alike."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final, NamedTuple, Self

from stream_monitor.detect.finding import FindingKind, ScoreStatus
from stream_monitor.detect.outcomes.constant import constant
from stream_monitor.detect.outcomes.coverage import coverage
from stream_monitor.detect.outcomes.estimated import ESTIMATED
from stream_monitor.detect.outcomes.judge import OutcomeJudge, OutcomeScore
from stream_monitor.detect.outcomes.measure import Segment
from stream_monitor.detect.outcomes.metrics import ANSWERED
from stream_monitor.detect.registry import LOSS, SEQUENTIAL, falls, title_of
from stream_monitor.detect.report import utc
from stream_monitor.export.board.part import Seen
from stream_monitor.export.pictures import Point
from stream_monitor.pipeline.join.newest import Newest
from stream_monitor.pipeline.join.outcomes import Judged

Tree = dict[str, Any]
BIAS_SHOWN: Final = 200
"""Rows of bias: 20 groups. Those outside of what is allowed come first."""
WAITING, NO_LABELS = "waiting", "no_labels"
"""States of quality beside `ScoreStatus`: no window was told of yet; none has a label."""


class Told(NamedTuple):
    """What the newest windows say. at_close: of the last one, closed; labelled: of the last whose labels may be judged, window, with how
    many there are; floors: what the best answers that are always the same reach there, by metric and class.
    """

    state: str
    at_close: Sequence[OutcomeScore] = ()
    closed: Tree | None = None
    labelled: Sequence[OutcomeScore] = ()
    window: Tree | None = None
    end_ms: int = 0
    labels: Tree | None = None
    floors: Mapping[tuple[str, Segment], float | None] = {}

    @classmethod
    def of(cls, newest: Newest | None) -> Self:
        """Judged anew: what is published are its values alone."""
        if newest is None:
            return cls(WAITING)
        judge, at_close = newest.judge, newest.closed.at_close
        told = cls(NO_LABELS, judge.at_close(at_close.vector, at_close.weights), _span(judge, at_close, newest.closed.end_ms))
        if newest.labelled is None:
            return told
        judged, end_ms = newest.labelled.labelled, newest.labelled.end_ms
        return told._replace(
            state=_state(newest, judge.layout.labelled(judged.vector)),
            labelled=[*judge.labelled(judged.vector, judged.weights), *newest.beside],
            window=_span(judge, judged, end_ms),
            end_ms=end_ms,
            labels=_labels(judge, judged),
            floors={(each.name, each.segment): each.value for each in constant(judge.layout, judged.vector)},
        )


def quality(seen: Seen, told: Told, now_ms: int | None) -> Tree:
    """Figures of the last window whose labels may be judged, the estimate of the last that closed, and both over time."""
    newest = seen.newest
    metric = "rmse" if newest is not None and newest.judge.layout.task == "regression" else "accuracy"
    return {
        "state": told.state,
        "window": told.window,
        "age_s": None if told.window is None or now_ms is None else max(0.0, (now_ms - told.end_ms) / 1000),
        "labels": told.labels,
        "alpha": None if newest is None else newest.judge.alpha,
        "figures": [_figure(each, told.floors) for each in told.labelled if each.score.key.kind is FindingKind.MODEL_QUALITY],
        "estimated_window": told.closed,
        "estimated": [_figure(each, {}) for each in told.at_close if each.score.key.kind is FindingKind.ESTIMATED_QUALITY],
        "metric": metric,
        "history": [point for point in seen.labelled.get(metric, ()) if point.score is not None],
        "estimated_history": _estimated_history(seen, ESTIMATED + metric),
    }


def bias(newest: Newest | None, told: Told) -> list[Tree]:
    """A row per facet, group and metric. What predictions alone tell is of the last window, the rest of the last with labels to judge."""
    if newest is None:
        return []
    found = [*((each, told.closed) for each in told.at_close), *((each, told.window) for each in told.labelled)]
    rows = [_group(newest.judge, each, span) for each, span in found if each.score.key.kind is FindingKind.BIAS]
    kept = sorted(rows, key=lambda row: not row["is_bad"])[:BIAS_SHOWN]
    return sorted(kept, key=lambda row: (row["facet"], row["group"]))


def concept(seen: Seen, told: Told) -> Tree | None:
    """Whether the same inputs have other labels, or get other answers: figures of both, and what detectors found in the loss; None: nothing
    is known.
    """
    kinds, detectors = (
        (FindingKind.CONCEPT_DRIFT, FindingKind.CAPTURE_HEALTH),
        [name for name in (*SEQUENTIAL, *LOSS) if name in seen.series],
    )
    found = [*told.labelled, *(each for each in told.at_close if each.score.key.detector in ANSWERED)]
    figures = [_figure(each, told.floors) for each in found if each.score.key.kind in kinds]
    return {"figures": figures, "detectors": [_changes(seen, name) for name in detectors]} if figures or detectors else None


def _state(newest: Newest, labelled: int) -> str:
    if newest.is_ready:
        return ScoreStatus.JUDGED
    return ScoreStatus.TOO_FEW if labelled < newest.judge.events_min else ScoreStatus.INCOMPLETE


def _figure(found: OutcomeScore, floors: Mapping[tuple[str, Segment], float | None]) -> Tree:
    score, measure = found.score, found.measure
    return {
        "metric": score.key.detector,
        "title": title_of(score.key.detector),
        "about": dict(found.segment),
        "value": score.score,
        "low": None if measure is None else measure.low,
        "high": None if measure is None else measure.high,
        "events": 0 if measure is None else measure.events,
        "baseline": found.before,
        "constant": floors.get((score.key.detector, found.segment)),
        "threshold": finite(score.threshold),
        "is_bad_below": falls(score.key.detector),
        "status": score.status.value,
        "is_bad": score.real and score.status is ScoreStatus.JUDGED,
    }


def _group(judge: OutcomeJudge, found: OutcomeScore, span: Tree | None) -> Tree:
    ((facet, group),) = found.segment
    low, high = judge.allowed(found.score.key.detector)
    figure = _figure(found, {})
    del figure["about"], figure["constant"], figure["threshold"], figure["is_bad_below"]
    allowed = {"allowed_low": finite(low), "allowed_high": finite(high)}
    return {"facet": facet, "group": group, "against": judge.privileged.get(facet), **figure, **allowed, "window": span}


def _labels(judge: OutcomeJudge, judged: Judged) -> Tree:
    found = coverage(judge.layout, judged.vector)
    return {
        "labelled": found.labelled,
        "coverage": found.label_coverage,
        "coverage_min": judge.coverage_min,
        "is_balanced": found.is_balanced,
        "delay_p50_s": found.label_delay_p50_s,
    }


def _estimated_history(seen: Seen, name: str) -> list[Point]:
    """Of the last windows, and of those whose labels were judged."""
    points = (*seen.labelled.get(name, ()), *seen.series.get(name, ()))
    found = {point.end_ms: point for point in points if point.score is not None}
    return [found[end_ms] for end_ms in sorted(found)]


def _changes(seen: Seen, detector: str) -> Tree:
    points = seen.series[detector]
    found = [point for point in points if point.score is not None and point.threshold is not None and point.score > point.threshold]
    last = found[-1] if found else None
    return {
        "detector": detector,
        "title": title_of(detector),
        "changes": len(found),
        "last": None if last is None else utc(last.end_ms),
        "value": None if last is None else last.score,
        "threshold": points[-1].threshold if points else None,
    }


def _span(judge: OutcomeJudge, judged: Judged, end_ms: int) -> Tree:
    return {"start": utc(judged.from_ms), "end": utc(end_ms), "events": judge.layout.events(judged.vector)}


def finite(value: float | None) -> float | None:
    """None for an infinite limit, which is none."""
    return value if value is not None and isfinite(value) else None
