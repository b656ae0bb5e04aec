"""What profiles and slices of healthy traffic hold, drawn directly: a month of 1,000 events/s is 2.6 * 10^9 events, too many to make.

Bin counts are multinomial, with the exact chances of the learned bins. Where the mean of z varies, chances are tabled for 257 means,
interpolated linearly (error below 3e-5) and averaged over the pane by the rate: what Poisson traffic gives.
Positions are a table over z (cells of 1/512 sd). Up to `PICKS_MAX` events per slice and part of the traffic, every single event is drawn,
from 4,096 equally likely eps; beyond that the three sums are drawn as normal with the grid's means and covariances, and so is the number
of missing values. Counts and slices of a pane are drawn apart, from the same rates and means; so are its moments (normal).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.judgement.healthy import DAY_MS, FEATURES, STEP_MS, Day, Events, Feature, Floats, Scenario
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import BaselineColumn, NumericColumn
from stream_monitor.baseline.encode import slice_sums, summarise_groups
from stream_monitor.baseline.position import positions
from stream_monitor.capture.columns import Columns, Values
from stream_monitor.capture.schema import StreamKey
from stream_monitor.profile.kernels import compiled, encode_numeric
from stream_monitor.profile.layout import FIRST_VALUE
from stream_monitor.profile.profile import MOMENT_CLIP, MOMENT_SCALE, SQUARE_SCALE, Profile
from stream_monitor.profile.slices import POSITION_SCALE, SLICE_MS, Slices

PICKS_MAX: Final = 32
"""Events of one slice that are drawn one by one; beyond 16 a sum of positions is normal for all that a threshold can tell."""
MEANS: Final = np.linspace(-4.0, 4.0, 257)
_CELLS: Final = 8192
_LOW, _PER_SD = -8.0, 512.0
_EPS: Final[NDArray[np.float32]] = special.ndtri((np.arange(4096) + 0.5) / 4096).astype(np.float32)
_Z: Final[Floats] = np.asarray(_LOW + (np.arange(_CELLS) + 0.5) / _PER_SD, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Of C columns on one baseline, over the M means of z in `MEANS`.

    chances: for each column float64[M, K], of every code; places: int32[C, cells], q by z; centre, root: float64[C, M, 3] and [C, M, 3, 3],
    mean and root of the covariance of (u, u^2, |2u - 1|); moments: the same, [C, M, 2] and [C, M, 2, 2], of standardised z and z^2.
    present: float64[C], the share of events with a value; sd: float64[C], of eps.
    """

    chances: tuple[Floats, ...]
    places: NDArray[np.int32]
    centre: Floats
    root: Floats
    moments: tuple[Floats, Floats]
    present: Floats
    sd: Floats

    @classmethod
    def of(cls, baseline: Baseline, scenario: Scenario) -> Self:
        """Everything that can be known before the first event."""
        pairs = list(zip(FEATURES, in_order(baseline), scenario.sd.tolist(), strict=True))
        places = np.stack([np.rint(_positions(feature, entry) * POSITION_SCALE) for feature, entry, _ in pairs])
        series = [
            _moments_of(np.stack([u, u * u, np.abs(2 * u - 1)]), sd) for u, sd in zip(places / POSITION_SCALE, scenario.sd, strict=True)
        ]
        squares = [_moments_of(_standardised(feature, entry), sd) for feature, entry, sd in pairs]
        return cls(
            chances=tuple(chances(feature, entry, sd) for feature, entry, sd in pairs),
            places=places.astype(np.int32),
            centre=np.stack([centre for centre, _ in series]),
            root=np.stack([root for _, root in series]),
            moments=(np.stack([centre for centre, _ in squares]), np.stack([root for _, root in squares])),
            present=np.array([1 - feature.missing - feature.invalid for feature, _, _ in pairs]),
            sd=scenario.sd,
        )


def in_order(baseline: Baseline) -> list[BaselineColumn]:
    """The baseline's columns in the order of `FEATURES`."""
    by_name = {entry.column.name: entry for entry in baseline.columns}
    return [by_name[feature.name] for feature in FEATURES]


def chances(feature: Feature, entry: BaselineColumn, sd: float) -> Floats:
    """float64[M, K]: of every code of the column, rows sum to 1."""
    if isinstance(entry, NumericColumn):
        values = _bin_chances(feature, entry, sd)
    else:
        shares = dict(zip(feature.values, feature.shares, strict=True))
        known = np.array([shares[value] for value in entry.categories])
        values = np.tile(np.concatenate(([max(1 - known.sum(), 0.0)], known)), (len(MEANS), 1))
    bad = np.tile([feature.missing, feature.invalid], (len(MEANS), 1))
    return np.hstack([bad, values * (1 - feature.missing - feature.invalid)])


def _bin_chances(feature: Feature, entry: NumericColumn, sd: float) -> Floats:
    """Below, bins [e_j-1, e_j), the last one closed, above."""
    edges = entry.edge_array
    below = (feature.latent(edges, closed=False) - MEANS[:, None]) / sd
    top = (feature.latent(edges[-1:], closed=True) - MEANS[:, None]) / sd
    ends = np.hstack([below[:, :-1], top])
    inner = np.diff(special.ndtr(ends), axis=1)
    return np.hstack([special.ndtr(ends[:, :1]), np.maximum(inner, 0.0), special.ndtr(-top)])


