"""The traffic of the proof of quickness: features that change in the middle of a run, beside features that do not. Needs numpy alone.

Every value is made from the seed, the window and the feature, so that each judge, also one in another process, gets the same values.
Numbers have mean 0 and standard deviation 1 before the change, which is kind to detectors that know one scale only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW_MS: Final = 300_000
START_MS: Final = 1_795_305_600_000
"""2026-11-22T00:00:00Z: a boundary of windows."""
MISSING: Final = 0.01
"""Share of missing values in every feature, in the training data too."""
STUCK: Final = 0.3
"""The number that takes the place of others where a single bin changes."""
CATEGORIES: Final = 10
NEW_CATEGORY: Final = CATEGORIES
"""A category that training data never held."""
_TRAINING: Final = 0
_RUN: Final = 1


class Change(StrEnum):
    """What becomes of a feature. `size`: see `Feature`."""

    NONE = "none"
    MEAN = "mean"
    SPREAD = "spread"
    SKEW = "skew"
    TWO_PEAKS = "two_peaks"
    BIN = "bin"
    MIX = "mix"
    NEW = "new_category"
    MISSING = "missing"


class Way(StrEnum):
    """How it comes about: at once; by a rising share of events that are new; by values that all move a rising part of the way."""

    ABRUPT = "abrupt"
    GRADUAL = "gradual"
    INCREMENTAL = "incremental"


class Family(StrEnum):
    """How the numbers lie; all standardised."""

    NORMAL = "normal"
    EXPONENTIAL = "exponential"
    UNIFORM = "uniform"
    LOGNORMAL = "lognormal"
    STUDENT = "student"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the model. size: mean: shift in sd; spread: the factor of the sd; bin, mix, new_category: share of values moved;
    missing: the new share of missing values; skew, two_peaks: the share of values from the new shape."""

    name: str
    change: Change = Change.NONE
    size: float = 0.0
    way: Way = Way.ABRUPT
    is_category: bool = False


class Level(NamedTuple):
    """Traffic: events per second, and how long a run goes on before and after its change, in whole windows."""

    rate: float
    windows: int

    @property
    def horizon_ms(self) -> int:
        return self.windows * WINDOW_MS


LEVELS: Final = {"0.1/s": Level(0.1, 288), "10/s": Level(10, 24), "1000/s": Level(1000, 6)}
"""A day, two hours and half an hour on each side: 8,640, 72,000 and 1.8 million events."""


def _named(change: Change, size: float, way: Way = Way.ABRUPT, *, is_category: bool = False) -> Feature:
    return Feature(f"{change}_{size:g}_{way}".replace(".", "p"), change, size, way, is_category)


CHANGED: Final = (
    *(_named(Change.MEAN, size, way) for size in (0.1, 0.25, 0.5, 1.0, 2.0) for way in Way),
    *(_named(Change.SPREAD, factor) for factor in (1.25, 2.0, 0.5)),
    _named(Change.SKEW, 1.0),
    _named(Change.TWO_PEAKS, 1.0),
    *(_named(Change.BIN, share) for share in (0.05, 0.2)),
    *(_named(Change.MIX, share, is_category=True) for share in (0.05, 0.1, 0.2)),
    _named(Change.NEW, 0.05, is_category=True),
    *(_named(Change.MISSING, share) for share in (0.03, 0.1, 0.5)),
)
STEADY: Final = (*(Feature(f"steady_{i}") for i in range(16)), *(Feature(f"steady_category_{i}", is_category=True) for i in range(4)))
FEATURES: Final = CHANGED + STEADY


