"""Do the same features count as in training? A window's ranking of features by mean |attribution| against the baseline's.

NDCG as Amazon SageMaker Clarify has it for feature attribution drift: the baseline's mean |attribution| of a feature is its gain, the
window's ranking is the order (`NDCG_SOURCE`). It is large under 0.90, as there, and real where no ranking that chance allows has as much.
"""

from collections.abc import Sequence, Set
from heapq import heappop, heappush
from math import inf
from typing import Final, NamedTuple

import numpy as np
from scipy.special import stdtr

from stream_monitor.capture.schema import Role
from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus, Shown
from stream_monitor.detect.pair import Counts, Floats
from stream_monitor.detect.reference import Reference
from stream_monitor.profile.attributions import SIZE_SCALE, SQUARE_SCALE, Attributions
from stream_monitor.profile.profile import Profile

NDCG, SHARE = "attribution_ndcg", "attribution_share"
NDCG_MIN: Final = 0.90
NDCG_SOURCE: Final = "https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-model-monitor-feature-attribution-drift.html"
_WIDTH_MAX: Final = 1024.0
_HALVINGS: Final = 20


class Levels(NamedTuple):
    """Mean |attribution| of F features in the baseline's scale, and the variance of these means; float64[F], >= 0."""

    means: Floats
    variances: Floats

    @classmethod
    def of(cls, attributions: Attributions, columns: Sequence[int]) -> "Levels":
        """Of at least one event; of one alone the variance is infinite."""
        n = attributions.told
        means = attributions.sums[0, columns] / (SIZE_SCALE * n)
        squares = attributions.sums[1, columns] / (SQUARE_SCALE * n)
        return cls(means, np.maximum(squares - means**2, 0) / (n - 1) if n > 1 else np.full(len(means), inf))

    @property
    def shares(self) -> Floats:
        """float64[F]: of the total; 0 where nothing counts."""
        return self.means / max(float(self.means.sum()), 1e-300)

    @property
    def ranks(self) -> Counts:
        """int64[F], from 1, the highest mean; features that count alike have the same."""
        return 1 + len(self.means) - np.searchsorted(np.sort(self.means), self.means, side="right")


class Rankings:
    """Judges windows against one reference, by the features that are looked at; says nothing where the baseline has no attributions."""

    def __init__(self, reference: Reference, judged: Set[str], threshold: float, alpha: float, events_min: int) -> None:
        columns = enumerate(reference.schema.columns)
        own = [place for place, column in columns if column.role is Role.FEATURE and column.name in judged]
        told = reference.profile.attributions
        self._reference, self._columns, self._names = reference, own, [reference.schema.columns[place].name for place in own]
        self._before = Levels.of(told, own) if told.told > 1 and len(own) > 1 and told.sums[0, own].any() else None
        self._threshold, self._alpha, self._events_min = min(threshold, 1.0), alpha, events_min

    def judge(self, window: Profile, status: ScoreStatus) -> list[Score]:
        """NDCG, then each feature's share of the total; none where nobody tells any. status: of a window with this many events."""
        told = window.attributions.told
        if self._before is None or not told:
            return []
        if status is ScoreStatus.JUDGED and told < self._events_min:
            status = ScoreStatus.TOO_FEW
        before, now = self._before, Levels.of(window.attributions, self._columns)
        shares = zip(self._names, before.shares.tolist(), now.shares.tolist(), strict=True)
        return [self._ndcg(before, now, window, status), *(_share(*each, status) for each in shares)]

    def _ndcg(self, before: Levels, now: Levels, window: Profile, status: ScoreStatus) -> Score:
        key, value = Key(FindingKind.ATTRIBUTION_DRIFT, None, NDCG), ndcg(before.means, now.means)
        if value >= self._threshold:
            return Score(key, -1, value, self._threshold, 1.0, status, 1.0, falls=True)
        p = self._p(before, now, window)
        return Score(key, -1, value, self._threshold, p, status, 1.0, p < self._alpha, *_moved(self._names, before, now), falls=True)

    def _p(self, before: Levels, now: Levels, window: Profile) -> float:
        """The chance of so low a value while the true one is at the threshold or over it, and of the baseline's own chance; at most.

        Each mean lies within `width` standard errors but for twice Student's tail; for all at once, times their number (Bonferroni).
        The width is the largest at which `highest` is under the threshold. The standard error is that of the difference of both means,
        the baseline's in the window's total; events that came together count as fewer, as the feature's values do (`Inflation`).
        """
        inflation = self._reference.inflation_of(window.events).values[self._columns]
        total = float(now.means.sum()) / float(before.means.sum())
        errors = np.sqrt((now.variances + total**2 * before.variances) * inflation)
        low, high = 0.0, 1.0
        while high < _WIDTH_MAX and self._is_under(before, now, high * errors):
            low, high = high, 2 * high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._is_under(before, now, middle * errors) else (low, middle)
        freedom = min(window.attributions.told, self._reference.profile.attributions.told) - 1
        return min(1.0, 2 * len(errors) * float(stdtr(max(freedom, 1), -low)))

    def _is_under(self, before: Levels, now: Levels, margin: Floats) -> bool:
        return highest(before.means, now.means - margin, now.means + margin) < self._threshold


