"""Whether captures come as they usually do: how late, by whose clocks, and from whom; judged against the model's own earlier windows.

Training data says nothing of these, and drift says nothing where they changed: statistics over another mix of producers are of another
population, and events from the future stand in the wrong windows. What is usual is told in `usual`, what has become of one producer in
`producers`. A message without a time tells no delay, an event without a producer is of nobody.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final

import msgspec
import numpy as np
from scipy.special import chdtrc, xlogy

from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus, Shown, is_finding
from stream_monitor.detect.gate import EXPECTED_MIN
from stream_monitor.detect.levels import FACTOR, at_least, p_rise
from stream_monitor.detect.pair import Floats
from stream_monitor.detect.usual import NEAR, before, remember
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.transit import Sent, Transit

DELAY, SKEW, MIX = "capture_delay_p95_ms", "clock_skew_ms", "sampling_shift"
DELAY_QUANTILE: Final = 0.95
DELAY_RISE_MS: Final = 1_000.0
"""A delay is large from 1.5 times the largest usual one and a second on: linger and batches vary by less."""
SKEW_QUANTILE: Final = 0.99
SKEW_MAX_MS: Final = 1_000.0
"""Default threshold: one event in a hundred from more than a second ahead. Clocks that NTP keeps are some milliseconds apart."""
SHIFT_MAX: Final = 0.1
"""Default threshold: a tenth of all events come from another producer than usual, beyond what varied before."""

Limits = Callable[[str], float]
"""Score -> the threshold in the config, infinite where neither it nor the default names one."""


class Block(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a window that ended at end_ms. delay_ms: 95th percentile, None: not told; producers: events of each."""

    end_ms: int
    delay_ms: float | None
    producers: dict[str, int]


class TransitState(msgspec.Struct, frozen=True, array_like=True):
    """The state of a `TransitWatch`: usual windows and odd ones, see `usual.remember`, by their delay and by their mix of producers."""

    delays: tuple[Block, ...] = ()
    odd_delays: tuple[Block, ...] = ()
    mixes: tuple[Block, ...] = ()
    odd_mixes: tuple[Block, ...] = ()


class TransitWatch:
    """Judges the windows of one model in the order of their ends; a window that is revised may be judged again."""

    def __init__(self, state: TransitState | None = None) -> None:
        self._state = TransitState() if state is None else state

    def to_state(self) -> TransitState:
        """What a later `TransitWatch` goes on from."""
        return self._state

    def judge(self, start_ms: int, end_ms: int, window: Profile, alpha: float, limits: Limits) -> list[Score]:
        """The scores of one window, of what its events tell; then it counts as an earlier one, unless it overlaps the newest."""
        transit, state = window.transit, self._state
        found = []
        if transit.late.n:
            now = Block(end_ms, transit.late.quantile(DELAY_QUANTILE), {})
            found = [_delay(transit, before(state.delays, start_ms), alpha, limits(DELAY)), _skew(transit, alpha, limits(SKEW))]
            near, odd = remember(state.delays, state.odd_delays, now, start_ms, is_found=is_finding(found[0]))
            state = msgspec.structs.replace(state, delays=near, odd_delays=odd)
        if transit.told:
            now = Block(end_ms, None, counts_of(transit))
            found.append(_mix(now.producers, [block.producers for block in before(state.mixes, start_ms)], alpha, limits(MIX)))
            near, odd = remember(state.mixes, state.odd_mixes, now, start_ms, is_found=is_finding(found[-1]))
            state = msgspec.structs.replace(state, mixes=near, odd_mixes=odd)
        self._state = state
        return found


OTHER: Final = "all others"
"""Stands for the producers beyond those that are told apart."""


def counts_of(transit: Transit) -> dict[str, int]:
    """Events by producer, those that are not told apart last."""
    counts = {name: sent.events for name, sent in transit.producers.items()}
    rest = transit.told - sum(counts.values())
    return counts | ({OTHER: counts.get(OTHER, 0) + rest} if rest else {})


