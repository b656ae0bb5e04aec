"""What pages and the JSON API show: plain trees of what is on the board."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.alert.notification import held_text
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Severity
from stream_monitor.detect.report import utc
from stream_monitor.export.board import levels, outcomes
from stream_monitor.export.board.board import Board, StreamBoard, Whole
from stream_monitor.export.pictures import Point
from stream_monitor.export.report.story import segment_text
from stream_monitor.profile.layout import FIRST_VALUE
from stream_monitor.window.windows import Window

Tree = dict[str, Any]
FEATURES_MAX: Final = 100
"""Columns on one page; the others by search, or by the next page."""
MODELS_SHOWN: Final = 200
"""Models on the home page, the worst; the others by search."""
ALERTS_SHOWN: Final = 50
"""Alerts on the page of a model, or of all; the others by `alerts`."""
SEGMENTS_SHOWN: Final = 100
"""Segments that a page links to; the others by their text in the address."""
BEHIND_S: Final = 120.0
"""A watermark further behind the clock than this and its delay: what is shown is old, as the rule StreamMonitorWatermarkBehind says."""
BINS_MAX: Final = 60
"""Bins or categories of a picture, those with most events."""
_RANKS: Final = {severity.value: rank for rank, severity in enumerate(Severity, 1)}


def models(board: Board, search: str = "") -> list[Tree]:
    """Every stream of this worker whose name holds this, the worst first."""
    whole = board.whole()
    with board.reading() as (streams, known):
        own = {stream: each for stream, each in streams.items() if search.lower() in stream.model.lower()}
    mine = {stream: list[Alert]() for stream in own}
    for alert in known:
        mine.get(StreamKey(alert.model, alert.version), []).append(alert)
    found = [_model(whole, stream, each, mine[stream]) for stream, each in own.items()]
    return sorted(found, key=lambda tree: (-len(tree["firing"]), -_severity(tree["state"]), tree["model"], tree["version"] or ""))


def others(board: Board) -> list[Tree]:
    """The streams that are to be watched and that this worker does not own."""
    whole = board.whole()
    return [{"model": stream.model, "version": stream.version} for stream in sorted(whole.streams().keys() - whole.own, key=stream_order)]


def stream_order(stream: StreamKey) -> tuple[str, str]:
    """By name, then by version."""
    return stream.model, stream.version or ""


def figures(board: Board, stream: StreamKey, segment: str = "") -> Tree | None:
    """What is watched of all events together, or of a segment's: quality, bias, concept drift, operations, others.

    segment: its text, as `segment_text` gives it; empty: the whole.
    None where this worker does not own it, or nothing was said of the segment. Histories are `Point`s; see `levels.told`.
    """
    now_ms = board.whole().now_ms
    with board.reading() as (streams, known):
        each = streams.get(stream)
        parts = {} if each is None else {segment_text(dict(key)): (key, part) for key, part in each.parts.items()}
        if each is None or segment not in parts:
            return None
        key, part = parts[segment]
        seen, has_task, watermark_ms = part.seen(), bool(each.plan.labels), each.watermark_ms
        silent_ms = part.silent_ms
        has_groups = has_task and bool(each.plan.labels[()].judge.layout.groups)
        mine = [alert for alert in known if _is_of(alert, stream) and alert.status is not AlertStatus.RESOLVED]
    told, firing = outcomes.Told.of(seen.newest), dict[str, str]()
    for alert in sorted(mine, key=lambda alert: _severity(alert.severity.value)):
        if alert.feature is None and tuple(alert.segment.items()) == key:
            firing |= dict.fromkeys((alert.detector, *(each.detector for each in alert.evidence.detectors)), alert.severity.value)
    return {
        "model": stream.model,
        "version": stream.version,
        "segment": segment,
        "silent_since": None if silent_ms is None else utc(silent_ms),
        "segments": sorted(parts)[:SEGMENTS_SHOWN],
        "segments_found": len(parts),
        "quality": outcomes.quality(seen, told, watermark_ms if now_ms is None else now_ms) if has_task else None,
        "bias": outcomes.bias(seen.newest, told) if has_groups else None,
        "concept": outcomes.concept(seen, told) if has_task else None,
        "operations": levels.operations(seen, firing),
        "others": levels.others(seen, firing),
    }


def model(board: Board, stream: StreamKey, search: str = "", offset: int = 0, limit: int = FEATURES_MAX, segment: str = "") -> Tree | None:
    """One stream: its columns, those that moved furthest first, and its newest alerts; None where this worker does not own it.

    offset, limit: which of the columns that were found are shown; limit >= 1. segment: of which alone alerts are told, as in `figures`.
    """
    whole = board.whole()
    with board.reading() as (streams, alerts):
        each = streams.get(stream)
        if each is None:
            return None
        mine = [alert for alert in alerts if _is_of(alert, stream)]
        tree, furthest, plan = _model(whole, stream, each, mine), {} if each.silent_ms else each.history.furthest(), each.plan
        within = next((key for key in each.parts if segment_text(dict(key)) == segment), ())
    told = [alert for alert in mine if set(within) <= set(alert.segment.items())]
    firing = {alert.feature: alert.severity.value for alert in mine if alert.status is not AlertStatus.RESOLVED}
    names = [entry.column.name for entry in plan.baseline.columns if search.lower() in entry.column.name.lower()]
    ratios = {name: _ratio(seen) for name, (_, seen) in furthest.items()}
    names.sort(key=lambda name: (-_severity(firing.get(name)), -ratios.get(name, 0.0), name))
    return {
        **tree,
        "features": [_feature(name, firing.get(name), furthest.get(name)) for name in names[offset : offset + limit]],
        "found": len(names),
        "page": offset // limit + 1,
        "pages": max(-(-len(names) // limit), 1),
        "alerts": [alert_tree(alert) for alert in told[:ALERTS_SHOWN]],
        "alerts_found": len(told),
    }


def feature(board: Board, stream: StreamKey, name: str) -> Tree | None:
    """One column: its distribution before and now, every detector's scores over the last windows, its alerts; None: not here.

    The scores are `Point`s: a page draws thousands of them while the worker waits for the interpreter; see `feature_told`.
    """
    with board.reading() as (streams, alerts):
        each = streams.get(stream)
        names = [entry.column.name for entry in each.plan.baseline.columns] if each else []
        if each is None or name not in names:
            return None
        found = {detector: each.history.of((column, detector)) for column, detector in each.history.series if column == name}
        mine = [alert for alert in alerts if _is_of(alert, stream) and alert.feature == name]
        baseline, window, silent_ms = each.plan.baseline, each.window, each.silent_ms
    series = dict(sorted(found.items(), key=lambda item: -max(map(_ratio, item[1]), default=0.0)))
    return {
        "model": stream.model,
        "version": stream.version,
        "feature": name,
        "silent_since": None if silent_ms is None else utc(silent_ms),
        "window": None if window is None else _span(window.judged_from_ms, window.end_ms, window.profile.events),
        "bins": _bins(baseline, window, names.index(name)),
        "detectors": series,
        "alerts": [alert_tree(alert) for alert in mine],
    }


def feature_told(tree: Tree) -> Tree:
    """The same for JSON."""
    ends = {point.end_ms: utc(point.end_ms) for points in tree["detectors"].values() for point in points}
    told = {
        detector: [{"end": ends[point.end_ms], "score": point.score, "threshold": point.threshold} for point in points]
        for detector, points in tree["detectors"].items()
    }
    return {**tree, "detectors": told}


def alerts(board: Board, model: str | None = None) -> list[Tree]:
    """All that are known, of one model or of all, newest publication first."""
    with board.reading() as (_, known):
        found = [alert for alert in known if model in (None, alert.model)]
    return [alert_tree(alert) for alert in found]


def alert_tree(alert: Alert) -> Tree:
    """An alert as it is published. held: why nobody is told of it, in words; None where somebody is."""
    return {**msgspec.to_builtins(alert), "held": held_text(alert)}


def _model(whole: Whole, stream: StreamKey, each: StreamBoard, mine: Sequence[Alert]) -> Tree:
    firing = [alert for alert in mine if alert.status is not AlertStatus.RESOLVED]
    worst = max((alert.severity.value for alert in firing), key=_severity, default=None)
    window, silent_ms, behind_s = each.window, each.silent_ms, whole.behind_s(each.watermark_ms)
    is_behind = behind_s is not None and behind_s > BEHIND_S + each.plan.spec.watermark_delay_ms / 1000
    quiet = "no_data" if silent_ms is not None else "waiting" if window is None else "behind" if is_behind else "ok"
    return {
        "model": stream.model,
        "version": stream.version,
        "state": worst or quiet,
        "silent_since": None if silent_ms is None else utc(silent_ms),
        "firing": [_brief(alert) for alert in firing],
        "columns": len(each.plan.baseline.columns),
        "window": None if window is None else _span(window.judged_from_ms, window.end_ms, window.profile.events),
        "watermark": None if each.watermark_ms is None else utc(each.watermark_ms),
        "watermark_delay_s": behind_s,
        "baseline_id": each.plan.baseline.id,
    }


def _brief(alert: Alert) -> Tree:
    return {
        "alert_id": alert.alert_id,
        "severity": alert.severity.value,
        "feature": alert.feature,
        "summary": alert.annotations.summary,
        "held": held_text(alert),
    }


def _feature(name: str, state: str | None, furthest: tuple[str, Point] | None) -> Tree:
    tree: Tree = {"feature": name, "state": state, **dict.fromkeys(("detector", "ratio", "score", "threshold"))}
    if furthest is not None:
        detector, seen = furthest
        tree |= {"detector": detector, "ratio": _ratio(seen), "score": seen.score, "threshold": seen.threshold}
    return tree


def _bins(baseline: Baseline, window: Window | None, column: int) -> list[Tree]:
    """Shares of all codes of a column, in the baseline and in the last window; beyond `BINS_MAX` those with most events."""
    start, size = int(baseline.layout.starts[column]), baseline.layout.sizes[column]
    before = baseline.profile.counts[start : start + size]
    now = before * 0 if window is None else window.profile.counts[start : start + size]
    ofs = max(int(before.sum()), 1), max(int(now.sum()), 1)
    codes = [code for code in range(size) if before[code] or now[code]]
    kept = sorted(sorted(codes, key=lambda code: -max(before[code] / ofs[0], now[code] / ofs[1]))[:BINS_MAX])
    values = [code for code in kept if code >= FIRST_VALUE] + [code for code in kept if code < FIRST_VALUE]
    return [{"bin": baseline.label(column, c), "baseline": before[c] / ofs[0], "window": now[c] / ofs[1]} for c in values]


def _ratio(seen: Point) -> float:
    return seen.score / seen.threshold if seen.score is not None and seen.threshold else 0.0


def _span(start_ms: int, end_ms: int, events: int) -> Tree:
    return {"start": utc(start_ms), "end": utc(end_ms), "events": events}


def _is_of(alert: Alert, stream: StreamKey) -> bool:
    return (alert.model, alert.version) == stream


def _severity(state: str | None) -> int:
    return 0 if state is None else _RANKS.get(state, 0)
