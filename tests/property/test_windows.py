"""Panes and windows against a naive windower: sort all events, assign each to its windows, close them in order."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import Profile
from stream_monitor.window.spec import WindowSpec
from stream_monitor.window.windows import Window, Windows

LAYOUT = Layout(names=("x",), sizes=(4,), ordered=(True,))


def profile(events: int) -> Profile:
    """A profile of so many events, all in the first bin."""
    return Profile(events, np.array([0, 0, 0, events]), np.zeros((2, 1), dtype=np.int64))


@st.composite
def specs(draw: st.DrawFn) -> WindowSpec:
    every = draw(st.integers(1, 12))
    size = draw(st.integers(every, 36))
    return WindowSpec(size, every, 0, draw(st.integers(0, 30)), draw(st.integers(1, 12)), draw(st.integers(size, 120)))


@dataclass(frozen=True)
class Expected:
    end_ms: int
    judged_from_ms: int
    events: int


def naive(spec: WindowSpec, times: list[int], until: int) -> list[Expected]:
    """Every window with an event that ends by `until`, from all events at once."""
    expected = []
    for start in range(-spec.size_ms - spec.size_ms % spec.every_ms, until + 1):
        end = start + spec.size_ms
        if start % spec.every_ms or end > until or not any(start <= time < end for time in times):
            continue
        begin = start
        panes = sorted(
            {time - time % spec.pane_ms for time in times if end - spec.window_max_ms <= time - time % spec.pane_ms < start}, reverse=True
        )
        for pane in panes:
            if sum(begin <= time < end for time in times) >= spec.events_min:
                break
            begin = pane
        expected.append(Expected(end, begin, sum(begin <= time < end for time in times)))
    return expected


def seen(window: Window) -> Expected:
    return Expected(window.end_ms, window.judged_from_ms, window.profile.events)


@given(specs(), st.integers(0, 400))
def test_a_pane_lies_in_exactly_the_windows_that_hold_it(spec: WindowSpec, time: int) -> None:
    """`window_ends` is the set of windows which contain the pane, by brute force."""
    pane = spec.pane_of(time)
    assert pane <= time < pane + spec.pane_ms
    starts = range(pane - spec.size_ms - spec.size_ms, pane + 1)
    assert list(spec.window_ends(pane)) == [
        start + spec.size_ms
        for start in starts
        if start % spec.every_ms == 0 and start <= pane and pane + spec.pane_ms <= start + spec.size_ms
    ]


@given(specs(), st.lists(st.integers(0, 200), max_size=40), st.randoms(use_true_random=False))
def test_events_in_time_close_the_windows_of_the_naive_windower(spec: WindowSpec, times: list[int], random: object) -> None:
    """Whatever the steps of the watermark, as long as no event is behind it: the same windows, once each, in order."""
    windows, found, watermark = Windows(spec, LAYOUT), [], 0
    for time in sorted(times):
        assert windows.add(spec.pane_of(time), profile(1)), "an event in time was refused"
        watermark = max(watermark, random.randint(0, time))  # type: ignore[attr-defined]
        found += list(windows.advance(watermark))
        windows.forget()
    found += list(windows.advance(1_000))
    assert not any(window.revised for window in found)
    assert [seen(window) for window in found] == naive(spec, times, 1_000)


@settings(max_examples=200)
@given(specs(), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 220)), max_size=40))
def test_late_events_revise_or_are_refused(spec: WindowSpec, steps: list[tuple[int, int]]) -> None:
    """Events at any time against any watermark: an accepted one is in the last report of each of its windows that may still change."""
    windows, watermark = Windows(spec, LAYOUT), -1
    expected: dict[int, int] = {}
    """End of a window -> its events, as of the last one that came in time to change it."""
    last: dict[int, int] = {}
    accepted: list[int] = []
    for time, step in [*steps, (10**6, 10**6 + 100)]:
        pane = spec.pane_of(time)
        taken = windows.add(pane, profile(1))
        assert taken == (watermark < 0 or spec.window_ends(pane)[-1] + spec.lateness_ms > watermark)
        if taken:
            accepted.append(time)
        may_change = {end for end in spec.window_ends(pane) if taken and (watermark < 0 or end + spec.lateness_ms > watermark)}
        expected.update({end: sum(end - spec.size_ms <= known < end for known in accepted) for end in may_change})
        watermark = max(watermark, step)
        for window in windows.advance(watermark):
            assert window.revised or window.end_ms not in last, "a window closed twice"
            last[window.end_ms] = sum(window.start_ms <= known < window.end_ms for known in accepted)
            assert window.profile.events >= last[window.end_ms]
        windows.forget()
    assert {end: last.get(end) for end in expected if end <= watermark} == {end: n for end, n in expected.items() if end <= watermark}


@given(specs(), st.lists(st.integers(0, 5_000), min_size=1, max_size=200))
def test_memory_is_bounded_by_lateness_and_the_trailing_run(spec: WindowSpec, times: list[int]) -> None:
    """However long it runs, only panes remain that a window can still need."""
    windows = Windows(spec, LAYOUT)
    for time in sorted(times):
        windows.add(spec.pane_of(time), profile(1))
        list(windows.advance(time))
        before = len(windows.panes)
        assert windows.forget() == (len(windows.panes) < before)
        needed = (spec.size_ms + spec.lateness_ms) // spec.pane_ms + 2 + spec.events_min
        assert len(windows.panes) <= needed
        assert windows.starts == sorted(windows.panes)