def _delay(transit: Transit, usual: Sequence[Block], alpha: float, limit: float) -> Score:
    """p: the chance of so many events over the limit, or over the largest usual percentile; and of such a window among the usual ones."""
    late, delays = transit.late, [block.delay_ms for block in usual if block.delay_ms is not None]
    value = late.quantile(DELAY_QUANTILE)
    base = float(np.median(delays)) if delays else None
    measured, shown = (Shown(DELAY, base, value),), _slowest(transit.producers, lambda sent: sent.late_ms)
    if limit == inf and len(delays) < NEAR:
        return Score(_key(DELAY), -1, value, inf, None, ScoreStatus.TOO_FEW, measured=measured)
    if limit < inf:
        p = at_least(late.above(limit), late.n, 1 - DELAY_QUANTILE)
    else:
        limit = FACTOR * max(delays) + DELAY_RISE_MS
        p = max(p_rise(value, delays), at_least(late.above(max(delays)), late.n, 1 - DELAY_QUANTILE))
    below = base if base is not None and base < limit else 0.0
    return Score(_key(DELAY), -1, value, limit, p, ScoreStatus.JUDGED, below, p < alpha, shown, measured)


def _skew(transit: Transit, alpha: float, limit: float) -> Score:
    """By how many ms or more one event in a hundred is ahead of its message; p: the chance of so many over the limit."""
    value, n = transit.early.quantile(SKEW_QUANTILE), transit.early.n
    p = at_least(transit.early.above(limit), n, 1 - SKEW_QUANTILE)
    shown = _slowest(transit.producers, lambda sent: sent.early_ms)
    return Score(_key(SKEW), -1, value, limit, p, ScoreStatus.JUDGED, 0.0, p < alpha, shown, (Shown(SKEW, None, value),))


def _slowest(producers: Mapping[str, Sent], sum_ms: Callable[[Sent], int]) -> tuple[Shown, ...]:
    """Mean ms of each producer that tells any, the largest first."""
    means = [Shown(name, None, sum_ms(sent) / sent.timed) for name, sent in producers.items() if sent.timed]
    return tuple(sorted((each for each in means if each.window), key=lambda each: (-(each.window or 0.0), each.name)))


def _mix(now: Mapping[str, int], usual: Sequence[Mapping[str, int]], alpha: float, limit: float) -> Score:
    """The total variation distance of the shares of producers from those in the usual windows together, in [0, 1].

    The threshold counts from the largest distance of a usual window. p: the G-test of two samples, G divided by how much more than chance
    the usual windows varied.
    """
    names = sorted({*now, *(name for each in usual for name in each)})
    table = np.array([[each.get(name, 0) for name in names] for each in usual], dtype=np.float64).reshape(-1, len(names))
    window, pooled = np.array([now.get(name, 0) for name in names], dtype=np.float64), table.sum(axis=0)
    if len(usual) < NEAR:
        return Score(_key(MIX), -1, None, limit, None, ScoreStatus.TOO_FEW)
    value, base = _distance(window, pooled), max(_distance(row, pooled) for row in table)
    p = homogeneity(window, pooled, dispersion(table))
    moved = sorted(zip(window / window.sum() - pooled / pooled.sum(), names, strict=True), key=lambda each: (-abs(each[0]), each[1]))
    shares = {name: (float(b / pooled.sum()), float(a / window.sum())) for name, a, b in zip(names, window, pooled, strict=True)}
    shown = tuple(Shown(name, *shares[name]) for by, name in moved if by)
    return Score(_key(MIX), -1, value, base + limit, p, ScoreStatus.JUDGED, base, p < alpha, shown)


def _distance(one: Floats, other: Floats) -> float:
    return float(np.abs(one / one.sum() - other / other.sum()).sum() / 2)


def dispersion(table: Floats) -> float:
    """phi, at least 1: Pearson's chi-square of windows x producers over its degrees of freedom. table: float64[windows, producers]."""
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return max(1.0, float(((table - expected) ** 2 / expected).sum()) / freedom) if freedom else 1.0


def homogeneity(one: Floats, other: Floats, phi: float) -> float:
    """The p-value of "both have the same shares", by the G-test; producers with too few expected in the smaller sample are one."""
    total, n, m = one + other, one.sum(), other.sum()
    rare = total * min(n, m) / (n + m) < EXPECTED_MIN
    table = np.array([[*side[~rare], side[rare].sum()] for side in (one, other)])
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = 2 * float(xlogy(table, table / expected).sum())
    return float(chdtrc(table.shape[1] - 1, max(statistic, 0.0) / phi)) if table.shape[1] > 1 else 1.0


def _key(detector: str) -> Key:
    return Key(FindingKind.CAPTURE_HEALTH, None, detector)
