"""What is watched of all events together, as trees: how the calls went, and whatever else there is a detector for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from stream_monitor.detect.registry import LOSS, OPERATIONS, OUTCOMES, PAIRS, SEQUENTIAL, cause_of, falls, title_of
from stream_monitor.detect.report import utc
from stream_monitor.export.board.part import Closed, Seen
from stream_monitor.export.pictures import Point

Tree = dict[str, Any]
LEVELS_MAX: Final = 60
"""Detectors of the whole that are shown."""


def operations(seen: Seen, firing: Mapping[str, str]) -> Tree | None:
    """The levels of the calls over the last windows, and error codes of the newest; None: the events tell nothing of their calls.

    firing: detector -> severity of the alert on the whole that it has a part in.
    """
    levels = [_level(name, seen.series[name], firing) for name in OPERATIONS if name in seen.series]
    return {"levels": levels, "errors": list(_errors(seen.closed))} if levels else None


def others(seen: Seen, firing: Mapping[str, str]) -> list[Tree]:
    """Every other detector of the whole, those of one cause together."""
    shown = {*OPERATIONS, *OUTCOMES, *SEQUENTIAL, *LOSS}
    names = sorted((name for name in seen.series if name not in shown), key=cause_of)
    return [{"cause": cause_of(name), **_level(name, seen.series[name], firing)} for name in names[:LEVELS_MAX]]


def told(tree: Tree) -> Tree:
    """The same for JSON: a page draws thousands of points while the worker waits for the interpreter, and needs no texts of them."""
    return {name: [_point(each) for each in value] if name.endswith("history") else _told(value) for name, value in tree.items()}


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return [_told(each) for each in value]
    return told(value) if isinstance(value, dict) else value


def _point(point: Point) -> Tree:
    return {"end": utc(point.end_ms), "score": point.score, "threshold": point.threshold}


def _level(name: str, points: Sequence[Point], firing: Mapping[str, str]) -> Tree:
    known = [point for point in points if point.score is not None]
    told = known if name in PAIRS else points  # nothing, where the newest window has none: the last known is not how it is now
    last = told[-1] if told else Point(0, None, None)
    return {
        "detector": name,
        "title": title_of(name),
        "state": firing.get(name),
        "value": last.score,
        "threshold": last.threshold,
        "is_bad_below": falls(name),
        "history": known,
    }


def _errors(closed: Closed | None) -> Iterator[Tree]:
    if closed is not None:
        for code, failed in closed.codes.items():
            yield {"code": code or None, "calls": failed, "ratio": failed / max(closed.events, 1)}
