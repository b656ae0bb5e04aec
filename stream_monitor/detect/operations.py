"""How the calls went: latency, throughput, errors and resources, judged against the model's own earlier windows or a limit in the config.

Training data says nothing of these. What is usual is what the last `PAST` windows were; a window that is found far out of it does not count
as usual, until as many as `NEAR` in a row are found: they are the new level. A score is *large* when it is far over the largest usual one
(see `levels`), or over the limit that the config names in its place; how *real* it is, is told by

- latency: the exact binomial test that so many calls are over the limit, or the largest usual quantile, if the true one is not;
- errors: the exact two-sample test of the share of failed calls, or the binomial one against a limit in the config;
- all but errors: Student's prediction of one more window from the usual ones, on logarithms, for calls of one moment are alike. Errors
  are counted as fewer, as far as their number varied between windows by more than chance.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Final

import msgspec
import numpy as np
from scipy.special import gammainc

from stream_monitor.capture.calls import LATENCY
from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus, Shown, is_finding
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.levels import ERROR_RISE, ERRORS, P95, QUANTILES, THROUGHPUT, at_least, levels_of, limit_of, p_rise
from stream_monitor.detect.usual import NEAR, before, remember
from stream_monitor.profile.logarithmic import LogHistogram
from stream_monitor.profile.profile import Profile

CODES_MAX: Final = 8
"""Error codes remembered of a window, the most frequent ones."""
BOTTLENECK_FACTOR: Final = 1.1
"""Latency and load are both a tenth over their largest usual values: a processor that is busy for 0.85 of the time can rise by no more."""
IDLE_BELOW: Final = 0.1
IDLE_HOURS: Final = 23.0
"""A day, less what its first and its last window may lack."""
BOTTLENECK, IDLE = "bottleneck", "idle_capacity"
_LOADS: Final = ("cpu_ratio", "gpu_ratio", THROUGHPUT)

Limits = Callable[[str], float]
"""Score -> the threshold in the config, infinite where it names none."""


class Block(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a window that ended at end_ms. failed: of its events; codes: of those the most frequent ones."""

    end_ms: int
    events: int
    failed: int
    levels: dict[str, float]
    codes: dict[str, int]


class OperatingState(msgspec.Struct, frozen=True, array_like=True):
    """The state of an `Operating`: windows without overlap, oldest first, and for how long utilisation was low, up to a window's end.

    near: usual windows, at most `PAST`; odd: found ones since the last usual one, fewer than `NEAR`; told: whether any event told anything.
    """

    near: tuple[Block, ...] = ()
    odd: tuple[Block, ...] = ()
    told: bool = False
    idle_ms: int = 0
    idle_end_ms: int = 0


class Operating:
    """Judges the windows of one model in the order of their ends; a window that is revised may be judged again."""

    def __init__(self, state: OperatingState | None = None) -> None:
        self._state = OperatingState() if state is None else state

    def to_state(self) -> OperatingState:
        """What a later `Operating` goes on from."""
        return self._state

    def judge(self, start_ms: int, end_ms: int, window: Profile, alpha: float, limits: Limits) -> list[Score]:
        """The scores of one window, by `registry.OPERATIONS`; then it counts as an earlier one, unless it overlaps the newest.

        None as long as no event of the model says anything of its call, and for a window of no events; nor of what its events do not tell.
        """
        if not window.events or not (self._state.told or window.operations.told):
            return []
        now = _block(start_ms, end_ms, window)
        usual, latency = before(self._state.near, start_ms), window.operations.measure(LATENCY)
        judged = _Judged(now, latency, usual, (end_ms - start_ms) / 1000, alpha, limits)
        scores = [judged.score(name) for name in now.levels] + judged.bottleneck()
        self._feed(start_ms, now, any(map(is_finding, scores)))
        return scores + self._idle(now, limits(IDLE))

    def _feed(self, start_ms: int, now: Block, is_found: bool) -> None:
        state, idle_ms, utilisation = self._state, self._state.idle_ms, _utilisation(now)
        if now.end_ms > state.idle_end_ms and utilisation is not None:
            fresh_ms = now.end_ms - max(start_ms, state.idle_end_ms)
            idle_ms = idle_ms + fresh_ms if utilisation < IDLE_BELOW else 0
        near, odd = remember(state.near, state.odd, now, start_ms, is_found=is_found)
        self._state = OperatingState(near, odd, True, idle_ms, max(now.end_ms, state.idle_end_ms))

    def _idle(self, now: Block, hours: float) -> list[Score]:
        """For how many hours of windows utilisation has been low: the GPU's where there is one, else the CPU's."""
        utilisation = _utilisation(now)
        if utilisation is None:
            return []
        measured = (Shown("gpu_ratio" if "gpu_ratio" in now.levels else "cpu_ratio", None, utilisation),)
        score = self._state.idle_ms / 3_600_000
        return [Score(_key(IDLE), -1, score, hours, None, ScoreStatus.JUDGED, real=True, measured=measured)]


