"""When windows are told of again (often while labels come, seldom when they trickle, never after `label_lateness`), and with what."""

from collections import Counter
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.join.outcomes import Outcomes, OutcomeWindow
from stream_monitor.pipeline.join.said import Change
from stream_monitor.profile.delay import delay_bin
from stream_monitor.profile.outcome import OutcomeLayout
from stream_monitor.window.spec import WindowSpec

LAYOUT = OutcomeLayout("binary", ("no", "yes"), 1)
MINUTE_MS = 60_000
BORROWING = WindowSpec(size_ms=10_000, every_ms=10_000, watermark_delay_ms=0, lateness_ms=0, events_min=50, window_max_ms=40_000)
UNLABELLED, LABELLED = 1, 5
"""Places in the joint counts of 4 x 4: no label and "no" predicted, both "no"."""


def outcomes_of(lateness_ms: int, every_ms: int = MINUTE_MS) -> Outcomes:
    return Outcomes(LAYOUT, WindowSpec(MINUTE_MS, every_ms, 0, 0, 1, MINUTE_MS), lateness_ms)


def change(pane_ms: int, at: list[int], by: list[int]) -> Change:
    return Change(StreamKey("loan", None), (), pane_ms, np.array(at), np.array(by), sum(map(abs, by)))


def captured(pane_ms: int, n: int) -> Change:
    return change(pane_ms, [UNLABELLED], [n])


def labelled(pane_ms: int, n: int) -> Change:
    return change(pane_ms, [UNLABELLED, LABELLED], [-n, n])


def test_labels_that_trickle_in_over_a_week_are_told_some_log_of_times() -> None:
    """A label a minute to each of sixty windows for a week: at each of 10,080 minutes all of them have news."""
    week = 7 * 24 * 60
    outcomes, told = outcomes_of(week * MINUTE_MS), Counter[int]()
    for window in range(60):
        outcomes.add(captured(window * MINUTE_MS, 20_000))
    for minute in range(1, week + 120):
        for window in range(min(minute, 60)):
            outcomes.add(labelled(window * MINUTE_MS, 1))
        told.update(window.end_ms for window in outcomes.advance(minute * MINUTE_MS, {}))
    assert len(told) == 60
    assert 30 < min(told.values()) <= max(told.values()) < 90
    assert not outcomes.panes
    assert not outcomes.told
    assert not outcomes.waiting


@pytest.mark.parametrize("seed", range(20))
def test_a_window_that_slides_out_is_not_told_as_if_it_were_new(seed: int) -> None:
    """Of a pane's six windows the first end before the last; labels that come between change the last alone."""
    random, outcomes = Random(seed), outcomes_of(2 * MINUTE_MS, 10_000)
    seen: dict[int, int] = {}
    for second in range(0, 600, 5):
        pane_ms = max(0, second - random.randrange(200)) // 10 * 10_000
        outcomes.add(random.choice([captured, labelled])(pane_ms, random.randint(1, 30)))
        for window in outcomes.advance(second * 1_000, {}):
            assert window.revision == seen.get(window.end_ms, 0) + 1
            seen[window.end_ms] = window.revision
    assert max(seen.values()) > 1


@pytest.mark.parametrize("seed", range(20))
def test_it_goes_on_from_where_a_snapshot_was_taken(seed: int) -> None:
    random, one, other = Random(seed), outcomes_of(2 * MINUTE_MS), outcomes_of(2 * MINUTE_MS)
    for second in range(0, 600, 5):
        pane_ms = max(0, second - random.randrange(200)) // 60 * MINUTE_MS
        news = random.choice([captured, labelled])(pane_ms, random.randint(1, 30))
        one.add(news)
        other.add(news)
        tellings = [[(window.end_ms, window.revision) for window in each.advance(second * 1_000, {})] for each in (one, other)]
        assert tellings[0] == tellings[1]
        if random.random() < 0.2:
            other = outcomes_of(2 * MINUTE_MS)
            for start, pane in one.panes.items():
                other.restore(change(start, pane.at.tolist(), pane.by.tolist()))
            other.resume(one.told, one.looked_ms, one.final_ms)


