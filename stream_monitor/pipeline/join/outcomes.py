"""What labels said of one unit, by pane, and when its windows are told of again.

A window is told when the watermark closes it, with the labels that came by then; again when a quarter more of them came, or some came and
a window's length has passed; and a last time when `label_lateness` ends. So a window with n labels is told some log(n) times.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from stream_monitor.pipeline.join.join import Change
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.window.spec import WindowSpec

GROWTH: Final = 4
"""One part in so many of a window's labels must be new before it is told again."""
NEW_MIN: Final = 10
"""And at least so many."""


class Told(msgspec.Struct, array_like=True, frozen=True):
    """A window's last telling: which one it was, at what event time, with how many labels, and how many rows changed since."""

    revision: int = 0
    at_ms: int = 0
    labelled: int = 0
    touched: int = 0


class Judged(NamedTuple):
    """What is judged of a window that holds too little alone: with the panes before it, [from_ms, the window's end) in event time.

    vector: int64[N], each row counted by what it stands for; weight >= 1: rows stand for so many events on average, weighted by
    themselves, so that `events / weight` rows are as certain.
    """

    from_ms: int
    vector: Vector
    weight: float


class OutcomeWindow(NamedTuple):
    """A window's outcome. at_close: with enough events, for what needs no label; labelled: with enough labels, if there are so many."""

    start_ms: int
    end_ms: int
    at_close: Judged
    labelled: Judged
    revision: int


@dataclass(slots=True)
class Outcomes:
    """One unit's. told: end of a window -> its last telling; panes are kept as long as the join's rows."""

    layout: OutcomeLayout
    spec: WindowSpec
    label_lateness_ms: int
    panes: dict[int, Vector] = field(default_factory=dict)
    told: dict[int, Told] = field(default_factory=dict)
    looked_ms: int | None = None
    """The watermark when windows were last looked at."""

    def restore(self, change: Change) -> None:
        """Take in what rows say that were told of before."""
        known = self.panes.get(change.pane_ms)
        self.panes[change.pane_ms] = change.vector if known is None else known + change.vector

    def add(self, change: Change) -> None:
        """Take in what rows changed in a pane."""
        self.restore(change)
        for end_ms in self.spec.window_ends(change.pane_ms):
            told = self.told.get(end_ms, Told())
            self.told[end_ms] = msgspec.structs.replace(told, touched=told.touched + change.touched)

    def advance(self, watermark_ms: int, rates: Mapping[int, int]) -> Iterator[OutcomeWindow]:
        """Let time pass: the windows to tell of, by their end. rates: pane -> k where a row stands for 2^k events."""
        step_ms = min(self.spec.pane_ms, 1_000)
        if self.looked_ms is not None and self.looked_ms // step_ms >= watermark_ms // step_ms:
            return
        self.looked_ms = watermark_ms
        for end_ms in sorted(self.told):
            told = self.told[end_ms]
            if end_ms <= watermark_ms and self._is_due(end_ms, told, watermark_ms):
                window = self._window(end_ms, told.revision + 1, rates)
                labelled = self.layout.labelled(window.labelled.vector)
                self.told[end_ms] = Told(told.revision + 1, watermark_ms, labelled, 0)
                yield window
        self._forget(watermark_ms)

    def _is_due(self, end_ms: int, told: Told, watermark_ms: int) -> bool:
        if told.revision == 0:
            return True
        is_final = end_ms + self.label_lateness_ms <= watermark_ms
        is_old = is_final or watermark_ms - told.at_ms >= self.spec.size_ms
        return told.touched >= max(NEW_MIN, told.labelled // GROWTH) or (is_old and told.touched > 0)

    def _window(self, end_ms: int, revision: int, rates: Mapping[int, int]) -> OutcomeWindow:
        at_close, labelled = (self._judged(end_ms, rates, count) for count in (self.layout.events, self.layout.labelled))
        return OutcomeWindow(end_ms - self.spec.size_ms, end_ms, at_close, labelled, revision)

    def _judged(self, end_ms: int, rates: Mapping[int, int], count: Callable[[Vector], int]) -> Judged:
        """With the panes before it, up to `window_max`, until there are `events_min` of what is counted."""
        start_ms = from_ms = end_ms - self.spec.size_ms
        total, rows = self.layout.empty(), 0
        weights = squares = 0
        for pane in sorted(self.panes, reverse=True):
            if pane >= end_ms:
                continue
            if pane < start_ms and (rows >= self.spec.events_min or pane < end_ms - self.spec.window_max_ms):
                break
            vector, weight = self.panes[pane], 1 << rates.get(pane, 0)
            events = self.layout.events(vector)
            total = total + weight * vector
            rows += count(vector)
            weights, squares = weights + weight * events, squares + weight * weight * events
            from_ms = min(from_ms, pane)
        return Judged(from_ms, total, squares / weights if weights else 1.0)

    def _forget(self, watermark_ms: int) -> None:
        horizon_ms = watermark_ms - self.label_lateness_ms
        self.told = {end_ms: told for end_ms, told in self.told.items() if end_ms > horizon_ms}
        self.panes = {pane: vector for pane, vector in self.panes.items() if self.spec.window_ends(pane)[-1] > horizon_ms}
