"""Two samples that are counted on unlike bins: what their counts still say for sure of how far apart they are."""

from typing import NamedTuple

import numpy as np
from scipy.special import kolmogorov

from stream_monitor.baseline.baseline import CategoricalColumn, NumericColumn
from stream_monitor.detect.finding import Shown
from stream_monitor.detect.pair import Counts, Floats
from stream_monitor.detect.transit import homogeneity
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE

_OTHER = "other"


class Difference(NamedTuple):
    """value: NaN where a side has no value; p_value: of a test of two samples; shown: what moved, with the shares of the other and this."""

    value: float
    p_value: float
    shown: tuple[Shown, ...]


class Apart(NamedTuple):
    """Where two samples differ most: distance in [0, 1], NaN where either is empty; shares: of values below `value`, the larger or more."""

    distance: float
    value: float = 0.0
    share: float = 0.0
    other_share: float = 0.0


def numbers_apart(column: NumericColumn, counts: Counts, other: NumericColumn, other_counts: Counts, inflation: float) -> Difference:
    """See `least_distance`; the test of Kolmogorov and Smirnov, which a distance that is too small makes too cautious, never too bold.

    inflation >= 1: as of `gate.kolmogorov_smirnov`.
    """
    apart = least_distance(column, counts, other, other_counts)
    n, m = int(counts[FIRST_VALUE:].sum()), int(other_counts[FIRST_VALUE:].sum())
    p_value = float(kolmogorov(np.sqrt(n * (m / max(n + m, 1)) / inflation) * apart.distance))
    return Difference(apart.distance, p_value, (Shown(f"up to {apart.value:.6g}", apart.other_share, apart.share),))


def categories_apart(
    column: CategoricalColumn, counts: Counts, other: CategoricalColumn, other_counts: Counts, inflation: float
) -> Difference:
    """The PSI by `by_name` and the G-test, half an event more in each category, so that none is 0. inflation >= 1: divides G."""
    names, window, before = by_name(column, counts, other, other_counts)
    if not window.sum() or not before.sum():
        return Difference(np.nan, 1.0, ())
    p, q = ((side + 0.5) / (side + 0.5).sum() for side in (window, before))
    shares = zip(names, (before / before.sum()).tolist(), (window / window.sum()).tolist(), strict=True)
    moved = sorted(((name, was, now) for name, was, now in shares if was != now), key=lambda each: (-abs(each[2] - each[1]), each[0]))
    return Difference(float(((p - q) * np.log(p / q)).sum()), homogeneity(window, before, inflation), tuple(Shown(*each) for each in moved))


def least_distance(column: NumericColumn, counts: Counts, other: NumericColumn, other_counts: Counts) -> Apart:
    """The least Kolmogorov-Smirnov distance that the samples may have: of their values, however these lie within their bins.

    counts: int64[K + 4], as `Layout` orders them. A cumulative share F is known at its own edges, and never falls: for edges a <= b of the
    one and the other, F(b) - G(b) >= F(a) - G(b). On equal edges it is the distance of the bins, see `distances.ks`.
    """
    (edges, below), (other_edges, other_below) = _cumulative(column, counts), _cumulative(other, other_counts)
    if not len(edges) or not len(other_edges):
        return Apart(np.nan)
    ahead, behind = _furthest(edges, below, other_edges, other_below), _furthest(other_edges, other_below, edges, below)
    if ahead.distance >= behind.distance:
        return ahead
    return Apart(behind.distance, behind.value, behind.other_share, behind.share)


def by_name(column: CategoricalColumn, counts: Counts, other: CategoricalColumn, other_counts: Counts) -> tuple[list[str], Floats, Floats]:
    """Categories that occur and how often each sample has them; counts: int64[K + 3], as `Layout` orders them.

    What the one counts by name and the other among "other" is "other" on both sides; where the other has none of these, its count is 0.
    """
    sides = ((column, counts), (other, other_counts))
    mine, theirs = (dict(zip(each.categories, held[FIRST_BIN:].tolist(), strict=True)) for each, held in sides)
    own_rest, other_rest = int(counts[FIRST_VALUE]), int(other_counts[FIRST_VALUE])
    told = {name for name in mine if name in theirs or not other_rest} | {name for name in theirs if name in mine or not own_rest}
    names = [*sorted(told), _OTHER]
    rows = (
        [*(side.get(name, 0) for name in names[:-1]), sum(n for name, n in side.items() if name not in told)] for side in (mine, theirs)
    )
    one, two = (np.array(row, dtype=np.float64) for row in rows)
    one[-1], two[-1] = one[-1] + own_rest, two[-1] + other_rest
    occurs = one + two > 0
    return [name for name, is_there in zip(names, occurs.tolist(), strict=True) if is_there], one[occurs], two[occurs]


def _cumulative(column: NumericColumn, counts: Counts) -> tuple[Floats, Floats]:
    """Edges, and the share of values below each; nothing where there is no value. The last bin holds its last edge too."""
    values = counts[FIRST_VALUE:]
    if not column.edges or not values.sum():
        return np.zeros(0), np.zeros(0)
    edges = column.edge_array.copy()
    edges[-1] = np.nextafter(edges[-1], np.inf)
    return edges, np.cumsum(values)[:-1] / values.sum()


def _furthest(edges: Floats, below: Floats, other_edges: Floats, other_below: Floats) -> Apart:
    """How much more of the first lies below an edge of the second; 0 at least."""
    at = np.searchsorted(edges, other_edges, side="right") - 1
    more = np.where(at >= 0, below[at], 0.0) - other_below
    best = int(more.argmax())
    share = float(below[at[best]]) if at[best] >= 0 else 0.0
    return Apart(max(float(more[best]), 0.0), float(other_edges[best]), share, float(other_below[best]))