@pytest.mark.parametrize("between_ms", [0, 30_000, MINUTE_MS, 10 * MINUTE_MS])
def test_what_is_over_does_not_come_back_under_a_longer_label_lateness(between_ms: int) -> None:
    """A pane is in six windows; those that were told for the last time stay so."""
    outcomes = outcomes_of(MINUTE_MS, 10_000)
    outcomes.add(captured(0, 20))
    told = {window.end_ms: window.revision for window in outcomes.advance(100_000, {})}
    assert told == dict.fromkeys(range(10_000, 70_000, 10_000), 1)
    outcomes.adopt(between_ms)
    outcomes.adopt(10 * MINUTE_MS)
    outcomes.add(labelled(0, 20))
    again = {window.end_ms: window.revision for window in outcomes.advance(101_000, {})}
    assert again == dict.fromkeys(range(110_000 - min(between_ms, MINUTE_MS), 70_000, 10_000), 2)


@pytest.mark.parametrize(("told", "again"), [(2, 3), (5, 6), (41, 51), (61, 76), (95, 101)])
def test_a_few_labels_are_told_when_a_window_and_a_quarter_of_its_age_have_passed(told: int, again: int) -> None:
    """In minutes; the window ends after the first. At the latest they are told when `label_lateness` ends."""
    outcomes, found = outcomes_of(100 * MINUTE_MS), []
    outcomes.add(captured(0, 1_000))
    for minute in range(1, 120):
        outcomes.add(labelled(0, 500 if minute == told else 1 if minute == told + 1 else 0))
        found += [minute for _ in outcomes.advance(minute * MINUTE_MS, {})]
    assert found == [1, told, again]


def test_what_was_told_for_the_last_time_stays_so_after_a_restore() -> None:
    """Also under a `label_lateness` that became longer: the saved time decides, not what it would be now."""
    one = outcomes_of(MINUTE_MS, 10_000)
    one.add(captured(0, 20))
    list(one.advance(100_000, {}))
    other = outcomes_of(10 * MINUTE_MS, 10_000)
    for start, pane in one.panes.items():
        other.restore(change(start, pane.at.tolist(), pane.by.tolist()))
    other.resume(one.told, one.looked_ms, one.final_ms)
    other.add(labelled(0, 20))
    assert one.final_ms == 40_000
    assert [window.end_ms for window in other.advance(101_000, {})] == [50_000, 60_000]


