"""What a person may say about training data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from stream_monitor.baseline.binning import BINS_DEFAULT, BINS_MAX
from stream_monitor.baseline.segments import CROSS
from stream_monitor.capture.schema import PREDICTION, Kind
from stream_monitor.errors import InputError

CATEGORIES_MAX: Final = 100
"""Categories with a code of their own; beyond that a category is too rare to be told from noise."""
COLUMNS_MAX: Final = 10_000
"""Judged columns of a model: so many numeric ones make profiles of about 240,000 counts, 2 MB at most on the wire."""

WINDOW_MS_DEFAULT: Final = 600_000
ROWS_MIN_DEFAULT: Final = 200
"""The defaults of `window.size` and `window.events_min` of a model."""

Task = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build a baseline; names are those of columns or features.

    time, target: columns that are no features, each row's time and the truth (default: the events' `time` and `label`);
    prediction, score: columns that hold the model's output (default: by the names of the native event); include: only these features
    (None: all); drop: never these; categorical, numeric: overrule inference; model: only this model's events; task: says what the
    prediction is; positive_class: what the score is the probability of, and its entry of `scores`.
    window_ms, rows_min: how the data is cut to find natural ranges (see `runs`); segments: features or metadata fields that must have
    segments, whatever the number of their values, and intersections of these (`gender*region`); bands: numeric features of them -> the
    edges of their bands, or how many there are.
    Errors: InputError where two of them contradict each other.
    """

    bins: int = BINS_DEFAULT
    categories_max: int = CATEGORIES_MAX
    time: str | None = None
    target: str | None = None
    prediction: str | None = None
    score: str | None = None
    include: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    model: str | None = None
    task: Task | None = None
    positive_class: str | None = None
    window_ms: int = WINDOW_MS_DEFAULT
    rows_min: int = ROWS_MIN_DEFAULT
    segments: tuple[str, ...] = ()
    bands: Mapping[str, int | Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 2 <= self.bins <= BINS_MAX:
            raise InputError(f"--bins {self.bins}: must be from 2 to {BINS_MAX}")
        if self.window_ms < 1:
            raise InputError("--window: must be longer than 0ms")
        both = set(self.categorical) & set(self.numeric)
        if both:
            raise InputError(f"`{min(both)}` is named by both --categorical and --numeric; take one")
        once = [name for name in (self.time, self.target, self.prediction, self.score) if name is not None]
        twice = [name for name in once if once.count(name) > 1]
        if twice:
            raise InputError(f"`{twice[0]}` is named by two of --time, --target, --prediction and --score; take one")

    def forced(self, *names: str) -> Kind | None:
        """The kind that a column known by any of these names must have."""
        if any(name in self.categorical for name in names):
            return Kind.CATEGORICAL
        if any(name in self.numeric for name in names):
            return Kind.NUMERIC
        if PREDICTION in names and self.task is not None:
            return Kind.NUMERIC if self.task == "regression" else Kind.CATEGORICAL
        return None

    def wanted(self, feature: str) -> bool:
        """Whether a feature is part of the baseline: one to be judged, or to make segments by."""
        if feature in (self.time, self.target, self.prediction, self.score):
            return False
        if feature in self.cut_by:
            return True
        return feature not in self.drop and (self.include is None or feature in self.include)

    @property
    def cut_by(self) -> frozenset[str]:
        """All that segments are by, alone or as part of an intersection."""
        return frozenset((*self.segments, *(part for name in self.segments for part in name.split(CROSS))))

    def named(self) -> dict[str, str]:
        """Every column that the options name, and the flag that does."""
        flags: dict[str, tuple[str | None, ...]] = {
            "--time": (self.time,),
            "--target": (self.target,),
            "--prediction": (self.prediction,),
            "--score": (self.score,),
            "features.include": self.include or (),
            "--drop": self.drop,
            "--categorical": self.categorical,
            "--numeric": self.numeric,
        }
        return {name: flag for flag, names in flags.items() for name in names if name is not None}
