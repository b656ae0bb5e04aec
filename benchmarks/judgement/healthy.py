"""Traffic in which nothing drifts, though much may vary: seasons, values that depend on their neighbours, partitions of unlike means.

Every column is a rising function of a standard normal z, so that the chance of any bin has a closed form, also when the mean of z varies:
z = mean(step, part of the traffic, column) + sd eps. A step is 10 s; parts of the traffic are what source partitions carry.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.signal import lfilter

from stream_monitor.capture.schema import PREDICTION, SCORE

Floats = NDArray[np.float64]

START_MS: Final = 1_795_305_600_000
"""2026-11-22T00:00:00Z, a Sunday."""
DAY_MS: Final = 86_400_000
STEP_MS: Final = 10_000
STEPS: Final = DAY_MS // STEP_MS
TRAINING_DAYS: Final = 28
MISSING: Final = 0.01
INVALID: Final = 0.001
"""Of numbers; text is never of the wrong type in Parquet."""


class Family(StrEnum):
    """How a column's numbers lie."""

    NORMAL = "normal"
    LOGNORMAL = "lognormal"
    EXPONENTIAL = "exponential"
    UNIFORM = "uniform"
    STUDENT = "student"
    ZEROS = "zeros"
    ROUNDED = "rounded"


_SIGMA: Final = 0.8
_ZERO_BELOW: Final = -0.5
"""31 % of the values of `ZEROS` are 0, the others lognormal."""
_STEPS_PER_SD: Final = 3.0


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. family: None for categories, which then have `values` of the chances `shares`. scale: a power of two, so that
    multiplying rounds nothing. missing, invalid: shares of all events."""

    name: str
    family: Family | None
    scale: float = 1.0
    values: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    missing: float = MISSING
    invalid: float = 0.0

    def numbers(self, z: Floats) -> Floats:
        """The numbers of these z, not falling."""
        return self.scale * _numbers(self.family, z)

    def latent(self, x: Floats, *, closed: bool) -> Floats:
        """The z below which a number is < x, or closed: <= x."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return _latent(self.family, x / self.scale, closed)

    def categories(self, z: Floats) -> NDArray[np.int64]:
        """The places in `values`, by falling frequency."""
        ends = special.ndtri(np.minimum(np.cumsum(self.shares)[:-1], 1.0))
        return np.searchsorted(ends, z, side="right").astype(np.int64)


def _numbers(family: Family | None, z: Floats) -> Floats:
    match family:
        case Family.LOGNORMAL:
            return np.exp(_SIGMA * z)
        case Family.EXPONENTIAL:
            return np.asarray(-special.log_ndtr(-z))
        case Family.UNIFORM:
            return np.asarray(special.ndtr(z))
        case Family.STUDENT:
            return np.asarray(-np.sign(z) * special.stdtrit(3.0, special.ndtr(-np.abs(z))))
        case Family.ZEROS:
            return np.where(z < _ZERO_BELOW, 0.0, np.exp(_SIGMA * z))
        case Family.ROUNDED:
            return np.rint(_STEPS_PER_SD * z) + 0.0  # no negative zero
        case _:
            return z


def _latent(family: Family | None, x: Floats, closed: bool) -> Floats:
    match family:
        case Family.LOGNORMAL:
            return np.log(x) / _SIGMA
        case Family.EXPONENTIAL:
            return np.asarray(-special.ndtri_exp(-x))
        case Family.UNIFORM:
            return np.asarray(special.ndtri(x))
        case Family.STUDENT:
            return np.asarray(-np.sign(x) * special.ndtri(special.stdtr(3.0, -np.abs(x))))
        case Family.ZEROS:
            above = np.maximum(np.log(np.maximum(x, 0.0)) / _SIGMA, _ZERO_BELOW)
            return np.where((x > 0) | ((x == 0) & closed), above, -np.inf)
        case Family.ROUNDED:
            return ((np.floor(x) + 0.5) if closed else (np.ceil(x) - 0.5)) / _STEPS_PER_SD
        case _:
            return x


def _zipf(values: int) -> tuple[float, ...]:
    shares = 1 / np.arange(1, values + 1) ** 1.2
    return tuple((shares / shares.sum()).tolist())


