"""Traffic that moves from one version to another is a rollout and pages nobody; traffic that is lost pages as ever."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.detect.finding import Score
from stream_monitor.detect.rollout import Together
from stream_monitor.detect.volume import NEAR, Volume
from tests.property.pipeline_world import START_MS
from tests.unit.test_versions import replay

FIVE_MS = 5 * 60_000
MINUTE_MS = 60_000
LIMITS = {"volume": 1.5, "silence": 0.0}
USUAL = NEAR + 8


class Seen:
    """What was told of version 1 in each window."""

    def __init__(self) -> None:
        self.own, self.whole, self.place = Volume(), Volume(), 0

    def window(self, events: int, others: Mapping[str, int]) -> dict[str, Score]:
        """Of so many events of it, and of the others."""
        start, end, before = self.place * FIVE_MS, (self.place + 1) * FIVE_MS, self.own.to_state()
        self.place += 1
        scores = self.own.judge(start, end, events, 1e-6, LIMITS.__getitem__)
        together = Together(self.whole, others)
        return {score.key.detector: score for score in together.judge(scores, before, start, end, events, 1e-6, LIMITS.__getitem__)}


def seen(version_1: int, version_2: int, seed: int = 1) -> Seen:
    """After some hours of usual traffic."""
    random, found = np.random.default_rng(seed), Seen()
    for _ in range(USUAL):
        scores = found.window(int(random.poisson(version_1)), {"version 2": int(random.poisson(version_2))})
        assert not any(is_found(score) for score in scores.values())
    return found


def is_found(score: Score) -> bool:
    return score.real and score.is_over


@pytest.mark.parametrize(("before", "now"), [((1_000, 50), (0, 1_050)), ((1_000, 0), (300, 700)), ((100, 900), (0, 1_000))])
def test_what_another_version_took_over_is_told_so(before: tuple[int, int], now: tuple[int, int]) -> None:
    scores = seen(*before).window(now[0], {"version 2": now[1]})
    found = [score for score in scores.values() if is_found(score)]
    assert [[each.name for each in score.shown] for score in found] == [["version 2"]]
    assert found[0].shown[0].window == now[1] / sum(now)
    assert found[0].measured[0].window == now[0]
    assert found[0].measured[0].baseline == pytest.approx(before[0], rel=0.2)


@pytest.mark.parametrize(("before", "now"), [((1_000, 50), (0, 50)), ((1_000, 1_000), (0, 1_000)), ((500, 500), (0, 1_900))])
def test_where_the_whole_is_unusual_it_is_trouble(before: tuple[int, int], now: tuple[int, int]) -> None:
    scores = seen(*before).window(now[0], {"version 2": now[1]})
    assert [score.shown for score in scores.values() if is_found(score)] == [()]


@pytest.mark.parametrize("seed", range(5))
def test_a_canary_of_a_tenth_that_dies_alone_is_no_rollout(seed: int) -> None:
    scores = seen(200, 1_800, seed).window(0, {"version 2": 1_800})
    assert scores["silence"].real
    assert scores["silence"].shown == ()


def test_traffic_that_is_lost_is_trouble_however_long_it_lasts() -> None:
    """Else the whole had a new level after a dozen windows, and what is lost would be usual."""
    monitor = seen(900, 100)
    for _ in range(3 * NEAR):
        scores = monitor.window(0, {"version 2": 100})
        assert scores["silence"].real
        assert scores["silence"].shown == ()
    assert monitor.whole.to_state().near[-1] > 900


def test_before_the_whole_is_known_and_without_others_it_is_trouble() -> None:
    alone = Seen()
    for _ in range(USUAL):
        alone.window(1_000, {})
    assert alone.window(0, {})["silence"].shown == ()
    young = seen(1_000, 50)
    young.whole = Volume()
    assert young.window(0, {"version 2": 1_050})["silence"].shown == ()


def bodies(lost: bool) -> list[dict[str, Any]]:
    """Version 1 answers for 20 minutes, then version 2 does, or nobody."""
    return [
        {
            "event_id": f"e{number}",
            "model": "loan",
            "version": "1" if number % 60 or number < 12_000 else "2",
            "time": START_MS + number * 100,
            "features": {"amount": float(number % 7)},
            "prediction": {"label": "yes"},
        }
        | ({"version": "2"} if number >= 12_000 and (number % 10 == 0 or not lost) else {})
        for number in range(18_000)
        if number < 12_000 or not lost or number % 10 == 0
    ]


@pytest.mark.parametrize("lost", [False, True])
def test_a_rollout_is_one_alert_for_information(tmp_path: Path, lost: bool) -> None:
    _, alerts = replay(tmp_path, bodies(lost), current=None, task=None, detectors=["volume", "silence"])
    mine: list[Alert] = [alert for alert in alerts if alert.version == "1" and alert.revision == 1]
    assert len(mine) == 1
    if lost:
        assert mine[0].severity == "critical"
        assert mine[0].annotations.summary.startswith("loan 1: the traffic stopped")
        return
    assert {alert.severity for alert in alerts} == {"info"}
    assert mine[0].annotations.summary.startswith(
        "loan 1: version 2 took over: 0 events in the minute from 2026-01-01 10:20 UTC, usually 600,"
    )
    assert mine[0].annotations.summary.endswith("; this is for information and pages nobody by itself")
    assert [(each.bin, each.window) for each in mine[0].evidence.moved] == [("version 2", 1.0)]