def _positions(feature: Feature, entry: BaselineColumn) -> Floats:
    """u in the middle of every cell of z."""
    if isinstance(entry, NumericColumn):
        numbers = feature.numbers(_Z)
        codes = np.empty(_CELLS, dtype=np.int32)
        encode_numeric(np.ascontiguousarray(numbers), entry.edge_array, codes)
        return positions(entry, codes, numbers)
    of_place = np.array([entry.codes.get(value, FIRST_VALUE) for value in feature.values], dtype=np.int32)
    return positions(entry, of_place[feature.categories(_Z)], [])


def _standardised(feature: Feature, entry: BaselineColumn) -> Floats:
    if not isinstance(entry, NumericColumn):
        return np.zeros((2, _CELLS))
    with np.errstate(over="ignore"):
        z = np.clip((feature.numbers(_Z) - entry.mean) / entry.scale, -MOMENT_CLIP, MOMENT_CLIP)
    return np.stack([z, z * z])


def _moments_of(of_z: Floats, sd: float) -> tuple[Floats, Floats]:
    """of_z: float64[D, cells], D functions of z. Their means float64[M, D] and the roots of their covariances float64[M, D, D]."""
    weights = np.exp(-0.5 * ((_Z - MEANS[:, None]) / sd) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    centre = weights @ of_z.T
    apart = of_z[None] - centre[:, :, None]
    covariance = np.einsum("mz,mdz,mez->mde", weights, apart, apart, optimize=True)
    sizes, axes = np.linalg.eigh(covariance)
    return centre, np.asarray(axes * np.sqrt(np.maximum(sizes, 0.0))[:, None, :])


@compiled
def _draw_slices(
    n: NDArray[np.int64],
    means: NDArray[np.float32],
    sd: NDArray[np.float64],
    present: NDArray[np.float64],
    places: NDArray[np.int32],
    eps: NDArray[np.float32],
    centre: NDArray[np.float64],
    root: NDArray[np.float64],
    normals: NDArray[np.float32],
    seed: int,
    slices_per_step: int,
    picks_max: int,
    scale: int,
    held: NDArray[np.int64],
    sums: NDArray[np.int64],
) -> None:
    """n: int64[S, G] events; means: float32[T, G, C]; normals: float32[S, C, 4], read for slices of many events of one part (G = 1)."""
    state = np.uint64(seed) | np.uint64(1)
    absent = ((1.0 - present) * 2.0**32).astype(np.uint64)
    for s in range(n.shape[0]):
        step = s // slices_per_step
        for g in range(n.shape[1]):
            for c in range(len(sd)):
                mean = means[step, g, c]
                if n[s, g] <= picks_max:
                    spread = np.float32(sd[c])
                    limit, row = absent[c], places[c]
                    for _ in range(n[s, g]):
                        state ^= state >> np.uint64(12)
                        state ^= state << np.uint64(25)
                        state ^= state >> np.uint64(27)
                        drawn = state * np.uint64(0x2545F4914F6CDD1D)
                        if (drawn & np.uint64(0xFFFFFFFF)) < limit:
                            continue
                        z = mean + spread * eps[drawn >> np.uint64(52)]
                        q = np.int64(row[min(max(int((z + np.float32(8.0)) * np.float32(512.0)), 0), 8191)])
                        held[s, c] += 1
                        sums[s, 0, c] += q
                        sums[s, 1, c] += q * q
                        sums[s, 2, c] += abs(2 * q - scale)
                    continue
                chance = present[c]
                k = np.int64(np.rint(n[s, g] * chance + np.sqrt(n[s, g] * chance * (1 - chance)) * normals[s, c, 3]))
                k = min(max(k, np.int64(0)), n[s, g])
                at = min(max((np.float64(mean) + 4.0) * 32.0, 0.0), 255.999)
                low = np.int64(at)
                part = at - low
                held[s, c] += k
                for d in range(3):
                    value = k * ((1 - part) * centre[c, low, d] + part * centre[c, low + 1, d])
                    for e in range(3):
                        value += np.sqrt(float(k)) * ((1 - part) * root[c, low, d, e] + part * root[c, low + 1, d, e]) * normals[s, c, e]
                    unit = float(scale) * float(scale) if d == 1 else float(scale)
                    sums[s, d, c] += np.int64(np.rint(max(value, 0.0) * unit))


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """What phase 1 would have said of one pane."""

    start_ms: int
    profile: Profile
    slices: Slices


def draw_day(tables: Tables, order: NDArray[np.int64], day: Day, pane_ms: int, rng: np.random.Generator) -> Iterator[Pane]:
    """A day's panes that hold events. order: int64[C], the place in `FEATURES` of every column of the baseline."""
    per_step = STEP_MS // SLICE_MS
    n = rng.poisson(np.repeat(day.rates, per_step, axis=0) * (SLICE_MS / 1000))
    slices = _slices(tables, day, n, rng, per_step)
    panes = DAY_MS // pane_ms
    events = n.sum(axis=1).reshape(panes, -1).sum(axis=1)
    counts, moments = _counts(tables, order, day, events, rng), _moments(tables, day, events, rng)
    starts = (day.start_ms // SLICE_MS) + np.arange(len(n))
    per_pane = pane_ms // SLICE_MS
    for pane in range(panes):
        rows = pane * per_pane + np.flatnonzero(n[pane * per_pane : (pane + 1) * per_pane].any(axis=1))
        if len(rows):
            profile = Profile(int(events[pane]), counts[pane], moments[pane][:, order])
            held, sums = slices.n[rows][:, order], slices.sums[rows][:, :, order]
            yield Pane(day.start_ms + pane * pane_ms, profile, Slices(starts[rows], held, sums))


def _slices(tables: Tables, day: Day, n: NDArray[np.int64], rng: np.random.Generator, per_step: int) -> Slices:
    columns, many = len(tables.sd), bool((n > PICKS_MAX).any())
    assert not many or n.shape[1] == 1, "sums of several parts of the traffic are drawn event by event only"
    normals = rng.standard_normal((len(n) if many else 0, columns, 4), dtype=np.float32)
    held, sums = np.zeros((len(n), columns), dtype=np.int64), np.zeros((len(n), 3, columns), dtype=np.int64)
    seed = int(rng.integers(1, 2**62))
    _draw_slices(
        n, day.means, tables.sd, tables.present, tables.places, _EPS, tables.centre, tables.root,
        normals, seed, per_step, PICKS_MAX, POSITION_SCALE, held, sums,
    )  # fmt: skip
    return Slices(np.arange(len(n)), held, sums)


def _weights(day: Day, column: int, panes: int) -> Floats:
    """float64[panes, M]: how much of a pane's events have which mean of z; each mean is shared by its two neighbours in `MEANS`."""
    rates = day.rates.reshape(panes, -1)
    at = np.clip((day.means[:, :, column].astype(np.float64).reshape(panes, -1) + 4.0) * 32.0, 0.0, 255.999)
    low, part = at.astype(np.int64), at % 1
    weights, rows = np.zeros((panes, len(MEANS))), np.arange(panes)[:, None]
    np.add.at(weights, (rows, low), rates * (1 - part))
    np.add.at(weights, (rows, low + 1), rates * part)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _counts(tables: Tables, order: NDArray[np.int64], day: Day, events: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """int64[panes, B]."""
    drawn = []
    for column in order.tolist():
        chance = _weights(day, column, len(events)) @ tables.chances[column]
        drawn.append(rng.multinomial(events, chance / chance.sum(axis=1, keepdims=True)))
    return np.hstack(drawn)


def _moments(tables: Tables, day: Day, events: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """int64[panes, 2, C]."""
    centre, root = tables.moments
    found = np.empty((len(events), 2, len(tables.sd)))
    for column in range(len(tables.sd)):
        weights = _weights(day, column, len(events))
        n = events * tables.present[column]
        normal = rng.standard_normal((len(events), 2))
        mean, spread = weights @ centre[column], np.einsum("pm,mde->pde", weights, root[column])
        found[:, :, column] = n[:, None] * mean + np.sqrt(n)[:, None] * np.einsum("pde,pe->pd", spread, normal)
    scaled: NDArray[np.int64] = np.rint(found * np.array([MOMENT_SCALE, SQUARE_SCALE])[:, None]).astype(np.int64)
    return scaled


def count_day(baseline: Baseline, order: NDArray[np.int64], events: Events, pane_ms: int) -> Iterator[Pane]:
    """The same from the events themselves, by the code that production runs: for thin traffic."""
    columns = as_columns(baseline, order, events)
    coded = baseline.encode(columns)
    starts, pane = np.unique(events.times_ms // pane_ms, return_inverse=True)
    seconds, second = np.unique(events.times_ms // SLICE_MS, return_inverse=True)
    summaries = summarise_groups(baseline, coded, pane.astype(np.int32), len(starts))
    held, sums = slice_sums(baseline, coded, second.astype(np.int32), len(seconds))
    for start, summary in zip(starts.tolist(), summaries, strict=True):
        rows = np.flatnonzero(seconds // (pane_ms // SLICE_MS) == start)
        yield Pane(start * pane_ms, Profile(*summary), Slices(seconds[rows], held[rows], sums[rows]))


def as_columns(baseline: Baseline, order: NDArray[np.int64], events: Events) -> Columns:
    """Events as a decoder gives them."""
    values = tuple(_values(FEATURES[place], events.columns[place]) for place in order.tolist())
    n = len(events.times_ms)
    return Columns(StreamKey("healthy", None), baseline.schema, np.arange(n), events.times_ms, values)


def _values(feature: Feature, column: NDArray[np.float64] | NDArray[np.int64]) -> Values:
    if feature.family is not None:
        return column.astype(np.float64)
    names: list[str | None] = [*feature.values, None]
    return [names[place] for place in column.tolist()]