def _category(index: int, values: int) -> Feature:
    return Feature(f"c{index}", None, values=tuple(f"value {v:02d}" for v in range(values)), shares=_zipf(values))


NUMBERS: Final = tuple(Feature(f"x{i:02d}", tuple(Family)[i % 7], 2.0 ** (i % 5 * 4 - 8), invalid=INVALID) for i in range(24))
CATEGORIES: Final = tuple(_category(i, values) for i, values in enumerate((2, 3, 5, 10, 20, 50)))
OUTPUTS: Final = (
    Feature(PREDICTION, None, values=("no", "yes"), shares=(0.7, 0.3), missing=0.0),
    Feature(SCORE, Family.UNIFORM, missing=0.0),
)
FEATURES: Final = NUMBERS + CATEGORIES + OUTPUTS
"""30 features and the model's output: C columns."""
NUMERIC: Final = np.array([feature.family is not None for feature in FEATURES])


class Pattern(StrEnum):
    """What varies without being drift.

    seasons: half of the numeric features follow a daily sine of 0.5 sd and a weekly one of 0.2 sd, each with a phase of its own; volume
    follows the day by a factor of 3. ou: every number has 20 % of its variance from a process that forgets in 10 minutes
    (Ornstein-Uhlenbeck). ar: every number depends on that of the event before, with correlation 0.9. partitions: three parts with means
    0.5 sd apart, each of whose rates changes every minute (gamma, sd a half of the mean).
    """

    NONE = "none"
    SEASONS = "seasons"
    OU = "ou"
    AR = "ar"
    PARTITIONS = "partitions"


