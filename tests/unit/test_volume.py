"""How many events came: what is unusual, what is not, and what a `Volume` remembers of it."""

from collections.abc import Iterable, Iterator, Sequence
from math import exp, log
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from scipy import stats

from stream_monitor.detect.finding import FindingKind, Score, ScoreStatus
from stream_monitor.detect.volume import GUARD_MS, NEAR, PAST, VOLUME_FACTOR, Volume, VolumeState, dispersion

MINUTE_MS = 60_000
FIVE_MS = 5 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
MONTH = 30 * 24 * 12
DAY = 24 * 12
ALPHA = 1e-6
FIRST = NEAR + 1
"""The first window of five minutes that is judged."""
DEFAULTS = {"volume": VOLUME_FACTOR, "silence": 0.0}
NO_THRESHOLDS = {"volume": 0.0, "silence": 0.0}


class Found(NamedTuple):
    """A score that is large and real: in which window, by which detector."""

    window: int
    detector: str
    score: float


def scored(
    counts: Iterable[int],
    volume: Volume | None = None,
    *,
    size_ms: int = FIVE_MS,
    first: int = 0,
    alpha: float = ALPHA,
    thresholds: dict[str, float] = DEFAULTS,
) -> list[list[Score]]:
    """The scores of windows side by side, numbered from `first`."""
    judge = (volume or Volume()).judge
    return [
        judge(place * size_ms, (place + 1) * size_ms, int(events), alpha, thresholds.__getitem__)
        for place, events in enumerate(counts, first)
    ]


def found(counts: Iterable[int], size_ms: int = FIVE_MS) -> list[Found]:
    """What fires."""
    windows = enumerate(scored(counts, size_ms=size_ms))
    return [Found(place, score.key.detector, value) for place, scores in windows for score in scores if (value := fired(score))]


def fired(score: Score) -> float | None:
    return score.score if score.real and score.score is not None and score.score > score.threshold else None


def last(counts: Sequence[int], size_ms: int = FIVE_MS) -> tuple[Score, Score]:
    """The last window's scores of volume and silence."""
    volume, silence = scored(counts, size_ms=size_ms)[-1]
    return volume, silence


def fed(counts: Iterable[int], size_ms: int = FIVE_MS) -> Volume:
    volume = Volume()
    scored(counts, volume, size_ms=size_ms)
    return volume


def poisson(seed: int, mean: float, windows: int) -> list[int]:
    counts: list[int] = np.random.default_rng(seed).poisson(mean, windows).tolist()
    return counts


def season(seed: int, mean: float, factor: float, days: int, size_ms: int) -> list[int]:
    """A daily sine on the scale of factors, from 1 / sqrt(factor) to sqrt(factor) of the mean."""
    per_day = 24 * HOUR_MS // size_ms
    wave = np.sin(2 * np.pi * np.arange(days * per_day) / per_day)
    counts: list[int] = np.random.default_rng(seed).poisson(mean * np.exp(log(factor) / 2 * wave)).tolist()
    return counts


def hits(mean: float, factor: float) -> int:
    """In how many of 100 series, steady until then, the one window is found whose traffic is of another level."""
    series = ([*poisson(seed, mean, 30), *poisson(1000 + seed, mean * factor, 1)] for seed in range(100))
    return sum(any(each.window == 30 and each.detector == "volume" for each in found(counts)) for counts in series)


def p_values(scores: Iterable[Sequence[Score]], place: int) -> Iterator[float]:
    """The p-values of one of both detectors."""
    return (each[place].p_value for each in scores if each[place].p_value is not None)  # type: ignore[misc]  # None was left out


# What is found


def test_a_window_has_a_score_of_volume_and_one_of_silence() -> None:
    keys = [score.key for score in last([100] * 20)]
    assert keys == [(FindingKind.OPERATIONAL, None, "volume"), (FindingKind.OPERATIONAL, None, "silence")]


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("mean", [1_000, 10_000, 1_000_000])
def test_traffic_that_doubles_or_halves_is_found_at_once(mean: float, factor: float) -> None:
    assert hits(mean, factor) == 100


@pytest.mark.parametrize(("mean", "factor"), [(30, 3.0), (100, 2.0), (300, 0.5)])
def test_what_few_events_can_tell_is_what_the_module_says(mean: float, factor: float) -> None:
    assert hits(mean, factor) >= 75


@pytest.mark.parametrize("factor", [0.72, 1.4])
def test_two_fifths_more_or_less_is_no_news_however_many_events_show_it(factor: float) -> None:
    assert hits(100_000, factor) == 0


