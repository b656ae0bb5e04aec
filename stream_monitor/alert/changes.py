"""Since when: a distance that fires a window or two after a sequential detector still gets its change point."""

from collections.abc import Set
from typing import Final

import msgspec

from stream_monitor.alert.cause import Cause
from stream_monitor.alert.firing import SEQUENTIAL_RESOLVE_AFTER

REMEMBERED: Final = SEQUENTIAL_RESOLVE_AFTER + 1
"""Judged windows: as long as an alert on the change may fire, so that what supersedes it gets its change point."""


class Change(msgspec.Struct, frozen=True):
    """One cause's newest change point in each of the last judged windows, oldest first, at most `REMEMBERED`; None where none was found."""

    cause: Cause
    points: tuple[int | None, ...]


class Changes:
    """The change points of the last few windows; at most one entry per cause."""

    def __init__(self, state: tuple[Change, ...] = ()) -> None:
        self._points = {change.cause: change.points for change in state}

    def to_state(self) -> tuple[Change, ...]:
        """What a later `Changes` goes on from."""
        return tuple(Change(cause, points) for cause, points in self._points.items())

    @property
    def causes(self) -> Set[Cause]:
        """Those with a change point."""
        return self._points.keys()

    def add(self, cause: Cause, changed_ms: int | None) -> None:
        """One more judged window. changed_ms: None where it has no change."""
        points = (*self._points.get(cause, ()), changed_ms)[-REMEMBERED:]
        if any(point is not None for point in points):
            self._points[cause] = points
        else:
            self._points.pop(cause, None)

    def before(self, cause: Cause, end_ms: int) -> int | None:
        """The newest change point before this time, None where there is none."""
        return max((point for point in self._points.get(cause, ()) if point is not None and point < end_ms), default=None)

    def forget(self, cause: Cause) -> None:
        """What changed so far explains nothing that comes."""
        self._points.pop(cause, None)
