"""Labels whose event does not come: captures are lost, or ids are written another way. Judged by model, against the share that is usual for
it and, from the first day on, against a limit.

Where captures began, or what was held of them was forgotten, a short time ago, labels of earlier events find none and nothing is wrong: how
long that may last is known from the labels that did find theirs. Before any did, such labels and ids that never agree look alike: a
share over the limit is then for information.
"""

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

import msgspec
import numpy as np

from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus, Shown, is_finding
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.levels import at_least
from stream_monitor.detect.transit import dispersion
from stream_monitor.detect.usual import NEAR, PAST, before, remember

UNPAIRED: Final = "unpaired_labels"
UNPAIRED_MAX: Final = 0.9
"""Default threshold: of ten labels not one finds its event. Where captures are a sample, more may lack one: then it is 1 in the config."""
RISE: Final = 0.05
"""And five labels in a hundred more than in the usual window that lacked most."""
DELAY_QUANTILE: Final = 0.99
PATIENCE: Final = 1.5
"""Labels of events from before captures began are over after so many times the longest usual delay. While that beginning cuts delays short,
the longest is nearly as long as it is ago, and this is not reached.
"""


class LabelWindow(NamedTuple):
    """Labels first given in [start_ms, end_ms): how many, at least 1, and how many of them have no event.

    delay_ms: how long after its event a label was given, `DELAY_QUANTILE` of those that have theirs; None: none has.
    """

    start_ms: int
    end_ms: int
    labels: int
    unpaired: int
    delay_ms: int | None


class Block(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a window."""

    end_ms: int
    labels: int
    unpaired: int


class UnpairedState(msgspec.Struct, frozen=True, array_like=True):
    """The state of an `UnpairedWatch`. since_ms: events from then on are held, None: none was seen; delays_ms: of the last windows;
    near, odd: see `usual.remember`.
    """

    since_ms: int | None = None
    delays_ms: tuple[int, ...] = ()
    near: tuple[Block, ...] = ()
    odd: tuple[Block, ...] = ()


class Judged(NamedTuple):
    """is_new: labels may still be of events from before captures began."""

    score: Score
    is_new: bool


class UnpairedWatch:
    """Judges the windows of one model in the order of their ends."""

    def __init__(self, state: UnpairedState | None = None) -> None:
        self._state = UnpairedState() if state is None else state

    def to_state(self) -> UnpairedState:
        """What a later `UnpairedWatch` goes on from."""
        return self._state

    @property
    def since_ms(self) -> int | None:
        """Labels given earlier are of events that were never held."""
        return self._state.since_ms

    def begin(self, since_ms: int | None) -> None:
        """Events before this are not held, or not all of them; what is usual is known still."""
        self._state = UnpairedState(since_ms, self._state.delays_ms, self._state.near)

    def judge(self, window: LabelWindow, alpha: float, limit: float, lateness_ms: int) -> Judged:
        """The score of one window, which then counts as an earlier one. limit: of the share, 1 or more for none; lateness_ms: longer than
        that no label is waited for.
        """
        state = self._state
        delays = (*state.delays_ms, *(() if window.delay_ms is None else (window.delay_ms,)))[-PAST:]
        patience_ms = min(lateness_ms, PATIENCE * max(delays)) if delays else lateness_ms
        has_begun = state.since_ms is not None and window.start_ms >= state.since_ms + patience_ms
        score = _score(window, before(state.near, window.start_ms) if has_begun else [], alpha, limit)
        near, odd = state.near, state.odd
        if has_begun:
            now = Block(window.end_ms, window.labels, window.unpaired)
            near, odd = remember(near, odd, now, window.start_ms, is_found=is_finding(score))
        elif delays and score.is_over:
            score = _unsure(score)
        self._state = UnpairedState(state.since_ms, delays, near, odd)
        return Judged(score, is_new=not has_begun)


def _score(window: LabelWindow, usual: Sequence[Block], alpha: float, limit: float) -> Score:
    """The share of labels without an event, in [0, 1].

    p: the chance of as many if the true share were the usual windows' together, by the exact two-sample test, with fewer labels counted
    where these varied more than chance; over the limit, if it were that. Where both may be asked the smaller, twice (Bonferroni).
    """
    share, base, rise, p = window.unpaired / window.labels, None, inf, 1.0
    if len(usual) >= NEAR:
        table = np.array([(block.unpaired, block.labels - block.unpaired) for block in usual], dtype=np.float64)
        unpaired, labels = int(table[:, 0].sum()), int(table.sum())
        base, rise = unpaired / labels, max(block.unpaired / block.labels for block in usual) + RISE
        now = np.array([[window.unpaired], [window.labels]])
        p = float(more_often(now[0], now[1], np.array([unpaired]), np.array([labels]), dispersion(table))[0])
    beyond = at_least(window.unpaired, window.labels, limit) if share > limit else 1.0
    p = beyond if base is None else min(2 * min(p, beyond), 1.0)
    threshold, measured = min(limit, rise), (Shown(UNPAIRED, base, share),)
    below = base if base is not None and base < threshold else 0.0
    shown = (Shown("labels without an event", base, share),)
    key = Key(FindingKind.CAPTURE_HEALTH, None, UNPAIRED)
    return Score(key, -1, share, threshold, p, ScoreStatus.JUDGED, below, p < alpha, shown, measured)


def _unsure(score: Score) -> Score:
    """Events of some of these labels are known not to be held."""
    return Score(score.key, -1, score.score, score.threshold, None, ScoreStatus.INCOMPLETE, score.base, False, (), score.measured)
