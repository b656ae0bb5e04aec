"""Labels without an event: which windows of labels are judged when, against what, and how often chance alone raises an alert."""

import numpy as np
import pytest

from stream_monitor.detect.finding import ScoreStatus, is_finding
from stream_monitor.detect.unpaired import RISE, UNPAIRED_MAX, Judged, LabelWindow, UnpairedState, UnpairedWatch
from stream_monitor.detect.usual import NEAR
from stream_monitor.pipeline.join.rows import UNSEEN, row_type
from stream_monitor.pipeline.join.unpaired import HOUR_MS, Spans
from stream_monitor.window.spec import WindowSpec

MINUTE_MS, DAY_MS = 60_000, 24 * HOUR_MS
ALPHA, WEEK_MS = 1e-6, 7 * DAY_MS


def hours(watch: UnpairedWatch, counts: list[tuple[int, int]], first: int = 0, delay_ms: int | None = MINUTE_MS) -> list[Judged]:
    """Windows of an hour each, of (labels, labels without an event); from midnight of the first day, or so many hours later."""
    found = []
    for hour, (labels, unpaired) in enumerate(counts, first):
        window = LabelWindow(hour * HOUR_MS, (hour + 1) * HOUR_MS, labels, unpaired, delay_ms if unpaired < labels else None)
        found.append(watch.judge(window, ALPHA, UNPAIRED_MAX, WEEK_MS))
    return found


def begun(since_ms: int | None = 0) -> UnpairedWatch:
    watch = UnpairedWatch()
    watch.begin(since_ms)
    return watch


def test_a_share_that_rises_beyond_the_usual_ones_is_found_and_a_usual_one_is_not() -> None:
    watch = begun()
    assert not any(is_finding(judged.score) for judged in hours(watch, [(400, 8)] * (NEAR + 1)))
    (lost,) = hours(watch, [(400, 100)], NEAR + 1)
    assert is_finding(lost.score)
    assert not lost.is_new
    assert (lost.score.base, lost.score.threshold) == pytest.approx((0.02, 0.02 + RISE))
    (back,) = hours(watch, [(400, 8)], NEAR + 2)
    assert not back.score.is_over
    assert back.score.p_value == 1, "it is held against what is usual and against the limit: the smaller of both, twice"


def test_a_share_over_the_limit_is_found_without_anything_usual() -> None:
    (found,) = hours(begun(-WEEK_MS), [(400, 400)])
    assert is_finding(found.score)
    assert not found.is_new
    assert (found.score.threshold, found.score.p_value) == pytest.approx((UNPAIRED_MAX, UNPAIRED_MAX**400))


@pytest.mark.parametrize("since_ms", [None, 0])
def test_none_that_finds_its_event_is_for_information_while_all_may_be_of_events_from_before(since_ms: int | None) -> None:
    (found,) = hours(begun(since_ms), [(400, 400)])
    assert is_finding(found.score)
    assert found.is_new


def test_labels_of_events_from_before_captures_began_raise_nothing() -> None:
    """Labels come up to three days late; captures began at midnight. Until all are of later events fewer and fewer find none."""
    watch, random = begun(), np.random.default_rng(1)
    for hour in range(10 * 24):
        delays = random.uniform(0, 3 * DAY_MS, 400)
        paired = delays[delays < random.uniform(hour, hour + 1, 400) * HOUR_MS]
        delay_ms = int(np.quantile(paired, 0.99)) if len(paired) else None
        (judged,) = hours(watch, [(400, 400 - len(paired))], hour, delay_ms)
        assert not is_finding(judged.score) or judged.is_new
        if paired.size and judged.score.is_over:
            assert judged.score.status is ScoreStatus.INCOMPLETE
    assert judged.score.threshold == RISE


def test_after_events_were_forgotten_labels_of_theirs_raise_nothing_and_what_is_usual_is_known_still() -> None:
    watch = begun()
    hours(watch, [(400, 4)] * 20, delay_ms=HOUR_MS)
    watch.begin(20 * HOUR_MS)
    (forgotten,) = hours(watch, [(400, 400)], 20)
    assert forgotten.score.status is ScoreStatus.INCOMPLETE
    usual, lost = hours(watch, [(400, 4), (400, 60)], 22)
    assert not is_finding(usual.score)
    assert is_finding(lost.score)


def test_a_limit_of_one_is_none() -> None:
    """Where captures are a sample most labels lack their event, and only more of them than usual do is news."""
    watch = begun(-WEEK_MS)
    scores = [watch.judge(LabelWindow(n * HOUR_MS, (n + 1) * HOUR_MS, 400, 396, 0), ALPHA, 1.0, WEEK_MS).score for n in range(3 * NEAR)]
    assert not any(map(is_finding, scores))


def test_the_state_goes_on() -> None:
    one = begun()
    hours(one, [(400, 8)] * 14)
    other = UnpairedWatch(one.to_state())
    assert hours(one, [(400, 90)], 14) == hours(other, [(400, 90)], 14)
    assert UnpairedWatch().to_state() == UnpairedState()


@pytest.mark.parametrize("burst", [1, 4])
def test_chance_alone_raises_nothing_in_three_years(burst: int) -> None:
    """Shares that stay, of few labels and of many, alone or in bursts that lack their events together."""
    random, found, judged = np.random.default_rng(burst), 0, 0
    for labels in (200, 2_000):
        for share in (0.0, 0.003, 0.05, 0.4):
            watch = begun(-WEEK_MS)
            windows = [(labels, burst * int(random.binomial(labels // burst, share))) for _ in range(3 * 365 * 24 // 8)]
            scores = [each.score for each in hours(watch, windows)]
            found, judged = found + sum(map(is_finding, scores)), judged + len(scores)
    assert (found, judged) == (0, 8 * 3_285)


# ---- which labels make a window

SPEC = WindowSpec(5 * MINUTE_MS, 5 * MINUTE_MS, 5_000, MINUTE_MS, 50, DAY_MS)


def rows_of(first_ms: list[int], unpaired: int = 0, delay_ms: int = 1_000) -> np.ndarray:
    rows = np.zeros(len(first_ms), dtype=row_type(0, 0))
    rows["first_label_ms"] = first_ms
    rows["time_ms"] = rows["first_label_ms"] - delay_ms
    rows["time_ms"][:unpaired] = UNSEEN
    return rows


def test_spans_and_waits_are_an_hour_and_a_part_of_a_short_label_lateness() -> None:
    assert Spans.of(SPEC, WEEK_MS) == Spans(HOUR_MS, HOUR_MS, DAY_MS, 50)
    assert Spans.of(SPEC, 2 * HOUR_MS) == Spans(15 * MINUTE_MS, 15 * MINUTE_MS, 45 * MINUTE_MS, 50)
    assert Spans.of(SPEC, 0) == Spans(5 * MINUTE_MS, 0, 15 * MINUTE_MS, 50)


def test_a_window_has_enough_labels_of_spans_that_are_near() -> None:
    spans, half = Spans.of(SPEC, WEEK_MS), list(range(0, 50 * MINUTE_MS, 2 * MINUTE_MS))
    apart = [time_ms + start * HOUR_MS for start in (0, 3, 30, 60) for time_ms in half]
    (window,) = spans.windows(rows_of(apart, unpaired=10))
    assert window == LabelWindow(0, 4 * HOUR_MS, 50, 10, 1_000)
    assert list(spans.windows(rows_of(half))) == list(spans.windows(rows_of([]))) == []
    (lonely,) = spans.windows(rows_of(half * 2, unpaired=50))
    assert lonely == LabelWindow(0, HOUR_MS, 50, 50, None)