class _Judged:
    """One window beside the usual ones before it."""

    def __init__(self, now: Block, latency: LogHistogram, before: Sequence[Block], seconds: float, alpha: float, limits: Limits) -> None:
        self._now, self._latency, self._before = now, latency, before
        self._seconds, self._alpha, self._limits = seconds, alpha, limits

    def score(self, name: str) -> Score:
        """One level, judged against the config's limit if there is one, else against the usual windows if there are enough."""
        value, usual, limit = self._now.levels[name], self._usual(name), self._limits(name)
        base = float(np.median(usual)) if usual else None
        measured = (Shown(name, base, value),)
        if limit < inf:
            p = self._p_over(name, limit)
        elif len(usual) < NEAR or name == THROUGHPUT:  # without a limit, how many events come is judged as `volume`
            status = ScoreStatus.JUDGED if name == THROUGHPUT else ScoreStatus.TOO_FEW
            return Score(_key(name), -1, value, inf, None, status, measured=measured)
        else:
            limit = limit_of(name, max(usual))
            p = self._p_more_errors() if name == ERRORS else self._p_rise(name)
        below = base if base is not None and base < limit else 0.0
        rise = 0.0 if name == ERRORS else ERROR_RISE if name in QUANTILES else inf
        shown = tuple(each for each in self._codes() if (each.window or 0.0) - (each.baseline or 0.0) > rise)
        return Score(_key(name), -1, value, limit, p, ScoreStatus.JUDGED, below, p < self._alpha, shown, measured)

    def bottleneck(self) -> list[Score]:
        """How far latency and the load that rose most are both over their largest usual values; p: the larger of theirs."""
        usual, loads = self._usual(P95), [name for name in _LOADS if name in self._now.levels and len(self._usual(name)) >= NEAR]
        if P95 not in self._now.levels or len(usual) < NEAR or not loads:
            return []
        limit = self._limits(BOTTLENECK)
        load = max(loads, key=self._over)
        value = min(self._over(P95), self._over(load))
        measured = tuple(Shown(name, float(np.median(self._usual(name))), self._now.levels[name]) for name in (P95, load))
        p = max(self._p_rise(P95), self._p_rise(load))
        return [Score(_key(BOTTLENECK), -1, value, limit, p, ScoreStatus.JUDGED, 1.0, p < self._alpha, (), measured)]

    def _usual(self, name: str) -> list[float]:
        return [block.levels[name] for block in self._before if name in block.levels]

    def _over(self, name: str) -> float:
        largest = max(self._usual(name))
        return self._now.levels[name] / largest if largest > 0 else 1.0

    def _p_rise(self, name: str) -> float:
        """The chance of a window like this among the usual ones, of its events too where they are drawn and not measured."""
        usual = self._usual(name)
        p = p_rise(self._now.levels[name], usual)
        return max(p, self._p_over(name, max(usual))) if name in QUANTILES else p

    def _p_over(self, name: str, limit: float) -> float:
        """The chance of a window like this if the truth is at the limit; 0 or 1 for what is measured, not drawn."""
        if name in QUANTILES:
            return at_least(self._latency.above(limit), self._latency.n, 1 - QUANTILES[name])
        if name == ERRORS:
            return at_least(self._now.failed, self._now.events, limit)
        if name == THROUGHPUT:
            return float(gammainc(self._now.events, max(limit, 0.0) * self._seconds))
        return 0.0 if self._now.levels[name] > limit else 1.0

    def _p_more_errors(self) -> float:
        counts = np.array([(block.failed, block.events) for block in self._before], dtype=np.int64)
        failed, events = counts.sum(axis=0)
        expected = counts[:, 1] * failed / events
        squares = (counts[:, 0] - expected) ** 2 / np.maximum(expected * (1 - failed / events), 1e-12)
        phi = max(1.0, float(squares.sum()) / (len(counts) - 1)) if 0 < failed < events else 1.0
        now = np.array([[self._now.failed], [self._now.events]])
        return float(more_often(now[0], now[1], np.array([failed]), np.array([events]), phi)[0])

    def _codes(self) -> tuple[Shown, ...]:
        """Error codes by how much their shares of all calls rose."""
        events = sum(block.events for block in self._before)

        def before(code: str) -> float | None:
            return sum(block.codes.get(code, 0) for block in self._before) / events if events else None

        shown = [Shown(code or "no code", before(code), failed / self._now.events) for code, failed in self._now.codes.items()]
        return tuple(sorted(shown, key=lambda each: ((each.baseline or 0.0) - (each.window or 0.0), each.name)))


def _block(start_ms: int, end_ms: int, window: Profile) -> Block:
    operations = window.operations
    codes = sorted(operations.codes.items(), key=lambda item: (-item[1], item[0]))[:CODES_MAX]
    return Block(end_ms, window.events, operations.failed, dict(levels_of(window, (end_ms - start_ms) / 1000)), dict(codes))


def _utilisation(now: Block) -> float | None:
    return now.levels.get("gpu_ratio", now.levels.get("cpu_ratio"))


def _key(detector: str) -> Key:
    return Key(FindingKind.OPERATIONAL, None, detector)
