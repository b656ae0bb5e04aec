"""What labels said of one unit, by pane, and when its windows are told of again.

A window is told when the watermark closes it, with the labels that came by then; again when a quarter more of them came, or some came and
a window's length and a quarter of its age have passed; and a last time when `label_lateness` ends. So a window with n labels that come over
a time t is told some log(n) + log(t) times.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from stream_monitor.pipeline.join.packed import NOTHING, Packed, patience_ms
from stream_monitor.pipeline.join.said import Change
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.profile.weights import Weighed, Weights
from stream_monitor.window.spec import WindowSpec

GROWTH: Final = 4
"""One part in so many of a window's labels must be new, or of its age have passed, before it is told again."""
NEW_MIN: Final = 10
"""And at least so many."""
ELSEWHERE: Final = -1
"""Labels of a telling under another config, whose rows are gone: news alone lets its window be told again."""
PANES_ASKED: Final = 20
"""Panes, evenly from oldest to newest, that say how long labels take; up to twice as many."""


class Told(msgspec.Struct, array_like=True, frozen=True):
    """A window's last telling: which one it was, at what event time, with how many labels, and how many rows changed since."""

    revision: int = 0
    at_ms: int = 0
    labelled: int = 0
    touched: int = 0


class Judged(NamedTuple):
    """What is judged of a window that holds too little alone: with the panes before it, [from_ms, the window's end) in event time.

    vector: int64[N], each row counted by what it stands for; weights: what rows stand for.
    """

    from_ms: int
    vector: Vector
    weights: Weights


class OutcomeWindow(NamedTuple):
    """A window's outcome. at_close: with enough events, for what needs no label; labelled: with enough labels, if there are so many;
    is_last: whether `label_lateness` is over; covered: see `Outcomes.covered`, when it was told.
    """

    start_ms: int
    end_ms: int
    at_close: Judged
    labelled: Judged
    revision: int
    is_last: bool = False
    covered: float | None = None


