"""How the calls went: every score beside what numpy says, every test beside scipy, what is found, and what is not."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf

import msgspec
import numpy as np
import pytest
from scipy import stats

from stream_monitor.detect.decide import severity_of
from stream_monitor.detect.finding import FindingKind, Score, ScoreStatus, Severity, is_finding
from stream_monitor.detect.levels import ERROR_RISE, FACTOR, at_least, p_rise
from stream_monitor.detect.operations import CODES_MAX, IDLE, Operating, OperatingState
from stream_monitor.detect.registry import OPERATIONS, Thresholds
from stream_monitor.detect.usual import NEAR, PAST
from stream_monitor.profile.profile import Profile
from tests.calls import drawn, window_of

SIZE_MS = 300_000
ALPHA = 1e-7
LEVELS = [name for name in OPERATIONS if name not in ("bottleneck", IDLE)]


def judged(
    windows: Iterable[Profile], operating: Operating | None = None, *, first: int = 0, limits: Mapping[str, float] | None = None
) -> list[dict[str, Score]]:
    """The scores of windows side by side, by detector, numbered from `first`."""
    judge, thresholds = (operating or Operating()).judge, Thresholds(limits or {})
    answers = [
        judge(place * SIZE_MS, (place + 1) * SIZE_MS, window, ALPHA, lambda name: thresholds(None, name))
        for place, window in enumerate(windows, first)
    ]
    return [{score.key.detector: score for score in scores} for scores in answers]


def found(scores: Mapping[str, Score]) -> list[str]:
    return [name for name, score in scores.items() if is_finding(score)]


def steady(seed: int = 1, windows: int = 20, events: int = 400, **levels: float) -> list[Profile]:
    random = np.random.default_rng(seed)
    return [drawn(random, events, **levels) for _ in range(windows)]


def last(window: Profile, **limits: float) -> dict[str, Score]:
    """The scores of a window after 20 steady ones."""
    return judged([*steady(), window], limits=limits)[-1]


# The scores


@pytest.mark.parametrize("seed", range(3))
def test_every_score_is_what_numpy_says_to_1_percent(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = {
        "latency_ms": random.lognormal(3, 1, 1000),
        "cpu_ratio": random.random(1000),
        "memory_bytes": random.lognormal(20, 0.1, 1000),
        "gpu_ratio": random.random(1000) / 2,
        "gpu_memory_bytes": random.lognormal(22, 0.1, 1000),
        "network_bytes": random.lognormal(8, 2, 1000),
    }
    (scores,) = judged([window_of(1000, values, failed=70)])
    quantiles = np.quantile(values["latency_ms"], (0.95, 0.5, 0.99), method="inverted_cdf").tolist()
    means = [values[name].mean() for name in ("cpu_ratio", "memory_bytes", "gpu_ratio", "gpu_memory_bytes")]
    wanted = [*quantiles, 1000 / 300, 0.07, *means, values["network_bytes"].sum() / 300]
    assert [name for name in scores if name != IDLE] == LEVELS
    assert [scores[name].score for name in LEVELS] == pytest.approx(wanted, rel=0.0101)
    assert {score.key.kind for score in scores.values()} == {FindingKind.OPERATIONAL}


def test_what_nobody_tells_has_no_score() -> None:
    nothing = window_of(100, {})
    silent = Profile(100, nothing.counts, nothing.moments)
    assert judged([silent]) == [{}], "a model whose events tell nothing has no row"
    told = ["throughput_per_s", "error_ratio"]
    told = ["throughput_per_s", "error_ratio"]  # from then on, to tell nothing is to say that nothing failed
    assert [list(scores) for scores in judged([silent, nothing, silent])] == [[], told, told]
    assert judged([nothing, Profile(0, nothing.counts, nothing.moments)])[1] == {}


def test_without_a_past_nothing_is_judged_but_against_a_limit() -> None:
    (scores,) = judged(steady(windows=1), limits={"latency_p95_ms": 50.0})
    assert scores["latency_p50_ms"].status is ScoreStatus.TOO_FEW
    assert found(scores) == ["latency_p95_ms"]
    early = judged(steady(windows=NEAR))[-1]
    assert {early[name].status for name in early if name not in ("throughput_per_s", IDLE)} == {ScoreStatus.TOO_FEW}
    assert judged(steady(windows=NEAR + 1))[-1]["latency_p50_ms"].status is ScoreStatus.JUDGED


# What is found


def test_latency_that_jumps_is_found_in_all_its_quantiles() -> None:
    scores = last(drawn(np.random.default_rng(9), 400, scale_ms=200))
    assert found(scores) == ["latency_p95_ms", "latency_p50_ms", "latency_p99_ms"]
    p95 = scores["latency_p95_ms"]
    usual = [float(window.operations.measures["latency_ms"].quantile(0.95)) for window in steady()]
    assert p95.threshold == pytest.approx(FACTOR * max(usual))
    assert p95.base == pytest.approx(float(np.median(usual)))
    assert p95.measured[0] == ("latency_p95_ms", p95.base, p95.score)


def test_latency_that_rises_by_two_fifths_is_no_news_however_sure_it_is() -> None:
    windows = [*steady(events=20_000, windows=15), *steady(2, windows=1, events=20_000, scale_ms=56)]
    assert found(judged(windows)[-1]) == []


def test_a_quantile_of_few_events_is_not_sure() -> None:
    few = window_of(3, {"latency_ms": np.array([900.0, 900.0, 900.0])})
    score = last(few)["latency_p50_ms"]
    assert (score.score or 0) > score.threshold
    assert not score.real
    assert (score.p_value or 0) >= 0.5**3


def test_errors_that_burst_are_found_and_named() -> None:
    random = np.random.default_rng(5)
    burst = window_of(400, {"latency_ms": 40 * np.exp(0.5 * random.standard_normal(400))}, failed=40, code="refused")
    scores = last(burst)
    assert found(scores) == ["error_ratio"]
    score = scores["error_ratio"]
    usual = [window.operations.failed / window.events for window in steady()]
    assert [score.score, score.threshold] == pytest.approx([0.1, max(usual) + ERROR_RISE])
    assert score.shown == (("refused", 0.0, 0.1),)


def test_the_p_value_of_errors_is_that_of_two_samples() -> None:
    """All usual windows alike, so that nothing is inflated: given the failed calls of both, the window's are nearly binomial."""
    alike = [window_of(1000, {}, failed=10) for _ in range(20)]
    p = judged([*alike, window_of(1000, {}, failed=40)])[-1]["error_ratio"].p_value or 0
    exact = float(stats.hypergeom.sf(39, 21_000, 240, 1000))
    assert exact <= p <= float(stats.binom.sf(39, 240, 1 / 21)) * (1 + 1e-9)