@pytest.mark.parametrize("is_awaited", [False, True])
def test_windows_that_were_told_under_another_config_have_later_revisions_and_are_told_again_for_news_alone(is_awaited: bool) -> None:
    before, outcomes = outcomes_of(3 * MINUTE_MS), outcomes_of(3 * MINUTE_MS)
    outcomes.is_awaited = is_awaited
    for minute in range(5):
        before.add(captured(minute * MINUTE_MS, 20))
    assert [window.revision for window in before.advance(4 * MINUTE_MS, {})] == [1] * 4
    outcomes.follow(before)
    assert not list(outcomes.advance(4 * MINUTE_MS + 1_000, {}))
    outcomes.add(captured(0, 20))
    outcomes.add(captured(2 * MINUTE_MS, 20))
    outcomes.add(captured(4 * MINUTE_MS, 20))
    told = [(window.end_ms // MINUTE_MS, window.revision) for window in outcomes.advance(5 * MINUTE_MS, {})]
    assert told == [(3, 2), (5, 1)], "the first is over, the last was never told"
    others = [(window.end_ms // MINUTE_MS, window.revision) for window in outcomes.advance(9 * MINUTE_MS, {})]
    assert others == ([(3, 3), (5, 2)] if is_awaited else [])


def window_of(panes: dict[int, tuple[int, int]], end_ms: int) -> OutcomeWindow:
    """The window that ends there, of panes with so many (events, labels)."""
    outcomes = Outcomes(LAYOUT, BORROWING, label_lateness_ms=1_000_000)
    for pane_ms, (events, labels) in panes.items():
        outcomes.add(captured(pane_ms, events))
        outcomes.add(labelled(pane_ms, labels))
    return {window.end_ms: window for window in outcomes.advance(end_ms, {})}[end_ms]


def test_what_needs_no_label_is_judged_on_the_window_alone_however_late_its_labels_are() -> None:
    at_close = window_of({0: (60, 60), 10_000: (60, 0), 20_000: (60, 0)}, 30_000).at_close
    assert (at_close.from_ms, LAYOUT.events(at_close.vector)) == (20_000, 60)


def test_what_needs_labels_has_the_panes_before_until_there_are_enough() -> None:
    found = window_of({0: (60, 60), 10_000: (60, 30), 20_000: (60, 20)}, 30_000).labelled
    assert (found.from_ms, LAYOUT.labelled(found.vector)) == (10_000, 50)


def test_few_events_have_the_panes_before_as_far_as_a_window_may_borrow() -> None:
    at_close = window_of({0: (60, 0), 10_000: (5, 0), 20_000: (5, 0), 50_000: (5, 0)}, 60_000).at_close
    assert (at_close.from_ms, LAYOUT.events(at_close.vector)) == (20_000, 10)


def joined(pane_ms: int, n: int, delay_ms: int) -> Change:
    """Labels that came so long after their events."""
    delay = LAYOUT.starts["delay"] + int(delay_bin(np.array([delay_ms]))[0])
    return change(pane_ms, [UNLABELLED, LABELLED, delay], [-n, n, n])


def coverage_by_minute(labels_until: int, minutes: int, come: Callable[[int], int]) -> dict[int, float]:
    """A hundred events a minute, of which those before `labels_until` get ninety labels in the minute that `come` says."""
    outcomes, told = outcomes_of(24 * 60 * MINUTE_MS), dict[int, float]()
    for minute in range(1, minutes):
        outcomes.add(captured((minute - 1) * MINUTE_MS, 100))
        for event in range(min(minute, labels_until)):
            if come(event) == minute:
                outcomes.add(joined(event * MINUTE_MS, 90, (minute - event) * MINUTE_MS))
        told.update((minute, window.covered) for window in outcomes.advance(minute * MINUTE_MS, {}) if window.covered is not None)
    return told


@pytest.mark.parametrize(
    ("come", "patience"),
    [(lambda event: event + 1, 3), (lambda event: event + 20, 30), (lambda event: (event // 60 + 1) * 60, 80)],
    ids=["at once", "after 20 minutes", "once an hour"],
)
def test_coverage_does_not_fall_because_windows_close_and_falls_when_labels_stop(come: Callable[[int], int], patience: int) -> None:
    told = coverage_by_minute(300, 600, come)
    settled = [told[minute] for minute in range(patience * 2, 300)]
    assert settled == [0.9] * len(settled)
    assert [told[minute] for minute in range(300 + patience, 600)] == [0.0] * (300 - patience)


def test_a_model_without_labels_has_no_coverage() -> None:
    assert set(coverage_by_minute(0, 20, lambda event: event + 1).values()) == {0.0}


def test_where_labels_take_as_long_as_they_are_waited_for_the_oldest_window_that_is_held_is_told() -> None:
    outcomes = outcomes_of(3 * MINUTE_MS)
    assert outcomes.covered(MINUTE_MS, {}) is None
    for minute in range(10):
        outcomes.add(captured(minute * MINUTE_MS, 10))
        outcomes.add(joined(minute * MINUTE_MS, 5, 60 * MINUTE_MS))
        told = [window.covered for window in outcomes.advance((minute + 1) * MINUTE_MS, {})]
        assert set(told) == ({None} if minute < 2 else {0.5})
