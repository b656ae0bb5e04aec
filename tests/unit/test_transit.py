"""How captures come: delay, clocks and mix of producers beside numpy and scipy; what is found, and what is not."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from scipy import stats

from stream_monitor.detect.decide import severity_of
from stream_monitor.detect.finding import FindingKind, Score, ScoreStatus, Severity, is_finding
from stream_monitor.detect.producers import GONE, SILENT, Producers
from stream_monitor.detect.registry import CAPTURE, Thresholds
from stream_monitor.detect.transit import DELAY, MIX, OTHER, SKEW, TransitWatch, dispersion, homogeneity
from stream_monitor.detect.usual import NEAR, PAST
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.transit import PRODUCER_CHARS_MAX, PRODUCERS_MAX, Senders, Sent, Transit

SIZE_MS = 300_000
ALPHA = 1e-7
NOTHING = Profile.empty(Layout((), (), ()))


def transit(delays: Iterable[float], producers: Iterable[str | None] | None = None) -> Transit:
    delay_ms = np.array(list(delays), dtype=np.float64)
    return Senders(list(producers or [None] * len(delay_ms)), delay_ms).of(np.arange(len(delay_ms)))


def window(delays: Iterable[float], producers: Iterable[str | None] | None = None) -> Profile:
    found = transit(delays, producers)
    return replace(NOTHING, events=max(found.late.n, found.told), transit=found)


def sent(counts: Mapping[str, int]) -> Profile:
    """A window of so many events of each producer, of messages without a time."""
    names = [name for name, n in counts.items() for _ in range(n)]
    return window([np.nan] * len(names), names)


def judged(windows: Iterable[Profile], watch: TransitWatch | None = None, first: int = 0, **limits: float) -> list[dict[str, Score]]:
    watch, thresholds = watch or TransitWatch(), Thresholds(limits)
    answers = [
        watch.judge(place * SIZE_MS, (place + 1) * SIZE_MS, each, ALPHA, lambda name: thresholds(None, name))
        for place, each in enumerate(windows, first)
    ]
    return [{score.key.detector: score for score in scores} for scores in answers]


def silences(windows: Iterable[Profile], producers: Producers | None = None, first: int = 0) -> list[Score]:
    producers = producers or Producers()
    answers = [producers.judge(n * SIZE_MS, (n + 1) * SIZE_MS, each, ALPHA, 0.0) for n, each in enumerate(windows, first)]
    return [score for (score,) in answers]


def steady(seed: int = 1, windows: int = 20, mean_ms: float = 40) -> list[Profile]:
    random = np.random.default_rng(seed)
    return [window(random.exponential(mean_ms, 400)) for _ in range(windows)]


def mixes(seed: int, windows: int, shares: tuple[float, ...] = (0.5, 0.3, 0.2), events: int = 400) -> list[Profile]:
    random = np.random.default_rng(seed)
    return [sent(dict(zip("abcd", random.multinomial(events, shares).tolist(), strict=False))) for _ in range(windows)]


# What is counted


def test_delays_are_counted_on_both_sides_and_by_producer() -> None:
    found = transit([30.0, -200.0, np.nan, 0.0, 5e15], ["a", "b", "a", None, "x" * 99])
    assert (found.late.n, found.early.n, found.told) == (4, 4, 4)
    assert found.late.quantile(0.75) == pytest.approx(30, rel=0.01)
    assert found.early.quantile(1.0) == pytest.approx(200, rel=0.01)
    assert found.producers == {"a": Sent(2, 1, 30, 0), "b": Sent(1, 1, 0, 200), "x" * PRODUCER_CHARS_MAX: Sent(1, 1, 2**32, 0)}


def test_producers_beyond_those_told_apart_are_counted_together() -> None:
    names = [f"p{n:02}" for n in range(PRODUCERS_MAX + 8)]
    found = transit([np.nan] * len(names), names)
    assert list(found.producers) == names[:PRODUCERS_MAX]
    assert found.is_cut
    assert found.told == len(names)
    assert found.merge(found).told == 2 * len(names)
    (score,) = silences([replace(NOTHING, events=40, transit=found)])
    assert score.status is ScoreStatus.TOO_FEW


def test_without_times_and_producers_nothing_is_said() -> None:
    assert judged([window([np.nan] * 300)]) == [{}]
    assert Producers().judge(0, SIZE_MS, window([1.0] * 300), ALPHA, 0.0) == []
    assert judged([NOTHING]) == [{}]
    assert transit([np.nan] * 3) == Transit.empty()


# The scores


@pytest.mark.parametrize("seed", range(3))
def test_delay_and_skew_are_numpys_quantiles(seed: int) -> None:
    delays = np.random.default_rng(seed).normal(300, 900, 1000)
    (scores,) = judged([window(delays)])
    for name, values, q in ((DELAY, np.maximum(delays, 0), 0.95), (SKEW, np.maximum(-delays, 0), 0.99)):
        assert scores[name].score == pytest.approx(np.quantile(values, q, method="inverted_cdf"), rel=0.0101)
    assert scores[SKEW].p_value == pytest.approx(stats.binom.sf((delays < -1010).sum() - 1, 1000, 0.01), rel=0.5)
    assert {score.key.kind for score in scores.values()} == {FindingKind.CAPTURE_HEALTH}


def test_the_mix_is_tested_as_scipy_does() -> None:
    one, other = np.array([50.0, 30.0, 20.0]), np.array([700.0, 200.0, 100.0])
    wanted = stats.chi2_contingency(np.stack([one, other]), correction=False, lambda_="log-likelihood")
    assert homogeneity(one, other, 1.0) == pytest.approx(wanted.pvalue)
    rare = homogeneity(np.array([50.0, 50.0, 1.0, 0.0]), np.array([500.0, 500.0, 0.0, 1.0]), 1.0)
    assert rare > 0.1, "what is too rare to be told apart counts as one"
    assert homogeneity(one, other, 4.0) > homogeneity(one, other, 1.0)
    assert homogeneity(np.array([9.0]), np.array([4.0]), 1.0) == 1.0


def test_dispersion_is_pearsons_chi_square_over_its_freedom() -> None:
    table = np.array([[60.0, 40.0], [20.0, 80.0], [50.0, 50.0]])
    wanted = stats.chi2_contingency(table, correction=False)
    assert dispersion(table) == pytest.approx(wanted.statistic / wanted.dof)
    assert dispersion(np.array([[5.0, 0.0], [7.0, 0.0]])) == 1.0


# What is found


def test_captures_that_come_late_are_found_and_the_slowest_producer_is_shown() -> None:
    late = window([12_000.0] * 80 + [30.0] * 320, ["slow"] * 80 + ["quick"] * 320)
    scores = judged([*steady(), late])
    assert not any(map(is_finding, scores[NEAR - 1].values()))
    found = scores[-1][DELAY]
    assert is_finding(found)
    assert severity_of(found) is Severity.CRITICAL
    assert found.threshold == pytest.approx(1.5 * max(each[DELAY].score or 0.0 for each in scores[:-1]) + 1_000)
    assert [each.name for each in found.shown] == ["slow", "quick"]
    assert found.measured[0].baseline == pytest.approx(120, rel=0.1)


def test_a_limit_in_the_config_counts_from_the_first_window_on() -> None:
    (scores,) = judged([window([900.0] * 400)], capture_delay_p95_ms=500.0)
    assert is_finding(scores[DELAY])
    (scores,) = judged([window([900.0] * 400)])
    assert (scores[DELAY].status, scores[DELAY].threshold) == (ScoreStatus.TOO_FEW, inf)


def test_a_delay_that_stays_is_usual_after_a_while() -> None:
    scores = judged([*steady(), *steady(2, 2 * NEAR, 9_000)])
    found = [is_finding(each[DELAY]) for each in scores]
    assert found == [False] * 20 + [True] * NEAR + [False] * NEAR


def test_events_from_the_future_are_found_at_once_if_they_are_some() -> None:
    few, many = window([-5_000.0] * 3 + [50.0] * 397), window([-5_000.0] * 40 + [50.0] * 360)
    assert not is_finding(judged([few])[0][SKEW])
    assert is_finding(judged([many])[0][SKEW])
    assert not is_finding(judged([window([-900.0] * 400)])[0][SKEW]), "clocks are never quite the same"


def test_another_mix_of_producers_is_found_and_one_that_varies_is_not() -> None:
    scores = judged([*mixes(1, 20), *mixes(2, 1, (0.1, 0.7, 0.2))])
    assert [is_finding(each[MIX]) for each in scores] == [False] * 20 + [True]
    found = scores[-1][MIX]
    assert found.score == pytest.approx(0.4, abs=0.08)
    assert {each.name for each in found.shown[:2]} == {"a", "b"}
    loose = [mixes(n, 1, (0.5 + 0.2 * np.sin(n), 0.3 - 0.2 * np.sin(n), 0.2))[0] for n in range(60)]
    assert not any(is_finding(each[MIX]) for each in judged(loose))


def test_one_producer_is_no_mix() -> None:
    scores = judged([sent({"a": 400})] * (NEAR + 1))
    assert (scores[-1][MIX].score, scores[-1][MIX].p_value) == (0.0, 1.0)


def test_a_new_producer_is_one_that_the_usual_windows_lack() -> None:
    scores = judged([*[sent({"a": 400})] * NEAR, sent({"a": 200, "b": 200})])
    assert is_finding(scores[-1][MIX])
    assert scores[-1][MIX].shown[0].window == 0.5


# Silence of one


def test_a_producer_that_falls_silent_is_found_in_its_first_window_and_named() -> None:
    windows = [*mixes(1, 20), *mixes(2, 3, (0.6, 0.4, 0.0))]
    scores = silences(windows)
    assert [is_finding(score) for score in scores] == [False] * 20 + [True] * 3
    found = scores[-1]
    assert [each.name for each in found.shown] == ["c"]
    assert found.score == pytest.approx(80, abs=20)
    assert found.measured[0].window == 20 * SIZE_MS, "when it was last heard"
    assert silences(mixes(3, 1), after(windows), 23)[0].score == 0.0, "it is back"


def after(windows: Iterable[Profile]) -> Producers:
    producers = Producers()
    silences(windows, producers)
    return Producers(producers.to_state())


def test_a_producer_that_is_gone_for_long_is_forgotten() -> None:
    producers = after(mixes(1, 20))
    scores = silences([sent({"a": 200})] * (GONE + 2), producers, 20)
    assert all(map(is_finding, scores[:GONE]))
    assert scores[-1].score == 0.0
    assert list(producers.to_state()) == ["a"]


def test_few_events_of_a_producer_are_not_missed() -> None:
    assert not any(map(is_finding, silences([*[sent({"a": 400, "b": 5})] * 20, sent({"a": 400})])))


def test_a_model_that_is_silent_as_a_whole_is_no_matter_of_its_producers() -> None:
    producers = after(mixes(1, 20))
    assert producers.judge(20 * SIZE_MS, 21 * SIZE_MS, NOTHING, ALPHA, 0.0) == []
    assert not any(map(is_finding, silences(mixes(2, 3), producers, 23)))


def test_a_producer_that_may_be_among_all_others_is_not_silent() -> None:
    names = {f"p{n:02}": 40 for n in range(PRODUCERS_MAX)}
    crowd = sent({**{f"a{n:02}": 40 for n in range(PRODUCERS_MAX)}, **names})
    scores = silences([*[sent(names)] * 20, crowd])
    assert not is_finding(scores[-1])
    assert OTHER in [each.name for each in judged([*[sent(names)] * 20, crowd])[-1][MIX].shown]


@pytest.mark.parametrize("seed", range(3))
def test_what_goes_on_as_it_did_is_not_found(seed: int) -> None:
    """100 windows of each of many seeds, at a level of 1 in 10,000: far more often than any model is judged."""
    watch, producers, random = TransitWatch(), Producers(), np.random.default_rng(seed)
    for n in range(300):
        names = random.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1]).tolist()
        each = window(random.exponential(60, 300) - 30, names)
        scores = watch.judge(n, n + 1, each, 1e-4, lambda name: Thresholds({})(None, name)) + producers.judge(n, n + 1, each, 1e-4, 0.0)
        assert not any(map(is_finding, scores)), n
        watch, producers = TransitWatch(watch.to_state()), Producers(producers.to_state())
    assert len(watch.to_state().mixes) == PAST
    assert [score.key.detector for score in scores] == [name for name in (DELAY, SKEW, MIX, SILENT) if name in CAPTURE]
