"""How many events came: judged against the model's own earlier windows, since training data says nothing of it.

What is usual at a moment is a range: from the smallest to the largest count of the last `NEAR` windows, of what they trend to, and of the
windows at the same time of day, with those beside them, as far back as `PAST` windows go (5-minute windows: a week). So seasons and ramps
are usual from the first day on, a job's burst from its second time on. A window that is found far out of the range does not widen it; when
as many as `NEAR` in a row are found, they are the new level. Bounds are single counts: with 30 events a window a threefold rise is found,
with 100 a doubling, with 300 a halving.
"""

from collections.abc import Callable, Sequence
from math import exp, log
from typing import Final

import msgspec
import numpy as np
from scipy.special import gammainc, gammaincc

from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus

VOLUME_FACTOR: Final = 1.5
"""Default threshold: steady traffic that doubles is 1.8 to 2 times over its bound, for that lies beyond the mean; a daily season of factor
10 rises by up to 1.45 in an hour."""
NEAR: Final = 12
"""Windows: an hour of 5-minute ones. The largest of 12 is under the mean by chance once in 4,096 times."""
PAST: Final = 2_048
"""Windows: a week of 5-minute ones and some, 6 KB in a snapshot."""
LEVEL: Final = 3
"""Windows whose mean count is a level: few, for a level that falls must not promise events."""
GUARD_MS: Final = 10 * 60_000
"""Up to this length a window is not compared with the one before, for that may hold half of the change; beyond it seasons go too far."""
_DAY_MS: Final = 24 * 3_600_000
_VOLUME: Final = Key(FindingKind.OPERATIONAL, None, "volume")
_SILENCE: Final = Key(FindingKind.OPERATIONAL, None, "silence")


class VolumeState(msgspec.Struct, frozen=True, array_like=True):
    """The state of a `Volume`. end_ms: of the newest window in it; the others are counts of windows without overlap, oldest first.

    near: usual ones, at most `NEAR` + 1; odd: found ones since the last usual one, fewer than `NEAR`; past: all of them, at most `PAST`.
    """

    end_ms: int = 0
    near: tuple[int, ...] = ()
    odd: tuple[int, ...] = ()
    past: tuple[int, ...] = ()

    @property
    def level(self) -> float:
        """The mean of the last few usual counts; 0 of none."""
        return sum(self.near[-LEVEL:]) / max(len(self.near[-LEVEL:]), 1)


