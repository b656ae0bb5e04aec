"""Panes and windows as arithmetic on event time, in ms since the epoch; all intervals are half-open."""

from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How one model's event time is cut. Windows start at multiples of `every_ms`; `every_ms` < `size_ms`: they overlap (slide).

    watermark_delay_ms: the disorder that is waited for; lateness_ms: how long after its close a window may be revised;
    events_min: fewer are judged on a trailing run of panes of at most window_max_ms.
    """

    size_ms: int
    every_ms: int
    watermark_delay_ms: int
    lateness_ms: int
    events_min: int
    window_max_ms: int

    @property
    def pane_ms(self) -> int:
        """The longest pane of which every window is a whole number."""
        return gcd(self.size_ms, self.every_ms)

    def pane_of(self, time_ms: int) -> int:
        """Start of the pane that holds this time."""
        return time_ms - time_ms % self.pane_ms

    def window_ends(self, pane_start_ms: int) -> range:
        """Ends of the windows that contain this pane, earliest first."""
        last_start = pane_start_ms - pane_start_ms % self.every_ms
        count = (last_start + self.size_ms - pane_start_ms - self.pane_ms) // self.every_ms + 1
        last_end = last_start + self.size_ms
        return range(last_end - (count - 1) * self.every_ms, last_end + 1, self.every_ms)
