"""A producer that sent regularly and is silent while others go on: judged as `volume` judges the silence of a whole model.

A model that is silent as a whole is one alert, not one for each producer: windows without events are not judged here. A producer that is
silent for `GONE` windows in a row has left, and is forgotten.
"""

from typing import Final

import msgspec

from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus, Shown
from stream_monitor.detect.transit import OTHER, counts_of
from stream_monitor.detect.volume import VOLUME_FACTOR, Volume, VolumeState
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.transit import PRODUCERS_MAX

GONE: Final = 288
"""Windows: a day of 5-minute ones. As many are remembered of each producer, for it may send at some times of the day alone."""
SILENT: Final = "producer_silence"


class ProducerState(msgspec.Struct, frozen=True, array_like=True):
    """heard_ms: the end of the last window that held an event of it."""

    heard_ms: int
    volume: VolumeState


class Producers:
    """Those of one model."""

    def __init__(self, state: dict[str, ProducerState] | None = None) -> None:
        self._state = dict(state or {})

    def to_state(self) -> dict[str, ProducerState]:
        """What a later `Producers` goes on from."""
        return self._state

    def judge(self, start_ms: int, end_ms: int, window: Profile, alpha: float, threshold: float) -> list[Score]:
        """The score of [start_ms, end_ms), once for each window with events, in the order of their ends; none before a producer was told.

        How many events of one producer did not come, of the one furthest beyond its limit; 0 where all send, None (too few) before any was
        regular. shown: the silent ones, with what is usual of each; measured: in their order, when each was last heard.
        """
        if not window.events:
            return []
        counts = counts_of(window.transit)
        names = sorted({*self._state, *counts})[: PRODUCERS_MAX + 1]
        last = max(window.transit.producers, default="") if window.transit.is_cut else None
        scores = {}
        for name in names:
            if name not in counts and last is not None and last < name != OTHER:
                continue  # it may be among all others
            score = self._judge(name, start_ms, end_ms, counts.get(name, 0), alpha / len(names), threshold)
            if score.status is ScoreStatus.JUDGED:
                scores[name] = score
        heard = {name: self._state[name].heard_ms for name in names}
        self._state = {name: self._state[name] for name in names if end_ms - heard[name] < GONE * (end_ms - start_ms)}
        return [_worst(scores, heard, threshold)] if names else []

    def _judge(self, name: str, start_ms: int, end_ms: int, events: int, alpha: float, threshold: float) -> Score:
        known = self._state.get(name)
        volume = Volume(known.volume if known else None, past_max=GONE)
        _, score = volume.judge(start_ms, end_ms, events, alpha, lambda detector: threshold if detector == "silence" else VOLUME_FACTOR)
        self._state[name] = ProducerState(end_ms if events or known is None else known.heard_ms, volume.to_state())
        return score


def _worst(scores: dict[str, Score], heard: dict[str, int], threshold: float) -> Score:
    key = Key(FindingKind.CAPTURE_HEALTH, None, SILENT)
    if not scores:
        return Score(key, -1, None, threshold, None, ScoreStatus.TOO_FEW)
    by_excess = sorted(scores, key=lambda name: (-(scores[name].score or 0.0) / max(scores[name].threshold, 1e-9), name))
    worst = scores[by_excess[0]]
    silent = [name for name in by_excess if scores[name].is_over and scores[name].real]
    shown = tuple(Shown(name, scores[name].score, 0.0) for name in silent)
    measured = tuple(Shown(name, None, float(heard[name])) for name in silent)
    p_value = None if worst.p_value is None else min(1.0, worst.p_value * len(scores))
    return Score(key, -1, worst.score, worst.threshold, p_value, ScoreStatus.JUDGED, 0.0, worst.real, shown, measured)