class Volume:
    """Judges every window of one model once, in the order of their ends, those without events too; all of one length."""

    def __init__(self, state: VolumeState | None = None, past_max: int = PAST) -> None:
        """past_max: windows that are remembered."""
        self._state, self._past_max = VolumeState() if state is None else state, past_max

    def to_state(self) -> VolumeState:
        """What a later `Volume` goes on from."""
        return self._state

    def judge(
        self, start_ms: int, end_ms: int, events: int, alpha: float, threshold: Callable[[str], float], *, is_held: bool = False
    ) -> list[Score]:
        """The scores of `volume` and `silence`, in this order; then the window counts as an earlier one, unless it overlaps the newest.

        volume: how many times the count is over the largest usual one, or under the smallest; up to 1 inside the range, None for no events,
        and after a window of none, of which the next may be a part. p: twice the tail of a Poisson count whose mean is that bound, both
        divided by phi; no smaller than the chance of such a count among alike ones, for the largest of 12 exceeds their mean.
        silence: how many events did not come: for a window of none the level, the least of the last windows' mean, their trend and the
        counts at the same time of day; else 0. p = exp(-level / phi); the threshold is at least what makes p alpha.
        phi: variance over mean of the last usual counts about a line, at least 1. Both are None (too few) before `NEAR` windows, one more
        up to `GUARD_MS`. is_held: where it is found, it is no part of a new level.
        """
        self._fill(start_ms, end_ms - start_ms)
        scores = self._scores(end_ms, end_ms - start_ms, events, alpha, threshold)
        if not self._state.past or start_ms >= self._state.end_ms:
            self._feed(end_ms, events, any(_is_found(score) for score in scores), is_held or not events)
        return scores

    def _scores(self, end_ms: int, size_ms: int, events: int, alpha: float, threshold: Callable[[str], float]) -> list[Score]:
        near, ahead = self._state.near, 2 if size_ms <= GUARD_MS else 1
        usual = near[-NEAR - ahead + 1 : len(near) - ahead + 1]
        volume, silence = _unjudged(_VOLUME, 1.0, threshold("volume")), _unjudged(_SILENCE, 0.0, threshold("silence"))
        if len(usual) < NEAR:
            return [volume, silence]
        phi = dispersion(near)
        expected = [_trend(usual, ahead), *self._same_times(end_ms, size_ms)]
        if events > 0 and self._state.past[-1] > 0:
            volume = _volume(events, min(*usual, *expected), max(*usual, *expected), phi, alpha, threshold("volume"))
        level = min(self._state.level, *expected)
        return [volume, _silence(events, level, phi, alpha, threshold("silence"))]

    def _fill(self, start_ms: int, size_ms: int) -> None:
        """Windows that nobody judged, between the newest and this one, had no events."""
        state = self._state
        lacking = (start_ms - state.end_ms) // size_ms if state.past else 0
        if lacking > 0:
            zeros = (0,) * min(lacking, self._past_max)
            self._state = VolumeState(state.end_ms + lacking * size_ms, state.near, state.odd, (*state.past, *zeros)[-self._past_max :])

    def _feed(self, end_ms: int, events: int, is_found: bool, is_held: bool) -> None:
        state = self._state
        if is_found and is_held:  # silence never is the new level, or it would end by itself
            near, odd = state.near, state.odd
        elif is_found:
            near, odd = state.near, (*state.odd, events)
        else:
            near, odd = (*state.near, events), ()
        if len(odd) == NEAR:
            near, odd = (*near[-1:], *odd), ()
        self._state = VolumeState(end_ms, near[-NEAR - 1 :], odd, (*state.past, events)[-self._past_max :])

    def _same_times(self, end_ms: int, size_ms: int) -> list[int]:
        """The counts at the same time of each earlier day that is known: of the window then, the one before and the one after."""
        past = self._state.past
        found: list[int] = []
        lag = round((end_ms - self._state.end_ms) / size_ms)
        for day in range(1, len(past) * size_ms // _DAY_MS + 1):
            place = len(past) - 1 + lag - round(day * _DAY_MS / size_ms)
            if 0 < place < len(past) - NEAR:
                found += past[place - 1 : place + 2]
        return found


def dispersion(counts: Sequence[int]) -> float:
    """phi: the mean of (a - 2b + c)^2 / (a + 4b + c) over successive counts; 1 is a Poisson count's, whatever line the mean follows.

    At least 1; counts: at least 3 of them, else 1. Terms of zeros alone are left out.
    """
    if len(counts) < 3:
        return 1.0
    a, b, c = (np.array(counts[start : len(counts) - 2 + start], dtype=np.float64) for start in range(3))
    variance = a + 4 * b + c
    held = variance > 0
    return max(1.0, float(np.mean((a - 2 * b + c)[held] ** 2 / variance[held]))) if held.any() else 1.0


def _volume(events: int, low: float, high: float, phi: float, alpha: float, threshold: float) -> Score:
    over, under = events / max(high, 1), low / events
    tail = gammainc(events / phi, max(high, 1) / phi) if over >= under else gammaincc(events / phi + 1, low / phi)
    p = min(1.0, 2 * float(tail))
    return Score(_VOLUME, -1, max(over, under), threshold, p, ScoreStatus.JUDGED, 1.0, p < alpha)


def _silence(events: int, level: float, phi: float, alpha: float, threshold: float) -> Score:
    score = 0.0 if events else level
    p = exp(-score / phi)
    return Score(_SILENCE, -1, score, max(threshold, -phi * log(alpha)), p, ScoreStatus.JUDGED, 0.0, p < alpha)


def _unjudged(key: Key, base: float, threshold: float) -> Score:
    return Score(key, -1, None, threshold, None, ScoreStatus.TOO_FEW, base)


def _is_found(score: Score) -> bool:
    return score.real and score.score is not None and score.score > score.threshold


def _trend(counts: Sequence[int], ahead: int) -> float:
    """The last count, going on to rise or fall by the factor of the last windows."""
    first, last = max(counts[-1 - LEVEL], 1), counts[-1]
    return float(last * (last / first) ** (ahead / LEVEL))