def test_the_p_value_of_a_quantile_is_binomial_and_of_the_windows_students() -> None:
    assert at_least(12, 200, 0.05) == pytest.approx(float(stats.binom.sf(11, 200, 0.05)))
    assert at_least(0, 200, 0.05) == 1.0
    usual = np.exp(np.random.default_rng(3).normal(3, 0.2, 30))
    floor = 0.01 * max(usual.max(), 50.0)
    logs = np.log(usual + floor)
    t = (np.log(50 + floor) - logs.mean()) / (logs.std(ddof=1) * (1 + 1 / 30) ** 0.5)
    assert p_rise(50.0, usual.tolist()) == pytest.approx(float(stats.t.sf(t, 29)))
    assert p_rise(0.0, [0.0] * 12) == 1.0
    assert p_rise(1.0, [0.0] * 12) < 1e-12


def test_utilisation_that_takes_half_of_what_was_left_is_large() -> None:
    def share(value: float) -> Profile:
        return window_of(100, {"cpu_ratio": np.full(100, value)})

    for usual, limit in ((0.02, 0.13), (0.3, 0.55), (0.8, 0.9), (2.0, 3.1)):
        score = judged([share(usual)] * 13)[-1]["cpu_ratio"]
        assert score.threshold == pytest.approx(limit, rel=0.02)
    assert found(judged([share(0.7)] * 12 + [share(1.0)])[-1]) == ["cpu_ratio"]


def test_memory_that_doubles_is_found_and_a_megabyte_is_not() -> None:
    def memory(value: float) -> Profile:
        return window_of(100, {"memory_bytes": np.full(100, value)})

    assert found(judged([memory(2e9)] * 12 + [memory(4e9)])[-1]) == ["memory_bytes"]
    assert found(judged([memory(2e5)] * 12 + [memory(1e6)])[-1]) == []


def test_a_limit_in_the_config_takes_the_place_of_the_past() -> None:
    slow = drawn(np.random.default_rng(9), 400, scale_ms=200)
    assert found(last(slow, latency_p50_ms=1e4, latency_p95_ms=1e4, latency_p99_ms=1e4)) == []
    scores = last(slow, error_ratio=0.001, throughput_per_s=0.5, cpu_ratio=0.2)
    assert {"error_ratio", "throughput_per_s", "cpu_ratio"} - set(found(scores)) == {"error_ratio"}, "four of 400 may be chance"
    assert scores["throughput_per_s"].p_value == pytest.approx(float(stats.poisson.sf(slow.events - 1, 150)))
    assert (scores["error_ratio"].threshold, scores["throughput_per_s"].threshold) == (0.001, 0.5)


