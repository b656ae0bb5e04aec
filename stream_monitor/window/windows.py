"""The panes of one stream, and which windows close or change as the watermark moves."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import Profile
from stream_monitor.window.spec import WindowSpec

PANES_MAX: Final = 10_000
"""Panes kept per stream. A day of 10-second panes is 8,640; at 25 columns this many take about 50 MB."""
REVISION_STEP_MS: Final = 1_000
"""Late profiles are gathered for so much event time before they revise windows: else each would publish every score again."""


@dataclass(frozen=True, slots=True)
class Window:
    """A closed window and the merged profile it is judged on.

    [start_ms, end_ms) is the window; [judged_from_ms, end_ms) what was judged: longer where the window alone held too few events.
    """

    start_ms: int
    end_ms: int
    judged_from_ms: int
    profile: Profile
    fresh: Profile
    """Of the events that no earlier window held: those of [end_ms - every_ms, end_ms)."""
    revised: bool
    """True: it had closed before, and late events changed it."""


@dataclass(slots=True)
class Windows:
    """Open panes, closed panes that may still be revised or lend their events, and what has closed.

    `add` takes a pane's profile, `advance` moves the watermark and returns the windows that it closes and those that
    late profiles changed since, by their end; then `forget`. Windows without an event do not close: there is nothing to judge.
    """

    spec: WindowSpec
    layout: Layout
    panes: dict[int, Profile] = field(default_factory=dict)
    """Start of the pane -> profile; no empty ones."""
    watermark_ms: int | None = None
    dirty: set[int] = field(default_factory=set)
    """Ends of closed windows that late profiles changed since the last `advance`."""
    starts: list[int] = field(default_factory=list)
    """The keys of `panes`, sorted."""
    is_behind: bool = False
    """Whether the watermark has moved since the last `forget`."""

    def add(self, pane_start_ms: int, profile: Profile) -> bool:
        """Take in a pane's profile; False where it is late: every window that holds the pane can no longer be revised."""
        assert pane_start_ms % self.spec.pane_ms == 0, f"{pane_start_ms} is not the start of a pane of {self.spec.pane_ms} ms"
        ends = self.spec.window_ends(pane_start_ms)
        if self.watermark_ms is not None:
            if ends[-1] + self.spec.lateness_ms <= self.watermark_ms:
                return False
            self.dirty.update(end for end in ends if end <= self.watermark_ms < end + self.spec.lateness_ms)
        known = self.panes.get(pane_start_ms)
        if known is None:
            insort(self.starts, pane_start_ms)
        self.panes[pane_start_ms] = profile if known is None else known.merge(profile)
        return True

    @property
    def is_full(self) -> bool:
        """Whether one more pane would be over `PANES_MAX`."""
        return len(self.panes) >= PANES_MAX

    def advance(self, watermark_ms: int) -> Iterator[Window]:
        """Move the watermark forward (a lower one changes nothing) and give the windows to judge, by their end."""
        before = self.watermark_ms
        self.watermark_ms = watermark_ms if before is None else max(before, watermark_ms)
        step_ms = min(self.spec.pane_ms, REVISION_STEP_MS) if self.dirty else self.spec.pane_ms
        if before is not None and before // step_ms == self.watermark_ms // step_ms:
            return  # windows end where panes do
        dirty, self.dirty, self.is_behind = self.dirty, set(), True
        for end in sorted(dirty | self._closing(before, self.watermark_ms)):
            yield self._window(end, revised=end in dirty)

    def next_end_ms(self) -> int | None:
        """End of the earliest window that is still open, None where there is no open pane."""
        candidates = (end for start in reversed(self.starts) for end in self.spec.window_ends(start))
        return min((end for end in candidates if self.watermark_ms is None or end > self.watermark_ms), default=None)

    def _closing(self, before: int | None, now: int) -> set[int]:
        """Ends in (before, now] of the windows that hold a pane; stretches without panes are stepped over, however long."""
        ends: set[int] = set()
        end = self._next_end(-1 if before is None else before) if before is not None or self.starts else now + 1
        while end <= now:
            place = bisect_left(self.starts, end - self.spec.size_ms)
            if place == len(self.starts):
                break
            first = self.spec.window_ends(self.starts[place])[0]
            if first > end:
                end = first
                continue
            ends.add(end)
            end += self.spec.every_ms
        return ends

    def _next_end(self, time_ms: int) -> int:
        """The earliest end of a window after this time."""
        every, size = self.spec.every_ms, self.spec.size_ms
        return (time_ms - size) // every * every + every + size

    def _window(self, end_ms: int, *, revised: bool) -> Window:
        start_ms = end_ms - self.spec.size_ms
        high, low = bisect_left(self.starts, end_ms), bisect_left(self.starts, start_ms)
        middle = bisect_left(self.starts, end_ms - self.spec.every_ms)
        fresh = self._merged(middle, high)
        profile = fresh if low == middle else self._merged(low, middle).merge(fresh)
        judged_from_ms = start_ms
        while profile.events < self.spec.events_min and low > 0 and self.starts[low - 1] >= end_ms - self.spec.window_max_ms:
            low -= 1
            judged_from_ms = self.starts[low]
            profile = profile.merge(self.panes[judged_from_ms])
        return Window(start_ms, end_ms, judged_from_ms, profile, fresh, revised)

    def held(self, start_ms: int, end_ms: int) -> Profile:
        """The events of [start_ms, end_ms) that are still held, on whole panes."""
        return self._merged(bisect_left(self.starts, start_ms), bisect_left(self.starts, end_ms))

    def _merged(self, low: int, high: int) -> Profile:
        profile = Profile.empty(self.layout)
        for start in self.starts[low:high]:
            profile = profile.merge(self.panes[start])
        return profile

    def forget(self) -> bool:
        """Drop the panes that no window can still need: final ones, beyond the trailing run that the oldest revisable window may borrow.

        Apart from `advance`, for others may ask what is `held` until all have judged their windows. Whether any was dropped.
        """
        if not self.is_behind:
            return False
        self.is_behind = False
        assert self.watermark_ms is not None
        horizon = self.watermark_ms - self.spec.lateness_ms
        keep, borrowed = len(self.starts), 0
        while keep > 0:
            start = self.starts[keep - 1]
            if self.spec.window_ends(start)[-1] <= horizon:
                if borrowed >= self.spec.events_min or start < horizon - self.spec.window_max_ms:
                    break
                borrowed += self.panes[start].events
            keep -= 1
        for start in self.starts[:keep]:
            del self.panes[start]
        del self.starts[:keep]
        return keep > 0