def test_the_score_is_how_many_times_the_count_is_over_the_largest_usual_one_or_under_the_smallest() -> None:
    usual = [90, 110] + [100] * 11
    for events, score in ((440, 4.0), (220, 2.0), (30, 3.0), (10, 9.0), (110, 1.0), (90, 1.0), (100, 100 / 110)):
        volume, _ = last([*usual, events])
        assert volume.score == pytest.approx(score)
        assert (volume.base, volume.threshold, volume.status) == (1.0, VOLUME_FACTOR, ScoreStatus.JUDGED)


def test_a_score_inside_the_range_is_at_most_1_and_never_real() -> None:
    for events in range(90, 111):
        volume, _ = last([90, 110] + [100] * 11 + [events])
        assert (volume.score or 0) <= 1.0
        assert (volume.p_value or 0) > 0.05


@pytest.mark.parametrize(("events", "tail"), [(150, float(2 * stats.poisson.sf(149, 100))), (60, float(2 * stats.poisson.cdf(60, 100)))])
def test_the_p_value_is_twice_the_tail_of_a_poisson_count_whose_mean_is_the_bound(events: int, tail: float) -> None:
    volume, _ = last([100] * FIRST + [events])
    assert volume.p_value == pytest.approx(tail, rel=1e-9)


def test_counts_that_vary_more_need_more_to_be_real() -> None:
    """Of phi times the variance all counts are as many times fewer: phi of alternate counts is high, and p is that much larger."""
    uneven = [50, 150] * 7
    phi = dispersion(uneven[-FIRST:])
    assert phi > 5
    volume, _ = last([*uneven, 450])
    assert volume.score == 3
    assert volume.p_value == pytest.approx(2 * float(stats.gamma.cdf(150 / phi, 450 / phi)), rel=1e-9)
    assert (volume.p_value or 0) > float(2 * stats.poisson.sf(449, 150))


# What is usual


def test_with_too_few_windows_nothing_is_judged() -> None:
    for count, size_ms, needed in ((0, FIVE_MS, NEAR + 1), (1, GUARD_MS, NEAR + 1), (2, GUARD_MS + MINUTE_MS, NEAR)):
        scores = scored([1000] * needed + [100_000], size_ms=size_ms)
        early = [score for window in scores[:needed] for score in window]
        assert {(score.score, score.p_value, score.status) for score in early} == {(None, None, ScoreStatus.TOO_FEW)}, count
        assert not any(score.real for score in early)
        assert [score.status for score in scores[needed]] == [ScoreStatus.JUDGED] * 2
        assert fired(scores[needed][0]) == 100


def test_even_an_empty_first_hour_says_nothing_of_silence() -> None:
    _, silence = last([1000] * NEAR + [0])
    assert (silence.score, silence.status) == (None, ScoreStatus.TOO_FEW)


@pytest.mark.parametrize("mean", [0.3, 3, 10, 30, 100, 1_000, 100_000])
def test_steady_traffic_is_quiet_for_a_month(mean: float) -> None:
    assert found(poisson(7, mean, MONTH)) == []


@pytest.mark.parametrize("mean", [1, 5, 30, 1_000])
def test_p_values_of_steady_traffic_are_no_smaller_than_chance_makes_them(mean: float) -> None:
    scores = scored(poisson(3, mean, MONTH), alpha=1e-12, thresholds=NO_THRESHOLDS)
    for place in range(2):
        found_ = np.fromiter(p_values(scores, place), dtype=np.float64)
        assert len(found_) > MONTH / 3
        assert [(found_ < level).mean() <= level for level in (0.05, 1e-2, 1e-3)] == [True] * 3