class Window(NamedTuple):
    """The events of [start_ms, start_ms + WINDOW_MS): int64[n] rising times, and float64[n] per feature.

    NaN is missing; a category is its number, in the order of falling frequency.
    """

    start_ms: int
    times_ms: NDArray[np.int64]
    values: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Run:
    """One run. changes: False: no feature ever changes, the run is there for its false alarms."""

    level: Level
    seed: int
    changes: bool = True

    @property
    def change_ms(self) -> int:
        """When the changes begin: somewhere in the first window after the middle, so that this window is mixed."""
        offset = np.random.default_rng([self.seed, _RUN]).integers(0, WINDOW_MS)
        return START_MS + self.level.horizon_ms + int(offset)

    @property
    def end_ms(self) -> int:
        """`horizon_ms` after the middle, plus the window of the change."""
        return START_MS + 2 * self.level.horizon_ms + WINDOW_MS

    def windows(self) -> Iterator[Window]:
        """All windows in order; numbers of events are Poisson, times uniform."""
        for start_ms in range(START_MS, self.end_ms, WINDOW_MS):
            rng = np.random.default_rng([self.seed, _RUN, start_ms // WINDOW_MS])
            n = rng.poisson(self.level.rate * WINDOW_MS / 1000)
            times_ms = np.sort(rng.integers(start_ms, start_ms + WINDOW_MS, n))
            yield Window(start_ms, times_ms, {f.name: self._values(i, f, times_ms, rng) for i, f in enumerate(FEATURES)})

    def training(self, rows: int) -> dict[str, Floats]:
        """float64[rows] per feature, from before any change."""
        rng = np.random.default_rng([self.seed, _TRAINING])
        return {f.name: drawn(f, self._family(i), np.zeros(rows), rng) for i, f in enumerate(FEATURES)}

    def _family(self, index: int) -> Family:
        """Families go round from feature to feature and from run to run."""
        return tuple(Family)[(index + self.seed) % len(Family)]

    def _values(self, index: int, feature: Feature, times_ms: NDArray[np.int64], rng: np.random.Generator) -> Floats:
        progress = np.zeros(len(times_ms))
        if self.changes and feature.change is not Change.NONE and len(times_ms) and times_ms[-1] >= self.change_ms:
            ramp_ms = 1 if feature.way is Way.ABRUPT else self.level.horizon_ms // 2
            progress = np.clip((times_ms - self.change_ms + (feature.way is Way.ABRUPT)) / ramp_ms, 0, 1)
        return drawn(feature, self._family(index), progress, rng)


def drawn(feature: Feature, family: Family, progress: Floats, rng: np.random.Generator) -> Floats:
    """One value for each entry of `progress`, float64[n] in [0, 1]: how far its change has come."""
    n = len(progress)
    part = (rng.random(n) < progress).astype(np.float64) if feature.way is Way.GRADUAL else progress
    if feature.is_category:
        values = _categories(feature, part, rng)
    else:
        shaped = feature.change in (Change.SKEW, Change.TWO_PEAKS)
        values = _changed(feature, standard(Family.NORMAL if shaped else family, n, rng), part, rng)
    missing = MISSING + (feature.size - MISSING) * part if feature.change is Change.MISSING else MISSING
    values[rng.random(n) < missing] = np.nan
    return values


def standard(family: Family, n: int, rng: np.random.Generator) -> Floats:
    """float64[n] of mean 0 and standard deviation 1."""
    match family:
        case Family.NORMAL:
            return rng.standard_normal(n)
        case Family.EXPONENTIAL:
            return rng.standard_exponential(n) - 1
        case Family.UNIFORM:
            return rng.uniform(-(3**0.5), 3**0.5, n)
        case Family.LOGNORMAL:
            mean, variance = np.exp(0.125), np.expm1(0.25) * np.exp(0.25)  # of the exponential of N(0, 0.5^2)
            return np.asarray((rng.lognormal(0, 0.5, n) - mean) / variance**0.5)
        case Family.STUDENT:
            return np.asarray(rng.standard_t(5, n) / (5 / 3) ** 0.5)


def _changed(feature: Feature, values: Floats, part: Floats, rng: np.random.Generator) -> Floats:
    n = len(values)
    match feature.change:
        case Change.MEAN:
            return values + feature.size * part
        case Change.SPREAD:
            return np.asarray(values * feature.size**part)
        case Change.SKEW:
            return np.where(rng.random(n) < feature.size * part, standard(Family.EXPONENTIAL, n, rng), values)
        case Change.TWO_PEAKS:
            peaks = 0.9 * rng.choice((-1.0, 1.0), n) + (1 - 0.9**2) ** 0.5 * rng.standard_normal(n)
            return np.where(rng.random(n) < feature.size * part, peaks, values)
        case Change.BIN:
            return np.where(rng.random(n) < feature.size * part, STUCK, values)
        case _:
            return values


_ZIPF: Final = 1 / np.arange(1, CATEGORIES + 1)
_SHARES: Final = _ZIPF / _ZIPF.sum()


def _categories(feature: Feature, part: Floats, rng: np.random.Generator) -> Floats:
    n = len(part)
    values = np.searchsorted(np.cumsum(_SHARES[:-1]), rng.random(n), side="right").astype(np.float64)
    if feature.change is Change.MIX:  # from the most frequent one to the fourth, `size` of all values
        values[(values == 0) & (rng.random(n) < feature.size * part / _SHARES[0])] = 3
    elif feature.change is Change.NEW:
        values[rng.random(n) < feature.size * part] = NEW_CATEGORY
    return values