@dataclass(slots=True)
class Outcomes:
    """One unit's. told: end of a window -> its last telling; panes are kept as long as the join's rows, one vector for each of `reliefs`,
    one behind another; reliefs: see `JoinPlan`.
    """

    layout: OutcomeLayout
    spec: WindowSpec
    label_lateness_ms: int
    reliefs: tuple[int, ...] = (0,)
    is_awaited: bool = False
    """Whether every window is told when `label_lateness` ends, news or not."""
    panes: dict[int, Packed] = field(default_factory=dict)
    told: dict[int, Told] = field(default_factory=dict)
    looked_ms: int | None = None
    """The watermark when windows were last looked at."""
    final_ms: int | None = None
    """Windows that end by then were told for the last time, also where `label_lateness` became longer since."""
    waiting: dict[int, int] = field(default_factory=dict)
    """End of each window of which there is news -> when it is told at the latest."""
    starts: list[int] = field(default_factory=list)
    """Those of the panes, sorted."""

    def restore(self, change: Change) -> None:
        """Take in what rows say that were told of before."""
        known = self.panes.get(change.pane_ms)
        if known is None:
            insort(self.starts, change.pane_ms)
        vector = NOTHING.on(self._size) if known is None else known.on(self._size)
        vector[change.at] += change.by
        self.panes[change.pane_ms] = Packed.of(vector)

    def add(self, change: Change) -> None:
        """Take in what rows changed in a pane."""
        self.restore(change)
        for end_ms in self.spec.window_ends(change.pane_ms):
            if not self._is_final(end_ms):
                told = self.told.get(end_ms, Told())
                self._hold(end_ms, msgspec.structs.replace(told, touched=told.touched + change.touched))

    def resume(self, told: Mapping[int, Told], looked_ms: int | None, final_ms: int | None) -> None:
        """Go on from where a snapshot was taken."""
        self.looked_ms, self.final_ms = looked_ms, final_ms
        for end_ms, each in told.items():
            self._hold(end_ms, each)

    def follow(self, before: "Outcomes") -> None:
        """Begin anew after another: news of a window that it told of makes the next revision, not a second first; what is over stays so."""
        told = {end_ms: Told(each.revision, each.at_ms, ELSEWHERE) for end_ms, each in before.told.items() if each.revision}
        self.resume(told, before.looked_ms, before.final_ms)

    def adopt(self, label_lateness_ms: int) -> None:
        """Wait for labels so long from now on; what is over so is over at once, and stays so."""
        self.label_lateness_ms = label_lateness_ms
        if self.looked_ms is not None:
            self._forget(self.looked_ms)
        self._drop_told()
        self.resume(self.told, self.looked_ms, self.final_ms)

    def advance(self, watermark_ms: int, rates: Mapping[int, int]) -> Iterator[OutcomeWindow]:
        """Let time pass: the windows to tell of, by their end. rates: pane -> k where a row stands for 2^k events."""
        step_ms = min(self.spec.pane_ms, 1_000)
        if self.looked_ms is not None and self.looked_ms // step_ms >= watermark_ms // step_ms:
            return
        self.looked_ms = watermark_ms
        due = sorted(end_ms for end_ms, due_ms in self.waiting.items() if due_ms <= watermark_ms)
        covered = self.covered(watermark_ms, rates) if due else None
        for end_ms in due:
            is_last = watermark_ms >= end_ms + self.label_lateness_ms
            window = self._window(end_ms, self.told[end_ms].revision + 1, rates)._replace(is_last=is_last, covered=covered)
            self._hold(end_ms, Told(window.revision, watermark_ms, self.layout.labelled(window.labelled.vector), 0))
            yield window
        self._forget(watermark_ms)

    def closed(self, end_ms: int, rates: Mapping[int, int]) -> Judged:
        """What a window says without labels, by now."""
        return self._judged(end_ms, rates, self.layout.events)

    def covered(self, watermark_ms: int, rates: Mapping[int, int]) -> float | None:
        """The share of events with a label in the newest window whose labels had time to come (see `patience_ms`); None: there is none yet.

        No longer than rows are held: of a window that `label_lateness` is over for, nothing is known.
        """
        step = max(1, len(self.starts) // PANES_ASKED)
        patience = patience_ms(self.layout, [self.panes[start] for start in self.starts[::step]], len(self.reliefs))
        reach_ms = watermark_ms - max(0, min(patience, self.label_lateness_ms - self.spec.every_ms))
        vector = self.closed(reach_ms - (reach_ms - self.spec.size_ms) % self.spec.every_ms, rates).vector
        events = self.layout.events(vector)
        return self.layout.labelled(vector) / events if events > 0 else None

    def _hold(self, end_ms: int, told: Told) -> None:
        self.told[end_ms] = told
        if told.touched or (self.is_awaited and told.labelled != ELSEWHERE):
            self.waiting[end_ms] = self._due_ms(end_ms, told)
        else:
            self.waiting.pop(end_ms, None)

    def _due_ms(self, end_ms: int, told: Told) -> int:
        if told.revision == 0 or told.touched >= max(NEW_MIN, told.labelled // GROWTH):
            return end_ms
        if not told.touched:
            return end_ms + self.label_lateness_ms
        return min(told.at_ms + max(self.spec.size_ms, (told.at_ms - end_ms) // GROWTH), end_ms + self.label_lateness_ms)

    def _is_final(self, end_ms: int) -> bool:
        return self.final_ms is not None and end_ms <= self.final_ms

    def _window(self, end_ms: int, revision: int, rates: Mapping[int, int]) -> OutcomeWindow:
        at_close, labelled = (self._judged(end_ms, rates, count) for count in (self.layout.events, self.layout.labelled))
        return OutcomeWindow(end_ms - self.spec.size_ms, end_ms, at_close, labelled, revision)

    def _judged(self, end_ms: int, rates: Mapping[int, int], count: Callable[[Vector], int]) -> Judged:
        """With the panes before it, up to `window_max`, until there are `events_min` of what is counted."""
        start_ms = from_ms = end_ms - self.spec.size_ms
        found, rows = Weighed(self.layout), 0
        for place in range(bisect_left(self.starts, end_ms) - 1, -1, -1):
            pane = self.starts[place]
            if pane < start_ms and (rows >= self.spec.events_min or pane < end_ms - self.spec.window_max_ms):
                break
            held = self.weigh(self.panes[pane], rates.get(pane, 0), found)
            if self.layout.events(held):  # a pane whose rows all went elsewhere is none, as it is after a restore
                rows, from_ms = rows + count(held), min(from_ms, pane)
        return Judged(from_ms, found.vector, found.weights)

    def weigh(self, pane: Packed, rate: int, into: Weighed) -> Vector:
        """Add a pane's rows as what they stand for; its rows, each counted once."""
        vectors = pane.on(self._size).reshape(len(self.reliefs), -1)
        for relief, vector in zip(self.reliefs, vectors, strict=True):
            into.add(vector, 1 << max(rate - relief, 0))
        held: Vector = vectors.sum(axis=0)
        return held

    @property
    def _size(self) -> int:
        return len(self.reliefs) * self.layout.size

    def _forget(self, watermark_ms: int) -> None:
        """Panes, and windows, that may not be told of again. Windows of which one pane is left are looked at with it."""
        final_ms = watermark_ms - self.label_lateness_ms
        self.final_ms = final_ms if self.final_ms is None else max(final_ms, self.final_ms)
        gone = 0
        while gone < len(self.starts) and self._is_final(self.spec.window_ends(self.starts[gone])[-1]):
            del self.panes[self.starts[gone]]
            gone += 1
        del self.starts[:gone]
        if gone:
            self._drop_told()

    def _drop_told(self) -> None:
        self.told = {end_ms: told for end_ms, told in self.told.items() if not self._is_final(end_ms)}
        self.waiting = {end_ms: due_ms for end_ms, due_ms in self.waiting.items() if end_ms in self.told}