_AMPLITUDES: Final = (0.5, 0.2)
_OU_SHARE: Final = 0.2
_OU_KEPT: Final = float(np.exp(-STEP_MS / 600_000))
AR_KEPT: Final = 0.9
_APART: Final = 0.5
_GAMMA_SHAPE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """rate: events per second, on average; rows: of training data; consecutive: training rows are all events of the last while before the
    start, else a sample of four weeks."""

    name: str
    pattern: Pattern
    rate: float
    rows: int
    consecutive: bool = False

    @property
    def sd(self) -> Floats:
        """float64[C]: of z around its mean in a step."""
        return np.where(NUMERIC & (self.pattern is Pattern.OU), np.sqrt(1 - _OU_SHARE), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """rates: float64[T, G], events per second of each part of the traffic in each step; means: float32[T, G, C], of z."""

    start_ms: int
    rates: Floats
    means: NDArray[np.float32]


def days(scenario: Scenario, first: int, end: int, rng: np.random.Generator) -> Iterator[Day]:
    """Days `first` … `end` - 1, counted from `START_MS`."""
    level = rng.standard_normal(len(FEATURES))
    phases = rng.uniform(0, 2 * np.pi, (2, len(FEATURES)))
    signs = rng.choice([-1.0, 1.0], len(FEATURES))
    for day in range(first, end):
        rates, means = np.full((STEPS, 1), scenario.rate), np.zeros((STEPS, 1, len(FEATURES)))
        at = day + np.arange(STEPS)[:, None] / STEPS
        match scenario.pattern:
            case Pattern.SEASONS:
                waves = [a * np.sin(2 * np.pi * at / d + p) for a, d, p in zip(_AMPLITUDES, (1, 7), phases, strict=True)]
                means[:, 0] = sum(waves) * (np.arange(len(FEATURES)) % 2 == 0)
                rates *= 1 + 0.5 * np.sin(2 * np.pi * at)
            case Pattern.OU:
                noise = rng.standard_normal((STEPS, len(FEATURES))) * np.sqrt(1 - _OU_KEPT**2)
                path, _ = lfilter([1.0], [1.0, -_OU_KEPT], noise, axis=0, zi=_OU_KEPT * level[None])
                level = path[-1]
                means[:, 0] = np.sqrt(_OU_SHARE) * path
            case Pattern.PARTITIONS:
                gamma = rng.gamma(_GAMMA_SHAPE, 1 / _GAMMA_SHAPE, (STEPS // 6, 3))
                rates = np.repeat(gamma * scenario.rate / 3, 6, axis=0)
                means = np.broadcast_to(np.array([-_APART, 0.0, _APART])[:, None] * signs, (STEPS, 3, len(FEATURES)))
        yield Day(START_MS + day * DAY_MS, rates, (means * NUMERIC).astype(np.float32))


@dataclass(slots=True, eq=False)
class Noise:
    """eps of successive events: independent, or with the correlation of `Pattern.AR`."""

    pattern: Pattern
    rng: np.random.Generator
    last: Floats | None = None

    def draw(self, events: int) -> Floats:
        """float64[events, C]."""
        fresh = self.rng.standard_normal((events, len(FEATURES)))
        if self.pattern is not Pattern.AR or events == 0:
            return fresh
        if self.last is None:
            self.last = self.rng.standard_normal(len(FEATURES))
        path, _ = lfilter([np.sqrt(1 - AR_KEPT**2)], [1.0, -AR_KEPT], fresh, axis=0, zi=AR_KEPT * self.last[None])
        self.last = path[-1]
        return np.where(NUMERIC, path, fresh)


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """n events: int64[n] rising times; each column float64[n] (NaN missing, +inf invalid) or its places in `values` (-1 missing)."""

    times_ms: NDArray[np.int64]
    columns: tuple[NDArray[np.float64] | NDArray[np.int64], ...]


def events_of(scenario: Scenario, day: Day, at: NDArray[np.int64], noise: Noise) -> Events:
    """Events of a day. at: int64[n], rising: ms since its start."""
    rng, steps = noise.rng, at // STEP_MS
    chances = np.cumsum(day.rates[steps], axis=1)
    part = (rng.random(len(at))[:, None] * chances[:, -1:] >= chances[:, :-1]).sum(axis=1)
    z = day.means[steps, part] + scenario.sd * noise.draw(len(at))
    chance = rng.random(z.shape)
    return Events(day.start_ms + at, tuple(_column(feature, z[:, c], chance[:, c]) for c, feature in enumerate(FEATURES)))


def _column(feature: Feature, z: Floats, chance: Floats) -> NDArray[np.float64] | NDArray[np.int64]:
    absent = chance < feature.missing
    if feature.family is None:
        return np.where(absent, -1, feature.categories(z))
    wrong = chance >= 1 - feature.invalid
    return np.where(absent, np.nan, np.where(wrong, np.inf, feature.numbers(z)))


def live_times(scenario: Scenario, day: Day, rng: np.random.Generator) -> NDArray[np.int64]:
    """When the events of a day come, ms since its start, rising."""
    n = rng.poisson(day.rates.sum(axis=1) * (STEP_MS / 1000))
    at = np.repeat(np.arange(STEPS) * STEP_MS, n) + rng.integers(0, STEP_MS, int(n.sum()))
    return np.sort(at)


def training_days(scenario: Scenario) -> int:
    """How many days before the start the training rows begin."""
    return math.ceil(_span_ms(scenario) / DAY_MS) if scenario.consecutive else TRAINING_DAYS


def _span_ms(scenario: Scenario) -> int:
    return int(scenario.rows / scenario.rate * 1000)


def training(scenario: Scenario, before: Iterator[Day], noise: Noise) -> list[Events]:
    """The training rows, from the `training_days` before the start, day by day; about `rows` of them where they are consecutive."""
    counts = noise.rng.multinomial(scenario.rows, np.full(TRAINING_DAYS, 1 / TRAINING_DAYS)).tolist()
    return [events_of(scenario, day, _training_times(scenario, day, n, noise.rng), noise) for day, n in zip(before, counts, strict=False)]


def _training_times(scenario: Scenario, day: Day, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if scenario.consecutive:
        at = live_times(scenario, day, rng)
        return at[day.start_ms + at >= START_MS - _span_ms(scenario)]
    rates = day.rates.sum(axis=1)
    steps = rng.choice(STEPS, rows, p=rates / rates.sum())
    return np.sort(steps * STEP_MS + rng.integers(0, STEP_MS, rows))