def test_how_many_events_come_is_judged_as_volume_where_no_limit_is_set() -> None:
    score = last(drawn(np.random.default_rng(9), 4000))["throughput_per_s"]
    assert (score.status, score.threshold, score.p_value) == (ScoreStatus.JUDGED, inf, None)


@pytest.mark.parametrize("change", [{"cpu": 0.9}, {"events": 4000}])
def test_a_bottleneck_is_latency_that_rises_with_load(change: Mapping[str, float]) -> None:
    window = drawn(np.random.default_rng(9), int(change.get("events", 400)), scale_ms=200, cpu=change.get("cpu", 0.3))
    score = last(window)["bottleneck"]
    assert is_finding(score)
    assert [each.name for each in score.measured] == ["latency_p95_ms", "cpu_ratio" if "cpu" in change else "throughput_per_s"]


def test_latency_alone_and_load_alone_are_no_bottleneck() -> None:
    for change in ({"scale_ms": 200.0}, {"cpu": 0.9}):
        assert "bottleneck" not in found(last(drawn(np.random.default_rng(9), 400, **change)))


def test_idle_capacity_is_told_after_a_day_and_begins_anew_with_work() -> None:
    idle, busy = (window_of(10, {"cpu_ratio": np.full(10, value)}) for value in (0.04, 0.4))
    day = judged([idle] * 288)
    assert [IDLE in found(scores) for scores in day[-13:]] == [False] + [True] * 12
    assert day[-1][IDLE].score == pytest.approx(24.0)
    assert IDLE not in found(judged([idle] * 288 + [busy] + [idle])[-1])
    gpu = window_of(10, {"cpu_ratio": np.full(10, 0.9), "gpu_ratio": np.full(10, 0.02)})
    assert IDLE in found(judged([gpu] * 288)[-1]), "an idle GPU beside a busy CPU is idle capacity"


# What is not


@pytest.mark.parametrize(("events", "varies"), [(20, 0.0), (400, 0.0), (400, 0.3)])
def test_a_steady_stream_is_quiet_for_a_week(events: int, varies: float) -> None:
    """2,016 windows of 5 minutes, of independent calls, and such whose latency and load vary from window to window besides."""
    random = np.random.default_rng(11)
    factors = np.exp(varies * random.standard_normal(2016)).tolist()
    windows = (drawn(random, events, scale_ms=40 * each, cpu=min(0.3 * each, 1.0)) for each in factors)
    assert [found(scores) for scores in judged(windows) if found(scores)] == []


def test_a_new_level_is_usual_after_an_hour() -> None:
    random = np.random.default_rng(4)
    windows = [*steady(), *(drawn(random, 400, scale_ms=200) for _ in range(20))]
    fires = ["latency_p95_ms" in found(scores) for scores in judged(windows)]
    assert fires == [False] * 20 + [True] * NEAR + [False] * 8


# What is remembered


def test_a_state_goes_on_where_it_was_and_is_bounded() -> None:
    whole, parts = Operating(), Operating()
    windows = [*steady(windows=60), *steady(2, windows=5, errors=0.3)]
    judged(windows, whole)
    for place, window in enumerate(windows):
        judged([window], parts, first=place)
        parts = Operating(msgspec.msgpack.decode(msgspec.msgpack.encode(parts.to_state()), type=OperatingState))
    assert parts.to_state() == whole.to_state()
    assert (len(whole.to_state().near), len(whole.to_state().odd)) == (PAST, 5)


def test_the_most_frequent_codes_are_remembered() -> None:
    operating, codes = Operating(), {f"code {place}": 1 + place for place in range(64)}
    window = window_of(2100, {}, failed=2080)
    judged([replace(window, operations=replace(window.operations, codes=codes))], operating)
    (block,) = operating.to_state().near
    assert sorted(block.codes) == [f"code {place}" for place in range(64 - CODES_MAX, 64)]


def test_a_revised_window_is_judged_against_the_same_past_and_not_remembered_again() -> None:
    operating = Operating()
    windows = steady()
    first = judged(windows, operating)[-1]
    state = operating.to_state()
    assert judged(windows[-1:], operating, first=19)[-1]["latency_p95_ms"] == first["latency_p95_ms"]
    assert operating.to_state() == state


def test_windows_that_overlap_are_remembered_once() -> None:
    operating = Operating()
    for window, start in zip(steady(windows=20), range(0, 20 * SIZE_MS // 5, SIZE_MS // 5), strict=True):
        operating.judge(start, start + SIZE_MS, window, ALPHA, lambda name: inf)
    assert [block.end_ms // SIZE_MS for block in operating.to_state().near] == [1, 2, 3, 4]


def test_severity_is_by_size() -> None:
    scores = last(drawn(np.random.default_rng(9), 4000, scale_ms=100))
    assert severity_of(scores["latency_p50_ms"]) is Severity.CRITICAL