def ndcg(gains: Floats, levels: Floats) -> float:
    """Normalised discounted cumulative gain of the order of falling levels, in [0, 1]; features of one level share their gains.

    gains, levels: float64[F], >= 0, F >= 1, some gain over 0. sum g_i / log2(i + 1) over places i from 1, by that of the best order.
    Sources: Jarvelin & Kekalainen 2002; ties as McSherry & Najork 2008.
    """
    _, group = np.unique(-levels, return_inverse=True)
    shared = np.bincount(group, gains) / np.bincount(group)
    return float(shared[np.sort(group)] @ _discounts(len(gains))) / _best(gains)


def highest(gains: Floats, low: Floats, high: Floats) -> float:
    """An upper bound on `ndcg` over all levels with low <= level <= high, float64[F] each.

    A feature stands behind all whose lowest level is over its highest. With these earliest places alone the best order is the greedy one:
    at each place the highest gain that may stand there (a matroid: unit jobs with release times, Lawler 1976).
    """
    earliest = len(low) - np.searchsorted(np.sort(low), high, side="right")
    order = np.argsort(earliest, kind="stable").tolist()
    released, heap, placed = 0, list[float](), np.zeros(len(gains))
    for place in range(len(gains)):
        while released < len(order) and earliest[order[released]] <= place:
            heappush(heap, -float(gains[order[released]]))
            released += 1
        placed[place] = -heappop(heap)
    return float(placed @ _discounts(len(gains))) / _best(gains)


def _best(gains: Floats) -> float:
    return float(np.sort(gains)[::-1] @ _discounts(len(gains)))


def _discounts(places: int) -> Floats:
    discounts: Floats = 1 / np.log2(np.arange(2, places + 2))
    return discounts


def _moved(names: Sequence[str], before: Levels, now: Levels) -> tuple[tuple[Shown, ...], tuple[Shown, ...]]:
    """Shares of the features whose rank changed, those that moved most first, and the ranks of the same."""
    shares, ranks = (before.shares.tolist(), now.shares.tolist()), (before.ranks.tolist(), now.ranks.tolist())
    moved = [place for place in range(len(names)) if ranks[0][place] != ranks[1][place]]
    moved.sort(key=lambda place: (-abs(shares[1][place] - shares[0][place]), names[place]))
    told = [tuple(Shown(names[place], each[0][place], each[1][place]) for place in moved) for each in (shares, ranks)]
    return told[0], told[1]


def _share(name: str, before: float, now: float, status: ScoreStatus) -> Score:
    """Told for comparison, with the baseline's beside it; which of them moved too far is what NDCG says."""
    return Score(Key(FindingKind.ATTRIBUTION_DRIFT, name, SHARE), -1, now, inf, None, status, before)