@pytest.mark.parametrize("size_ms", [MINUTE_MS, FIVE_MS, HOUR_MS // 2, HOUR_MS])
@pytest.mark.parametrize(("mean", "factor"), [(20, 10), (1_000, 10), (10_000, 4)])
def test_daily_seasons_are_usual_from_the_first_day_on(mean: float, factor: float, size_ms: int) -> None:
    counts = season(5, mean, factor, 4 if size_ms < FIVE_MS else 14, size_ms)
    assert max(counts) > 2 * min(counts)
    assert found(counts, size_ms) == []


@pytest.mark.parametrize("growth", [1.2, 1.05, 0.95, 0.85])
def test_ramps_are_usual_though_every_window_is_beyond_those_before(growth: float) -> None:
    counts = [round(1_000_000 * growth**step) for step in range(30)]
    assert found(counts) == []
    assert [each.window for each in found([*counts, 20 * counts[-1]])] == [30], "a jump on top of it is not"


def test_a_burst_is_usual_from_its_second_time_on_and_so_are_the_windows_beside_it() -> None:
    counts = np.array(poisson(0, 1_000, 5 * DAY))
    for day, place in ((1, 100), (2, 100), (3, 101), (4, 100)):
        counts[day * DAY + place] = 5_000
    assert [(each.window, each.detector) for each in found(counts)] == [(DAY + 100, "volume")]
    counts[4 * DAY + 50] = 5_000
    assert [each.window for each in found(counts)] == [DAY + 100, 4 * DAY + 50], "the same at another time is news"


def test_an_odd_window_does_not_widen_the_range() -> None:
    counts = [100] * 20 + [1000] + [100] * 2 + [1000] + [100] * 2 + [10]
    assert [(each.window, each.score) for each in found(counts)] == [(20, 10.0), (23, 10.0), (26, 10.0)]
    assert set(fed(counts).to_state().near) == {100}


def test_a_window_inside_the_threshold_does_widen_it() -> None:
    assert [each.window for each in found([100] * 20 + [140] * 3 + [200])] == []
    assert [each.window for each in found([100] * 20 + [200])] == [20]


@pytest.mark.parametrize(("before", "after"), [(1_000, 4_000), (4_000, 1_000)])
def test_a_new_level_is_found_for_as_many_windows_as_make_it_usual(before: int, after: int) -> None:
    counts = [*poisson(1, before, 60), *poisson(2, after, 60)]
    assert [(each.window, each.detector) for each in found(counts)] == [(60 + step, "volume") for step in range(NEAR)]


def test_odd_windows_with_usual_ones_between_are_no_new_level() -> None:
    counts = [100] * 20 + ([1000] * (NEAR - 1) + [100]) * 3
    assert len(found(counts)) == 3 * (NEAR - 1)


# Silence


def test_a_window_without_events_is_silence_and_its_score_the_level() -> None:
    volume, silence = last([100] * 20 + [0])
    assert (volume.score, volume.status) == (None, ScoreStatus.TOO_FEW), "how many times under is no number"
    assert (silence.score, silence.base, silence.real) == (100.0, 0.0, True)
    assert silence.p_value == pytest.approx(exp(-100))


def test_the_level_is_at_most_the_mean_of_the_last_windows() -> None:
    _, silence = last([100] * 20 + [130, 120, 110] + [0])
    assert silence.score == pytest.approx(120)


@pytest.mark.parametrize(("size_ms", "level"), [(FIVE_MS, 800 * 0.8 ** (2 / 3)), (HOUR_MS, 700 * 0.7 ** (1 / 3))])
def test_traffic_that_falls_promises_no_more_than_its_trend(size_ms: int, level: float) -> None:
    """Short windows go on from the one before the last, two steps ahead."""
    _, silence = last([1000] * 14 + [900, 800, 700] + [0], size_ms)
    assert silence.score == pytest.approx(level)


def test_an_empty_window_at_the_same_time_of_another_day_promises_nothing() -> None:
    counts = [100] * DAY
    counts[50] = 0
    assert [fired(last([*counts, *[100] * step, 0])[1]) is None for step in (47, 49, 50, 51, 53)] == [False, True, True, True, False]


def test_the_threshold_of_silence_is_where_p_is_alpha() -> None:
    """At alpha 1e-6 that is 13.8 events."""
    for mean, is_found in ((13, False), (14, True)):
        _, silence = last([mean] * 20 + [0])
        assert silence.threshold == pytest.approx(-log(ALPHA))
        assert (fired(silence) is not None) is is_found
    _, silence = scored([100] * 20 + [0], thresholds={"volume": 1.5, "silence": 200.0})[-1]
    assert silence.threshold == 200


def test_silence_of_uneven_traffic_needs_more_events_to_miss() -> None:
    uneven = [10, 50] * 8
    phi = dispersion(uneven[-FIRST:])
    _, silence = last([*uneven, 0])
    assert silence.threshold == pytest.approx(-phi * log(ALPHA))
    assert silence.p_value == pytest.approx(exp(-(silence.score or 0) / phi))
    assert fired(silence) is None


def test_an_hour_that_is_empty_every_night_is_silence_once() -> None:
    counts = [0 if 20 <= step % DAY < 26 else 100 for step in range(DAY, 4 * DAY)]
    assert {each.window for each in found(counts) if each.detector == "silence"} == set(range(20, 26))


def test_silence_is_found_window_after_window_and_ends_with_the_first_event() -> None:
    counts = [100] * 20 + [0] * 6 + [100] * 6
    assert found(counts) == [Found(20 + step, "silence", 100.0) for step in range(6)]
    volume, silence = last([*counts[:26], 30])
    assert (volume.score, volume.status) == (None, ScoreStatus.TOO_FEW), "the first one after it may hold a part only"
    assert (silence.score, silence.status, silence.p_value) == (0.0, ScoreStatus.JUDGED, 1.0)
    volume, _ = last([*counts[:26], 30, 1000])
    assert fired(volume) == 10


def test_silence_goes_on_until_events_come() -> None:
    counts = [100] * 20 + [0] * 30 + [100] * 3
    assert [each.window for each in found(counts) if each.detector == "silence"] == list(range(20, 50))


# Few events


def test_a_model_that_never_had_an_event_is_not_silent() -> None:
    volume, silence = last([0] * 40)
    assert (volume.score, volume.p_value, volume.status) == (None, None, ScoreStatus.TOO_FEW)
    assert (silence.score, silence.p_value, silence.status) == (0.0, 1.0, ScoreStatus.JUDGED)


def test_one_event_is_never_found_whatever_came_before() -> None:
    for before in (0, 1, 2):
        volume, silence = last([before] * 20 + [1])
        assert fired(volume) is None
        assert fired(silence) is None
    assert last([1] * 20 + [1])[0].score == 1.0


def test_a_lone_event_after_thousands_is_found() -> None:
    volume, _ = last([1000] * 20 + [1])
    assert fired(volume) == 1000


# What is remembered


def test_windows_that_nobody_judged_had_no_events() -> None:
    gap, zeros = fed([100] * 20), fed([100] * 20 + [0] * 5)
    for volume in (gap, zeros):
        scored([100], volume, first=25)
    assert gap.to_state().past == zeros.to_state().past == (*[100] * 20, *[0] * 5, 100)
    assert gap.to_state().end_ms == 26 * FIVE_MS
    assert set(gap.to_state().near) == {100}, "they are no usual ones either"


def test_the_first_window_after_a_gap_may_hold_a_part_only() -> None:
    volume = fed([100] * 20)
    assert [score[0].status for score in scored([10, 100], volume, first=22)] == [ScoreStatus.TOO_FEW, ScoreStatus.JUDGED]


@pytest.mark.parametrize(("place", "is_found"), [(97, True), (99, False), (100, False), (101, False), (103, True)])
def test_the_same_time_of_day_is_found_again_after_a_gap(place: int, is_found: bool) -> None:
    """A burst at one time of the day, then half a day that nobody judged: the next day's burst is usual at that time alone."""
    counts = [100] * 150
    counts[100] = 5_000
    volume = fed(counts)
    scored([100] * (DAY + place - 300), volume, first=300)
    assert (fired(scored([5_000], volume, first=DAY + place)[0][0]) is not None) is is_found


@pytest.mark.parametrize(("place", "is_found"), [(48, True), (49, False), (50, False), (51, False), (52, True)])
def test_so_it_is_in_the_first_window_after_the_gap(place: int, is_found: bool) -> None:
    counts = [100] * (DAY + 30)
    counts[50] = 0
    assert (fired(scored([0], fed(counts), first=DAY + place)[0][1]) is not None) is is_found


@pytest.mark.parametrize(("place", "is_found"), [(98, True), (99, False), (100, False), (101, False), (102, True)])
def test_so_it_is_where_windows_overlap(place: int, is_found: bool) -> None:
    """A window that ends two minutes after the newest one is held to the same time as that."""
    counts = [100] * (DAY + place + 1)
    counts[100] = 5_000
    volume, start_ms = fed(counts), (DAY + place) * FIVE_MS + 2 * MINUTE_MS
    scores = volume.judge(start_ms, start_ms + FIVE_MS, 5_000, ALPHA, DEFAULTS.__getitem__)
    assert (fired(scores[0]) is not None) is is_found


def test_a_gap_longer_than_the_memory_leaves_zeros_and_no_more() -> None:
    volume = fed([100] * 20)
    scored([100], volume, first=10 * PAST)
    assert volume.to_state().past == (*[0] * (PAST - 1), 100)
    assert volume.to_state().end_ms == (10 * PAST + 1) * FIVE_MS


def test_the_state_is_bounded() -> None:
    volume = Volume()
    for first, mean in ((0, 100), (PAST, 10_000), (2 * PAST, 0)):
        scored(poisson(first, mean, PAST), volume, first=first)
        state = volume.to_state()
        assert (len(state.near), len(state.past)) == (NEAR + 1, PAST)
        assert len(state.odd) < NEAR
    assert state.past == (0,) * PAST
    assert len(msgspec.msgpack.encode(state)) < 8_000


def test_the_past_holds_the_newest_counts_in_their_order() -> None:
    counts = poisson(1, 100, PAST + 30)
    state = fed(counts).to_state()
    assert state.past == tuple(counts[-PAST:])
    assert state.near == tuple(counts[-NEAR - 1 :])


@pytest.mark.parametrize("cut", [0, 1, 12, 13, 21, 25, 36, 300, 400])
def test_a_volume_goes_on_exactly_from_its_state_in_bytes(cut: int) -> None:
    """Cut before the first window, in a new level, after a burst, in a gap."""
    counts = [*poisson(4, 200, 20), *poisson(5, 2_000, 30), *poisson(6, 200, 380)]
    counts[100] = counts[DAY + 100] = 9_000
    whole = Volume()
    scores = scored(counts, whole)
    before = fed(counts[:cut])
    after = Volume(msgspec.msgpack.decode(msgspec.msgpack.encode(before.to_state()), type=VolumeState))
    assert after.to_state() == before.to_state()
    assert scored(counts[cut:], after, first=cut) == scores[cut:]
    assert after.to_state() == whole.to_state()


def test_windows_that_overlap_are_judged_and_not_counted_twice() -> None:
    """Windows of five minutes every minute: what is remembered is every fifth, as if there were no others."""
    minutes = poisson(8, 200, 60 * 5)
    sliding, ends = Volume(), range(5, len(minutes) + 1)
    for end in ends:
        events = sum(minutes[end - 5 : end])
        scores = sliding.judge((end - 5) * MINUTE_MS, end * MINUTE_MS, events, ALPHA, DEFAULTS.__getitem__)
        assert len(scores) == 2
    apart = fed([sum(minutes[end - 5 : end]) for end in ends if end % 5 == 0])
    assert sliding.to_state() == apart.to_state()
    assert len(apart.to_state().past) == 60


def test_a_window_that_overlaps_is_compared_with_those_before_it() -> None:
    volume = fed([1000] * 20)
    state = volume.to_state()
    scores = volume.judge(20 * FIVE_MS - MINUTE_MS, 21 * FIVE_MS - MINUTE_MS, 5_000, ALPHA, DEFAULTS.__getitem__)
    assert fired(scores[0]) == 5
    assert volume.to_state() == state


def test_judging_is_a_function_of_the_state_and_the_window_alone() -> None:
    counts = poisson(9, 50, 400)
    assert scored(counts) == scored(counts)


# Dispersion


@pytest.mark.parametrize("seed", range(5))
def test_dispersion_is_its_formula(seed: int) -> None:
    generator = np.random.default_rng(seed)
    counts: list[int] = generator.negative_binomial(1 + seed, 0.05, 13).tolist()
    triples = [(a, b, c) for a, b, c in zip(counts, counts[1:], counts[2:], strict=False) if a + b + c > 0]
    assert dispersion(counts) == pytest.approx(max(1.0, sum((a - 2 * b + c) ** 2 / (a + 4 * b + c) for a, b, c in triples) / len(triples)))


@pytest.mark.parametrize("clusters", [2, 5, 40])
@pytest.mark.parametrize("slope", [-0.01, 0.0, 0.01])
def test_dispersion_is_that_of_the_clusters_whatever_line_the_mean_follows(slope: float, clusters: int) -> None:
    """Events that come in clusters of k vary k times as much as single ones."""
    means = 500 + slope * np.arange(40_000)
    counts = clusters * np.random.default_rng(clusters).poisson(means)
    assert dispersion(counts.tolist()) == pytest.approx(clusters, rel=0.03)


@pytest.mark.parametrize("slope", [-0.01, 0.0, 0.01])
def test_dispersion_of_a_poisson_count_on_a_line_is_1(slope: float) -> None:
    means = 500 + slope * np.arange(40_000)
    assert dispersion(np.random.default_rng(1).poisson(means).tolist()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("counts", [[], [5], [5, 500], [0, 0, 0], [0] * 13, [100] * 13, list(range(13)), [0, 0, 1]])
def test_dispersion_is_at_least_1_and_1_where_nothing_can_be_told(counts: list[int]) -> None:
    assert dispersion(counts) == 1.0


def test_windows_of_nothing_alone_do_not_make_traffic_look_even() -> None:
    assert dispersion([0] * 50 + [0, 90, 0]) == dispersion([0, 0, 90, 0])
